/* SPDX-License-Identifier: MIT */
/*
 * How an operation becomes an entry of the ring:
 *
 *     struct io_uring_sqe *sqe = coil__op_begin(future, &read_kind, fd);
 *     if (sqe == NULL)
 *         return;
 *     io_uring_prep_read(sqe, fd, buf, len, offset);
 *     coil__op_fire(sqe, future);
 */
#ifndef COIL_RING_OP_H
#define COIL_RING_OP_H

#include "ring/ring.h"

/* Asks the kernel to stop the operation: the `cancel` of every kind that is an entry. */
void coil__op_cancel(struct coil_future *future);

/* Makes an operation in flight one of `kind`, which can't be stopped: its result has come, its end
 * has not. */
void coil__op_settle(struct coil_future *future, const struct coil_future_kind *kind);

/* An entry for a future that has begun, or whose last entry ends just now while it goes on; in
 * flight from here on. */
static inline struct io_uring_sqe *coil__op_entry(struct coil_future *future, int fd)
{
    struct coil__ring *ring = coil__ring_here;
    ring->in_flight++;
    struct coil__fd *on = coil__ring_fd(ring, fd);
    on->in_flight++;
    future->entry.on = on;
    return coil__ring_sqe(ring);
}

/* An entry for `future`, which is an operation on the descriptor `fd` or on COIL__NO_FD; NULL when
 * the scope is cancelled. */
static inline __attribute__((always_inline)) struct io_uring_sqe *
coil__op_begin(struct coil_future *future, const struct coil_future_kind *kind, int fd)
{
    return coil__future_begin(future, kind) ? coil__op_entry(future, fd) : NULL;
}

/* As above, also in a cancelled scope: for cleanup. */
static inline __attribute__((always_inline)) struct io_uring_sqe *
coil__op_begin_always(struct coil_future *future, const struct coil_future_kind *kind,
                      struct coil_task *owner, int fd)
{
    coil__future_begin_always(future, kind, owner);
    return coil__op_entry(future, fd);
}

/* Queues the filled entry for its future. */
static inline void coil__op_fire(struct io_uring_sqe *sqe, struct coil_future *future)
{
    coil__ring_push(coil__ring_here, sqe, (uint64_t)(uintptr_t)future | COIL__TAG_FUTURE);
}

/* As above, for a kind with an `event` function. */
static inline void coil__op_fire_events(struct io_uring_sqe *sqe, struct coil_future *future)
{
    coil__ring_push(coil__ring_here, sqe, (uint64_t)(uintptr_t)future | COIL__TAG_EVENT);
}

#endif
