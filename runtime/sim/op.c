/* SPDX-License-Identifier: MIT */
/* The life of an operation; what each does is its opcode's affair (sim/opcodes.c). */
#include "sim/op.h"

#include "sim/errors.h"
#include "sim/file.h"
#include "sim/frame.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_OPS = 128 };

/* Operations are made in chunks, which stay until the end. */
static struct chunk {
    struct chunk *next;
    struct coil__sim_op ops[CHUNK_OPS];
} * chunks;

static struct coil_link free_ops = {&free_ops, &free_ops};

static void make_chunk(void)
{
    struct chunk *chunk = calloc(1, sizeof(*chunk));
    coil__require(chunk != NULL, "the simulator has no memory for operations");
    chunk->next = chunks;
    chunks = chunk;
    for (unsigned i = 0; i < CHUNK_OPS; i++)
        coil__list_append(&free_ops, &chunk->ops[i].of_ring);
}

void coil__sim_free_ops(void)
{
    while (chunks != NULL) { /* ends: each round takes a chunk */
        struct chunk *chunk = chunks;
        chunks = chunk->next;
        free(chunk);
    }
    coil__list_init(&free_ops);
}

static struct coil__sim_op *take_op(void)
{
    if (coil__list_empty(&free_ops))
        make_chunk();
    return coil__container_of(coil__list_pop(&free_ops), struct coil__sim_op, of_ring);
}

static struct coil__sim_op *op_of_ring(struct coil_link *link)
{
    return coil__container_of(link, struct coil__sim_op, of_ring);
}

static struct coil_link *bucket_of(struct coil__sim_ring *ring, uint64_t user_data)
{
    return &ring->by_user_data[coil__mix(user_data) % COIL__SIM_BUCKETS];
}

/* ---- completions ---- */

static void fill_cqe(struct coil__sim_ring *ring, uint64_t user_data, int32_t result,
                     uint32_t flags)
{
    const struct io_uring_cq *cq = &ring->ring->uring.cq;
    struct io_uring_cqe *cqe = &cq->cqes[ring->cq_tail++ & cq->ring_mask];
    cqe->user_data = user_data;
    cqe->res = result;
    cqe->flags = flags;
}

static bool cq_is_full(const struct coil__sim_ring *ring)
{
    return ring->cq_tail - ring->cq_head == ring->cq_entries;
}

static bool has_room(const struct coil__sim_ring *ring)
{
    return !cq_is_full(ring) && coil__list_empty(&ring->overflow);
}

/* From here on completions wait behind the CQ. */
static void note_overflow(const struct coil__sim_ring *ring)
{
    coil__sim.overflows++;
    coil__sim_record(ring->id, COIL__FACT_NOTE, 0, "overflow", "of completions",
                     coil__sim.overflows, ring->cq_entries, 0);
}

static void post(struct coil__sim_ring *ring, uint64_t user_data, int32_t result, uint32_t flags)
{
    coil__sim.completions++;
    if (has_room(ring)) {
        fill_cqe(ring, user_data, result, flags);
        return;
    }
    if (coil__list_empty(&ring->overflow))
        note_overflow(ring);
    struct coil__sim_op *carrier = take_op();
    carrier->state = COIL__SIM_OP_POSTED;
    carrier->sqe.user_data = user_data;
    carrier->result = result;
    carrier->flags = flags;
    coil__list_append(&ring->overflow, &carrier->of_ring);
    ring->sq_flags |= IORING_SQ_CQ_OVERFLOW;
}

void coil__sim_flush(struct coil__sim_ring *ring)
{
    while (!cq_is_full(ring) && !coil__list_empty(&ring->overflow)) {
        struct coil__sim_op *carrier = op_of_ring(coil__list_pop(&ring->overflow));
        fill_cqe(ring, carrier->sqe.user_data, carrier->result, carrier->flags);
        coil__list_prepend(&free_ops, &carrier->of_ring);
    }
    if (coil__list_empty(&ring->overflow))
        ring->sq_flags &= ~(unsigned)IORING_SQ_CQ_OVERFLOW;
}

