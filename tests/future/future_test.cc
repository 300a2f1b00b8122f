/* SPDX-License-Identifier: MIT */
/* Waiting for futures, one or several, giving up on them, and misusing them. */
#include "support/running.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>
#include <vector>

extern "C" {
#include "sim/force.h"
}

using namespace coil_test;

namespace {

constexpr int64_t kSoon = 2 * COIL_MSEC;
constexpr int64_t kMuchLater = 3600 * COIL_SEC;

/* Two ends of a stream. */
struct Pair {
    int ends[2];

    Pair() { EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)); }

    ~Pair()
    {
        close(ends[0]);
        close(ends[1]);
    }

    Pair(const Pair &) = delete;
    Pair &operator=(const Pair &) = delete;
};

/* Three sleeps, of which none ends by itself. */
struct Sleeps {
    std::array<coil_future, 3> futures = {};
    coil_future *list[3] = {&futures[0], &futures[1], &futures[2]};

    Sleeps()
    {
        for (coil_future &future : futures)
            coil_sleep_until_start(&future, COIL_FOREVER);
    }

    ~Sleeps()
    {
        for (coil_future &future : futures)
            coil_future_drop(&future);
    }

    Sleeps(const Sleeps &) = delete;
    Sleeps &operator=(const Sleeps &) = delete;
};

int fd_count()
{
    int count = int(coil__sim_files_count());
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

TEST(Future, AwaitReturnsTheResultOfTheOperation)
{
    run([] {
        Pair pair;
        char buf[8] = "";
        COIL_FUTURE(recv);
        coil_recv_start(&recv, pair.ends[0], buf, sizeof(buf), 0);
        EXPECT_FALSE(coil_future_done(&recv));
        EXPECT_EQ(3, coil_send(pair.ends[1], "abc", 3, 0));
        EXPECT_EQ(3, coil_await(&recv));
        EXPECT_EQ("abc", std::string(buf, 3));
        EXPECT_FALSE(coil_future_done(&recv));
        return 0;
    });
}

TEST(Future, AwaitReturnsTheErrorOfTheOperation)
{
    run([] {
        char byte;
        COIL_FUTURE(read);
        coil_read_start(&read, -1, &byte, 1);
        EXPECT_EQ(-EBADF, coil_await(&read));
        return 0;
    });
}

TEST(Future, CanBeUsedAgainAfterItWasAwaited)
{
    run([] {
        COIL_FUTURE(future);
        for (int i = 0; i < 1000; i++) {
            coil_nop_start(&future);
            EXPECT_EQ(0, coil_await(&future));
            coil_sleep_start(&future, 0);
            EXPECT_EQ(0, coil_await(&future));
        }
        return 0;
    });
}

TEST(Future, IsDoneBeforeItIsAwaitedOnceItsResultIsThere)
{
    run([] {
        COIL_FUTURE(nop);
        EXPECT_FALSE(coil_future_done(&nop));
        coil_nop_start(&nop);
        EXPECT_FALSE(coil_future_done(&nop));
        EXPECT_EQ(0, coil_sleep(kSoon));
        EXPECT_TRUE(coil_future_done(&nop));
        EXPECT_TRUE(coil_future_done(&nop));
        EXPECT_EQ(0, coil_await(&nop));
        return 0;
    });
}

TEST(Future, MayBeAwaitedByAnotherCoroutineThanTheOneThatStartedIt)
{
    run([] {
        Children children;
        COIL_FUTURE(sleep);
        coil_sleep_start(&sleep, kSoon);
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] { return int(coil_await(&sleep)); });
        return coil_scope_close(&scope, 0);
    });
}

TEST(Future, CancelIsIdempotentInEveryState)
{
    run([] {
        coil_future future = {};
        coil_future_cancel(&future); /* never started */
        EXPECT_FALSE(coil_future_done(&future));

        Pair pair;
        char byte;
        coil_recv_start(&future, pair.ends[0], &byte, 1, 0);
        coil_future_cancel(&future); /* not submitted yet */
        coil_future_cancel(&future);
        EXPECT_EQ(-ECANCELED, coil_await(&future));

        coil_recv_start(&future, pair.ends[0], &byte, 1, 0);
        EXPECT_EQ(0, coil_sleep(0));
        coil_future_cancel(&future); /* with the kernel */
        coil_future_cancel(&future);
        EXPECT_EQ(-ECANCELED, coil_await(&future));

        coil_nop_start(&future);
        EXPECT_EQ(0, coil_sleep(kSoon));
        coil_future_cancel(&future); /* done */
        EXPECT_EQ(0, coil_await(&future));
        coil_future_cancel(&future); /* awaited */

        coil_sleep_start(&future, kMuchLater);
        coil_future_cancel(&future);
        coil_future_cancel(&future);
        EXPECT_TRUE(coil_future_done(&future));
        EXPECT_EQ(-ECANCELED, coil_await(&future));
        EXPECT_EQ(0, coil_yield()) << "a future's cancel is not the scope's";
        return 0;
    });
}

