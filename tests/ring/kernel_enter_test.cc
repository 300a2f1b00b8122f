/* SPDX-License-Identifier: MIT */
/* The kernel driver's enter(): what it hides, what it bounds, and who may call it. */
#include "ring/kernel_ring.h"
#include "support/sandbox.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <future>
#include <gtest/gtest.h>
#include <set>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using coil_test::KernelRing;

struct Pipe {
    int ends[2];

    Pipe() { EXPECT_EQ(pipe(ends), 0); }

    ~Pipe()
    {
        close(ends[0]);
        close(ends[1]);
    }

    void write_byte() { EXPECT_EQ(write(ends[1], "x", 1), 1); }
};

coil_time now()
{
    return coil__ring_kernel.now();
}

TEST(KernelEnter, TakesAnSqThatOverflowsTenTimesInOrder)
{
    KernelRing ring(8);
    for (uint64_t i = 0; i < 80; i++)
        ring.nop(i);
    ring.take_until(80);
    for (uint64_t i = 0; i < 80; i++)
        EXPECT_EQ(ring.taken[i].user_data, i);
}

TEST(KernelEnter, LosesNothingWhenTheCqOverflows)
{
    KernelRing ring(4);
    bool overflowed = false;
    for (uint64_t i = 0; i < 200; i++) {
        ring.nop(i);
        overflowed |= (*ring.ring.uring.sq.kflags & IORING_SQ_CQ_OVERFLOW) != 0;
    }
    EXPECT_TRUE(overflowed);
    EXPECT_TRUE(coil__ring_wants_enter(&ring.ring));
    ring.take_until(200);
    for (uint64_t i = 0; i < 200; i++)
        EXPECT_EQ(ring.taken[i].user_data, i);
    EXPECT_FALSE(coil__ring_wants_enter(&ring.ring));
}

/* The kernel processes 20 deferred completions in one enter, and has to be asked for the rest. */
TEST(KernelEnter, BringsAllOfAHundredPipesThatAreReadyAtOnce)
{
    constexpr unsigned kPipes = 100;
    std::array<Pipe, kPipes> pipes;
    KernelRing ring(128);
    for (unsigned i = 0; i < kPipes; i++)
        ring.poll(pipes[i].ends[0], i);
    EXPECT_EQ(ring.enter(), 0);
    for (Pipe &pipe : pipes)
        pipe.write_byte();

    EXPECT_LE(ring.take_until(kPipes), kPipes);
    std::set<uint64_t> seen;
    for (const coil_test::Completion &completion : ring.taken) {
        EXPECT_EQ(completion.res, POLLIN);
        seen.insert(completion.user_data);
    }
    EXPECT_EQ(seen.size(), kPipes);
}

TEST(KernelEnter, ShowsWorkThatWaitsWithoutASystemCall)
{
    Pipe pipe;
    KernelRing ring;
    if (!ring.ring.flags_tell)
        GTEST_SKIP() << "this kernel has no IORING_SETUP_TASKRUN_FLAG";
    ring.poll(pipe.ends[0], 1);
    EXPECT_EQ(ring.enter(), 0);
    EXPECT_FALSE(coil__ring_wants_enter(&ring.ring));
    pipe.write_byte();
    EXPECT_TRUE(coil__ring_wants_enter(&ring.ring));
    EXPECT_FALSE(coil__ring_has_completions(&ring.ring));
    EXPECT_EQ(ring.enter(), 0);
    EXPECT_TRUE(coil__ring_has_completions(&ring.ring));
    EXPECT_FALSE(coil__ring_wants_enter(&ring.ring));
}

/* With instants and with spans, as the kernel has it. */
struct KernelWait : testing::TestWithParam<bool> {
    KernelWait() { coil__kernel_lacks.abs_timer = GetParam(); }
    ~KernelWait() override { coil__kernel_lacks = {}; }
};

INSTANTIATE_TEST_SUITE_P(Timers, KernelWait, testing::Values(false, true), [](const auto &timers) {
    return std::string(timers.param ? "BySpan" : "ByInstant");
});

