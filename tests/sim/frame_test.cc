/* SPDX-License-Identifier: MIT */
/* A future that outlives its frame shows at its completion, though nobody has that memory. Where
 * somebody has, an assertion finds that it is in flight no more. */
#include "sim/simulate.h"

using namespace coil_test;

namespace {

struct SimFrameDeathTest : testing::Test {
    SimFrameDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

/* AddressSanitizer has it elsewhere if it looks for uses after a return, and is faster. */
const char kSentence[] = "sim/frame.c:[0-9]+: an operation has ended whose future is gone: the "
                         "function that had it has returned, in coroutine fn of coil_run\\(\\)"
                         "|AddressSanitizer: stack-use-after-return";

__attribute__((noinline)) void forget_a_nop()
{
    coil_future future;
    coil_nop_start(&future);
}

/* Further down than its caller will reach when it waits. */
__attribute__((noinline)) int forget_a_nop_far_down()
{
    volatile char room[8192] = {};
    forget_a_nop();
    return room[0];
}

/* Takes as much of the stack as that, and leaves its futures to who calls. */
__attribute__((noinline)) int start_two(coil_future *futures)
{
    volatile char room[512] = {};
    coil_nop_start(&futures[0]);
    coil_sleep_start(&futures[1], COIL_USEC);
    return room[0];
}

} // namespace

TEST_F(SimFrameDeathTest, StopsWhereAFutureHasOutlivedItsFunction)
{
    for (uint64_t seed = 0; seed < 3; seed++) {
        EXPECT_DEATH(simulate(seed,
                              [] {
                                  int err = forget_a_nop_far_down();
                                  return err < 0 ? err : coil_sleep(COIL_SEC);
                              }),
                     kSentence);
    }
}

TEST(SimFrame, OfWhoCallsHasAllThatAFunctionStarted)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        int result = simulate(seed, [] {
                         coil_future futures[2];
                         EXPECT_EQ(0, start_two(futures));
                         EXPECT_EQ(0, coil_sleep(COIL_MSEC));
                         EXPECT_EQ(0, coil_await(&futures[0]));
                         return int(coil_await(&futures[1]));
                     }).result;
        EXPECT_EQ(0, result);
    }
}