TEST(Future, DropWorksInEveryState)
{
    run([] {
        coil_future future = {};
        coil_future_drop(&future); /* never started */

        Pair pair;
        char byte;
        coil_recv_start(&future, pair.ends[0], &byte, 1, 0);
        coil_future_drop(&future); /* in flight */
        coil_future_drop(&future); /* dropped */

        coil_recv_start(&future, pair.ends[0], &byte, 1, 0);
        coil_future_cancel(&future);
        coil_future_drop(&future); /* cancelling */

        coil_nop_start(&future);
        EXPECT_EQ(0, coil_sleep(kSoon));
        coil_future_drop(&future); /* done */

        coil_nop_start(&future);
        EXPECT_EQ(0, coil_await(&future));
        coil_future_drop(&future); /* awaited */
        return 0;
    });
}

TEST(Future, DropWaitsInACancelledScopeToo)
{
    run([] {
        Pair pair;
        char byte;
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_future recv = {}, sleep = {}, refused = {};
        coil_recv_start(&recv, pair.ends[0], &byte, 1, 0);
        coil_sleep_start(&sleep, kMuchLater);
        coil_scope_cancel(&scope);
        coil_nop_start(&refused);
        coil_future_drop(&recv);
        coil_future_drop(&sleep);
        coil_future_drop(&refused);
        EXPECT_EQ(1, coil_scope_close(&scope, 1));
        return 0;
    });
}

/* Nothing of it reaches the socket, or the receiver, after the block was left. */
TEST(Future, LeavingItsBlockStopsTheOperation)
{
    run([] {
        Pair pair;
        char left = 0, kept = 0, then;
        for (;;) {
            COIL_FUTURE(recv);
            coil_recv_start(&recv, pair.ends[0], &left, 1, 0);
            EXPECT_EQ(0, coil_sleep(0));
            break;
        }
        then = left;
        EXPECT_EQ(1, coil_send(pair.ends[1], "x", 1, 0));
        EXPECT_EQ(1, coil_recv(pair.ends[0], &kept, 1, 0));
        EXPECT_EQ(then, left);
        EXPECT_EQ('x', kept);
        return 0;
    });
}

TEST(Future, DropClosesADescriptorThatNobodyTook)
{
    run([] {
        int before = fd_count();
        {
            COIL_FUTURE(made);
            coil_socket_start(&made, AF_INET, SOCK_STREAM, 0);
            EXPECT_EQ(0, coil_sleep(kSoon));
            EXPECT_TRUE(coil_future_done(&made));
            EXPECT_EQ(before + 1, fd_count());
        }
        EXPECT_EQ(before, fd_count());
        {
            COIL_FUTURE(opened);
            coil_open_start(&opened, "/dev/null", O_RDONLY, 0);
        }
        EXPECT_EQ(before, fd_count());
        {
            COIL_SCOPE(scope, COIL_FOREVER);
            COIL_FUTURE(made);
            coil_socket_start(&made, AF_INET, SOCK_STREAM, 0);
            EXPECT_EQ(0, coil_sleep(kSoon));
            coil_scope_cancel(&scope);
        }
        EXPECT_EQ(before, fd_count());
        return 0;
    });
}

TEST(Future, DropDoesNotCloseWhatIsNoDescriptor)
{
    run([] {
        Pair pair;
        COIL_FUTURE(send);
        coil_send_start(&send, pair.ends[0], "abc", 3, 0); /* its result, 3, may be a descriptor */
        EXPECT_EQ(0, coil_sleep(kSoon));
        int before = fd_count();
        coil_future_drop(&send);
        EXPECT_EQ(before, fd_count());
        return 0;
    });
}

