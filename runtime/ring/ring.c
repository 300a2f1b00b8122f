/* SPDX-License-Identifier: MIT */
/* What all drivers share: submitting, and handing completions to their futures. */
#include "ring/ring.h"

#include <string.h>

__thread struct coil__ring *coil__ring_here;

int coil__ring_open(struct coil__ring *ring, const struct coil__ring_driver *driver,
                    const struct coil__ring_options *options)
{
    memset(ring, 0, sizeof(*ring));
    ring->driver = driver;
    int err = driver->open(ring, options);
    if (err < 0)
        return err;
    coil__ring_here = ring;
    return 0;
}

void coil__ring_close(struct coil__ring *ring)
{
    coil__assert(ring->in_flight == 0); /* else the kernel may still write */
    if (ring->has_bell)
        ring->driver->close_bell(ring);
    ring->driver->close(ring);
    coil__ring_here = NULL;
}

int coil__ring_open_bell(struct coil__ring *ring)
{
    if (ring->has_bell)
        return 0;
    int err = ring->driver->open_bell(ring);
    if (err < 0)
        return err;
    ring->has_bell = true;
    ring->driver->arm_bell(ring);
    ring->bell_armed = true;
    return 0;
}

static struct coil_future *future_of(const struct io_uring_cqe *cqe)
{
    return (struct coil_future *)(uintptr_t)(cqe->user_data & ~(uint64_t)COIL__TAG_MASK);
}

/* Before anything else happens on this core, so that the next ring is heard as well. */
static __attribute__((cold)) void hear_bell(struct coil__ring *ring)
{
    ring->bell_armed = ring->has_bell;
    if (ring->has_bell)
        ring->driver->arm_bell(ring);
}

/* A completion that is not simply the end of one operation. Returns whether it ends one. */
static bool take_event(const struct io_uring_cqe *cqe)
{
    if (cqe->user_data == COIL__TAG_BELL)
        hear_bell(coil__ring_here);
    if ((cqe->user_data & COIL__TAG_MASK) != COIL__TAG_EVENT)
        return false; /* a wake has done its work by ending the wait */
    struct coil_future *future = future_of(cqe);
    future->kind->event(future, cqe->res, cqe->flags);
    return (cqe->flags & IORING_CQE_F_MORE) == 0;
}

/* Hands over one completion. Returns how many operations it ends: 0 or 1. */
static inline unsigned take(const struct io_uring_cqe *cqe)
{
    if (__builtin_expect((cqe->user_data & COIL__TAG_MASK) != COIL__TAG_FUTURE, 0))
        return take_event(cqe);
    struct coil_future *future = (struct coil_future *)(uintptr_t)cqe->user_data;
    coil__future_complete(future, coil__op_result(future, cqe->res));
    return 1;
}

void coil__ring_reap(struct coil__ring *ring)
{
    struct io_uring_cq *cq = &ring->uring.cq;
    const struct io_uring_cqe *cqes = cq->cqes;
    unsigned mask = *cq->kring_mask;
    unsigned head = *cq->khead;
    /* Acquire; pairs with the kernel's release of the tail: the entries are written. */
    unsigned tail = io_uring_smp_load_acquire(cq->ktail);
    unsigned ended = 0;
    if (head == tail)
        return;
    ring->reaping = true;
    for (; head != tail; head++)
        ended += take(&cqes[head & mask]);
    ring->reaping = false;
    ring->in_flight -= ended;
    /* Release; pairs with the kernel's acquire: it may reuse the entries now. */
    io_uring_smp_store_release(cq->khead, head);
}

/*
 * There is no way on, for nobody can wait any more for what is in flight; and none back, for its
 * memory, which is stacks and buffers, is the kernel's until then. So nothing may run any more.
 */
static __attribute__((cold, noreturn)) void lost(const struct coil__ring *ring, int err)
{
    ring->driver->explain(ring, err);
    coil__panic(__FILE__, __LINE__, "the ring is lost, and what is in flight can't be waited for");
}

void coil__ring_flush(struct coil__ring *ring)
{
    while (coil__ring_unsubmitted(ring) == ring->sq_limit) {
        int err = ring->driver->enter(ring, ring->sq_limit, 0, COIL_FOREVER);
        if (__builtin_expect(err < 0, 0))
            lost(ring, err);
        /* The kernel refuses entries only for lack of memory, and then wants us to take what is
         * complete; an event that is just being handed over may ask again instead. */
        if (coil__ring_unsubmitted(ring) == ring->sq_limit && !ring->reaping)
            coil__ring_reap(ring);
    }
    ring->full_at = *ring->uring.sq.khead + ring->sq_limit;
}

void coil__ring_enter(struct coil__ring *ring, unsigned wait, coil_time deadline)
{
    int err = ring->driver->enter(ring, coil__ring_unsubmitted(ring), wait, deadline);
    if (__builtin_expect(err < 0, 0))
        lost(ring, err);
    coil__sched->loop_due = false;
    coil__ring_reap(ring);
}

void coil__op_cancel(struct coil_future *future)
{
    struct io_uring_sqe *sqe = coil__ring_sqe(coil__ring_here);
    uint64_t tag = future->kind->event != NULL ? COIL__TAG_EVENT : COIL__TAG_FUTURE;
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)future | tag, 0);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    coil__ring_push(coil__ring_here, sqe, COIL__TAG_IGNORE);
}
