/* SPDX-License-Identifier: MIT */
/* The condition: no signal is lost, and the mutex comes back in every case. */
#include "support/running.h"

#include <cerrno>
#include <vector>

using namespace coil_test;

namespace {

struct Place {
    coil_mutex mutex = COIL_ZERO;
    coil_cond cond = COIL_ZERO;

    bool is_mine() { return !coil_mutex_try_lock(&mutex) && mutex.owner == current(); }

    /* The calling coroutine, as a mutex sees it. */
    static coil_task *current()
    {
        coil_mutex probe = COIL_ZERO;
        EXPECT_TRUE(coil_mutex_try_lock(&probe));
        coil_task *self = probe.owner;
        coil_mutex_unlock(&probe);
        return self;
    }
};

TEST(Cond, SignalWakesOneAndBroadcastAll)
{
    run([] {
        Place place;
        std::vector<int> woken;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 5; i++) {
            children.start(scope, [&, i] {
                EXPECT_EQ(0, coil_mutex_lock(&place.mutex));
                EXPECT_EQ(0, coil_cond_wait(&place.cond, &place.mutex));
                EXPECT_TRUE(place.is_mine());
                woken.push_back(i);
                coil_mutex_unlock(&place.mutex);
                return 0;
            });
        }
        coil_cond_signal(&place.cond); /* nobody waits yet: nothing happens, now or later */
        coil_cond_broadcast(&place.cond);
        give_way(10);
        EXPECT_TRUE(woken.empty());
        coil_cond_signal(&place.cond);
        give_way(3);
        EXPECT_EQ((std::vector<int>{0}), woken);
        coil_cond_signal(&place.cond);
        coil_cond_signal(&place.cond);
        give_way(3);
        EXPECT_EQ((std::vector<int>{0, 1, 2}), woken);
        coil_cond_broadcast(&place.cond);
        give_way(3);
        EXPECT_EQ((std::vector<int>{0, 1, 2, 3, 4}), woken);
        return coil_scope_close(&scope, 0);
    });
}

TEST(Cond, WaitsForTheMutexAfterTheSignalInItsTurn)
{
    run([] {
        Place place;
        std::vector<char> order;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            EXPECT_EQ(0, coil_mutex_lock(&place.mutex));
            EXPECT_EQ(0, coil_cond_wait(&place.cond, &place.mutex));
            order.push_back('w');
            coil_mutex_unlock(&place.mutex);
            return 0;
        });
        give_way();
        EXPECT_EQ(0, coil_mutex_lock(&place.mutex)) << "the waiter holds it while it waits";
        children.start(scope, [&] {
            EXPECT_EQ(0, coil_mutex_lock(&place.mutex));
            order.push_back('l');
            give_way();
            coil_mutex_unlock(&place.mutex);
            return 0;
        });
        give_way();
        coil_cond_signal(&place.cond);
        give_way(3);
        EXPECT_TRUE(order.empty());
        coil_mutex_unlock(&place.mutex);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ((std::vector<char>{'l', 'w'}), order) << "who waited for the mutex before";
        return 0;
    });
}

/* Runs a waiter in a scope of its own while the caller holds the mutex; gives its result, once it
 * has the mutex again. */
struct Waiter {
    Place &place;
    coil_scope scope = COIL_ZERO;
    int result = 1;

    explicit Waiter(Place &at) : place(at) {}

    int live()
    {
        EXPECT_EQ(0, coil_mutex_lock(&place.mutex));
        coil_scope_open(&scope, COIL_FOREVER);
        result = coil_cond_wait(&place.cond, &place.mutex);
        EXPECT_TRUE(place.is_mine());
        coil_mutex_unlock(&place.mutex);
        return coil_scope_close(&scope, result);
    }
};

TEST(Cond, ACancelledWaitStillWaitsForTheMutex)
{
    run([] {
        Place place;
        Waiter waiter(place);
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] { return waiter.live(); });
        give_way();
        EXPECT_EQ(0, coil_mutex_lock(&place.mutex));
        coil_scope_cancel(&waiter.scope);
        coil_cond_signal(&place.cond); /* comes too late for it */
        give_way(3);
        EXPECT_EQ(1, waiter.result) << "it returned without the mutex";
        coil_mutex_unlock(&place.mutex);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(-ECANCELED, waiter.result);
        return 0;
    });
}

TEST(Cond, AWaitThatWasSignalledBeforeItIsCancelledReturnsZero)
{
    run([] {
        Place place;
        Waiter waiter(place);
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] { return waiter.live(); });
        give_way();
        EXPECT_EQ(0, coil_mutex_lock(&place.mutex));
        coil_cond_signal(&place.cond);
        coil_scope_cancel(&waiter.scope);
        give_way(3);
        EXPECT_EQ(1, waiter.result) << "it returned without the mutex";
        coil_mutex_unlock(&place.mutex);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(0, waiter.result);
        return 0;
    });
}