void coil__sim_post_alone(struct coil__sim_ring *ring, uint64_t user_data, int32_t result)
{
    coil__sim_record(ring->id, COIL__FACT_NOTE, 0, "woken", "", 0, result, 0);
    post(ring, user_data, result, 0);
}

bool coil__sim_ends_early(const struct coil__sim_op *op)
{
    return !has_room(op->ring) || coil__sim_chance(COIL_SIM_FAULTS_MILD, 20000);
}

void coil__sim_post_more(struct coil__sim_op *op, int32_t result, uint32_t flags)
{
    coil__sim_record(op->ring->id, COIL__FACT_COMPLETE, op->sqe.opcode, "event of", op->code->name,
                     op->number, result, flags | IORING_CQE_F_MORE);
    post(op->ring, op->sqe.user_data, result, flags | IORING_CQE_F_MORE);
}

/* It is no operation any more; what it had is given back. */
static void release(struct coil__sim_op *op)
{
    coil__list_remove(&op->of_ring);
    coil__list_remove(&op->of_user_data);
    if (op->file != NULL)
        coil__sim_file_put(op->file);
    op->file = NULL;
    op->number = 0; /* what it has sent may be on its way still */
    coil__list_prepend(&free_ops, &op->of_ring);
}

static void complete(struct coil__sim_op *op, int32_t result)
{
    coil__sim_record(op->ring->id, COIL__FACT_COMPLETE, op->sqe.opcode, "end of", op->code->name,
                     op->number, result, op->flags);
    if (result < 0 || (op->sqe.flags & IOSQE_CQE_SKIP_SUCCESS) == 0)
        post(op->ring, op->sqe.user_data, result, op->flags);
    release(op);
}

/* ---- its events ---- */

/* How long the user's memory is still held when all that is sent has arrived: until the news of
 * that have. If some has not, until the simulated TCP gives up. */
static int64_t hold_for(const struct coil__sim_op *op)
{
    static const int64_t gives_up = 900 * COIL_SEC;
    if (op->read > 0)
        return gives_up;
    if (coil__sim_chance(COIL_SIM_FAULTS_HARSH, 10000))
        return coil__sim_below(100) * COIL_SEC;
    if (coil__sim_chance(COIL_SIM_FAULTS_MILD, 20000))
        return coil__sim_below(1000) * COIL_MSEC;
    return coil__sim_delay(100000);
}

/* The result is told, and the file let go of; nothing can stop it any more. */
static void tell(struct coil__sim_op *op, int32_t result)
{
    coil__sim_post_more(op, result, 0);
    if (op->file != NULL)
        coil__sim_file_put(op->file);
    op->file = NULL;
    op->told = true;
    op->flags = IORING_CQE_F_NOTIF;
    coil__sim_plan(&op->event, hold_for(op));
}

void coil__sim_op_let_go(struct coil__sim_op *op)
{
    coil__assert(op->read > 0);
    if (--op->read > 0 || !op->told)
        return;
    coil__sim_unplan(&op->event);
    coil__sim_plan(&op->event, hold_for(op));
}

static int32_t attempt(struct coil__sim_op *op)
{
    if (op->told)
        return 0;
    if (op->stopped)
        return op->result;
    if (coil__sim_op_forced(op))
        return coil__sim_attempt_forced(op);
    if (op->file != NULL && op->file->kind->attempt != NULL)
        return op->file->kind->attempt(op);
    int32_t error = 0;
    if (coil__sim.knobs.faults == COIL_SIM_FAULTS_HARSH)
        error = coil__sim_error_of_attempt(op);
    return error != 0 ? error : op->code->attempt(op);
}

static void op_fire(struct coil__sim_event *event)
{
    struct coil__sim_op *op = coil__container_of(event, struct coil__sim_op, event);
    coil__sim_check_future(op);
    int32_t result = attempt(op);
    op->tried = true;
    if (result == COIL__SIM_GOES_ON)
        return;
    if (result != COIL__SIM_PARK && op->holds && !op->told) {
        tell(op, result);
        return;
    }
    if (result != COIL__SIM_PARK) {
        complete(op, result);
        return;
    }
    op->state = COIL__SIM_OP_PARKED;
    coil__list_append(&op->file->waiters, &op->of_file);
}

