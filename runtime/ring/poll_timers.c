/* SPDX-License-Identifier: MIT */
/* Timeouts, and what is tried again after a while because no event would tell. */
#include "ring/poll.h"

#include "base/clock.h"

#include <errno.h>

static const int64_t retry_pause = 2 * COIL_MSEC;

static inline bool earlier(const struct coil_node *a, const struct coil_node *b)
{
    return coil__container_of(a, struct coil__poll_op, timer)->deadline <
           coil__container_of(b, struct coil__poll_op, timer)->deadline;
}

static void arm(struct coil__poll *poll, struct coil__poll_op *op)
{
    coil__heap_push(&poll->timers, &op->timer, earlier);
    coil__poll_remember(poll, op);
    op->place = COIL__POLL_WITH_TIMER;
}

void coil__poll_disarm(struct coil__poll *poll, struct coil__poll_op *op)
{
    coil__heap_remove(&poll->timers, &op->timer, earlier);
    if (coil__list_linked(&op->retrying))
        coil__list_remove(&op->retrying);
    coil__poll_forget(poll, op);
    op->place = COIL__POLL_NOWHERE;
}

/* The span, or instant, of a timeout that was not asked for by the number of completions. */
int32_t coil__poll_try_timeout(struct coil__poll *poll, struct coil__poll_op *op)
{
    const struct __kernel_timespec *time =
        (const struct __kernel_timespec *)(uintptr_t)op->sqe.addr;
    const unsigned known = IORING_TIMEOUT_ABS | IORING_TIMEOUT_ETIME_SUCCESS;
    if (op->sqe.off != 0 || (op->sqe.timeout_flags & ~known) != 0)
        return -EOPNOTSUPP;
    if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= COIL_SEC)
        return -EINVAL;
    coil_time start =
        (op->sqe.timeout_flags & IORING_TIMEOUT_ABS) != 0 ? 0 : coil__clock_monotonic();
    int64_t span = COIL_FOREVER;
    if (time->tv_sec < COIL_FOREVER / COIL_SEC)
        span = time->tv_sec * COIL_SEC + time->tv_nsec;
    op->deadline = span < COIL_FOREVER - start ? start + span : COIL_FOREVER;
    arm(poll, op);
    return COIL__POLL_TAKEN;
}

void coil__poll_retry_later(struct coil__poll *poll, struct coil__poll_op *op)
{
    op->deadline = coil__clock_monotonic() + retry_pause;
    coil__list_append(&poll->retrying, &op->retrying);
    arm(poll, op);
}

struct coil__poll_op *coil__poll_retrying(struct coil__poll *poll, int fd)
{
    for (struct coil_link *at = poll->retrying.next; at != &poll->retrying; at = at->next) {
        struct coil__poll_op *op = coil__container_of(at, struct coil__poll_op, retrying);
        if (op->sqe.fd == fd)
            return op;
    }
    return NULL;
}

coil_time coil__poll_next(const struct coil__poll *poll)
{
    const struct coil_node *top = coil__heap_top(&poll->timers);
    return top == NULL ? COIL_FOREVER
                       : coil__container_of(top, struct coil__poll_op, timer)->deadline;
}

static void expire(struct coil__poll *poll, struct coil__poll_op *op)
{
    coil__poll_disarm(poll, op);
    if (op->sqe.opcode != IORING_OP_TIMEOUT) {
        coil__poll_settle(poll, op, coil__poll_attempt(poll, op));
        return;
    }
    bool succeeds = (op->sqe.timeout_flags & IORING_TIMEOUT_ETIME_SUCCESS) != 0;
    if (!succeeds)
        op->sqe.flags &= (uint8_t)~IOSQE_CQE_SKIP_SUCCESS;
    coil__poll_finish(poll, op, -ETIME);
}

void coil__poll_fire(struct coil__poll *poll)
{
    if (coil__heap_empty(&poll->timers))
        return;
    coil_time now = coil__clock_monotonic();
    while (coil__poll_next(poll) <= now) /* ends: what is armed anew is armed for later */
        expire(poll,
               coil__container_of(coil__heap_top(&poll->timers), struct coil__poll_op, timer));
}
