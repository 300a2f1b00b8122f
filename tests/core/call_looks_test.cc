/* SPDX-License-Identifier: MIT */
/*
 * Calls while both cores look out for each other without giving way: the caller for his answer, who
 * was called for the next call. Here they do that for so long that even slow builds seldom look in
 * vain.
 */
#include <liburing.h>

#include "support/running.h"
#include "support/sanitizer.h"

extern "C" {
#include "core/core.h"
}

#include <atomic>
#include <string>

using namespace coil_test;

namespace {

constexpr int64_t kSoon = 2 * COIL_MSEC;
constexpr int kTooMany = 4 * COIL__TURN_BUDGET;

class CallLooks : public testing::Test {
protected:
    CallLooks() { coil__call_looks = kSanitized ? 20000 : 100000; }
    ~CallLooks() override { coil__call_looks = before_; }

    static coil_options two_cores()
    {
        coil_options options = cores(2);
        options.spin_ns = 20 * COIL_MSEC;
        return options;
    }

private:
    unsigned before_ = coil__call_looks;
};

int self()
{
    return int(coil_core_self());
}

/* Core 0 calls core 1 until a sleeper on `core` has slept, which takes its timer and its ring.
 * Returns how many calls there were after it was to wake. No look-out ends but with what it is for,
 * whoever else wants the CPUs. */
int call_while_somebody_sleeps(unsigned core, const coil_options &options)
{
    int late = 0;
    coil__call_looks = 10000000;
    run(
        [&] {
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            std::atomic<bool> slept{false};
            coil_time due = coil_after(kSoon);
            EXPECT_EQ(0, children.spawn_on(scope, core, [&] {
                EXPECT_EQ(0, coil_sleep_until(due));
                EXPECT_EQ(0, coil_nop());
                slept = true;
                return 0;
            }));
            EXPECT_EQ(0, coil_yield());
            while (!slept && late < kTooMany) {
                late += coil_now() >= due;
                EXPECT_EQ(1, call(1, self));
            }
            return coil_scope_close(&scope, 0);
        },
        options);
    return late;
}

TEST_F(CallLooks, OfWhoCallsInALoopLetTimersFireAndOthersRun)
{
    EXPECT_LT(call_while_somebody_sleeps(0, two_cores()), kTooMany);
}

TEST_F(CallLooks, OfWhoIsCalledInALoopLetTimersFireAndOthersRun)
{
    EXPECT_LT(call_while_somebody_sleeps(1, two_cores()), kTooMany);
}

/* Some end at once, some wait, and some leave a value, another name and a failure behind. */
TEST_F(CallLooks, GiveEachCallACoroutineAsNewAsAnyOther)
{
    static coil_local key = {};
    int destroyed = 0;
    key.destroy = [](void *value) { ++*static_cast<int *>(value); };
    run(
        [&] {
            std::string first;
            for (int i = 0; i < 1000; i++) {
                EXPECT_EQ(i % 7 == 0 ? -EIO : i, call(1, [&] {
                              if (i == 0)
                                  first = coil_task_name();
                              EXPECT_EQ(first, coil_task_name());
                              EXPECT_EQ(nullptr, coil_local_get(&key));
                              coil_task_rename("renamed");
                              coil_local_set(&key, &destroyed);
                              if (i % 5 == 0) {
                                  EXPECT_EQ(0, coil_yield());
                                  EXPECT_EQ(0, coil_nop());
                              }
                              return i % 7 == 0 ? -EIO : i;
                          }));
                EXPECT_EQ(i + 1, destroyed);
            }
            return 0;
        },
        two_cores());
}

/* Who has answered at once before, and now waits, is found by a cancel. */
TEST_F(CallLooks, LetACancelReachWhoeverWaits)
{
    run(
        [] {
            for (int round = 0; round < 30; round++) {
                for (int i = 0; i < 5; i++)
                    EXPECT_EQ(1, call(1, self));
                COIL_SCOPE(scope, coil_after(kSoon / 4));
                EXPECT_EQ(-ECANCELED, call(1, wait_for_ever));
                EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, -ECANCELED));
            }
            return 0;
        },
        two_cores());
}

/* One coroutine after the other, in place of the loop: whatever comes meanwhile is not forgotten.
 */
TEST_F(CallLooks, DoNotHoldUpMessagesNorTheEnd)
{
    struct Counted {
        coil_message message = {nullptr, count_it}; /* first, so that one is found by the other */
        std::atomic<int> count{0};
        static void count_it(coil_message *arrived)
        {
            reinterpret_cast<Counted *>(arrived)->count++;
        }
    } counted;
    run(
        [&] {
            for (int i = 0; i < 300; i++) {
                EXPECT_EQ(1, call(1, self));
                if (i % 3 == 0) {
                    EXPECT_EQ(0, coil_post_core(1, &counted.message));
                    wait_until([&] { return counted.count == i / 3 + 1; });
                }
            }
            return 0;
        },
        two_cores());
}

} // namespace
