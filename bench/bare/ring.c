/* SPDX-License-Identifier: MIT */
/* The ring of the bare liburing subjects, set up as coil sets up its own. */
#include "bare/ring.h"
#include "harness/clock.h"
#include "harness/relax.h"

#include <errno.h>

int bare_ring_open(struct io_uring *ring, unsigned sq_entries, unsigned cq_entries)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
                 IORING_SETUP_CLAMP,
        .cq_entries = cq_entries,
    };
    int err = io_uring_queue_init_params(sq_entries, ring, &params);
    if (err < 0)
        return err;
    err = io_uring_register_ring_fd(ring);
    if (err < 0) {
        io_uring_queue_exit(ring);
        return err;
    }
    return 0;
}

/* Completions that wait for us to enter the kernel, which only the flag shows. */
static bool work_waits(const struct io_uring *ring)
{
    return (IO_URING_READ_ONCE(*ring->sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) !=
           0;
}

/* Looks for a completion without sleeping. Returns whether there is one. */
static bool spin(struct io_uring *ring, int64_t spin_ns)
{
    int64_t deadline = clock_ns() + spin_ns;
    do {
        for (unsigned i = 0; i < 8; i++) {
            if (work_waits(ring))
                io_uring_get_events(ring);
            if (io_uring_cq_ready(ring) > 0)
                return true;
            relax_cpu();
        }
    } while (clock_ns() < deadline);
    return false;
}

int bare_ring_turn(struct io_uring *ring, int64_t spin_ns)
{
    int err;
    if (spin_ns > 0) {
        if (io_uring_sq_ready(ring) > 0) {
            err = io_uring_submit_and_get_events(ring);
            if (err < 0 && err != -EINTR)
                return err;
        }
        if (spin(ring, spin_ns))
            return 0;
    }
    err = io_uring_submit_and_wait(ring, 1);
    return err == -EINTR || err > 0 ? 0 : err;
}
