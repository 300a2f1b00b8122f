/* SPDX-License-Identifier: MIT */
/* Futures in the order in which they are done, and races among them. */
#include "support/running.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <random>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

using namespace coil_test;

namespace {

constexpr int64_t kSoon = 2 * COIL_MSEC;
constexpr int64_t kMuchLater = 3600 * COIL_SEC;

/* Futures, and the array of pointers that the calls want. */
struct Many {
    std::vector<coil_future> futures;
    std::vector<coil_future *> pointers;

    explicit Many(size_t count) : futures(count)
    {
        for (coil_future &future : futures)
            pointers.push_back(&future);
    }
    ~Many()
    {
        for (coil_future &future : futures)
            coil_future_drop(&future);
    }
    Many(const Many &) = delete;
    Many &operator=(const Many &) = delete;

    coil_future *operator[](size_t i) { return &futures[i]; }
    int next() { return coil_await_next(pointers.data(), pointers.size()); }
    int race() { return coil_await_race(pointers.data(), pointers.size()); }
};

bool is_open(int fd)
{
    sockaddr_storage name;
    socklen_t len = sizeof(name);
    return coil_getsockname(fd, reinterpret_cast<sockaddr *>(&name), &len) != -EBADF;
}

struct SocketPair {
    int ends[2];
    SocketPair() { EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, ends)); }
    ~SocketPair()
    {
        close(ends[0]);
        close(ends[1]);
    }
    SocketPair(const SocketPair &) = delete;
    SocketPair &operator=(const SocketPair &) = delete;
};

TEST(AwaitNext, GivesResultsInTheOrderInWhichTheyAreDone)
{
    run([] {
        Many many(5);
        coil_time now = coil_now();
        for (size_t i = 0; i < 5; i++)
            coil_sleep_until_start(many[i], now + kSoon * int64_t(1 + (i * 2) % 5));
        std::vector<int> order;
        int i;
        while ((i = many.next()) >= 0) {
            order.push_back(i);
            EXPECT_EQ(0, coil_await(many[size_t(i)]));
        }
        EXPECT_EQ(-ENOENT, i);
        EXPECT_EQ((std::vector<int>{0, 3, 1, 4, 2}), order);
        return 0;
    });
}

/* All are done before anybody looks, so only the completions themselves know their order. */
TEST(AwaitNext, KeepsTheOrderOfThoseThatAreDoneInOneTurn)
{
    constexpr size_t kMany = 100;
    run([] {
        std::vector<int64_t> delays(kMany);
        for (size_t i = 0; i < kMany; i++)
            delays[i] = int64_t(i);
        std::mt19937 random(7);
        std::shuffle(delays.begin(), delays.end(), random);

        Many many(kMany);
        coil_time past = coil_now() - COIL_SEC;
        for (size_t i = 0; i < kMany; i++)
            coil_sleep_until_start(many[i], past + delays[i]);
        EXPECT_EQ(0, coil_await_all(many.pointers.data(), kMany));
        for (size_t done = 0; done < kMany; done++) {
            int i = many.next();
            EXPECT_EQ(int64_t(done), delays[size_t(i)]);
            EXPECT_EQ(0, coil_await(many[size_t(i)]));
        }
        EXPECT_EQ(-ENOENT, many.next());
        return 0;
    });
}

TEST(AwaitNext, MayBeCalledAgainBeforeTheResultIsCollected)
{
    run([] {
        Many many(2);
        coil_sleep_start(many[0], kMuchLater);
        coil_nop_start(many[1]);
        EXPECT_EQ(1, many.next());
        EXPECT_EQ(1, many.next());
        EXPECT_EQ(0, coil_await(many[1]));
        EXPECT_FALSE(coil_future_done(many[0]));
        return 0;
    });
}

TEST(AwaitNext, TakesARefusedStartForDone)
{
    run([] {
        Many many(2);
        coil_sleep_start(many[0], kMuchLater);
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_scope_cancel(&scope);
        coil_sleep_start(many[1], kMuchLater);
        EXPECT_EQ(1, many.next());
        EXPECT_EQ(-ECANCELED, coil_await(many[1]));
        return coil_scope_close(&scope, 0);
    });
}

TEST(AwaitNext, LeavesAllInFlightWhenTheScopeIsCancelled)
{
    run([] {
        Many many(2);
        coil_sleep_start(many[0], kMuchLater);
        coil_sleep_start(many[1], kMuchLater);
        COIL_SCOPE(scope, coil_after(kSoon));
        EXPECT_EQ(-ECANCELED, many.next());
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
        EXPECT_FALSE(coil_future_done(many[0]));
        EXPECT_FALSE(coil_future_done(many[1]));
        return 0;
    });
}

TEST(AwaitNext, OfNothingSaysSoAtOnce)
{
    run([] {
        Many many(3);
        EXPECT_EQ(-ENOENT, many.next()) << "never started";
        EXPECT_EQ(-ENOENT, coil_await_next(nullptr, 0));
        return 0;
    });
}

