/* SPDX-License-Identifier: MIT */
/* What this core's ring counts of each descriptor number. */
#ifndef COIL_TESTS_SUPPORT_FDS_H
#define COIL_TESTS_SUPPORT_FDS_H

#include <liburing.h>

extern "C" {
#include "ring/ring.h"
}

#include <gtest/gtest.h>

namespace coil_test {

/* How many operations on it are in flight. */
inline unsigned in_flight_on(int fd)
{
    return coil__fds_at(coil__ring_here->fds, fd)->in_flight;
}

/* To be called between two operations: each that is in flight is counted once, none that is over.
 */
inline void expect_counted()
{
    constexpr int kNumbers = 4096; /* no test has higher ones */
    constexpr unsigned kMost = 1U << 31;
    unsigned sum = 0;
    for (int fd = COIL__NO_FD; fd < kNumbers; fd++) {
        EXPECT_LT(in_flight_on(fd), kMost) << "more have ended than begun on " << fd;
        sum += in_flight_on(fd);
    }
    sum += coil__ring_here->no_fd.in_flight; /* where a compiler knows that it is on none */
    EXPECT_EQ(coil__ring_here->in_flight, sum);
}

} // namespace coil_test

#endif