void coil__sim_op_wake(struct coil__sim_op *op)
{
    coil__assert(op->state == COIL__SIM_OP_PARKED);
    coil__list_remove(&op->of_file);
    op->state = COIL__SIM_OP_PLANNED;
    coil__sim_plan(&op->event, coil__sim_delay(2000));
}

/* The news may come late. What was done already is done. */
void coil__sim_op_stop(struct coil__sim_op *op, int32_t result)
{
    coil__assert(!op->stopped && !op->told);
    if (op->state == COIL__SIM_OP_PARKED)
        coil__list_remove(&op->of_file);
    else
        coil__sim_unplan(&op->event);
    op->state = COIL__SIM_OP_PLANNED;
    op->stopped = true;
    if (coil__sim_op_forced(op))
        result = coil__sim_stop_forced(result);
    op->result = op->progress > 0 ? (int32_t)op->progress : result;
    coil__sim_plan(&op->event, coil__sim_delay(20000));
}

/* ---- cancelling ---- */

/* Whether the kernel can't get hold of it just now: it says so, or that there is none. */
static int32_t evades(struct coil__sim_op *op)
{
    if (op->stopped || coil__sim_chance(COIL_SIM_FAULTS_MILD, 30000))
        return -ENOENT;
    if (op->sqe.opcode == IORING_OP_ACCEPT && !op->tried)
        return -EALREADY; /* the kernel would have tried it before it looked at the cancel */
    if (op->state == COIL__SIM_OP_PARKED || !coil__sim_chance(COIL_SIM_FAULTS_MILD, 150000))
        return 0;
    /* A worker executes it: which it is told, and may or may not heed. */
    if (op->code->needs_file && coil__sim_chance(COIL_SIM_FAULTS_MILD, 250000))
        coil__sim_op_stop(op, -EINTR);
    return -EALREADY;
}

static bool matches(const struct coil__sim_op *op, const struct io_uring_sqe *cancel,
                    const struct coil__sim_file *file)
{
    if ((cancel->cancel_flags & IORING_ASYNC_CANCEL_ANY) != 0)
        return true;
    if ((cancel->cancel_flags & IORING_ASYNC_CANCEL_FD) != 0)
        return file != NULL && op->file == file;
    return op->sqe.user_data == cancel->addr;
}

int32_t coil__sim_cancel(struct coil__sim_op *canceller)
{
    const struct io_uring_sqe *cancel = &canceller->sqe;
    struct coil__sim_ring *ring = canceller->ring;
    const unsigned by_other = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ANY;
    bool by_data = (cancel->cancel_flags & by_other) == 0;
    struct coil_link *list = by_data ? bucket_of(ring, cancel->addr) : &ring->ops;
    const struct coil__sim_file *file = coil__sim_file_at(cancel->fd);
    int32_t found = -ENOENT;
    int32_t count = 0;
    struct coil_link *next;
    for (struct coil_link *link = list->next; link != list; link = next) {
        next = link->next;
        struct coil__sim_op *op = by_data
                                      ? coil__container_of(link, struct coil__sim_op, of_user_data)
                                      : op_of_ring(link);
        if (op == canceller || op->told || !matches(op, cancel, file))
            continue;
        int32_t evaded = evades(op);
        if (evaded == 0) {
            coil__sim_op_stop(op, -ECANCELED);
            count++;
        }
        found = evaded;
        if ((cancel->cancel_flags & IORING_ASYNC_CANCEL_ALL) == 0)
            return found;
    }
    return count > 0 ? count : found;
}

/* ---- submitting ---- */

/* Links, registered files and the like: coil uses none of them. */
static const unsigned known_flags = IOSQE_CQE_SKIP_SUCCESS | IOSQE_BUFFER_SELECT | IOSQE_ASYNC;

/* What a machine without power does not do. To close, to wake and to cancel are left, by which the
 * program comes to its end. */
static bool needs_power(const struct coil__sim_op *op)
{
    return op->code->needs_file || op->sqe.opcode == IORING_OP_OPENAT ||
           op->sqe.opcode == IORING_OP_STATX || op->sqe.opcode == IORING_OP_SOCKET;
}

