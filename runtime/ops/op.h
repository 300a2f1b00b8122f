/* SPDX-License-Identifier: MIT */
/* What the operations share: the two spellings, lengths, and results that are descriptors. */
#ifndef COIL_OPS_OP_H
#define COIL_OPS_OP_H

#include "core/core.h"
#include "ring/registered.h"

#include <coil/fd.h>
#include <errno.h>

static inline unsigned coil__op_length(size_t len)
{
    return len < COIL__LENGTH_MAX ? (unsigned)len : COIL__LENGTH_MAX;
}

/* What is left of `buf` behind `done` bytes. It may be NULL: for nothing, and for a receive that
 * throws away what it gets, by MSG_TRUNC. */
static inline void *coil__op_rest(const void *buf, size_t done)
{
    return (void *)((uintptr_t)buf + done);
}

/* What several steps come to when one has failed: what moved wins over a cancellation. */
static inline ssize_t coil__op_outcome(size_t done, ssize_t err)
{
    return err == -ECANCELED && done > 0 ? (ssize_t)done : err;
}

/* Whether one of several steps is to be taken again: that the process was stopped has interrupted
 * it (ring/ring.c), as often as that happens. */
static inline bool coil__op_repeats(ssize_t err)
{
    return err == -EINTR;
}

/* Ends the waits for a receive buffer, which are on no descriptor, of those who receive on `fd`. */
void coil__receivers_let_go(int fd);

/* How often coil_close() was called for that number on this core. Another count later means that by
 * then the number may be another file's. Outside of a core: 0, for the operation says so. */
static inline uint32_t coil__op_closes(int fd)
{
    const struct coil__ring *ring = coil__ring_here;
    return ring != NULL ? coil__fds_at(ring->fds, fd)->closes : 0;
}

/* Whether what has come to the end of one entry may go on with another: unless somebody has stopped
 * it: us, or a coil_close(), after which its number may mean another file. */
static inline bool coil__op_may_go_on(const struct coil_future *future)
{
    return future->state == COIL__FUTURE_IN_FLIGHT &&
           coil__op_closes(future->entry.fd) == future->entry.closes;
}

/* So many bytes take no longer than a switch or two of other coroutines would. */
enum { COIL__SHORT = 16 * 1024 };

/*
 * Waits for what was just begun, of a kind that is as a rule done as it is submitted: what the page
 * cache has, what a socket or a pipe has room for. If to submit it is all that the loop would do,
 * it is done here, which spares two switches. `len` bytes, of which there may not be many, so that
 * timers, which have to wait, are not late.
 */
static inline __attribute__((always_inline)) int64_t
coil__op_await_prompt(struct coil_future *future, size_t len)
{
    struct coil__core *core = coil__core_here;
    struct coil__ring *ring = &core->ring;
    if (ring->until_alone > 0) {
        ring->until_alone--;
    } else if (len <= COIL__SHORT && coil__core_may_submit(core)) {
        core->sched.budget -= COIL__SUBMIT_COST;
        coil__ring_submit_alone(ring, future);
    }
    return coil__await(future);
}

/* An entry for `future` that takes connections of `fd`; NULL when it is done with -ECANCELED. */
static inline __attribute__((always_inline)) struct io_uring_sqe *
coil__op_begin_accept(struct coil_future *future, const struct coil_future_kind *kind, int fd)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, kind, fd);
    if (sqe != NULL)
        coil__ending_join(&coil__core_here->ending, future);
    return sqe;
}

/* Queues it. Since coil_stop() was called it takes what the kernel has already, and does not wait:
 * an entry is tried before the next one is looked at, which cancels it. */
static inline void coil__op_fire_accept(struct io_uring_sqe *sqe, struct coil_future *future)
{
    coil__op_fire_events(sqe, future);
    if (__builtin_expect(coil__core_here->ending.phase != ENDING_SERVING, 0))
        coil_future_cancel(future);
}

/* Forgets what was known of the number, which means another file from now on. */
static inline void coil__op_made(int fd, enum coil__fd_kind kind)
{
    coil__registered_made(coil__ring_here, fd);
    coil__fds_note_kind(fd, kind);
}

/* Ends what makes a descriptor, of that kind. */
static inline void coil__op_complete_made(struct coil_future *future, int32_t result,
                                          enum coil__fd_kind kind)
{
    if (result >= 0)
        coil__op_made(result, kind);
    coil__future_complete(future, coil__op_result(future, result));
}

/* What the end of such an operation means: it was coil_stop() that ended it, unless it was the
 * scope of who waits. */
static inline int64_t coil__op_accept_result(struct coil_future *future, int32_t result)
{
    coil__ending_leave(future);
    if (result >= 0)
        coil__op_made(result, COIL__FD_SOCKET);
    bool is_wanted = future->waiter == NULL || !future->waiter->cancelled;
    bool is_stop = coil__core_here->ending.phase != ENDING_SERVING;
    int64_t meant = coil__op_result(future, result);
    return meant == -ECANCELED && is_stop && is_wanted ? -ESHUTDOWN : meant;
}

/* Closes a descriptor that was made for somebody who no longer wants it. */
static inline void coil__op_discard_fd(struct coil_future *future)
{
    if (future->result >= 0)
        coil_close((int)future->result);
}

#endif