TEST(AwaitUntil, ReturnsTheResultWhenTheOperationIsFirst)
{
    run([] {
        COIL_FUTURE(future);
        for (coil_time deadline : {coil_after(kMuchLater), COIL_FOREVER}) {
            coil_nop_start(&future);
            EXPECT_EQ(0, coil_await_until(&future, deadline));
            coil_sleep_start(&future, kSoon);
            EXPECT_EQ(0, coil_await_until(&future, deadline));
        }
        EXPECT_EQ(0, coil_sleep(kSoon));
        return 0;
    });
}

TEST(AwaitUntil, CancelsAtItsDeadline)
{
    run([] {
        Pair pair;
        char byte = 0;
        COIL_FUTURE(recv);
        coil_recv_start(&recv, pair.ends[0], &byte, 1, 0);
        coil_time deadline = coil_after(kSoon);
        EXPECT_EQ(-ETIMEDOUT, coil_await_until(&recv, deadline));
        EXPECT_GE(coil_now(), deadline);
        EXPECT_EQ(0, coil_yield()) << "the scope is not cancelled by it";

        coil_sleep_start(&recv, kMuchLater);
        EXPECT_EQ(-ETIMEDOUT, coil_await_until(&recv, coil_after(kSoon)));
        return 0;
    });
}

TEST(AwaitUntil, APastDeadlineStillTakesAResultThatIsThere)
{
    run([] {
        COIL_FUTURE(future);
        for (coil_time past : {INT64_MIN, INT64_C(0), coil_now()}) {
            coil_nop_start(&future);
            EXPECT_EQ(0, coil_sleep(kSoon));
            EXPECT_EQ(0, coil_await_until(&future, past));
            coil_sleep_start(&future, kMuchLater);
            EXPECT_EQ(-ETIMEDOUT, coil_await_until(&future, past));
        }
        return 0;
    });
}

TEST(AwaitUntil, SaysECanceledWhenTheScopeIsFirst)
{
    run([] {
        Children children;
        COIL_FUTURE(sleep);
        COIL_SCOPE(scope, coil_after(kSoon));
        coil_sleep_until_start(&sleep, COIL_FOREVER);
        EXPECT_EQ(-ECANCELED, coil_await_until(&sleep, coil_after(kMuchLater)));
        coil_sleep_start(&sleep, 0);
        EXPECT_EQ(-ECANCELED, coil_await_until(&sleep, coil_after(kMuchLater)));
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, -ECANCELED));
        return 0;
    });
}

/* The callee takes its time to end, during which the deadline passes. */
TEST(AwaitUntil, SaysECanceledWhenSomebodyCancelledBeforeTheDeadline)
{
    run([] {
        Body slow_to_end = [] {
            EXPECT_EQ(-ECANCELED, wait_for_ever());
            COIL_SCOPE(cleanup, COIL_FOREVER);
            coil_scope_shield(&cleanup);
            EXPECT_EQ(0, coil_sleep(4 * kSoon));
            return coil_scope_close(&cleanup, -ECANCELED);
        };
        COIL_FUTURE(called);
        coil_call_start(&called, 0, call_body, &slow_to_end);
        EXPECT_EQ(0, coil_sleep(kSoon));
        coil_future_cancel(&called);
        EXPECT_EQ(-ECANCELED, coil_await_until(&called, coil_after(kSoon)));
        return 0;
    });
}

TEST(AwaitAny, ReturnsTheOneThatIsDoneAndLeavesTheOthersInFlight)
{
    run([] {
        Children children;
        Sleeps sleeps;
        COIL_FUTURE(nop);
        coil_nop_start(&nop);
        coil_future *list[] = {sleeps.list[0], &nop, sleeps.list[1]};
        EXPECT_EQ(1, coil_await_any(list, 3));
        EXPECT_EQ(0, coil_await(&nop));
        EXPECT_FALSE(coil_future_done(sleeps.list[0]));
        EXPECT_FALSE(coil_future_done(sleeps.list[1]));
        return 0;
    });
}

TEST(AwaitAny, ReturnsTheLowestIndexOfSeveralThatAreDone)
{
    run([] {
        Sleeps sleeps;
        COIL_FUTURE(first);
        COIL_FUTURE(second);
        coil_nop_start(&second);
        coil_nop_start(&first);
        EXPECT_EQ(0, coil_sleep(kSoon));
        coil_future *list[] = {sleeps.list[0], &first, &second};
        EXPECT_EQ(1, coil_await_any(list, 3));
        EXPECT_EQ(1, coil_await_any(list, 3)) << "it was not collected";
        EXPECT_EQ(0, coil_await(&first));
        coil_future *rest[] = {sleeps.list[0], &second};
        EXPECT_EQ(1, coil_await_any(rest, 2));
        EXPECT_EQ(0, coil_await(&second));
        return 0;
    });
}

