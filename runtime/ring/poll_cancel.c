/* SPDX-License-Identifier: MIT */
/* Cancelling: what has moved wins; what waits is ended; what a worker has is told to stop. */
#include "ring/poll.h"

#include <errno.h>

int coil__poll_cancel(struct coil__poll *poll, struct coil__poll_op *op)
{
    switch ((enum coil__poll_place)op->place) {
    case COIL__POLL_WITH_FILE:
        coil__poll_leave(poll, op);
        break;
    case COIL__POLL_WITH_TIMER:
        coil__poll_disarm(poll, op);
        break;
    case COIL__POLL_WITH_WORKER:
        if (!coil__poll_take_back(poll, op))
            return -EALREADY;
        break;
    case COIL__POLL_NOWHERE:
        coil__panic(__FILE__, __LINE__, "an operation that waits nowhere is in the table");
    }
    coil__poll_finish(poll, op, op->done > 0 ? (int32_t)op->done : -ECANCELED);
    return 0;
}

/* What several cancels come to. */
struct tally {
    int32_t found;
    bool already; /* one of them was just being done */
};

static void count(struct tally *tally, int result)
{
    tally->found += result == 0;
    tally->already |= result == -EALREADY;
}

static void cancel_file(struct coil__poll *poll, int fd, bool all, struct tally *tally)
{
    struct coil__poll_op *waiting;
    while ((all || tally->found == 0) && (waiting = coil__poll_waiting(poll, fd)) != NULL)
        count(tally, coil__poll_cancel(poll, waiting)); /* ends: each is removed */
    struct coil_link *next;
    for (struct coil_link *link = poll->jobs.next; link != &poll->jobs; link = next) {
        struct coil__poll_op *op = coil__container_of(link, struct coil__poll_op, jobs);
        next = link->next;
        bool is_on_file = op->sqe.fd == fd && op->sqe.opcode != IORING_OP_OPENAT &&
                          op->sqe.opcode != IORING_OP_STATX && op->sqe.opcode != IORING_OP_CLOSE;
        if (is_on_file && (all || tally->found == 0))
            count(tally, coil__poll_cancel(poll, op));
    }
}

static void cancel_any(struct coil__poll *poll, bool all, struct tally *tally)
{
    for (size_t i = 0; i < (size_t)1 << poll->table_bits; i++) {
        struct coil__poll_op *next;
        for (struct coil__poll_op *op = poll->table[i]; op != NULL; op = next) {
            next = op->twin;
            if (all || tally->found == 0)
                count(tally, coil__poll_cancel(poll, op));
        }
    }
}

static void cancel_by_user_data(struct coil__poll *poll, uint64_t user_data, bool all,
                                struct tally *tally)
{
    struct coil__poll_op *next;
    for (struct coil__poll_op *op = coil__poll_find(poll, user_data); op != NULL; op = next) {
        next = op->twin;
        if (op->sqe.user_data == user_data && (all || tally->found == 0))
            count(tally, coil__poll_cancel(poll, op));
    }
}

static int32_t outcome(const struct tally *tally, bool all)
{
    if (all)
        return tally->found;
    return tally->found > 0 ? 0 : tally->already ? -EALREADY : -ENOENT;
}

int32_t coil__poll_try_cancel(struct coil__poll *poll, struct coil__poll_op *op)
{
    const unsigned known =
        IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ANY;
    unsigned flags = op->sqe.cancel_flags;
    bool any = (flags & IORING_ASYNC_CANCEL_ANY) != 0;
    bool all = any || (flags & IORING_ASYNC_CANCEL_ALL) != 0;
    struct tally tally = {0};
    if ((flags & ~known) != 0)
        return -EOPNOTSUPP;
    if (any)
        cancel_any(poll, all, &tally);
    else if ((flags & IORING_ASYNC_CANCEL_FD) != 0)
        cancel_file(poll, op->sqe.fd, all, &tally);
    else
        cancel_by_user_data(poll, op->sqe.addr, all, &tally);
    return outcome(&tally, all);
}

/* Those two only know operations of their own kind, and updates, which we don't. */
int32_t coil__poll_try_remove(struct coil__poll *poll, struct coil__poll_op *op)
{
    bool is_timeout = op->sqe.opcode == IORING_OP_TIMEOUT_REMOVE;
    if (is_timeout ? op->sqe.timeout_flags != 0 : op->sqe.len != 0)
        return -EOPNOTSUPP;
    uint8_t wanted = is_timeout ? IORING_OP_TIMEOUT : IORING_OP_POLL_ADD;
    struct coil__poll_op *target = coil__poll_find(poll, op->sqe.addr);
    while (target != NULL &&
           (target->sqe.user_data != op->sqe.addr || target->sqe.opcode != wanted))
        target = target->twin;
    return target == NULL ? -ENOENT : coil__poll_cancel(poll, target);
}
