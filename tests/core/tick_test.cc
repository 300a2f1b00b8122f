/* SPDX-License-Identifier: MIT */
/* Coroutines that compute, and ask whether to give way: nothing else would let others run. */
#include "support/running.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

using namespace coil_test;

namespace {

/* Runs `body`, which has to succeed. */
void run_well(const Body &body, const coil_options &options = cores(1))
{
    EXPECT_EQ(0, run(body, options));
}

/* Computes until `done`, which somebody else must bring about. */
void compute_until(const bool &done)
{
    while (!done) {
        if (coil_yield_if_needed() < 0)
            return;
    }
}

/* The first call yields in any case; from the second one on somebody must want it. */
void begin_to_compute()
{
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(0, coil_yield_if_needed());
}

/* Checks in a row by which a coroutine that computes is known to have got a slice, not just its
 * turn to give way; and slices of all after which a test ends, within a time that is generous. */
constexpr int kChecksOfASlice = 16;
constexpr size_t kSlices = 100;

/* Coroutines that compute, all the same, until together they have had enough slices. */
class Computing {
public:
    void add(coil_scope &scope, coil_queue queue = {})
    {
        slices_.push_back(0);
        size_t number = slices_.size() - 1;
        EXPECT_EQ(0, children_.spawn_in(scope, queue, [this, number] { return compute(number); }));
    }

    bool done() const
    {
        return total_ >= std::max(kSlices, 3 * slices_.size()) || coil_now() > give_up_;
    }

    /* Each has had about as many. */
    void expect_fair() const
    {
        EXPECT_LT(coil_now(), give_up_) << "after " << total_ << " slices";
        auto ends = std::minmax_element(slices_.begin(), slices_.end());
        EXPECT_LE(*ends.second, 3 * *ends.first) << *ends.first << " and " << *ends.second;
    }

private:
    int compute(size_t number)
    {
        int err = 0;
        while (err == 0 && !done()) {
            in_a_row_ = last_ == number ? in_a_row_ + 1 : 1;
            last_ = number;
            if (in_a_row_ == kChecksOfASlice) {
                slices_[number]++;
                total_++;
            }
            err = coil_yield_if_needed();
        }
        return err;
    }

    Children children_;
    std::vector<int> slices_;
    size_t total_ = 0;
    size_t last_ = SIZE_MAX;
    int in_a_row_ = 0;
    coil_time give_up_ = coil_after((kSanitized ? 60 : 20) * COIL_SEC);
};

TEST(YieldIfNeeded, LetsOthersRunFromTimeToTime)
{
    run_well([] {
        Children children;
        bool done = false;
        COIL_SCOPE(scope, COIL_FOREVER);
        begin_to_compute();
        children.start(scope, [&] {
            for (int i = 0; i < 10; i++)
                EXPECT_EQ(0, coil_yield_if_needed());
            done = true;
            return 0;
        });
        compute_until(done);
        return coil_scope_close(&scope, 0);
    });
}

TEST(YieldIfNeeded, LetsTimersCompletionsAndMailBeSeen)
{
    run_well(
        [] {
            Children children;
            bool done = false;
            int pipe[2];
            EXPECT_EQ(0, pipe2(pipe, O_CLOEXEC));
            COIL_SCOPE(scope, COIL_FOREVER);
            begin_to_compute();
            children.start(scope, [&] {
                char byte = 0;
                for (int i = 0; i < 3; i++) {
                    EXPECT_EQ(0, coil_sleep(100 * COIL_USEC));
                    EXPECT_EQ(1, call(1, [&] { return int(write(pipe[1], "!", 1)); }));
                    EXPECT_EQ(1, coil_read(pipe[0], &byte, 1));
                }
                done = true;
                return 0;
            });
            compute_until(done);
            close(pipe[0]);
            close(pipe[1]);
            return coil_scope_close(&scope, 0);
        },
        cores(2));
}

/* A tick takes 50 us at least, and nothing else happens. */
TEST(YieldIfNeeded, SeldomYields)
{
    auto body = [] {
        Children children;
        uint64_t calls = 0, yields = 0;
        bool done = false;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            while (!done) {
                yields++;
                give_way();
            }
            return 0;
        });
        coil_time begun = coil_now();
        while (yields < 20) {
            EXPECT_EQ(0, coil_yield_if_needed());
            calls++;
        }
        coil_time took = coil_now() - begun;
        EXPECT_LE(18, took / (50 * COIL_USEC)) << calls << " calls";
        done = true;
        return coil_scope_close(&scope, 0);
    };
    EXPECT_EQ(0, run(body, on_kernel())); /* elsewhere no flag tells, and every call yields */
}