TEST(Race, TheFirstResultWinsAndTheOthersAreStopped)
{
    run([] {
        Many many(3);
        int stopped = 0;
        Body wait = [&] {
            stopped += wait_for_ever() == -ECANCELED;
            return 0;
        };
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_spawn_start(many[0], &scope, call_body, &wait);
        coil_sleep_start(many[1], kSoon);
        coil_spawn_start(many[2], &scope, call_body, &wait);
        EXPECT_EQ(1, many.race());
        EXPECT_EQ(2, stopped) << "they are waited for";
        EXPECT_EQ(0, coil_await(many[1]));
        EXPECT_EQ(0, coil_yield()) << "nothing else was cancelled";
        return coil_scope_close(&scope, 0);
    });
}

TEST(Race, OfSeveralThatAreDoneTheFirstWinsWhateverItsPlace)
{
    run([] {
        Many many(3);
        coil_time past = coil_now() - COIL_SEC;
        coil_sleep_until_start(many[0], past + 2);
        coil_sleep_until_start(many[1], past + 3);
        coil_sleep_until_start(many[2], past + 1);
        EXPECT_EQ(2, many.race());
        EXPECT_EQ(0, coil_await(many[2]));
        return 0;
    });
}

TEST(Race, AnErrorIsAResultToo)
{
    run([] {
        Many many(2);
        char byte;
        coil_sleep_start(many[0], kMuchLater);
        coil_read_start(many[1], -1, &byte, 1);
        EXPECT_EQ(1, many.race());
        EXPECT_EQ(-EBADF, coil_await(many[1]));
        return 0;
    });
}

TEST(Race, ALoserThatMadeADescriptorAllTheSameHasItClosed)
{
    run([] {
        Many many(2);
        coil_socket_start(many[0], AF_INET, SOCK_STREAM, 0);
        coil_socket_start(many[1], AF_INET, SOCK_STREAM, 0);
        EXPECT_EQ(0, coil_await_all(many.pointers.data(), 2));
        int fds[2] = {int(many[0]->result), int(many[1]->result)};
        int winner = many.race();
        EXPECT_EQ(fds[winner], coil_await(many[size_t(winner)]));
        EXPECT_EQ(0, coil_yield()); /* the close was submitted */
        EXPECT_TRUE(is_open(fds[winner]));
        EXPECT_FALSE(is_open(fds[1 - winner]));
        EXPECT_EQ(0, coil_close(fds[winner]));
        return 0;
    });
}

TEST(Race, StopsAllOnceTheScopeIsCancelled)
{
    run([] {
        Many many(2);
        COIL_SCOPE(scope, coil_after(kSoon));
        coil_sleep_start(many[0], kMuchLater);
        coil_sleep_start(many[1], kMuchLater);
        EXPECT_EQ(-ECANCELED, many.race());
        EXPECT_EQ(-ENOENT, many.next()) << "all are dropped";
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
        return 0;
    });
}

/* What happened wins over a cancellation: these bytes would be lost. */
TEST(Race, WhatHappenedAllTheSameWinsOverACancellation)
{
    run([] {
        SocketPair pair;
        Many many(2);
        Body take = [&] {
            EXPECT_EQ(-ECANCELED, wait_for_ever());
            return 7; /* it had got so far */
        };
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_sleep_start(many[0], kMuchLater);
        coil_spawn_start(many[1], &scope, call_body, &take);
        give_way();
        {
            COIL_SCOPE(inner, coil_after(kSoon));
            EXPECT_EQ(1, many.race());
            EXPECT_EQ(7, coil_await(many[1]));
            EXPECT_EQ(0, coil_scope_close(&inner, 0)); /* it stopped nothing */
        }
        return coil_scope_close(&scope, 0);
    });
}

struct RaceDeathTest : testing::Test {
    RaceDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

TEST_F(RaceDeathTest, StopsARaceWithAFutureThatWasNeverStarted)
{
    EXPECT_DEATH(run([] {
                     Many many(2);
                     coil_sleep_start(many[1], kMuchLater);
                     return many.race();
                 }),
                 "coil_await_race: a future was never started; in coroutine fn of coil_run");
}

TEST_F(RaceDeathTest, StopsTwoCoroutinesThatWaitForTheNextOfTheSame)
{
    EXPECT_DEATH(run([] {
                     Many many(1);
                     Children children;
                     coil_sleep_start(many[0], kMuchLater);
                     COIL_SCOPE(scope, COIL_FOREVER);
                     children.start(scope, [&] { return many.next(); });
                     children.start(scope, [&] { return many.next(); });
                     return coil_scope_close(&scope, 0);
                 }),
                 "coil_await: another coroutine waits for this future; in coroutine call_body");
}

} // namespace