TEST(Cond, ASignalForACancelledWaiterGoesToTheNext)
{
    run([] {
        Place place;
        Waiter first(place), second(place);
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] { return first.live(); });
        children.start(scope, [&] { return second.live(); });
        give_way();
        coil_scope_cancel(&first.scope);
        coil_cond_signal(&place.cond);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(-ECANCELED, first.result);
        EXPECT_EQ(0, second.result);
        return 0;
    });
}

TEST(Cond, ARefusedWaitNeverLetsGoOfTheMutex)
{
    run([] {
        Place place;
        Children children;
        COIL_SCOPE(outer, COIL_FOREVER);
        EXPECT_EQ(0, coil_mutex_lock(&place.mutex));
        children.start(outer, [&] {
            EXPECT_EQ(0, coil_mutex_lock(&place.mutex));
            coil_mutex_unlock(&place.mutex);
            return 0;
        });
        give_way();
        {
            COIL_SCOPE(scope, COIL_FOREVER);
            coil_scope_cancel(&scope);
            EXPECT_EQ(-ECANCELED, coil_cond_wait(&place.cond, &place.mutex));
            EXPECT_TRUE(place.is_mine());
            COIL_FUTURE(wait);
            coil_cond_wait_start(&wait, &place.cond, &place.mutex);
            EXPECT_EQ(-ECANCELED, coil_await(&wait));
            EXPECT_TRUE(place.is_mine());
        }
        coil_mutex_unlock(&place.mutex);
        return coil_scope_close(&outer, 0);
    });
}

TEST(Cond, DroppingItsFutureUnlocksTheMutexInEveryCase)
{
    run([] {
        Place place;
        Children children;
        COIL_SCOPE(outer, COIL_FOREVER);
        auto start = [&](coil_future *wait) {
            EXPECT_TRUE(coil_mutex_try_lock(&place.mutex));
            coil_cond_wait_start(wait, &place.cond, &place.mutex);
        };
        coil_future wait = COIL_ZERO;
        start(&wait);
        coil_future_drop(&wait); /* no signal */
        start(&wait);
        coil_cond_signal(&place.cond);
        EXPECT_TRUE(coil_future_done(&wait));
        coil_future_drop(&wait);

        start(&wait); /* a mutex that another one holds */
        children.start(outer, [&] {
            EXPECT_EQ(0, coil_mutex_lock(&place.mutex));
            give_way(3);
            coil_mutex_unlock(&place.mutex);
            return 0;
        });
        give_way();
        EXPECT_FALSE(coil_mutex_try_lock(&place.mutex));
        coil_future_drop(&wait);

        COIL_SCOPE(scope, COIL_FOREVER);
        coil_scope_cancel(&scope);
        start(&wait); /* refused */
        coil_future_drop(&wait);
        EXPECT_TRUE(coil_mutex_try_lock(&place.mutex));
        coil_mutex_unlock(&place.mutex);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        return coil_scope_close(&outer, 0);
    });
}

/* It has woken all whom it was for. */
TEST(Cond, ABroadcastToADroppedWaitWakesNobodyWhoCameAfterIt)
{
    run([] {
        Place place;
        coil_mutex other = COIL_ZERO;
        Waiter late(place);
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_future wait = COIL_ZERO;
        EXPECT_EQ(0, coil_mutex_lock(&other));
        coil_cond_wait_start(&wait, &place.cond, &other);
        coil_cond_broadcast(&place.cond);
        children.start(scope, [&] { return late.live(); });
        give_way();
        coil_future_drop(&wait);
        give_way(3);
        EXPECT_EQ(1, late.result) << "it was woken by nobody";
        coil_cond_signal(&place.cond);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(0, late.result);
        return 0;
    });
}

/* A bounded buffer, as in the books. */
TEST(Cond, KeepsABoundedBufferWithinItsBounds)
{
    run([] {
        constexpr int kItems = 300, kCapacity = 3;
        coil_mutex mutex = COIL_ZERO;
        coil_cond filled = COIL_ZERO, emptied = COIL_ZERO;
        int items = 0, taken = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int who = 0; who < 6; who++) {
            children.start(scope, [&, who] {
                bool puts = who < 3;
                for (int i = 0; i < kItems / 3; i++) {
                    EXPECT_EQ(0, coil_mutex_lock(&mutex));
                    while (puts ? items == kCapacity : items == 0)
                        EXPECT_EQ(0, coil_cond_wait(puts ? &emptied : &filled, &mutex));
                    items += puts ? 1 : -1;
                    taken += !puts;
                    EXPECT_TRUE(items >= 0 && items <= kCapacity);
                    coil_cond_signal(puts ? &filled : &emptied);
                    give_way(i % 2);
                    coil_mutex_unlock(&mutex);
                }
                return 0;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(kItems, taken);
        return 0;
    });
}

} // namespace
