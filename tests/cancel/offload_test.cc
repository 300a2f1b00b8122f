/* SPDX-License-Identifier: MIT */
/* Cancelling what other threads do. */
#include "cancel/cancel.h"

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace {

using namespace coil_test;

constexpr ssize_t kValue = 4711;

/* Holds up a thread until it is opened. */
class Gate {
public:
    void shut()
    {
        std::lock_guard<std::mutex> lock(mutex_);
        open_ = false;
    }
    void open()
    {
        std::lock_guard<std::mutex> lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void pass()
    {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return open_; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

/* The first one of a core opens its bell. */
struct Offloading : Operation {
    Offloading()
    {
        may_drop = true;
        EXPECT_EQ(0, coil_offload(
                         nullptr, [](void *) { return ssize_t(0); }, nullptr));
    }
};

/* In line behind other work, for the only thread of its pool. */
struct InLine : Offloading {
    static inline coil_pool pool = COIL_POOL("in line", 1);
    Gate gate;
    coil_future other = {};
    std::atomic<int> runs{0};

    void begin() override
    {
        runs = 0;
        gate.shut();
        coil_offload_start(&other, &pool, hold_up, this);
    }
    void start(coil_future *future) override { coil_offload_start(future, &pool, run, this); }
    ssize_t call() override { return coil_offload(&pool, run, this); }
    void complete() override { gate.open(); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == kValue || result == -ECANCELED) << result;
        end_dropped();
        ASSERT_EQ(result == kValue ? 1 : 0, runs);
    }
    void end_dropped() override
    {
        ASSERT_EQ(0, coil_await(&other));
        ASSERT_EQ(0, coil_offload(&pool, hold_up, this)); /* nothing is left before this */
    }

    static ssize_t hold_up(void *self)
    {
        static_cast<InLine *>(self)->gate.pass();
        return 0;
    }
    static ssize_t run(void *self)
    {
        static_cast<InLine *>(self)->runs++;
        return kValue;
    }
};

/* A thread has taken it, and takes its time. */
struct Running : Offloading {
    std::atomic<bool> runs{false};

    Running() { has_peer = false; }

    void begin() override { runs = false; }
    void start(coil_future *future) override
    {
        coil_offload_start(future, nullptr, run, this);
        while (!runs && !coil_future_done(future)) /* ends: the only work there is */
            sched_yield();
    }
    ssize_t call() override
    {
        COIL_FUTURE(future);
        start(&future);
        return coil_await(&future);
    }
    void end(ssize_t result) override { ASSERT_EQ(runs ? kValue : -ECANCELED, result); }
    void end_dropped() override { ASSERT_TRUE(runs); }

    static ssize_t run(void *self)
    {
        coil_time end = coil_now() + 20 * COIL_USEC;
        static_cast<Running *>(self)->runs = true;
        while (coil_now() < end) { /* ends at that instant */
        }
        return kValue;
    }
};

constexpr const char *kRuns = "its function runs, and can't be stopped";

const CancelRow kRows[] = {
    /* call         before   in flight racing    after */
    {"coil_offload", REFUSED, STOPPED, EITHER, HAPPENED, "", make<InLine>},
    {"coil_offload_that_runs", REFUSED, HAPPENED, HAPPENED, HAPPENED, kRuns, make<Running>,
     "no work runs while a coroutine waits for it without giving way"},
};
INSTANTIATE_TEST_SUITE_P(Offload, CancelledOperation, testing::ValuesIn(kRows), name_of_row);

} // namespace
