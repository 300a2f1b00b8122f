/* SPDX-License-Identifier: MIT */
/* What all drivers share: submitting, and handing completions to their futures. */
#include "ring/ring.h"

#include "ring/op.h"
#include "ring/registered.h"
#include "future/timers.h"
#include "base/clock.h"
#include "base/log.h"

#include <string.h>

static const int64_t ask_again_min = COIL_MSEC;
static const int64_t ask_again_max = 128 * COIL_MSEC;

/* Entries of a piece, and the transfers after which it is tried again when it did not help. */
enum { PIECE = 4, PIECE_REST = 1024 };

/* Operations that are left to the loop after one that was not done as it was submitted. */
enum { ALONE_REST = 16 };

__thread struct coil__ring *coil__ring_here;

/* What was cancelled stays in the lists in which the kernel looks for the next one until its task
 * work is done, and an enter does only a little of that. Without more of them the lists fill with
 * the cancelled, and to cancel many takes time in proportion to the square of their number. */
static __attribute__((cold, noinline)) void let_cancelled_end(struct coil__ring *ring)
{
    enum { WORK_OF_AN_ENTER = 16 }; /* at least */
    unsigned enters = ring->uring.sq.ring_entries / WORK_OF_AN_ENTER + 1;
    do { /* ends: bounded, since others may make ever more work */
        coil__ring_enter(ring, 0, COIL_FOREVER);
    } while (--enters > 0 && coil__ring_wants_enter(ring));
}

static enum coil__tag tag_of(const struct coil_future_kind *kind)
{
    if (kind->to_memory)
        return COIL__TAG_TRANSFER;
    return kind->event != NULL ? COIL__TAG_EVENT : COIL__TAG_FUTURE;
}

static void ask_to_stop(struct coil__ring *ring, struct coil_future *future)
{
    if (coil__ring_unsubmitted(ring) == ring->uring.sq.ring_entries - 1 && !ring->reaping)
        let_cancelled_end(ring); /* before the push would only submit */
    struct io_uring_sqe *sqe = coil__ring_sqe(ring);
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)future | tag_of(future->kind), 0);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    coil__ring_push(ring, sqe, COIL__TAG_MISSED);
}

void coil__op_cancel(struct coil_future *future)
{
    struct coil__ring *ring = coil__ring_here;
    coil__list_append(&ring->cancelling, &future->entry.cancelling);
    ask_to_stop(ring, future);
}

/* Some may end on the way, when the full SQ has to be flushed: hence from list to list. */
static void ask_again(struct coil_timer *timer)
{
    struct coil__ring *ring = coil__container_of(timer, struct coil__ring, ask_again);
    struct coil_link *link;
    struct coil_link rest;
    ring->asking_again = false;
    coil__list_init(&rest);
    coil__list_splice(&rest, &ring->cancelling);
    while ((link = coil__list_pop(&rest)) != NULL) { /* ends: each is asked once */
        coil__list_append(&ring->cancelling, link);
        ask_to_stop(ring, coil__container_of(link, struct coil_future, entry.cancelling));
    }
}

static __attribute__((cold, noinline)) void plan_to_ask_again(struct coil__ring *ring)
{
    ring->missed = false;
    if (coil__list_empty(&ring->cancelling) || ring->asking_again)
        return;
    ring->asking_again = true;
    ring->ask_again.deadline = coil__clock_now() + ring->ask_again_pause;
    coil__timers_arm(coil__timers_here, &ring->ask_again);
    if (ring->ask_again_pause < ask_again_max)
        ring->ask_again_pause *= 2;
}

/* An operation that was cancelled has ended, in whichever way. */
static __attribute__((cold, noinline)) void forget_cancel(struct coil__ring *ring,
                                                          struct coil_future *future)
{
    if (future->state != COIL__FUTURE_CANCELLING || future->kind->cancel != coil__op_cancel)
        return; /* it was not asked, or only until coil__op_settle() */
    coil__list_remove(&future->entry.cancelling);
    if (!coil__list_empty(&ring->cancelling))
        return;
    ring->ask_again_pause = ask_again_min;
    if (ring->asking_again)
        coil__timers_disarm(coil__timers_here, &ring->ask_again);
    ring->asking_again = false;
}

void coil__op_settle(struct coil_future *future, const struct coil_future_kind *kind)
{
    coil__assert(kind->cancel == NULL);
    if (future->state == COIL__FUTURE_CANCELLING)
        forget_cancel(coil__ring_here, future);
    future->kind = kind;
}

int coil__ring_open(struct coil__ring *ring, const struct coil__ring_driver *driver,
                    const struct coil__ring_options *options)
{
    memset(ring, 0, sizeof(*ring));
    ring->driver = driver;
    coil__list_init(&ring->cancelling);
    ring->ask_again.expire = ask_again;
    ring->ask_again_pause = ask_again_min;
    ring->until_piece = PIECE;
    ring->fds = coil__fds_open();
    if (ring->fds == NULL)
        return -ENOMEM;
    int err = driver->open(ring, options);
    if (err < 0) {
        coil__fds_close(ring->fds);
        return err;
    }
    coil__ring_here = ring;
    return 0;
}