void coil__sim_cut_ops(void)
{
    coil__sim.cut = true;
    for (unsigned i = 0; i < coil__sim.core_count; i++) {
        struct coil__sim_ring *ring = coil__sim.rings[i];
        for (struct coil_link *link = ring->ops.next; link != &ring->ops; link = link->next) {
            struct coil__sim_op *op = op_of_ring(link);
            if (needs_power(op) && !op->stopped && !op->told)
                coil__sim_op_stop(op, -ECANCELED);
        }
        ring->ring->lost_power = true;
        coil__sim_post_alone(ring, COIL__TAG_STUCK, 0);
    }
}

/* How long it takes, or why it can't begin. */
static int64_t begin(struct coil__sim_op *op)
{
    bool has_pieces = op->sqe.opcode == IORING_OP_READV || op->sqe.opcode == IORING_OP_WRITEV;
    bool is_message = op->sqe.opcode == IORING_OP_SENDMSG || op->sqe.opcode == IORING_OP_RECVMSG;
    if (coil__sim.cut && needs_power(op))
        return -ECANCELED;
    if ((op->sqe.flags & ~known_flags) != 0)
        return -EINVAL;
    if (op->code->attempt == NULL || (has_pieces && op->sqe.len > IOV_MAX))
        return -EINVAL;
    if (is_message && ((const struct msghdr *)(uintptr_t)op->sqe.addr)->msg_iovlen > IOV_MAX)
        return -EMSGSIZE;
    if (op->code->needs_file) {
        op->file = coil__sim_file_at(op->sqe.fd);
        if (op->file == NULL)
            return -EBADF;
        coil__sim_file_get(op->file);
    }
    return op->code->start != NULL ? op->code->start(op) : coil__sim_delay(op->code->usual);
}

/* Beyond its result, unless a copy is made after all. */
static bool holds_memory(const struct io_uring_sqe *sqe)
{
    return sqe->opcode == IORING_OP_SEND_ZC && !coil__random_chance(&coil__sim.random, 100000);
}

static void submit(struct coil__sim_ring *ring, const struct io_uring_sqe *sqe)
{
    struct coil__sim_op *op = take_op();
    struct coil_link *link = &op->of_ring;
    memset(op, 0, offsetof(struct coil__sim_op, sqe));
    op->event.fire = op_fire;
    op->ring = ring;
    op->code = coil__sim_opcode_of(sqe->opcode);
    op->number = ++coil__sim.op_count;
    if (__builtin_expect(op->number == coil__sim.cut_at, 0))
        coil__sim_power_plan();
    op->state = COIL__SIM_OP_PLANNED;
    op->sqe = *sqe;
    op->holds = holds_memory(sqe);
    coil__sim_know_future(op);
    coil__list_append(&ring->ops, link);
    coil__list_append(bucket_of(ring, sqe->user_data), &op->of_user_data);
    coil__sim_record(ring->id, COIL__FACT_SUBMIT, sqe->opcode, "begin of", op->code->name,
                     op->number, op->code->needs_file ? sqe->fd : 0, 0);
    int64_t delay = begin(op);
    if (delay < 0) {
        op->stopped = true;
        op->result = (int32_t)delay;
        delay = coil__sim_below(1000);
    }
    coil__sim_plan(&op->event, delay);
}

void coil__sim_submit(struct coil__sim_ring *ring)
{
    const struct io_uring_sq *sq = &ring->ring->uring.sq;
    while (ring->sq_head != sq->sqe_tail) /* ends: nobody fills entries meanwhile */
        submit(ring, &sq->sqes[ring->sq_head++ & sq->ring_mask]);
    coil__sim_check_latest(ring);
}

void coil__sim_drop_ops(struct coil__sim_ring *ring)
{
    struct coil_link *next;
    for (struct coil_link *link = ring->ops.next; link != &ring->ops; link = next) {
        struct coil__sim_op *op = op_of_ring(link);
        next = link->next;
        if (op->state == COIL__SIM_OP_PARKED)
            coil__list_remove(&op->of_file);
        else
            coil__sim_unplan(&op->event);
        release(op);
    }
    coil__list_splice(&free_ops, &ring->overflow);
}