TEST(AwaitAny, TakesTwoThatCompleteInOneTurn)
{
    run([] {
        Sleeps sleeps;
        COIL_FUTURE(first);
        COIL_FUTURE(second);
        coil_time instant = coil_after(kSoon);
        coil_sleep_until_start(&second, instant); /* fires first */
        coil_sleep_until_start(&first, instant);
        coil_future *list[] = {&first, sleeps.list[0], &second};
        EXPECT_EQ(0, coil_await_any(list, 3));
        EXPECT_TRUE(coil_future_done(&second));
        EXPECT_EQ(0, coil_await(&first));
        EXPECT_EQ(0, coil_await(&second));
        EXPECT_EQ(0, coil_yield());
        return 0;
    });
}

/* What is left over must not wake the coroutine out of its next wait. */
TEST(AwaitAny, DoesNotDisturbLaterWaits)
{
    run([] {
        COIL_FUTURE(early);
        COIL_FUTURE(late);
        coil_time start = coil_now();
        coil_sleep_until_start(&early, start + kSoon);
        coil_sleep_until_start(&late, start + 2 * kSoon);
        coil_future *list[] = {&early, &late};
        EXPECT_EQ(0, coil_await_any(list, 2));
        EXPECT_EQ(0, coil_sleep_until(start + 4 * kSoon)); /* late ends meanwhile */
        EXPECT_GE(coil_now(), start + 4 * kSoon);
        EXPECT_EQ(0, coil_await(&early));
        EXPECT_EQ(0, coil_await(&late));
        return 0;
    });
}

TEST(AwaitAny, LeavesAllInFlightWhenTheScopeIsCancelled)
{
    run([] {
        Sleeps sleeps;
        {
            COIL_SCOPE(scope, coil_after(kSoon));
            EXPECT_EQ(-ECANCELED, coil_await_any(sleeps.list, 3)); /* while it waits */
            EXPECT_EQ(-ECANCELED, coil_await_any(sleeps.list, 3)); /* before */
            EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
        }
        for (coil_future &future : sleeps.futures)
            EXPECT_FALSE(coil_future_done(&future));
        coil_future_cancel(sleeps.list[2]);
        EXPECT_EQ(2, coil_await_any(sleeps.list, 3));
        EXPECT_EQ(-ECANCELED, coil_await(sleeps.list[2]));
        return 0;
    });
}

TEST(AwaitAny, PrefersAResultToACancellation)
{
    run([] {
        COIL_SCOPE(scope, COIL_FOREVER);
        COIL_FUTURE(nop);
        coil_nop_start(&nop);
        EXPECT_EQ(0, coil_sleep(kSoon));
        coil_scope_cancel(&scope);
        coil_future *list[] = {&nop};
        EXPECT_EQ(0, coil_await_any(list, 1));
        EXPECT_EQ(0, coil_await(&nop));
        return coil_scope_close(&scope, 0);
    });
}

TEST(AwaitAny, IsReadiedByAFutureThatSomebodyCancels)
{
    run([] {
        Children children;
        Sleeps sleeps;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            coil_future_cancel(sleeps.list[1]);
            return 0;
        });
        EXPECT_EQ(1, coil_await_any(sleeps.list, 3));
        EXPECT_EQ(-ECANCELED, coil_await(sleeps.list[1]));
        return coil_scope_close(&scope, 0);
    });
}

TEST(AwaitAll, WaitsForAllAndKeepsTheirResults)
{
    run([] {
        Pair pair;
        COIL_FUTURE(sleep);
        COIL_FUTURE(send);
        COIL_FUTURE(nop);
        coil_sleep_start(&sleep, kSoon);
        coil_send_start(&send, pair.ends[0], "abcd", 4, 0);
        coil_nop_start(&nop);
        coil_future *list[] = {&sleep, &send, &nop};
        EXPECT_EQ(0, coil_await_all(list, 3));
        for (coil_future *future : list)
            EXPECT_TRUE(coil_future_done(future));
        EXPECT_EQ(0, coil_await(&sleep));
        EXPECT_EQ(4, coil_await(&send));
        EXPECT_EQ(0, coil_await(&nop));
        EXPECT_EQ(0, coil_await_all(list, 0));
        return 0;
    });
}

