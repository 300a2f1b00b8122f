/* SPDX-License-Identifier: MIT */
/* The ring of the bare liburing subjects, set up as coil sets up its own. */
#ifndef BENCH_BARE_RING_H
#define BENCH_BARE_RING_H

#include <liburing.h>
#include <stdint.h>

/*
 * Opens a ring for the calling thread, with SINGLE_ISSUER, DEFER_TASKRUN, TASKRUN_FLAG, SUBMIT_ALL,
 * CQSIZE and CLAMP, and registers its descriptor. Returns 0 or -errno.
 */
int bare_ring_open(struct io_uring *ring, unsigned sq_entries, unsigned cq_entries);

/*
 * Submits what is queued and waits until there is at least one completion, looking out for it for
 * `spin_ns` before sleeping. Returns -errno on a failure that is not a signal.
 */
int bare_ring_turn(struct io_uring *ring, int64_t spin_ns);

/* The next free entry; submits when the queue is full. */
static inline struct io_uring_sqe *bare_ring_sqe(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (__builtin_expect(sqe == NULL, 0)) {
        io_uring_submit(ring);
        sqe = io_uring_get_sqe(ring);
    }
    return sqe;
}

#endif