/* Runs `count` that compute in each of two queues, or in one. */
void compute_fairly(int count, bool in_two_queues = false)
{
    auto body = [&] {
        coil_queue other = {};
        Computing computing;
        COIL_SCOPE(scope, COIL_FOREVER);
        if (in_two_queues) {
            EXPECT_EQ(0, coil_queue_create(&other, "other", COIL_SHARES_DEFAULT, 0));
        }
        for (int i = 0; i < count; i++) {
            computing.add(scope);
            if (in_two_queues)
                computing.add(scope, other);
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        computing.expect_fair();
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel())); /* elsewhere no flag tells, and every call yields */
}

TEST(YieldIfNeeded, SharesTheTimeAmongAllThatCompute)
{
    for (int count : {2, 3, 5})
        compute_fairly(count);
}

TEST(YieldIfNeeded, SharesTheTimeAmongMoreThanRunInABurst)
{
    compute_fairly(300);
}

TEST(YieldIfNeeded, SharesTheTimeAmongAllThatComputeInTwoQueues)
{
    for (int count : {1, 2, 3})
        compute_fairly(count, true);
}

/* Each of these is ready once in a tick, and who computes has ended by then. */
TEST(YieldIfNeeded, LetsASleeperAndAReaderRunAtEachTickBesideSeveralThatCompute)
{
    auto body = [] {
        Children children;
        Computing computing;
        size_t naps = 0, bytes = 0;
        int pipe[2];
        EXPECT_EQ(0, pipe2(pipe, O_CLOEXEC));
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 5; i++)
            computing.add(scope);
        children.start(scope, [&] {
            for (; !computing.done(); naps++)
                EXPECT_EQ(0, coil_sleep(COIL_MSEC));
            close(pipe[1]);
            return 0;
        });
        children.start(scope, [&] {
            char byte = 0;
            while (coil_read(pipe[0], &byte, 1) == 1)
                bytes++;
            return 0;
        });
        children.start(scope, [&] {
            for (; !computing.done(); give_way())
                EXPECT_EQ(1, coil_write(pipe[1], "!", 1));
            return 0;
        });
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        close(pipe[0]);
        computing.expect_fair();
        EXPECT_LE(kSlices / 4, naps);
        EXPECT_LE(kSlices / 4, bytes);
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel()));
}

TEST(YieldIfNeeded, HearsOfADeadline)
{
    run_well([] {
        COIL_SCOPE(scope, coil_after(2 * COIL_MSEC));
        int err = 0;
        while (err == 0)
            err = coil_yield_if_needed();
        EXPECT_EQ(-ECANCELED, err);
        EXPECT_EQ(-ECANCELED, coil_yield_if_needed());
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, err));
        return coil_yield_if_needed();
    });
}

TEST(YieldIfNeeded, HearsAtOnceOfACancellation)
{
    run_well([] {
        begin_to_compute();
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_scope_cancel(&scope);
        EXPECT_EQ(-ECANCELED, coil_yield_if_needed());
        return coil_scope_close(&scope, 0);
    });
}

TEST(YieldIfNeeded, LetsAHurriedQueueRunBesideOneThatComputes)
{
    run_well([] {
        Children children;
        coil_queue hurried = {}, batch = {};
        EXPECT_EQ(0, coil_queue_create(&hurried, "hurried", 100, 200 * COIL_USEC));
        EXPECT_EQ(0, coil_queue_create(&batch, "batch", 100, 0));
        bool done = false;
        Body compute = [&] {
            compute_until(done);
            return 0;
        };
        Body hurry = [&] {
            for (int i = 0; i < 20; i++)
                EXPECT_EQ(0, coil_sleep(100 * COIL_USEC));
            done = true;
            return 0;
        };
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 3; i++)
            EXPECT_EQ(0, coil_spawn_in(&scope, batch, call_body, &compute));
        EXPECT_EQ(0, coil_spawn_in(&scope, hurried, call_body, &hurry));
        return coil_scope_close(&scope, 0);
    });
}

/* The way there is no number of nanoseconds; UBSan looks. */
TEST(YieldIfNeeded, MayBeTheFirstToSeeATimerThatWasDueAtTheBeginningOfTime)
{
    run_well([] {
        coil_future sleep = {};
        coil_sleep_until_start(&sleep, INT64_MIN);
        EXPECT_EQ(0, coil_yield_if_needed());
        return int(coil_await(&sleep));
    });
}

TEST(YieldIfNeeded, LeavesNothingBehindWhenTheRunEnds)
{
    for (int i = 0; i < 20; i++)
        EXPECT_EQ(0, run([] { return coil_yield_if_needed(); }));
}

TEST(YieldIfNeeded, HidesNoDeadlock)
{
    EXPECT_EQ(-EDEADLK, run([] {
        begin_to_compute();
        return wait_for_ever();
    }));
}

} // namespace
