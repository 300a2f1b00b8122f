/* SPDX-License-Identifier: MIT */
/* A kernel that takes back, while coil runs, what it allowed at the start: that must be said. */
#include "support/running.h"
#include "support/sandbox.h"

#include <liburing.h>

extern "C" {
#include "core/core.h"
#include "ring/kernel.h"
#include "ring/poll.h"
}

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace coil_test;

namespace {

struct LostRingDeathTest : testing::Test {
    static constexpr unsigned kPatience = 60;

    LostRingDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }

    /* Runs in the child: waits for something after `take_back`. */
    static void lose(const Callable<void> &take_back, const coil_options &options = on_kernel())
    {
        alarm(kPatience); /* a run that goes on is not waited for */
        rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        auto body = [&] {
            take_back();
            return coil_sleep(COIL_MSEC);
        };
        _exit(run(body, options));
    }
};

constexpr const char *kClosed =
    ".*likely cause: the program has closed a descriptor that is not its own.*";

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
    EXPECT_EXIT(lose_unregistered(), testing::KilledBySignal(SIGABRT),
                std::string("^coil: io_uring unavailable: io_uring_enter: EBADF ") + kClosed +
                    kLost);
}

/* Makes a number another file's, as who closes it and opens something else does. */
void reuse(int fd)
{
    if (dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), fd) != fd)
        _exit(2);
}

TEST_F(LostRingDeathTest, StopsAndSaysThatTheDescriptorIsAnotherFiles)
{
    auto lose_kernels = [] {
        coil__kernel_lacks.registered_fd = true;
        lose([] { reuse(coil__core_here->ring.uring.ring_fd); });
    };
    EXPECT_EXIT(lose_kernels(), testing::KilledBySignal(SIGABRT),
                std::string("^coil: io_uring unavailable: io_uring_enter: EBADFD ") + kClosed +
                    kLost);
    auto lose_polls = [] {
        coil_options options = cores(1);
        options.ring = "poll";
        lose([] { reuse(((coil__poll *)coil__core_here->ring.own)->epoll_fd); }, options);
    };
    EXPECT_EXIT(lose_polls(), testing::KilledBySignal(SIGABRT),
                std::string("^coil: the poll driver unavailable: epoll_wait: EBADFD ") + kClosed +
                    kLost);
}

/* The other core's enter knows its ring by a number of the thread's, and notices nothing. */
TEST_F(LostRingDeathTest, StopsWhoFindsNoRingToWakeAnotherCoreBy)
{
    auto close_other = [] {
        close(call(1, [] { return coil__core_here->ring.uring.ring_fd; }));
        for (;;) { /* ends: with the first call that finds the other core asleep */
            call(1, [] { return 0; });
            EXPECT_EQ(0, coil_sleep(COIL_MSEC));
        }
    };
    EXPECT_EXIT(lose(close_other, on_kernel(cores(2))), testing::KilledBySignal(SIGABRT),
                std::string("^coil: io_uring unavailable: io_uring_enter: EBADF ") + kClosed +
                    kLost);
}

} // namespace
