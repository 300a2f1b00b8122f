/* SPDX-License-Identifier: MIT */
/* Operations of the simulated ring, begun and cancelled without a file. */
#include "sim/simulate.h"

#include <liburing.h>
#include <map>
extern "C" {
#include "ring/op.h"
}

using namespace coil_test;

namespace {

const coil_future_kind timeout_kind = {"timeout", coil__op_cancel, nullptr, nullptr,
                                       false,     false,           false};

void start_timeout(coil_future *future, __kernel_timespec *span)
{
    io_uring_sqe *sqe = coil__op_begin(future, &timeout_kind, COIL__NO_FD);
    ASSERT_NE(nullptr, sqe);
    io_uring_prep_timeout(sqe, span, 0, 0);
    coil__op_fire(sqe, future);
}

} // namespace

TEST(SimTimeout, EndsAfterItsSpan)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        simulate(seed, [] {
            __kernel_timespec span = {3600, 5};
            coil_time begin = coil_now();
            coil_future future;
            start_timeout(&future, &span);
            EXPECT_EQ(-ETIME, coil_await(&future));
            EXPECT_GE(coil_now(), begin + 3600 * COIL_SEC + 5);
            EXPECT_LT(coil_now(), begin + 3601 * COIL_SEC);
            return 0;
        });
    }
}

TEST(SimTimeout, RefusesASpanThatIsNone)
{
    simulate(1, [] {
        __kernel_timespec wrong[] = {{-1, 0}, {0, -1}, {0, COIL_SEC}};
        for (__kernel_timespec &span : wrong) {
            coil_future future;
            start_timeout(&future, &span);
            EXPECT_EQ(-EINVAL, coil_await(&future));
        }
        return 0;
    });
}

/* Also where the kernel says first that it finds none, or can't stop it. */
TEST(SimCancel, ReachesWhatIsInFlightHoweverOftenItMisses)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        simulate(seed, [] {
            __kernel_timespec span = {3600, 0};
            coil_time begin = coil_now();
            coil_future future;
            start_timeout(&future, &span);
            EXPECT_EQ(0, coil_sleep(int64_t(coil_sim_random() % 100) * COIL_USEC));
            coil_future_cancel(&future);
            EXPECT_EQ(-ECANCELED, coil_await(&future));
            EXPECT_LT(coil_now(), begin + 10 * COIL_SEC);
            return 0;
        });
    }
}

TEST(SimCancel, LosesAndWinsAgainstACompletion)
{
    std::map<ssize_t, int> results;
    for (uint64_t seed = 0; seed < 400; seed++) {
        simulate(seed, [&] {
            coil_future future;
            coil_nop_start(&future);
            for (uint64_t turns = coil_sim_random() % 2; turns > 0; turns--)
                EXPECT_EQ(0, coil_yield());
            coil_future_cancel(&future);
            results[coil_await(&future)]++;
            return 0;
        });
    }
    EXPECT_EQ(2u, results.size());
    EXPECT_GT(results[0], 40);
    EXPECT_GT(results[-ECANCELED], 40);
}

TEST(SimBurst, BeyondTheCompletionQueueLosesNothing)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        std::vector<coil_future> futures(3000);
        simulate(
            seed,
            [&] {
                for (coil_future &future : futures)
                    coil_nop_start(&future);
                for (coil_future &future : futures)
                    EXPECT_EQ(0, coil_await(&future));
                return 0;
            },
            1, "", 16);
    }
}
