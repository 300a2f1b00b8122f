/* SPDX-License-Identifier: MIT */
/* What the result of an interrupted operation means, which depends on who may have stopped it. */
#include <liburing.h>

extern "C" {
#include "ring/ring.h"
}

#include <gtest/gtest.h>

namespace {

constexpr int kRestart[] = {-512, -513, -514, -516}; /* the kernel's ERESTARTSYS and its kin */

/* Of an operation on a descriptor that coil_close() is closing, or on another one. */
int64_t result_of(bool closed, coil__future_state state, int result)
{
    coil_future_kind kind = {};
    coil__fd on = {};
    on.in_flight = 1;
    on.stops = closed;
    coil_future future = {};
    future.kind = &kind;
    future.state = state;
    future.entry.on = &on;
    int64_t meant = coil__op_result(&future, result);
    EXPECT_EQ(closed, on.stops) << "another one is in flight";
    return meant;
}

TEST(OpResult, OfAnInterruptedOperationIsThatOfACancelledOne)
{
    for (bool closed : {false, true}) {
        EXPECT_EQ(-ECANCELED, result_of(closed, COIL__FUTURE_CANCELLING, -EINTR));
        for (int restart : kRestart)
            EXPECT_EQ(-ECANCELED, result_of(closed, COIL__FUTURE_CANCELLING, restart));
    }
}

TEST(OpResult, OfAnInterruptedOperationNobodyCancelledIsThatOfItsClose)
{
    EXPECT_EQ(-ECANCELED, result_of(true, COIL__FUTURE_IN_FLIGHT, -EINTR));
    for (int restart : kRestart)
        EXPECT_EQ(-ECANCELED, result_of(true, COIL__FUTURE_IN_FLIGHT, restart));
}

TEST(OpResult, OfAnInterruptedOperationWhenTheProcessWasStoppedSaysThat)
{
    EXPECT_EQ(-EINTR, result_of(false, COIL__FUTURE_IN_FLIGHT, -EINTR));
    for (int restart : kRestart)
        EXPECT_EQ(-EINTR, result_of(false, COIL__FUTURE_IN_FLIGHT, restart));
}

TEST(OpResult, OfTheLastThatACloseHasStoppedLeavesTheNumberToOthers)
{
    coil_future_kind kind = {};
    coil__fd on = {};
    on.stops = true;
    coil_future future = {};
    future.kind = &kind;
    future.state = COIL__FUTURE_IN_FLIGHT;
    future.entry.on = &on;
    EXPECT_EQ(-ECANCELED, coil__op_result(&future, -EINTR));
    EXPECT_EQ(-EINTR, coil__op_result(&future, -EINTR)) << "of another file's";
}

TEST(OpResult, OfAnInterruptedCloseSaysThatAlsoWhenSomebodyCancelledIt)
{
    coil_future_kind kind = {};
    kind.closes = true;
    coil__fd on = {};
    coil_future future = {};
    future.kind = &kind;
    future.entry.on = &on;
    for (coil__future_state state : {COIL__FUTURE_IN_FLIGHT, COIL__FUTURE_CANCELLING}) {
        future.state = state;
        EXPECT_EQ(-EINTR, coil__op_result(&future, -EINTR));
        for (int restart : kRestart)
            EXPECT_EQ(-EINTR, coil__op_result(&future, restart));
    }
}

TEST(OpResult, OfAnyOtherKindIsTheKernels)
{
    for (int result : {0, 1, 12345, -1, -EBADF, -ECANCELED, -511, -517})
        EXPECT_EQ(result, result_of(false, COIL__FUTURE_CANCELLING, result));
}

} // namespace
