/* SPDX-License-Identifier: MIT */
/* Semaphore, event, barrier and wait group: what is special to each. */
#include "support/running.h"

#include <cerrno>
#include <vector>

using namespace coil_test;

namespace {

TEST(Sem, LetsInAsManyAsItHasPermits)
{
    run([] {
        coil_sem sem;
        coil_sem_init(&sem, 3);
        int inside = 0, most = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 20; i++) {
            children.start(scope, [&] {
                EXPECT_EQ(0, coil_sem_acquire(&sem));
                most = std::max(most, ++inside);
                give_way(2);
                inside--;
                coil_sem_release(&sem);
                return 0;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(3, most);
        coil_sem_destroy(&sem);
        return 0;
    });
}

TEST(Sem, HandsAReleasedPermitToWhoWaitsNotToWhoComes)
{
    run([] {
        coil_sem sem = COIL_ZERO;
        bool ran = false;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            int err = coil_sem_acquire(&sem);
            ran = true;
            return err;
        });
        give_way();
        coil_sem_release(&sem);
        EXPECT_FALSE(ran);
        EXPECT_FALSE(coil_sem_try_acquire(&sem)) << "it overtook the one who waits";
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_TRUE(ran);
        return 0;
    });
}

TEST(Sem, MayBeReleasedByAnyCoroutineAndBeforeAnybodyAsks)
{
    run([] {
        coil_sem sem = COIL_ZERO;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            coil_sem_release(&sem);
            coil_sem_release(&sem);
            return 0;
        });
        EXPECT_EQ(0, coil_sem_acquire(&sem));
        EXPECT_EQ(0, coil_sem_acquire(&sem));
        EXPECT_FALSE(coil_sem_try_acquire(&sem));
        return coil_scope_close(&scope, 0);
    });
}

TEST(Event, WakesAllThatWaitAndNobodyWaitsAfterwards)
{
    run([] {
        coil_event event = COIL_ZERO;
        int woken = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 5; i++) {
            children.start(scope, [&] {
                EXPECT_EQ(0, coil_event_wait(&event));
                woken++;
                return 0;
            });
        }
        give_way();
        EXPECT_FALSE(coil_event_is_set(&event));
        coil_event_set(&event);
        coil_event_set(&event);
        EXPECT_TRUE(coil_event_is_set(&event));
        EXPECT_EQ(0, coil_event_wait(&event));
        EXPECT_EQ(0, woken) << "it waited though the event is set";
        return coil_scope_close(&scope, 0) + woken - 5;
    });
}

TEST(Event, ThatIsClearedAtOnceHasStillWokenThoseWhoWaited)
{
    run([] {
        coil_event event = COIL_ZERO;
        int woken = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        auto wait = [&] {
            EXPECT_EQ(0, coil_event_wait(&event));
            woken++;
            return 0;
        };
        children.start(scope, wait);
        give_way();
        coil_event_set(&event);
        coil_event_clear(&event);
        children.start(scope, wait);
        give_way(3);
        EXPECT_EQ(1, woken);
        coil_event_set(&event);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(2, woken);
        return 0;
    });
}

TEST(Barrier, LetsGoWhenAllHaveComeRoundAfterRound)
{
    run([] {
        constexpr int kCount = 4, kRounds = 10;
        coil_barrier barrier;
        coil_barrier_init(&barrier, kCount);
        int rounds[kCount] = {}, last = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int &mine : rounds) {
            children.start(scope, [&] {
                for (; mine < kRounds; mine++) {
                    give_way(int(&mine - rounds));
                    for (int other : rounds)
                        EXPECT_LE(std::abs(other - mine), 1) << "somebody runs ahead";
                    int result = coil_barrier_wait(&barrier);
                    EXPECT_TRUE(result == 0 || result == 1);
                    last += result;
                }
                return 0;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(kRounds, last) << "one of each round came last";
        coil_barrier_destroy(&barrier);
        return 0;
    });
}

TEST(Barrier, DoesNotCountWhoWasCancelled)
{
    run([] {
        coil_barrier barrier;
        coil_barrier_init(&barrier, 2);
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        {
            COIL_FUTURE(wait);
            coil_barrier_wait_start(&wait, &barrier);
        }
        COIL_FUTURE(wait);
        coil_barrier_wait_start(&wait, &barrier);
        EXPECT_FALSE(coil_future_done(&wait));
        EXPECT_EQ(1, coil_barrier_wait(&barrier));
        EXPECT_EQ(0, coil_await(&wait));
        return coil_scope_close(&scope, 0);
    });
}

TEST(Barrier, ForOneNeverWaits)
{
    run([] {
        coil_barrier barrier;
        coil_barrier_init(&barrier, 1);
        for (int i = 0; i < 3; i++)
            EXPECT_EQ(1, coil_barrier_wait(&barrier));
        return 0;
    });
}

TEST(WaitGroup, WaitsUntilAllIsDone)
{
    run([] {
        coil_wait_group group = COIL_ZERO;
        EXPECT_EQ(0, coil_wait_group_wait(&group)) << "nothing is to be done";
        int done = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_wait_group_add(&group, 5);
        for (int i = 0; i < 5; i++) {
            children.start(scope, [&, i] {
                give_way(i);
                done++;
                coil_wait_group_done(&group);
                return 0;
            });
        }
        children.start(scope, [&] {
            EXPECT_EQ(0, coil_wait_group_wait(&group));
            EXPECT_EQ(5, done);
            return 0;
        });
        EXPECT_EQ(0, coil_wait_group_wait(&group));
        EXPECT_EQ(5, done);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        coil_wait_group_destroy(&group);
        return 0;
    });
}

TEST(WaitGroup, ThatIsUsedAgainAtOnceHasStillLetGoThoseWhoWaited)
{
    run([] {
        coil_wait_group group = COIL_ZERO;
        bool woken = false;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_wait_group_add(&group, 1);
        children.start(scope, [&] {
            int err = coil_wait_group_wait(&group);
            woken = true;
            return err;
        });
        give_way();
        coil_wait_group_done(&group);
        coil_wait_group_add(&group, 1);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_TRUE(woken);
        coil_wait_group_done(&group);
        return 0;
    });
}

} // namespace