TEST_P(KernelWait, EndsAtItsDeadlineAndNotBefore)
{
    KernelRing ring;
    for (int64_t span : {1000L, 100000L, 5000000L, 30000000L}) {
        coil_time deadline = now() + span;
        EXPECT_EQ(ring.enter(1, deadline), 0);
        EXPECT_GE(now(), deadline);
    }
    ring.take();
    EXPECT_TRUE(ring.taken.empty());
}

TEST_P(KernelWait, SubmitsEvenWhenTheDeadlineHasPassed)
{
    KernelRing ring;
    for (coil_time deadline : {now() - 1, coil_time(1), coil_time(0), coil_time(-1), INT64_MIN}) {
        Pipe never;
        ring.poll(never.ends[0], 0);
        ring.nop(1);
        EXPECT_EQ(ring.enter(2, deadline), 0);
        ring.take();
        ASSERT_EQ(ring.taken.size(), 1u);
        EXPECT_EQ(ring.taken[0].user_data, 1u);
        ring.taken.clear();
        io_uring_sqe *sqe = ring.sqe();
        io_uring_prep_poll_remove(sqe, 0);
        ring.push(sqe, 2);
        ring.take_until(2);
        ring.taken.clear();
    }
}

TEST_P(KernelWait, EndsWithItsCompletionLongBeforeTheDeadline)
{
    Pipe pipe;
    KernelRing ring;
    ring.poll(pipe.ends[0], 5);
    std::thread writer([&] { pipe.write_byte(); });
    EXPECT_EQ(ring.enter(1, now() + 3600 * COIL_SEC), 0);
    ring.take();
    ASSERT_EQ(ring.taken.size(), 1u);
    writer.join();
}

TEST_P(KernelWait, TakesTheLatestDeadlineBeforeForever)
{
    KernelRing ring;
    ring.nop(1);
    EXPECT_EQ(ring.enter(1, COIL_FOREVER - 1), 0);
    ring.take();
    EXPECT_EQ(ring.taken.size(), 1u);
}

std::atomic<int> signals_seen;

/* Signals this thread every millisecond while it lives. */
class Metronome {
public:
    Metronome()
    {
        struct sigaction action = {};
        action.sa_handler = [](int) { signals_seen++; };
        action.sa_flags = SA_RESTART;
        sigaction(SIGUSR1, &action, &previous_);
        signals_seen = 0;
        pthread_t target = pthread_self();
        thread_ = std::thread([this, target] {
            while (!stop_) {
                pthread_kill(target, SIGUSR1);
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        });
    }

    ~Metronome()
    {
        stop_ = true;
        thread_.join();
        sigaction(SIGUSR1, &previous_, nullptr);
    }

private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
    struct sigaction previous_;
};

TEST_P(KernelWait, IsInterruptedBySignalsWithoutAnErrorOrALostDeadline)
{
    KernelRing ring;
    Metronome metronome;
    coil_time deadline = now() + 50 * COIL_MSEC;
    int enters = 0;
    for (; now() < deadline; enters++)
        ASSERT_EQ(ring.enter(1, deadline), 0);
    EXPECT_GT(enters, 1);
    EXPECT_GT(signals_seen, 0);

    for (uint64_t i = 0; i < 1000; i++)
        ring.nop(i);
    ring.take_until(1000);
    for (uint64_t i = 0; i < 1000; i++)
        EXPECT_EQ(ring.taken[i].user_data, i);
}

/* Runs the function in a thread of its own, which may give up rights. */
template <typename Function> auto in_thread(Function function)
{
    return std::async(std::launch::async, function).get();
}

/* The kernel has no memory for requests: what is complete must come nevertheless, since taking it
 * may be what frees memory. */
TEST(KernelEnter, BringsCompletionsWhenTheKernelTakesNoEntries)
{
    for (int error : {EAGAIN, EBUSY, ENOMEM}) {
        bool denied = in_thread([error] {
            Pipe pipe;
            KernelRing ring;
            ring.poll(pipe.ends[0], 1);
            EXPECT_EQ(ring.enter(), 0);
            pipe.write_byte();
            if (!coil_test::deny_system_call(SYS_io_uring_enter, error, 1))
                return false;
            ring.nop(2);
            EXPECT_EQ(ring.enter(1), 0);
            ring.take();
            EXPECT_EQ(ring.taken.size(), 1u);
            EXPECT_EQ(coil__ring_unsubmitted(&ring.ring), 1u);
            return true;
        });
        if (!denied)
            GTEST_SKIP() << "seccomp filters are forbidden here";
    }
}

TEST(KernelEnter, ReturnsTheErrorOfASystemCallThatIsForbiddenLater)
{
    int result = in_thread([] {
        KernelRing ring;
        if (!coil_test::deny_system_call(SYS_io_uring_enter, EPERM))
            return 1;
        ring.nop(1);
        return ring.enter(1);
    });
    if (result == 1)
        GTEST_SKIP() << "seccomp filters are forbidden here";
    EXPECT_EQ(result, -EPERM);
}

/* A ring in a thread of its own, that sleeps until it is woken `count` times. */
struct Sleeper {
    std::promise<coil__ring *> ready;
    std::future<std::vector<coil_test::Completion>> ended;

