/* SPDX-License-Identifier: MIT */
/*
 * Closing a descriptor. The kernel keeps an operation going on a file whose descriptor is closed,
 * so whoever waits for one is let go first, while the number still means this file.
 *
 *     in flight -> cancel -- all found, or asked often enough --> cancel, close -> done
 *                   ^   |
 *                   +---+ some not found: again, after a pause
 *
 * The kernel finds none that it is just moving between its queues, and does not count what one of
 * its workers executes, which may take no notice: that is asked a few times and then left behind.
 * The last cancel is for what has begun meanwhile. Where nothing is in flight there is no cancel.
 */
#include "ops/op.h"
#include "base/clock.h"

#include <unistd.h>

enum { ASK_ROUNDS = 7 }; /* with pauses of 16 ms in all */

static const int64_t first_pause = COIL_MSEC / 2;

/* Nobody stops a close: the kernel had no thread for it, where a file system has a say. */
static void close_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    (void)flags; /* it is the only one */
    if (result == -ECANCELED && coil__ring_here->driver->may_lack_workers)
        result = close(future->entry.fd) < 0 ? -errno : 0;
    coil__future_complete(future, coil__op_result(future, result));
}

static const struct coil_future_kind close_kind = {
    .name = "close", .event = close_event, .closes = true};

static void fire_close(struct coil_future *future, struct io_uring_sqe *sqe)
{
    io_uring_prep_close(sqe, future->entry.fd);
    coil__op_fire_events(sqe, future);
}

static void fire_cancel(struct coil_future *future, struct io_uring_sqe *sqe)
{
    future->entry.told++;
    io_uring_prep_cancel_fd(sqe, future->entry.fd, IORING_ASYNC_CANCEL_ALL);
    coil__op_fire_events(sqe, future);
}

static void cancel_silently(struct coil__ring *ring, int fd)
{
    struct io_uring_sqe *sqe = coil__ring_sqe(ring);
    io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    coil__ring_push(ring, sqe, COIL__TAG_IGNORE);
}

static void ask_again(struct coil_timer *timer)
{
    struct coil_future *future = coil__container_of(timer, struct coil_future, entry.pause);
    fire_cancel(future, coil__op_entry(future, COIL__NO_FD));
}

/* The first pause is the next enter, by which what was stopped already has ended. */
static void pause_and_ask(struct coil_future *future)
{
    struct coil_entry *entry = &future->entry;
    if (entry->told == 1) {
        fire_cancel(future, coil__op_entry(future, COIL__NO_FD));
        return;
    }
    entry->pause.expire = ask_again;
    entry->pause.deadline = coil__clock_now() + (first_pause << (entry->told - 2));
    coil__timers_arm(coil__timers_here, &entry->pause);
}

static void cancel_event(struct coil_future *future, int32_t found, uint32_t flags)
{
    (void)flags; /* it is the only one of each round */
    struct coil__ring *ring = coil__ring_here;
    struct coil_entry *entry = &future->entry;
    unsigned in_flight = coil__fds_at(ring->fds, entry->fd)->in_flight;
    if (found < (int32_t)in_flight && entry->told < ASK_ROUNDS) {
        pause_and_ask(future);
        return;
    }
    if (in_flight > 0)
        cancel_silently(ring, entry->fd);
    future->kind = &close_kind;
    fire_close(future, coil__op_entry(future, COIL__NO_FD));
}

static const struct coil_future_kind cancel_kind = {
    .name = "close", .event = cancel_event, .closes = true};

void coil_close_start(struct coil_future *future, int fd)
{
    struct coil_task *task = coil__self();
    struct coil__ring *ring = coil__ring_here;
    struct coil__fd *known = coil__fds_at(ring->fds, fd);
    known->closes++;
    coil__fds_note_kind(fd, COIL__FD_UNKNOWN);
    coil__registered_remove(ring, fd);
    if (coil__core_here->buffers != NULL)
        coil__receivers_let_go(fd);

    bool cancels = known->in_flight > 0;
    struct io_uring_sqe *sqe =
        coil__op_begin_always(future, cancels ? &cancel_kind : &close_kind, task, COIL__NO_FD);
    future->entry.fd = fd;
    if (!cancels) {
        fire_close(future, sqe);
        return;
    }
    ring->closes_stopped = true;
    known->stops = true;
    future->entry.told = 0;
    fire_cancel(future, sqe);
}

int coil_close(int fd)
{
    struct coil_future future;
    coil_close_start(&future, fd);
    coil__future_wait_uncancellable(&future);
    return (int)future.result;
}