void coil__ring_close(struct coil__ring *ring)
{
    coil__assert(ring->in_flight == 0); /* else the kernel may still write */
    if (ring->has_bell)
        ring->driver->close_bell(ring);
    ring->driver->close(ring);
    coil__registered_close(ring);
    coil__fds_close(ring->fds);
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

/* For some entries the kernel needs a thread of its own, and ends them so where it gets none. */
static bool lacks_worker(const struct coil_future *future)
{
    struct coil__ring *ring = coil__ring_here;
    bool closed = ring->closes_stopped && !future->kind->by_path;
    if (!ring->driver->may_lack_workers || closed)
        return false;
    if (!ring->lacked_worker)
        coil__log("no thread of the kernel's could be had for an operation (%s), which is refused "
                  "with EAGAIN; look at: ulimit -u, pids.max of the control group",
                  future->kind->name);
    ring->lacked_worker = true;
    return true;
}

/* A worker thread that was told to stop says that it was interrupted, or, of some operations, how a
 * system call would be restarted. When neither we have told it nor coil_close(), the whole process
 * was stopped (SIGSTOP, a debugger, a freezer). Either way nothing happened. But a close that was
 * interrupted has closed: that is what its file system had to say.
 */
int64_t coil__op_stopped(const struct coil_future *future, int32_t result)
{
    struct coil__fd *on = future->entry.on;
    bool asked = future->state == COIL__FUTURE_CANCELLING;
    bool closed = on->stops;
    on->stops &= on->in_flight > 0;
    if (result == -ECANCELED)
        return !asked && lacks_worker(future) ? -EAGAIN : -ECANCELED;
    return (asked || closed) && !future->kind->closes ? -ECANCELED : -EINTR;
}

static struct coil_future *future_of(const struct io_uring_cqe *cqe)
{
    return (struct coil_future *)(uintptr_t)(cqe->user_data & ~(uint64_t)COIL__TAG_MASK);
}

/* Before anything else happens on this core, so that the next ring is heard as well. */
static __attribute__((cold)) void hear_bell(struct coil__ring *ring, int32_t result)
{
    ring->bell_armed = ring->has_bell;
    if (!ring->has_bell)
        return;
    coil__require(ring->driver->is_bell == NULL || ring->driver->is_bell(ring, result),
                  COIL__BELL_CLOSED);
    ring->driver->arm_bell(ring);
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

/* Nobody else would wake that core: its mailbox counts on the one who has found it asleep. That it
 * has no ring any more does not pass. */
static __attribute__((cold)) void ring_again(struct coil__ring *ring,
                                             const struct io_uring_cqe *cqe)
{
    uint64_t address = cqe->user_data & ~(uint64_t)COIL__TAG_MASK;
    if (cqe->res == -EBADF || cqe->res == -EBADFD)
        lost(ring, cqe->res);
    ring->driver->wake(ring, (struct coil__ring *)(uintptr_t)address);
}

/* Whether an address lies behind the tag. */
static bool is_unheard(uint64_t user_data)
{
    return (user_data & COIL__TAG_MASK) == COIL__TAG_UNHEARD && user_data != COIL__TAG_IGNORE &&
           user_data != COIL__TAG_MISSED;
}

/* A completion that is not simply the end of one operation. Returns whether it ends one. */
static bool take_event(struct coil__ring *ring, const struct io_uring_cqe *cqe)
{
    if ((cqe->user_data & COIL__TAG_MASK) != COIL__TAG_EVENT) {
        if (cqe->user_data == COIL__TAG_BELL)
            hear_bell(ring, cqe->res);
        if (is_unheard(cqe->user_data))
            ring_again(ring, cqe);
        ring->stuck |= cqe->user_data == COIL__TAG_STUCK;
        ring->missed |= cqe->user_data == COIL__TAG_MISSED;
        return false; /* a wake has done its work by ending the wait */
    }
    struct coil_future *future = future_of(cqe);
    bool ends = (cqe->flags & IORING_CQE_F_MORE) == 0;
    if (ends && future->state == COIL__FUTURE_CANCELLING)
        forget_cancel(ring, future);
    if (ends)
        future->entry.on->in_flight--; /* it may begin again at once */
    future->kind->event(future, cqe->res, cqe->flags);
    return ends;
}

static inline void let_go_of_memory(struct coil__ring *ring, unsigned number)
{
    struct coil__ring_memory *memory = &ring->memories[number];
    coil__assert(memory->in_flight > 0);
    memory->in_flight--;
}

/* Hands over one completion. Returns how many operations it does not end: 0 or 1. `order`: that of
 * the next one, coil__completions while others may look. */
static inline __attribute__((always_inline)) unsigned
take(struct coil__ring *ring, const struct io_uring_cqe *cqe, uint32_t *order)
{
    struct coil_future *future = (struct coil_future *)(uintptr_t)cqe->user_data;
    if (__builtin_expect((cqe->user_data & COIL__TAG_MASK) != COIL__TAG_FUTURE, 0)) {
        if ((cqe->user_data & COIL__TAG_MASK) != COIL__TAG_TRANSFER) {
            coil__completions = *order;
            bool ends = take_event(ring, cqe);
            *order = coil__completions;
            return ends ? 0 : 1;
        }
        future = future_of(cqe);
        let_go_of_memory(ring, future->entry.memory);
    }
    future->entry.on->in_flight--;
    int64_t result = coil__op_result(future, cqe->res);
    /* What coil__future_complete() asks as well, so that both take one comparison. */
    if (__builtin_expect(future->state != COIL__FUTURE_IN_FLIGHT, 0))
        forget_cancel(ring, future);
    coil__future_complete_as(future, result, (*order)++);
    return 0;
}

/* As above, `count` that lie side by side. Of a thousand futures most have left the cache: the next
 * one comes meanwhile. */
static inline __attribute__((always_inline)) unsigned
take_all(struct coil__ring *ring, const struct io_uring_cqe *cqe, unsigned count)
{
    const struct io_uring_cqe *last = cqe + count - 1;
    uint32_t order = coil__completions;
    unsigned others = 0;
    for (; cqe != last; cqe++) {
        __builtin_prefetch((const void *)(uintptr_t)cqe[1].user_data);
        others += take(ring, cqe, &order);
    }
    others += take(ring, cqe, &order);
    coil__completions = order;
    return others;
}

__attribute__((hot)) void coil__ring_reap(struct coil__ring *ring)
{
    struct io_uring_cq *cq = &ring->uring.cq;
    unsigned head = *cq->khead;
    /* Acquire; pairs with the kernel's release of the tail: the entries are written. */
    unsigned tail = io_uring_smp_load_acquire(cq->ktail);
    unsigned count = tail - head, others = 0;
    if (count == 0)
        return;
    ring->reaping = true;
    do { /* ends: the second time at the latest, since the tail is that of before */
        unsigned at = head & cq->ring_mask, to_the_end = cq->ring_mask + 1 - at;
        unsigned run = tail - head < to_the_end ? tail - head : to_the_end;
        others += take_all(ring, &cq->cqes[at], run);
        head += run;
    } while (head != tail);
    ring->reaping = false;
    ring->in_flight -= count - others;
    /* Release; pairs with the kernel's acquire: it may reuse the entries now. */
    io_uring_smp_store_release(cq->khead, head);
    if (__builtin_expect(ring->missed, 0))
        plan_to_ask_again(ring);
}

void coil__ring_flush(struct coil__ring *ring)
{
    while (coil__ring_unsubmitted(ring) == ring->uring.sq.ring_entries) {
        int err = ring->driver->enter(ring, ring->uring.sq.ring_entries, 0, COIL_FOREVER);
        if (__builtin_expect(err < 0, 0))
            lost(ring, err);
        /* The kernel refuses entries only for lack of memory, and then wants us to take what is
         * complete; an event that is just being handed over may ask again instead. */
        if (coil__ring_unsubmitted(ring) == ring->uring.sq.ring_entries && !ring->reaping)
            coil__ring_reap(ring);
    }
    ring->full_at = *ring->uring.sq.khead + ring->uring.sq.ring_entries;
}

/* What the page cache has, or what is not for a device, is done as it is submitted: nobody waits
 * for it, and one call for all is cheaper. */
void coil__ring_submit_piece(struct coil__ring *ring)
{
    unsigned count = coil__ring_unsubmitted(ring);
    if (ring->driver->submit == NULL) {
        ring->until_piece = PIECE_REST;
        return;
    }
    if (count < PIECE) {
        ring->until_piece = PIECE - count;
        return;
    }
    unsigned tail = IO_URING_READ_ONCE(*ring->uring.cq.ktail);
    ring->driver->submit(ring, count);
    bool helped = IO_URING_READ_ONCE(*ring->uring.cq.ktail) == tail;
    ring->until_piece = helped ? PIECE : PIECE_REST;
}

__attribute__((hot)) void coil__ring_enter(struct coil__ring *ring, unsigned wait,
                                           coil_time deadline)
{
    int err = ring->driver->enter(ring, coil__ring_unsubmitted(ring), wait, deadline);
    if (__builtin_expect(err < 0, 0))
        lost(ring, err);
    coil__sched->loop_due = false;
    coil__ring_reap(ring);
}

void coil__ring_submit_alone(struct coil__ring *ring, const struct coil_future *future)
{
    if (__builtin_expect(ring->driver->submit == NULL, 0)) {
        ring->until_alone = PIECE_REST;
        return;
    }
    coil__ring_submit(ring);
    if (future->state != COIL__FUTURE_DONE)
        ring->until_alone = ALONE_REST;
}
