/* SPDX-License-Identifier: MIT */
/* The mutex: one at a time, and nobody overtakes. (What all waits do: waits_test.cc.) */
#include "support/running.h"

#include <cerrno>
#include <vector>

using namespace coil_test;

namespace {

TEST(Mutex, LetsOneInAtATimeThoughTheyWaitInside)
{
    EXPECT_EQ(0, run([] {
                  coil_mutex mutex = COIL_ZERO;
                  int inside = 0, total = 0;
                  Children children;
                  COIL_SCOPE(scope, COIL_FOREVER);
                  for (int i = 0; i < 20; i++) {
                      children.start(scope, [&, i] {
                          for (int round = 0; round < 10; round++) {
                              EXPECT_EQ(0, coil_mutex_lock(&mutex));
                              EXPECT_EQ(1, ++inside);
                              give_way(i % 3);
                              inside--;
                              total++;
                              coil_mutex_unlock(&mutex);
                              give_way(i % 2);
                          }
                          return 0;
                      });
                  }
                  int result = coil_scope_close(&scope, 0);
                  EXPECT_EQ(200, total);
                  coil_mutex_destroy(&mutex);
                  return result;
              }));
}

TEST(Mutex, ThatIsFreeIsLockedWithoutLettingOthersRun)
{
    run([] {
        coil_mutex mutex = COIL_ZERO;
        bool ran = false;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            ran = true;
            return 0;
        });
        for (int i = 0; i < 1000; i++) {
            EXPECT_EQ(0, coil_mutex_lock(&mutex));
            coil_mutex_unlock(&mutex);
            EXPECT_TRUE(coil_mutex_try_lock(&mutex));
            coil_mutex_unlock(&mutex);
        }
        EXPECT_FALSE(ran);
        return coil_scope_close(&scope, 0);
    });
}

TEST(Mutex, TryLockFailsWhileAnybodyHoldsItOrIsAboutTo)
{
    run([] {
        coil_mutex mutex = COIL_ZERO;
        bool waiter_has_it = false;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        EXPECT_TRUE(coil_mutex_try_lock(&mutex));
        EXPECT_FALSE(coil_mutex_try_lock(&mutex)) << "by its own holder";
        children.start(scope, [&] {
            EXPECT_FALSE(coil_mutex_try_lock(&mutex));
            EXPECT_EQ(0, coil_mutex_lock(&mutex));
            waiter_has_it = true;
            coil_mutex_unlock(&mutex);
            return 0;
        });
        give_way();
        coil_mutex_unlock(&mutex);
        EXPECT_FALSE(coil_mutex_try_lock(&mutex)) << "it is the waiter's, who has not run yet";
        EXPECT_FALSE(waiter_has_it);
        EXPECT_EQ(0, coil_mutex_lock(&mutex));
        EXPECT_TRUE(waiter_has_it);
        coil_mutex_unlock(&mutex);
        return coil_scope_close(&scope, 0);
    });
}

/* Whoever unlocks and locks again in a loop gives everybody else a turn. */
TEST(Mutex, AGreedyHolderTakesTurnsWithThoseWhoWait)
{
    run([] {
        coil_mutex mutex = COIL_ZERO;
        std::vector<int> order;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int who = 0; who < 3; who++) {
            children.start(scope, [&, who] {
                for (int i = 0; i < 3; i++) {
                    EXPECT_EQ(0, coil_mutex_lock(&mutex));
                    order.push_back(who);
                    give_way(3);
                    coil_mutex_unlock(&mutex);
                }
                return 0;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ((std::vector<int>{0, 1, 2, 0, 1, 2, 0, 1, 2}), order);
        return 0;
    });
}

TEST(Mutex, BelongsToWhoStartedTheFutureWhoeverAwaitsIt)
{
    run([] {
        coil_mutex mutex = COIL_ZERO;
        Children children;
        COIL_FUTURE(lock);
        coil_mutex_lock_start(&lock, &mutex);
        EXPECT_TRUE(coil_future_done(&lock));
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] { return int(coil_await(&lock)); });
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        coil_mutex_unlock(&mutex);
        coil_mutex_destroy(&mutex);
        return 0;
    });
}

TEST(Mutex, CanBeUnlockedInACancelledScope)
{
    run([] {
        coil_mutex mutex = COIL_ZERO;
        COIL_SCOPE(scope, COIL_FOREVER);
        EXPECT_EQ(0, coil_mutex_lock(&mutex));
        coil_scope_cancel(&scope);
        EXPECT_EQ(-ECANCELED, coil_mutex_lock(&mutex)) << "refused before it is called a bug";
        coil_mutex_unlock(&mutex);
        EXPECT_TRUE(coil_mutex_try_lock(&mutex)) << "what can't suspend isn't refused";
        coil_mutex_unlock(&mutex);
        return coil_scope_close(&scope, 0);
    });
}

TEST(Mutex, IsZeroWheneverItIsFree)
{
    run([] {
        coil_mutex mutex = COIL_ZERO;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 3; i++) {
            children.start(scope, [&] {
                EXPECT_EQ(0, coil_mutex_lock(&mutex));
                give_way(3);
                coil_mutex_unlock(&mutex);
                return 0;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        coil_mutex moved = mutex;
        EXPECT_EQ(nullptr, moved.owner);
        EXPECT_EQ(nullptr, moved.waiters.next);
        EXPECT_EQ(nullptr, moved.waiters.prev);
        return 0;
    });
}

} // namespace
