/* SPDX-License-Identifier: MIT */
/* The queue of futures that wait for one thing. */
extern "C" {
#include "future/waiters.h"
}

#include <array>
#include <gtest/gtest.h>
#include <vector>

namespace {

struct Waiters : testing::Test {
    coil_link waiters = {};
    std::array<coil_future, 4> futures = {};

    void append_all()
    {
        for (coil_future &future : futures)
            coil__waiters_append(&waiters, &future);
    }

    std::vector<long> pop_all()
    {
        std::vector<long> order;
        while (coil_future *future = coil__waiters_pop(&waiters))
            order.push_back(future - futures.data());
        return order;
    }
};

TEST_F(Waiters, AreAnEmptyListWhenZero)
{
    EXPECT_TRUE(coil__waiters_empty(&waiters));
    EXPECT_EQ(nullptr, coil__waiters_first(&waiters));
    EXPECT_EQ(nullptr, coil__waiters_pop(&waiters));
}

TEST_F(Waiters, ComeOutInTheOrderInWhichTheyCame)
{
    append_all();
    EXPECT_FALSE(coil__waiters_empty(&waiters));
    EXPECT_EQ(&futures[0], coil__waiters_first(&waiters));
    EXPECT_EQ((std::vector<long>{0, 1, 2, 3}), pop_all());
}

TEST_F(Waiters, MayLeaveFromAnywhere)
{
    for (size_t leaver = 0; leaver < futures.size(); leaver++) {
        append_all();
        coil__waiters_remove(&waiters, &futures[leaver]);
        std::vector<long> rest = {0, 1, 2, 3};
        rest.erase(rest.begin() + long(leaver));
        EXPECT_EQ(rest, pop_all());
    }
}

TEST_F(Waiters, LeaveZeroBehind)
{
    append_all();
    for (coil_future &future : futures) {
        EXPECT_NE(nullptr, waiters.next);
        coil__waiters_remove(&waiters, &future);
    }
    EXPECT_EQ(nullptr, waiters.next);
    EXPECT_EQ(nullptr, waiters.prev);
}

} // namespace