/* Not the first in time, which would be another one from run to run. */
TEST(AwaitAll, ReturnsTheErrorOfTheFirstInTheArray)
{
    run([] {
        char byte;
        COIL_FUTURE(sleep);
        COIL_FUTURE(late);
        COIL_FUTURE(early);
        coil_read_start(&early, -1, &byte, 1);
        coil_sleep_start(&sleep, kSoon);
        coil_sleep_start(&late, kMuchLater);
        coil_future *list[] = {&sleep, &late, &early};
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            EXPECT_EQ(0, coil_sleep(2 * kSoon));
            coil_future_cancel(&late);
            return 0;
        });
        EXPECT_EQ(-ECANCELED, coil_await_all(list, 3));
        EXPECT_EQ(0, coil_await(&sleep));
        EXPECT_EQ(-ECANCELED, coil_await(&late));
        EXPECT_EQ(-EBADF, coil_await(&early));
        return coil_scope_close(&scope, 0);
    });
}

TEST(AwaitAll, CancelsAllWhenTheScopeIsCancelled)
{
    run([] {
        for (int64_t after : {INT64_C(0), kSoon}) {
            Sleeps sleeps;
            COIL_FUTURE(nop);
            coil_nop_start(&nop);
            coil_future *list[] = {&nop, sleeps.list[0], sleeps.list[1], sleeps.list[2]};
            COIL_SCOPE(scope, coil_after(after));
            if (after == 0)
                coil_scope_cancel(&scope);
            EXPECT_EQ(-ECANCELED, coil_await_all(list, 4));
            for (coil_future &future : sleeps.futures) {
                EXPECT_TRUE(coil_future_done(&future));
                EXPECT_EQ(-ECANCELED, coil_await(&future));
            }
            EXPECT_EQ(after == 0 ? 0 : -ETIMEDOUT, coil_scope_close(&scope, -ECANCELED));
        }
        return 0;
    });
}

/* The first one withstands it, which need not hold up the second. */
TEST(AwaitAll, CancelsAllBeforeItWaitsForAnyOfThem)
{
    run([] {
        coil_mutex mutex = COIL_ZERO;
        coil_cond cond = COIL_ZERO;
        Children children;
        COIL_SCOPE(outer, COIL_FOREVER);
        COIL_SCOPE(inner, COIL_FOREVER);
        COIL_FUTURE(relock);
        COIL_FUTURE(sleep);
        EXPECT_EQ(0, coil_mutex_lock(&mutex));
        coil_cond_wait_start(&relock, &cond, &mutex);
        coil_sleep_until_start(&sleep, COIL_FOREVER);
        children.start(outer, [&] {
            EXPECT_EQ(0, coil_mutex_lock(&mutex));
            coil_scope_cancel(&inner);
            give_way(3);
            EXPECT_FALSE(coil_future_done(&relock));
            EXPECT_TRUE(coil_future_done(&sleep));
            coil_mutex_unlock(&mutex);
            return 0;
        });
        coil_future *list[] = {&relock, &sleep};
        EXPECT_EQ(-ECANCELED, coil_await_all(list, 2));
        EXPECT_EQ(-ECANCELED, coil_await(&sleep));
        EXPECT_EQ(-ECANCELED, coil_await(&relock));
        coil_mutex_unlock(&mutex);
        EXPECT_EQ(0, coil_scope_close(&inner, 0));
        return coil_scope_close(&outer, 0);
    });
}

struct FutureDeathTest : testing::Test {
    FutureDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }

    static void misuse(const Body &body) { _exit(run(body)); }
};

constexpr const char *kNeverStarted = "coil_await: the future was never started, or is awaited "
                                      "twice; in coroutine fn of coil_run";

TEST_F(FutureDeathTest, StopsWhoAwaitsWhatWasNeverStarted)
{
    EXPECT_DEATH(misuse([] {
                     coil_future future = {};
                     return int(coil_await(&future));
                 }),
                 kNeverStarted);
    EXPECT_DEATH(misuse([] {
                     coil_future future = {};
                     return int(coil_await_until(&future, COIL_FOREVER));
                 }),
                 kNeverStarted);
    EXPECT_DEATH(misuse([] {
                     coil_future future = {};
                     return int(coil_await_until(&future, coil_after(kMuchLater)));
                 }),
                 kNeverStarted);
    EXPECT_DEATH(misuse([] {
                     coil_future future = {};
                     coil_future *list[] = {&future};
                     return coil_await_all(list, 1);
                 }),
                 kNeverStarted);
    EXPECT_DEATH(misuse([] {
                     Sleeps sleeps;
                     coil_future future = {};
                     coil_future *list[] = {sleeps.list[0], &future};
                     return coil_await_any(list, 2);
                 }),
                 "coil_await_any: a future was never started");
}

