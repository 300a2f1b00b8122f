/* SPDX-License-Identifier: MIT */
/* The operations of the poll driver, their table by user_data, and the completion queue. */
#include "ring/poll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB_OPS = 64, TABLE_BITS_MIN = 8 };

/* Memory for operations, kept until the ring is closed: as many as were ever pending at once. */
struct coil__poll_slab {
    struct coil__poll_slab *next;
    struct coil__poll_op ops[SLAB_OPS];
};

static bool add_slab(struct coil__poll *poll)
{
    struct coil__poll_slab *slab = malloc(sizeof(*slab));
    if (slab == NULL)
        return false;
    slab->next = poll->slabs;
    poll->slabs = slab;
    for (unsigned i = 0; i < SLAB_OPS; i++)
        coil__poll_op_free(poll, &slab->ops[i]);
    return true;
}

static struct coil__poll_op *take_free(struct coil__poll *poll)
{
    if (poll->free == NULL && !add_slab(poll))
        return NULL;
    struct coil__poll_op *op = poll->free;
    poll->free = op->next;
    memset(op, 0, sizeof(*op));
    op->poll = poll;
    return op;
}

struct coil__poll_op *coil__poll_op_new(struct coil__poll *poll, const struct io_uring_sqe *sqe)
{
    struct coil__poll_op *op = take_free(poll);
    if (op != NULL)
        op->sqe = *sqe;
    return op;
}

void coil__poll_op_free(struct coil__poll *poll, struct coil__poll_op *op)
{
    op->next = poll->free;
    poll->free = op;
}

/* Futures are 64 bytes apart at least, so the low bits say little: the product's high ones do. */
static struct coil__poll_op **bucket(const struct coil__poll *poll, uint64_t user_data)
{
    return &poll->table[user_data * UINT64_C(0x9E3779B97F4A7C15) >> (64 - poll->table_bits)];
}

/* Without memory the chains get longer, which is all. */
static void grow_table(struct coil__poll *poll)
{
    struct coil__poll_op **old = poll->table;
    size_t size = (size_t)1 << poll->table_bits;
    struct coil__poll_op **table = calloc(2 * size, sizeof(void *));
    if (table == NULL)
        return;
    poll->table = table;
    poll->table_bits++;
    for (size_t i = 0; i < size; i++) {
        while (old[i] != NULL) { /* ends: each round takes one out of the chain */
            struct coil__poll_op *op = old[i];
            struct coil__poll_op **to = bucket(poll, op->sqe.user_data);
            old[i] = op->twin;
            op->twin = *to;
            *to = op;
        }
    }
    free(old);
}

void coil__poll_remember(struct coil__poll *poll, struct coil__poll_op *op)
{
    if (++poll->table_count > 1u << poll->table_bits)
        grow_table(poll);
    struct coil__poll_op **to = bucket(poll, op->sqe.user_data);
    op->twin = *to;
    *to = op;
}

void coil__poll_forget(struct coil__poll *poll, struct coil__poll_op *op)
{
    struct coil__poll_op **at = bucket(poll, op->sqe.user_data);
    while (*at != op) /* ends: it is there */
        at = &(*at)->twin;
    *at = op->twin;
    poll->table_count--;
}

struct coil__poll_op *coil__poll_find(struct coil__poll *poll, uint64_t user_data)
{
    struct coil__poll_op *op = *bucket(poll, user_data);
    while (op != NULL && op->sqe.user_data != user_data)
        op = op->twin;
    return op;
}

bool coil__poll_has_room(const struct coil__poll *poll)
{
    const struct io_uring_cq *cq = &poll->ring->uring.cq;
    return poll->overflow_first == NULL && *cq->ktail - *cq->khead < cq->ring_entries;
}

static void write_cqe(const struct io_uring_cq *cq, uint64_t user_data, int32_t result,
                      uint32_t flags)
{
    struct io_uring_cqe *cqe = &cq->cqes[*cq->ktail & cq->ring_mask];
    cqe->user_data = user_data;
    cqe->res = result;
    cqe->flags = flags;
    ++*cq->ktail;
}

static void overflow(struct coil__poll *poll, uint64_t user_data, int32_t result, uint32_t flags)
{
    struct coil__poll_op *late = take_free(poll);
    coil__require(late != NULL, "no memory is left for a completion");
    late->sqe.user_data = user_data;
    late->result = result;
    late->flags = flags;
    if (poll->overflow_first == NULL)
        poll->overflow_first = late;
    else
        poll->overflow_last->next = late;
    poll->overflow_last = late;
    *poll->ring->uring.sq.kflags |= IORING_SQ_CQ_OVERFLOW;
}

void coil__poll_post(struct coil__poll *poll, uint64_t user_data, int32_t result, uint32_t flags)
{
    if (__builtin_expect(coil__poll_has_room(poll), 1))
        write_cqe(&poll->ring->uring.cq, user_data, result, flags);
    else
        overflow(poll, user_data, result, flags);
}

void coil__poll_flush_overflow(struct coil__poll *poll)
{
    const struct io_uring_cq *cq = &poll->ring->uring.cq;
    while (poll->overflow_first != NULL && *cq->ktail - *cq->khead < cq->ring_entries) {
        struct coil__poll_op *late = poll->overflow_first;
        poll->overflow_first = late->next;
        write_cqe(cq, late->sqe.user_data, late->result, late->flags);
        coil__poll_op_free(poll, late);
    }
    if (poll->overflow_first == NULL)
        *poll->ring->uring.sq.kflags &= ~IORING_SQ_CQ_OVERFLOW;
}

void coil__poll_finish(struct coil__poll *poll, struct coil__poll_op *op, int32_t result)
{
    if (result < 0 || (op->sqe.flags & IOSQE_CQE_SKIP_SUCCESS) == 0)
        coil__poll_post(poll, op->sqe.user_data, result, op->flags);
    coil__poll_op_free(poll, op);
}

int coil__poll_ops_open(struct coil__poll *poll)
{
    poll->table_bits = TABLE_BITS_MIN;
    poll->table = calloc((size_t)1 << poll->table_bits, sizeof(void *));
    return poll->table == NULL ? -ENOMEM : 0;
}

void coil__poll_ops_close(struct coil__poll *poll)
{
    while (poll->slabs != NULL) {
        struct coil__poll_slab *slab = poll->slabs;
        poll->slabs = slab->next;
        free(slab);
    }
    free(poll->table);
    free(poll->files);
}
