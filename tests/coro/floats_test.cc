/* SPDX-License-Identifier: MIT */
/* The floating-point environment is each coroutine's own, and begins as the thread's. */
#include "support/running.h"

#include <cfenv>

namespace {

using namespace coil_test;

/* More than stacks are put aside for a while in debug builds, so that some are used again. */
constexpr int kMany = 64;

#if defined(__x86_64__)
#define SKIP_IF_THE_THREADS()
#else
#define SKIP_IF_THE_THREADS() GTEST_SKIP() << "here the thread has it, for all coroutines"
#endif

/* One after the other, each on the stack of one that has ended, if it can. */
void expect_nearest_in_each_of_many(const Body &body)
{
    for (int i = 0; i < kMany; i++) {
        COIL_SCOPE(scope, COIL_FOREVER);
        spawn(&scope, body);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
    }
}

TEST(Floats, OfACoroutineThatHasEndedAreNotTheNextOnes)
{
    SKIP_IF_THE_THREADS();
    const Body body = [] {
        EXPECT_EQ(FE_TONEAREST, std::fegetround());
        return std::fesetround(FE_UPWARD);
    };
    EXPECT_EQ(0, run([&] { return expect_nearest_in_each_of_many(body), 0; }));
}

TEST(Floats, OfWhoSpawnsAreItsOwn)
{
    SKIP_IF_THE_THREADS();
    const Body body = [] {
        EXPECT_EQ(FE_TONEAREST, std::fegetround());
        return 0;
    };
    EXPECT_EQ(0, run([&] {
                  std::fesetround(FE_UPWARD);
                  expect_nearest_in_each_of_many(body);
                  EXPECT_EQ(FE_UPWARD, std::fegetround());
                  return 0;
              }));
    EXPECT_EQ(FE_TONEAREST, std::fegetround());
}

TEST(Floats, StayOverASuspensionWhateverOthersDo)
{
    SKIP_IF_THE_THREADS();
    const Body other = [] { return std::fesetround(FE_DOWNWARD); };
    EXPECT_EQ(0, run([&] {
                  COIL_SCOPE(scope, COIL_FOREVER);
                  std::fesetround(FE_UPWARD);
                  spawn(&scope, other);
                  EXPECT_EQ(0, coil_sleep(COIL_MSEC));
                  EXPECT_EQ(FE_UPWARD, std::fegetround());
                  return coil_scope_close(&scope, 0);
              }));
}

} // namespace
