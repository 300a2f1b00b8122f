/* SPDX-License-Identifier: MIT */
/* What the result of an interrupted operation means, which depends on who may have stopped it. */
#include <liburing.h>

extern "C" {
#include "ring/ring.h"
}

#include <gtest/gtest.h>

namespace {

constexpr int kRestart[] = {-512, -513, -514, -516}; /* the kernel's ERESTARTSYS and its kin */

int64_t result_of(bool by_path, coil__future_state state, int result)
{
    coil_future_kind kind = {};
    kind.by_path = by_path;
    coil_future future = {};
    future.kind = &kind;
    future.state = state;
    return coil__op_result(&future, result);
}

TEST(OpResult, OfAnInterruptedOperationIsThatOfACancelledOne)
{
    EXPECT_EQ(-ECANCELED, result_of(false, COIL__FUTURE_CANCELLING, -EINTR));
    EXPECT_EQ(-ECANCELED, result_of(true, COIL__FUTURE_CANCELLING, -EINTR));
    for (int restart : kRestart)
        EXPECT_EQ(-ECANCELED, result_of(true, COIL__FUTURE_CANCELLING, restart));
}

TEST(OpResult, OfAnInterruptedOperationOnADescriptorNobodyCancelledIsThatOfItsClose)
{
    EXPECT_EQ(-ECANCELED, result_of(false, COIL__FUTURE_IN_FLIGHT, -EINTR));
    for (int restart : kRestart)
        EXPECT_EQ(-ECANCELED, result_of(false, COIL__FUTURE_IN_FLIGHT, restart));
}

TEST(OpResult, OfAnInterruptedOperationOnAPathNobodyCancelledSaysThat)
{
    EXPECT_EQ(-EINTR, result_of(true, COIL__FUTURE_IN_FLIGHT, -EINTR));
    for (int restart : kRestart)
        EXPECT_EQ(-EINTR, result_of(true, COIL__FUTURE_IN_FLIGHT, restart));
}

TEST(OpResult, OfAnInterruptedCloseSaysThatAlsoWhenSomebodyCancelledIt)
{
    coil_future_kind kind = {};
    kind.closes = true;
    coil_future future = {};
    future.kind = &kind;
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
