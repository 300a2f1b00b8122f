/* SPDX-License-Identifier: MIT */
/* Sleeping, giving way, and the clock. */
#include "support/running.h"
#include "support/sanitizer.h"

#include <algorithm>
#include <cerrno>
#include <random>
#include <vector>

using namespace coil_test;

namespace {

constexpr int64_t kSoon = 2 * COIL_MSEC;

TEST(Sleep, NeverEndsEarly)
{
    run([] {
        for (int64_t span : {INT64_C(1), COIL_USEC, 70 * COIL_USEC, COIL_MSEC, 5 * COIL_MSEC}) {
            coil_time start = coil_now();
            EXPECT_EQ(0, coil_sleep(span));
            EXPECT_GE(coil_now(), start + span);
            coil_time instant = coil_after(span);
            EXPECT_EQ(0, coil_sleep_until(instant));
            EXPECT_GE(coil_now(), instant);
        }
        return 0;
    });
}

TEST(Sleep, OfNothingOrLessLetsTheReadyOnesRunOnce)
{
    run([] {
        for (int64_t span : {INT64_C(0), INT64_C(-1), INT64_MIN}) {
            Children children;
            int ran = 0;
            COIL_SCOPE(scope, COIL_FOREVER);
            for (int i = 0; i < 10; i++)
                children.start(scope, [&] {
                    ran++;
                    return wait_for_ever();
                });
            EXPECT_EQ(0, coil_sleep(span));
            EXPECT_EQ(10, ran);
            coil_scope_cancel(&scope);
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            EXPECT_EQ(0, coil_sleep_until(span));
        }
        return 0;
    });
}

TEST(Sleep, SleepersWakeInTheOrderOfTheirDeadlines)
{
    run([] {
        constexpr int kCount = 200;
        Children children;
        std::mt19937 random(7);
        std::vector<coil_time> instants, woken;
        coil_time start = coil_after(kSoon);
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < kCount; i++) {
            coil_time instant = start + int64_t(random() % 5000) * COIL_USEC;
            instants.push_back(instant);
            children.start(scope, [&, instant] {
                int err = coil_sleep_until(instant);
                woken.push_back(instant);
                return err;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        std::sort(instants.begin(), instants.end());
        EXPECT_EQ(instants, woken);
        return 0;
    });
}

TEST(Sleep, ForEverEndsOnlyByCancellation)
{
    run([] {
        for (bool by_span : {true, false}) {
            COIL_SCOPE(scope, coil_after(kSoon));
            EXPECT_EQ(-ECANCELED, by_span ? coil_sleep(INT64_MAX) : coil_sleep_until(COIL_FOREVER));
            EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
        }
        return 0;
    });
}

TEST(Sleep, AMillionAtOneInstantAllWake)
{
    run([] {
        constexpr size_t kCount = kSanitized ? 100000 : 1000000;
        std::vector<coil_future> sleeps(kCount);
        coil_time instant = coil_after(50 * COIL_MSEC);
        for (coil_future &sleep : sleeps)
            coil_sleep_until_start(&sleep, instant);
        size_t awake = 0;
        for (coil_future &sleep : sleeps)
            awake += coil_await(&sleep) == 0;
        EXPECT_EQ(kCount, awake);
        return 0;
    });
}

TEST(Sleep, CancellingAnyOfManyLeavesTheOthersTheirOrder)
{
    run([] {
        constexpr size_t kCount = 3000;
        std::mt19937 random(11);
        std::vector<coil_future> sleeps(kCount);
        coil_time start = coil_after(kSoon);
        for (coil_future &sleep : sleeps)
            coil_sleep_until_start(&sleep, start + int64_t(random() % 20000) * COIL_USEC);
        std::vector<bool> cancelled(kCount);
        for (size_t i = 0; i < kCount; i++) {
            cancelled[i] = random() % 2 == 0;
            if (cancelled[i])
                coil_future_cancel(&sleeps[i]);
        }
        for (size_t i = 0; i < kCount; i++)
            EXPECT_EQ(cancelled[i] ? -ECANCELED : 0, coil_await(&sleeps[i]));
        return 0;
    });
}

TEST(Clock, NeverGoesBack)
{
    coil_time last = coil_now();
    EXPECT_GT(last, 0);
    for (int i = 0; i < 100000; i++) {
        coil_time now = coil_now();
        ASSERT_GE(now, last);
        last = now;
    }
}

TEST(Clock, AfterSaturates)
{
    coil_time before = coil_now();
    coil_time soon = coil_after(COIL_SEC);
    EXPECT_GE(soon, before + COIL_SEC);
    EXPECT_LE(soon, coil_now() + COIL_SEC);
    EXPECT_EQ(COIL_FOREVER, coil_after(INT64_MAX));
    EXPECT_EQ(COIL_FOREVER, coil_after(INT64_MAX - 1));
    EXPECT_LT(coil_after(-COIL_SEC), coil_now());
    EXPECT_LT(coil_after(INT64_MIN), 0);
}

TEST(Clock, IsTheSameOnEveryCore)
{
    run(
        [] {
            for (unsigned i = 0; i < 50; i++) {
                coil_time here = coil_now(), there = 0;
                EXPECT_EQ(0, call(1, [&] {
                              there = coil_now();
                              return 0;
                          }));
                EXPECT_GE(there, here);
                EXPECT_GE(coil_now(), there);
            }
            return 0;
        },
        cores(2));
}

} // namespace
