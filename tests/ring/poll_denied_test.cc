/* SPDX-License-Identifier: MIT */
/* The poll driver where a filter forbids the newer system calls: the older ones do. */
#include "ring/poll_ring.h"
#include "support/sandbox.h"

#include <cstring>
#include <functional>
#include <initializer_list>
#include <sys/syscall.h>

using namespace coil_test;

namespace {

/* Denies the calls with each of the errors that filters have for it, and expects that the function
 * then returns 0. */
void expect_well_without(std::initializer_list<long> calls, const std::function<int()> &function)
{
    for (int error : {ENOSYS, EPERM, EACCES}) {
        ChildOutcome outcome = run_in_child([&] {
            for (long call : calls) {
                if (!deny_system_call(call, error))
                    return 99;
            }
            return function();
        });
        if (outcome.result == 99)
            GTEST_SKIP() << "seccomp filters are forbidden here";
        EXPECT_EQ(0, outcome.result) << strerrorname_np(error);
    }
}

TEST(PollDenied, WaitsInMilliseconds)
{
    expect_well_without({SYS_epoll_pwait2}, [] {
        PollRing ring;
        coil_time deadline = ring.ring.driver->now() + 5 * COIL_MSEC;
        int result = ring.enter(1, deadline);
        return result != 0 ? result : ring.ring.driver->now() < deadline;
    });
}

} // namespace
