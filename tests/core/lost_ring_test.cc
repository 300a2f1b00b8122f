/* SPDX-License-Identifier: MIT */
/* A kernel that takes back, while coil runs, what it allowed at the start: that must be said. */
#include "support/running.h"
#include "support/sandbox.h"

#include <liburing.h>

extern "C" {
#include "core/core.h"
#include "ring/kernel.h"
}

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace coil_test;

namespace {

struct LostRingDeathTest : testing::Test {
    LostRingDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }

    /* Runs in the child: waits for something after `take_back`. */
    static void lose(const Callable<void> &take_back)
    {
        rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        auto body = [&] {
            take_back();
            return coil_nop();
        };
        _exit(run(body, on_kernel()));
    }
};

constexpr const char *kLost =
    "\ncoil: runtime/ring/ring.c:[0-9]+: the ring is lost, and what is in "
    "flight can't be waited for(; in coroutine .*)?\n";

TEST_F(LostRingDeathTest, StopsAndNamesTheFilterThatForbidsToEnter)
{
    for (int error : {EPERM, ENOSYS}) {
        auto forbid = [&] {
            if (!deny_system_call(SYS_io_uring_enter, error))
                _exit(2);
        };
        std::string name = strerrorname_np(error);
        EXPECT_EXIT(lose(forbid), testing::KilledBySignal(SIGABRT),
                    "^coil: io_uring unavailable: io_uring_enter: " + name +
                        " .*likely cause: a seccomp filter.*remedy: allow .*" + kLost);
    }
}

TEST_F(LostRingDeathTest, StopsAndSaysThatTheDescriptorWasClosed)
{
    auto close_ring = [] { close(coil__core_here->ring.uring.ring_fd); };
    auto lose_unregistered = [&] {
        coil__kernel_lacks.registered_fd = true;
        lose(close_ring);
    };
    EXPECT_EXIT(
        lose_unregistered(), testing::KilledBySignal(SIGABRT),
        std::string("^coil: io_uring unavailable: io_uring_enter: EBADF .*likely cause: the "
                    "program has closed a descriptor that is not its own.*") +
            kLost);
}

} // namespace
