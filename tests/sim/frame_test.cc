/* SPDX-License-Identifier: MIT */
/* A future that is gone before its operation has ended shows at that end: though nobody has that
 * memory, and though somebody has. */
#include "sim/network.h"
#include "sim/simulate.h"

using namespace coil_test;

namespace {

struct SimFrameDeathTest : testing::Test {
    SimFrameDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

/* AddressSanitizer has it elsewhere if it looks for uses after a return, and is faster. */
const char kSentence[] =
    "sim/frame.c:[0-9]+: the future of a (nop|recv) in flight \\([0-9]+ in the "
    "trace\\) is gone: the function that had it has returned, in coroutine "
    "fn of coil_run\\(\\)"
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

/* Further down than others will reach. It may wait before it returns. */
__attribute__((noinline)) int forget_a_recv(int fd, int64_t wait)
{
    static char byte;
    coil_future room[200]; /* of which only the first, the lowest, is touched */
    coil_recv_start(&room[0], fd, &byte, 1, 0);
    return wait > 0 ? coil_sleep(wait) : 0;
}

/* To a child, which lives longer. */
__attribute__((noinline)) void lend_a_future(Children &children, coil_scope &scope, int fd)
{
    static char byte;
    coil_future room[200]; /* as above */
    children.start(scope, [&room, fd] {
        coil_recv_start(&room[0], fd, &byte, 1, 0);
        return coil_sleep(COIL_FOREVER);
    });
    EXPECT_EQ(0, coil_sleep(COIL_MSEC));
}

/* With room that nobody touches. */
__attribute__((noinline)) int rest_far_down(int64_t span)
{
    char room[2 * sizeof(coil_future[200])];
    asm volatile("" : : "r"(&room) : "memory");
    return coil_sleep(span);
}

/* Takes as much of the stack as that, and leaves its futures to who calls. */
__attribute__((noinline)) int start_two(coil_future *futures)
{
    volatile char room[512] = {};
    coil_nop_start(&futures[0]);
    coil_sleep_start(&futures[1], COIL_USEC);
    return room[0];
}

/* Has `spoil` change a future whose receive is in flight, then lets it end. */
int receive_into_what_changes(void (*spoil)(coil_future *future))
{
    Pair pair = connected();
    coil_future future = {};
    char byte;
    coil_recv_start(&future, pair.server, &byte, 1, 0);
    if (coil_sleep(COIL_MSEC) < 0)
        return -1;
    spoil(&future);
    if (coil_send(pair.client, "x", 1, 0) < 0)
        return -1;
    return coil_sleep(COIL_SEC);
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

/* And whose memory, when its operation ends, lies in the room of another, who has not touched it.
 */
TEST_F(SimFrameDeathTest, StopsWhereAFunctionHasReturnedThoughAnotherHasItsMemoryInTheEnd)
{
    for (int64_t rest : {INT64_C(0), COIL_MSEC}) { /* before the operation has begun, and after */
        EXPECT_DEATH(simulate(1,
                              [=] {
                                  Pair pair = connected();
                                  int err = forget_a_recv(pair.server, COIL_MSEC - rest);
                                  err = err < 0 ? err : coil_sleep(COIL_MSEC);
                                  if (err == 0 && coil_send(pair.client, "x", 1, 0) == 1)
                                      err = rest_far_down(COIL_SEC);
                                  return err;
                              }),
                     kSentence);
    }
}

TEST_F(SimFrameDeathTest, StopsWhereAFutureOfAnotherCoroutineHasOutlivedItsFunction)
{
    const char sentence[] = "sim/frame.c:[0-9]+: an operation has ended whose future is gone: the "
                            "function that had it has returned, in coroutine fn of coil_run\\(\\)"
                            "|AddressSanitizer: stack-use-after-return";
    EXPECT_DEATH(simulate(1,
                          [] {
                              Pair pair = connected();
                              Children children;
                              COIL_SCOPE(scope, COIL_FOREVER);
                              lend_a_future(children, scope, pair.server);
                              if (coil_send(pair.client, "x", 1, 0) < 0)
                                  return -1;
                              return coil_sleep(COIL_SEC);
                          }),
                 sentence);
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

TEST_F(SimFrameDeathTest, StopsWhereTheMemoryOfAFutureInFlightIsUsedForSomethingElse)
{
    const char sentence[] = "sim/frame.c:[0-9]+: the future of a recv in flight \\([0-9]+ in the "
                            "trace\\) is gone: it was started again, or its memory was used for "
                            "something else, in coroutine fn of coil_run\\(\\)"
                            "|an operation begins with a future that is in flight: recv";
    static coil_future other;
    void (*const ways[])(coil_future *) = {
        [](coil_future *future) { memset(future, 0, sizeof(*future)); },
        [](coil_future *future) { memset(future, 0x55, sizeof(*future)); },
        [](coil_future *future) { coil_sleep_start(future, COIL_SEC); },
        [](coil_future *future) {
            coil_sleep_start(&other, COIL_SEC);
            memcpy(future, &other, sizeof(other));
        },
    };
    for (auto *way : ways)
        EXPECT_DEATH(simulate(1, [&] { return receive_into_what_changes(way); }), sentence);
}

TEST_F(SimFrameDeathTest, StopsWhereItIsUsedForSomethingElseBeforeTheTurnHasEnded)
{
    EXPECT_DEATH(simulate(1,
                          [] {
                              coil_future future = {};
                              coil_nop_start(&future);
                              memset(&future, 0, sizeof(future));
                              return coil_sleep(COIL_SEC);
                          }),
                 "an operation begins whose future is gone: it is not in flight");
}
