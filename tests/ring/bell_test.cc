/* SPDX-License-Identifier: MIT */
/* The bell by which threads without a ring wake one. */
#include "ring/kernel_ring.h"

extern "C" {
#include "ring/poll.h"
}

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

using namespace coil_test;

namespace {

/* A ring as a core opens it, on this thread. */
struct BellRing {
    coil__ring ring;

    explicit BellRing(const coil__ring_driver &driver = coil__ring_kernel)
    {
        static thread_local struct coil__sched sched;
        coil__sched = &sched;
        const coil__ring_options options = {16, nullptr, 0, "", nullptr, 0};
        EXPECT_EQ(0, coil__ring_open(&ring, &driver, &options));
    }
    ~BellRing() { coil__ring_close(&ring); }
    BellRing(const BellRing &) = delete;
    BellRing &operator=(const BellRing &) = delete;
};

TEST(Bell, EndsTheWaitAsOftenAsItIsRung)
{
    BellRing bell;
    EXPECT_EQ(0, coil__ring_open_bell(&bell.ring));
    EXPECT_EQ(0, coil__ring_open_bell(&bell.ring)) << "once is enough";
    for (int i = 0; i < 100; i++) {
        std::thread ringer([&] { coil__ring_kernel.ring_bell(&bell.ring); });
        coil__ring_enter(&bell.ring, 1, COIL_FOREVER);
        ringer.join();
        EXPECT_EQ(1u, bell.ring.bell_value);
        EXPECT_TRUE(bell.ring.bell_armed) << "again";
        EXPECT_EQ(0u, bell.ring.in_flight) << "it is no operation of anybody's";
    }
}

TEST(Bell, RungManyTimesBeforeAnybodyListensIsHeardOnce)
{
    BellRing bell;
    EXPECT_EQ(0, coil__ring_open_bell(&bell.ring));
    for (int i = 0; i < 100; i++)
        coil__ring_kernel.ring_bell(&bell.ring);
    coil__ring_enter(&bell.ring, 1, COIL_FOREVER);
    EXPECT_EQ(100u, bell.ring.bell_value);
    coil__ring_enter(&bell.ring, 1, coil_now() + COIL_MSEC);
    EXPECT_EQ(100u, bell.ring.bell_value) << "nothing is left";
}

/* In each state of the read: not submitted, waiting, complete, and complete a second time. */
TEST(Bell, IsClosedWithNothingLeftInFlightWhateverItDoes)
{
    for (int state = 0; state < 4; state++) {
        BellRing bell;
        EXPECT_EQ(0, coil__ring_open_bell(&bell.ring));
        if (state >= 1)
            coil__ring_enter(&bell.ring, 0, COIL_FOREVER);
        if (state >= 2)
            coil__ring_kernel.ring_bell(&bell.ring);
        if (state == 3) {
            coil__ring_enter(&bell.ring, 1, COIL_FOREVER);
            coil__ring_kernel.ring_bell(&bell.ring);
        }
        bell.ring.driver->close_bell(&bell.ring);
        EXPECT_FALSE(bell.ring.has_bell);
        EXPECT_FALSE(bell.ring.bell_armed);
        EXPECT_FALSE(coil__ring_has_completions(&bell.ring));
    }
}

TEST(Bell, WithoutADescriptorIsAnError)
{
    BellRing bell;
    rlimit before;
    ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
    rlimit none = {0, before.rlim_max};
    ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
    EXPECT_EQ(-EMFILE, coil__ring_open_bell(&bell.ring));
    EXPECT_FALSE(bell.ring.has_bell);
    ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
    EXPECT_EQ(0, coil__ring_open_bell(&bell.ring));
}

TEST(Bell, IsArmedAgainThoughItsReadWasCancelled)
{
    BellRing bell;
    EXPECT_EQ(0, coil__ring_open_bell(&bell.ring));
    coil__ring_enter(&bell.ring, 0, COIL_FOREVER);
    io_uring_sqe *sqe = coil__ring_sqe(&bell.ring);
    io_uring_prep_cancel64(sqe, COIL__TAG_BELL, 0);
    coil__ring_push(&bell.ring, sqe, COIL__TAG_IGNORE);
    coil__ring_enter(&bell.ring, 2, COIL_FOREVER);
    coil__ring_kernel.ring_bell(&bell.ring);
    coil__ring_enter(&bell.ring, 1, COIL_FOREVER);
    EXPECT_EQ(1u, bell.ring.bell_value);
}

struct BellDeathTest : testing::Test {
    static constexpr const char *kSaid =
        "^coil: .*: the descriptor by which a core is woken was closed by the program; look for it "
        "with: strace .*\n";

    BellDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

/* Whatever that gives to who reads it: nothing, as many bytes as a bell, or that it has none. */
TEST_F(BellDeathTest, SaysThatItsNumberIsThatOfAnotherFile)
{
    for (const char *path : {"/dev/null", "/dev/zero", "/", "nothing"}) {
        auto listen = [path] {
            alarm(60);
            BellRing bell;
            EXPECT_EQ(0, coil__ring_open_bell(&bell.ring));
            int other = open(path, O_RDONLY | O_CLOEXEC);
            close(bell.ring.bell_fd);
            if (other >= 0)
                dup2(other, bell.ring.bell_fd);
            for (;;) /* ends: with the process */
                coil__ring_enter(&bell.ring, 1, COIL_FOREVER);
        };
        EXPECT_EXIT(listen(), testing::KilledBySignal(SIGABRT), kSaid) << path;
    }
}

TEST_F(BellDeathTest, SaysToWhoRingsItThatItWasClosed)
{
    for (const coil__ring_driver *driver : {&coil__ring_kernel, &coil__ring_poll}) {
        auto ring = [driver] {
            BellRing bell(*driver);
            EXPECT_EQ(0, coil__ring_open_bell(&bell.ring));
            bool is_poll = driver == &coil__ring_poll;
            close(is_poll ? static_cast<coil__poll *>(bell.ring.own)->wake_fd : bell.ring.bell_fd);
            driver->ring_bell(&bell.ring);
        };
        EXPECT_EXIT(ring(), testing::KilledBySignal(SIGABRT), kSaid) << driver->name;
    }
}

} // namespace
