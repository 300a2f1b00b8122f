/* SPDX-License-Identifier: MIT */
/* A turn in place of the loop's: whoever parks last submits, and finds what is done by that. */
#include <liburing.h>

extern "C" {
#include "core/core.h"
}

#include "ops/sockets.h"
#include "support/running.h"

#include <vector>

using namespace coil_test;

namespace {

constexpr uint32_t kNops = 1000;

/* A NOP that nobody submits by itself: coil_nop() does, where it is alone. */
int nop()
{
    coil_future future = {};
    coil_nop_start(&future);
    return int(coil_await(&future));
}

/* How often the loop ran while that many NOPs were awaited, one after the other. */
uint32_t loops_of(uint32_t nops)
{
    uint32_t before = coil__sched->bursts;
    for (uint32_t i = 0; i < nops; i++)
        EXPECT_EQ(0, nop());
    return coil__sched->bursts - before;
}

/* Whether the flags of the ring tell of completions: else the loop has to look for them. */
bool flags_tell()
{
    return coil__core_here->ring.flags_tell;
}

TEST(TurnInPlace, SparesTheLoopButNotForEver)
{
    EXPECT_EQ(0, run(
                     [] {
                         uint32_t loops = loops_of(kNops);
                         EXPECT_LE(loops, flags_tell() ? kNops / 16 : kNops);
                         EXPECT_GE(loops, kNops / 64); /* a turn has 256 resumes */
                         return 0;
                     },
                     on_kernel()));
}

TEST(TurnInPlace, IsLeftToTheLoopThatWouldSleepAtOnce)
{
    coil_options options = on_kernel();
    options.spin_ns = COIL_SPIN_OFF;
    EXPECT_EQ(0, run(
                     [] {
                         EXPECT_EQ(kNops, loops_of(kNops));
                         return 0;
                     },
                     options));
}

TEST(TurnInPlace, ComesToAnEndSoonerWhereATimerIsArmed)
{
    EXPECT_EQ(0, run(
                     [] {
                         COIL_SCOPE(scope, coil_after(COIL_SEC * 1000));
                         uint32_t loops = loops_of(kNops);
                         EXPECT_GE(loops, kNops / 8);
                         return coil_scope_close(&scope, 0);
                     },
                     on_kernel()));
}

/* Whoever became ready first runs first, also those who wait for nothing of the ring. */
TEST(TurnInPlace, KeepsTheOrderOfThoseWhoAreReady)
{
    EXPECT_EQ(0, run(
                     [] {
                         constexpr int kCoroutines = 9, kRounds = 200;
                         std::vector<int> order;
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         for (int i = 0; i < kCoroutines; i++) {
                             children.start(scope, [&, i] {
                                 for (int round = 0; round < kRounds; round++) {
                                     EXPECT_EQ(0, nop());
                                     order.push_back(i);
                                 }
                                 return 0;
                             });
                         }
                         int result = coil_scope_close(&scope, 0);
                         EXPECT_EQ(size_t(kCoroutines * kRounds), order.size());
                         for (size_t i = 0; i < order.size(); i++)
                             EXPECT_EQ(int(i % kCoroutines), order[i]) << i;
                         return result;
                     },
                     on_kernel()));
}

/* The turn belongs to nobody: it ends with the one whose completion came, whoever took it. */
TEST(TurnInPlace, WakesOthersThanTheOneWhoTakesIt)
{
    EXPECT_EQ(0, run(
                     [] {
                         Pair pipe = make_pipe();
                         bool heard = false;
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         children.start(scope, [&] {
                             char byte;
                             heard = coil_read(pipe.left, &byte, 1) == 1;
                             return 0;
                         });
                         EXPECT_EQ(0, nop()); /* the read has begun */
                         EXPECT_EQ(1, coil_write(pipe.right, "x", 1));
                         /* ends: a completion is seen after a turn or two, and the loop comes */
                         for (int i = 0; !heard && i < 1000; i++)
                             EXPECT_EQ(0, nop());
                         EXPECT_TRUE(heard);
                         return coil_scope_close(&scope, 0);
                     },
                     on_kernel()));
}

TEST(TurnInPlace, HoldsUpNoTimerAndNoMessage)
{
    EXPECT_EQ(0, run(
                     [] {
                         bool slept = false, called = false;
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         children.start(scope, [&] {
                             slept = coil_sleep(COIL_MSEC) == 0;
                             return 0;
                         });
                         EXPECT_EQ(0, children.spawn_on(scope, 1, [&] {
                             return call(0, [&] {
                                 called = true;
                                 return 0;
                             });
                         }));
                         while (!slept || !called) /* ends: each is seen in time */
                             EXPECT_EQ(0, nop());
                         return coil_scope_close(&scope, 0);
                     },
                     on_kernel(cores(2))));
}

/* One that is stopped while it takes the turn has its result all the same. */
TEST(TurnInPlace, EndsWhatIsCancelledMeanwhile)
{
    EXPECT_EQ(0, run(
                     [] {
                         Pair pipe = make_pipe();
                         char byte = 0;
                         COIL_FUTURE(read);
                         coil_read_start(&read, pipe.left, &byte, 1);
                         EXPECT_EQ(0, nop());
                         coil_future_cancel(&read);
                         EXPECT_EQ(-ECANCELED, coil_await(&read));
                         coil_read_start(&read, pipe.left, &byte, 1);
                         EXPECT_EQ(1, coil_write(pipe.right, "x", 1));
                         EXPECT_EQ(1, coil_await(&read));
                         EXPECT_EQ('x', byte);
                         return 0;
                     },
                     on_kernel()));
}

/* A turn is no part of the coroutine that takes it: a line about it names the loop's work. */
TEST(TurnInPlace, RunsAsTheLoop)
{
    EXPECT_EQ(0, run(
                     [] {
                         static const coil_future_kind kind = [] {
                             coil_future_kind seen = {};
                             seen.name = "seen";
                             seen.event = [](coil_future *future, int32_t result, uint32_t) {
                                 bool as_loop = coil__sched->current == &coil__sched->loop;
                                 coil__future_complete(future, as_loop ? result : -EIO);
                             };
                             return seen;
                         }();
                         for (int i = 0; i < 100; i++) {
                             coil_future future;
                             io_uring_sqe *sqe = coil__op_begin(&future, &kind, COIL__NO_FD);
                             io_uring_prep_nop(sqe);
                             coil__op_fire_events(sqe, &future);
                             EXPECT_EQ(0, coil_await(&future));
                         }
                         return 0;
                     },
                     on_kernel()));
}

} // namespace