TEST_F(FutureDeathTest, StopsWhoAwaitsTwice)
{
    EXPECT_DEATH(misuse([] {
                     coil_future future = {};
                     coil_nop_start(&future);
                     EXPECT_EQ(0, coil_await(&future));
                     return int(coil_await(&future));
                 }),
                 kNeverStarted);
}

TEST_F(FutureDeathTest, StopsACoroutineThatReturnsWithAnOperationInFlight)
{
    EXPECT_DEATH(misuse([] {
                     static coil_future left;
                     coil_sleep_start(&left, kMuchLater);
                     return 0;
                 }),
                 "a coroutine returned with an operation in flight.*; in coroutine fn of coil_run");
}

#ifndef NDEBUG
TEST_F(FutureDeathTest, NamesTheLineThatStartedWhatWasLeftInFlight)
{
    struct Case {
        std::string expected;
        Body leave;
    };
    static coil_future left;
    static char byte;
    static Body body = [] { return wait_for_ever(); };
    static int silent[2];
    auto here = [](const char *kind, int line) {
        return std::string("in flight: ") + kind +
               ", started at .*future_test.cc:" + std::to_string(line) +
               "; in coroutine fn of coil_run";
    };
#define LEAVE(kind, start)              \
    {                                   \
        here(kind, __LINE__), [] {      \
            EXPECT_EQ(0, pipe(silent)); \
            start;                      \
            return 0;                   \
        }                               \
    }
    const Case cases[] = {
        LEAVE("sleep", coil_sleep_start(&left, kMuchLater)),
        LEAVE("sleep", coil_sleep_until_start(&left, COIL_FOREVER)),
        LEAVE("read", coil_read_start(&left, silent[0], &byte, 1)),
        LEAVE("poll", coil_poll_start(&left, silent[0], 1)),
        LEAVE("fsync", coil_fdatasync_start(&left, silent[0])),
        LEAVE("close", coil_close_start(&left, silent[1])),
        LEAVE("call", coil_call_start(&left, 0, call_body, &body)),
    };
#undef LEAVE
    for (const Case &one : cases)
        EXPECT_DEATH(misuse(one.leave), one.expected);
}

TEST_F(FutureDeathTest, NamesTheLineThatStartedAFutureWhichIsStartedAgain)
{
    auto expected = [](const char *kind, int line) {
        return std::string("an operation begins with a future that is in flight: ") + kind +
               ", started at .*future_test.cc:" + std::to_string(line) +
               "; in coroutine fn of coil_run";
    };
    struct Case {
        std::string expected;
        Body start;
    };
    const Case cases[] = {
        {expected("nop", __LINE__ + 3),
         [] {
             COIL_FUTURE(f);
             coil_nop_start(&f);
             coil_nop_start(&f);
             return 0;
         }},
        {expected("sleep", __LINE__ + 3),
         [] {
             COIL_FUTURE(f);
             coil_sleep_start(&f, kMuchLater);
             coil_nop_start(&f);
             return 0;
         }},
    };
    for (const Case &one : cases)
        EXPECT_DEATH(misuse(one.start), one.expected);
}
#else
TEST_F(FutureDeathTest, StopsWhereAFutureWasStartedTwice)
{
    EXPECT_DEATH(
        misuse([] {
            COIL_FUTURE(future);
            coil_nop_start(&future);
            coil_nop_start(&future);
            return coil_sleep(COIL_SEC);
        }),
        "an operation has ended whose future is not in flight|the future of a nop in flight");
}
#endif

TEST_F(FutureDeathTest, StopsTwoCoroutinesThatAwaitTheSameFuture)
{
    EXPECT_DEATH(misuse([] {
                     Children children;
                     COIL_FUTURE(sleep);
                     coil_sleep_start(&sleep, kMuchLater);
                     COIL_SCOPE(scope, COIL_FOREVER);
                     children.start(scope, [&] { return int(coil_await(&sleep)); });
                     children.start(scope, [&] { return int(coil_await(&sleep)); });
                     return coil_scope_close(&scope, 0);
                 }),
                 "coil_await: another coroutine waits for this future");
}

} // namespace