    explicit Sleeper(size_t count)
    {
        ended = std::async(std::launch::async, [this, count] {
            KernelRing ring;
            ready.set_value(&ring.ring);
            ring.take_until(count);
            return ring.taken;
        });
    }
};

TEST(KernelWake, EndsTheWaitOfAnotherThreadsRingAndLeavesNoTraceInOnes)
{
    KernelRing ring;
    Sleeper sleeper(1);
    coil__ring *target = sleeper.ready.get_future().get();
    coil__ring_kernel.wake(&ring.ring, target);
    EXPECT_EQ(ring.enter(), 0);

    std::vector<coil_test::Completion> taken = sleeper.ended.get();
    ASSERT_EQ(taken.size(), 1u);
    EXPECT_EQ(taken[0].user_data, COIL__TAG_WAKE);
    EXPECT_EQ(taken[0].res, 0);
    ring.nop(7);
    ring.take_until(1);
    EXPECT_EQ(ring.taken[0].user_data, 7u);
}

TEST(KernelWake, ComesAsOftenAsItWasSent)
{
    constexpr size_t kWakes = 10000;
    KernelRing ring(32);
    Sleeper sleeper(kWakes);
    coil__ring *target = sleeper.ready.get_future().get();
    for (size_t i = 0; i < kWakes; i++)
        coil__ring_kernel.wake(&ring.ring, target);
    EXPECT_EQ(ring.enter(), 0);
    EXPECT_EQ(sleeper.ended.get().size(), kWakes);
    ring.take();
    EXPECT_TRUE(ring.taken.empty());
}

constexpr const char *kForeign = "ring used from another thread or after fork";

struct KernelEnterDeathTest : testing::Test {
    KernelEnterDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

TEST_F(KernelEnterDeathTest, StopsAThreadThatUsesAForeignRing)
{
    auto misuse = [] {
        KernelRing ring;
        ring.nop(1);
        std::thread([&] { ring.enter(1); }).join();
    };
    EXPECT_DEATH(misuse(), kForeign);
}

/* That thread's own ring is registered under the same number. */
TEST_F(KernelEnterDeathTest, StopsACoreThatUsesTheRingOfAnother)
{
    auto misuse = [] {
        KernelRing ring;
        ring.nop(1);
        std::thread([&] {
            KernelRing own;
            ring.enter();
        }).join();
    };
    EXPECT_DEATH(misuse(), kForeign);
}

TEST_F(KernelEnterDeathTest, StopsAForeignThreadAlsoWithoutARegisteredDescriptor)
{
    auto misuse = [] {
        coil__kernel_lacks.registered_fd = true;
        KernelRing ring;
        ring.nop(1);
        std::thread([&] { ring.enter(); }).join();
    };
    EXPECT_DEATH(misuse(), kForeign);
}

} // namespace
