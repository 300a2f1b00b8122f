/* SPDX-License-Identifier: MIT */
/* What only a wrong program does with a lock ends it, with one line that says what. */
#include "support/running.h"

#include <cerrno>
#include <unistd.h>

using namespace coil_test;

namespace {

struct SyncDeathTest : testing::Test {
    SyncDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

/* The body as fn of a coil_run(), in the child. */
void misuse(Body body)
{
    _exit(run(std::move(body)));
}

/* Ends by an error of its own unless something stops it before. */
template <class Thing> void misuse_while_held(int (*hold)(Thing *), void (*use)(Thing *))
{
    misuse([=] {
        Thing thing = COIL_ZERO;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            int err = hold(&thing);
            return err < 0 ? err : wait_for_ever();
        });
        give_way();
        use(&thing);
        return 0;
    });
}

constexpr const char *kInFn = "; in coroutine fn of coil_run";

std::string line(const std::string &file, const std::string &sentence,
                 const std::string &who = kInFn)
{
    return "coil: runtime/" + file + ".c:[0-9]+: " + sentence + who;
}

TEST_F(SyncDeathTest, StopsTheUnlockOfAMutexThatTheCallerDoesNotHold)
{
    const std::string text = line("sync/mutex", "coil_mutex_unlock: the caller does not hold it");
    EXPECT_DEATH(misuse([] {
                     coil_mutex mutex = COIL_ZERO;
                     coil_mutex_unlock(&mutex);
                     return 0;
                 }),
                 text);
    EXPECT_DEATH(misuse_while_held<coil_mutex>(coil_mutex_lock, coil_mutex_unlock), text);
}

TEST_F(SyncDeathTest, StopsAMutexFromBeingLockedTwice)
{
    const std::string text = line("sync/mutex", "coil_mutex_lock: the caller holds it already");
    EXPECT_DEATH(misuse([] {
                     coil_mutex mutex = COIL_ZERO;
                     EXPECT_EQ(0, coil_mutex_lock(&mutex));
                     return coil_mutex_lock(&mutex);
                 }),
                 text);
    EXPECT_DEATH(misuse([] {
                     coil_mutex mutex = COIL_ZERO;
                     coil_future future = COIL_ZERO;
                     EXPECT_EQ(0, coil_mutex_lock(&mutex));
                     coil_mutex_lock_start(&future, &mutex);
                     return 0;
                 }),
                 text);
}

TEST_F(SyncDeathTest, StopsTheEndOfAMutexThatIsHeld)
{
    EXPECT_DEATH(misuse_while_held<coil_mutex>(coil_mutex_lock, coil_mutex_destroy),
                 line("sync/mutex", "coil_mutex_destroy: it is held"));
}

TEST_F(SyncDeathTest, StopsACoroutineThatReturnsWithALockHeld)
{
    const std::string sentence = "a coroutine returned with a lock held";
    EXPECT_DEATH(misuse([] {
                     static coil_mutex mutex;
                     return coil_mutex_lock(&mutex);
                 }),
                 line("future/scope", sentence));
    EXPECT_DEATH(misuse([] {
                     static coil_rwlock rwlock;
                     return coil_rwlock_read(&rwlock);
                 }),
                 line("future/scope", sentence));
    EXPECT_DEATH(misuse([] {
                     Children children;
                     coil_rwlock rwlock = COIL_ZERO;
                     COIL_SCOPE(scope, COIL_FOREVER);
                     children.start(scope, [&] { return coil_rwlock_write(&rwlock); });
                     return coil_scope_close(&scope, 0);
                 }),
                 line("future/scope", sentence, "; in coroutine call_body"));
}

TEST_F(SyncDeathTest, StopsACoroutineThatForgetsAGrantedLock)
{
    EXPECT_DEATH(misuse([] {
                     static coil_mutex mutex;
                     static coil_future lock;
                     coil_mutex_lock_start(&lock, &mutex);
                     return 0;
                 }),
                 line("future/scope", "a coroutine returned with a lock held"));
}

TEST_F(SyncDeathTest, StopsACoroutineThatForgetsAWait)
{
    EXPECT_DEATH(misuse([] {
                     static coil_event event;
                     static coil_future wait;
                     coil_event_wait_start(&wait, &event);
                     return 0;
                 }),
                 "a coroutine returned with an operation in flight(: event, started at "
                 ".*:[0-9]+)?; in coroutine fn of coil_run");
}

TEST_F(SyncDeathTest, StopsTheUnlockOfARwlockThatTheCallerDoesNotHold)
{
    const std::string text = line("sync/rwlock", "coil_rwlock_unlock: the caller does not hold it");
    EXPECT_DEATH(misuse([] {
                     coil_rwlock rwlock = COIL_ZERO;
                     coil_rwlock_unlock(&rwlock);
                     return 0;
                 }),
                 text);
    EXPECT_DEATH(misuse_while_held<coil_rwlock>(coil_rwlock_write, coil_rwlock_unlock), text);
    EXPECT_DEATH(misuse_while_held<coil_rwlock>(coil_rwlock_read, coil_rwlock_unlock), text);
}

TEST_F(SyncDeathTest, StopsARwlockFromBeingLockedByItsWriter)
{
    auto lock_twice = [](int (*again)(coil_rwlock *)) {
        misuse([=] {
            coil_rwlock rwlock = COIL_ZERO;
            EXPECT_EQ(0, coil_rwlock_write(&rwlock));
            return again(&rwlock);
        });
    };
    const std::string text = line("sync/rwlock", "coil_rwlock: the caller writes already");
    EXPECT_DEATH(lock_twice(coil_rwlock_read), text);
    EXPECT_DEATH(lock_twice(coil_rwlock_write), text);
}

TEST_F(SyncDeathTest, StopsTheEndOfARwlockThatIsHeld)
{
    const std::string text = line("sync/rwlock", "coil_rwlock_destroy: it is held");
    EXPECT_DEATH(misuse_while_held<coil_rwlock>(coil_rwlock_read, coil_rwlock_destroy), text);
    EXPECT_DEATH(misuse_while_held<coil_rwlock>(coil_rwlock_write, coil_rwlock_destroy), text);
}

TEST_F(SyncDeathTest, StopsMorePermitsThanASemaphoreCanCount)
{
    EXPECT_DEATH(misuse([] {
                     coil_sem sem;
                     coil_sem_init(&sem, UINT32_MAX);
                     coil_sem_release(&sem);
                     return 0;
                 }),
                 line("sync/sem", "coil_sem_release: more permits than it can count"));
}

TEST_F(SyncDeathTest, StopsTheEndOfWhatACoroutineWaitsFor)
{
    EXPECT_DEATH(misuse_while_held<coil_sem>(coil_sem_acquire, coil_sem_destroy),
                 line("sync/sem", "coil_sem_destroy: a coroutine waits for it"));
    EXPECT_DEATH(misuse_while_held<coil_event>(coil_event_wait, coil_event_destroy),
                 line("sync/event", "coil_event_destroy: a coroutine waits for it"));
    EXPECT_DEATH(misuse_while_held<coil_wait_group>(
                     [](coil_wait_group *group) {
                         coil_wait_group_add(group, 1);
                         return coil_wait_group_wait(group);
                     },
                     coil_wait_group_destroy),
                 line("sync/wait_group", "coil_wait_group_destroy: a coroutine waits for it"));
    EXPECT_DEATH(misuse_while_held<coil_barrier>(
                     [](coil_barrier *barrier) {
                         coil_barrier_init(barrier, 2);
                         return coil_barrier_wait(barrier);
                     },
                     coil_barrier_destroy),
                 line("sync/barrier", "coil_barrier_destroy: a coroutine waits at it"));
    EXPECT_DEATH(misuse_while_held<coil_cond>(
                     [](coil_cond *cond) {
                         coil_mutex mutex = COIL_ZERO;
                         EXPECT_EQ(0, coil_mutex_lock(&mutex));
                         return coil_cond_wait(cond, &mutex);
                     },
                     coil_cond_destroy),
                 line("sync/cond", "coil_cond_destroy: a coroutine waits for it"));
}

TEST_F(SyncDeathTest, StopsAWaitForAConditionWithoutTheMutex)
{
    const std::string text =
        line("sync/cond", "coil_cond_wait: the caller does not hold the mutex");
    EXPECT_DEATH(misuse([] {
                     coil_mutex mutex = COIL_ZERO;
                     coil_cond cond = COIL_ZERO;
                     return coil_cond_wait(&cond, &mutex);
                 }),
                 text);
    EXPECT_DEATH(misuse_while_held<coil_mutex>(coil_mutex_lock,
                                               [](coil_mutex *mutex) {
                                                   coil_cond cond = COIL_ZERO;
                                                   (void)!coil_cond_wait(&cond, mutex);
                                               }),
                 text);
}

TEST_F(SyncDeathTest, StopsABarrierForNobody)
{
    EXPECT_DEATH(misuse([] {
                     coil_barrier barrier;
                     coil_barrier_init(&barrier, 0);
                     return 0;
                 }),
                 line("sync/barrier", "coil_barrier_init: it is for nobody"));
    EXPECT_DEATH(misuse([] {
                     coil_barrier barrier = COIL_ZERO;
                     return coil_barrier_wait(&barrier);
                 }),
                 line("sync/barrier", "coil_barrier_wait: it was not initialized"));
}

TEST_F(SyncDeathTest, StopsAWaitGroupThatMiscounts)
{
    EXPECT_DEATH(misuse([] {
                     coil_wait_group group = COIL_ZERO;
                     coil_wait_group_add(&group, 1);
                     coil_wait_group_done(&group);
                     coil_wait_group_done(&group);
                     return 0;
                 }),
                 line("sync/wait_group", "coil_wait_group_done: more was done than added"));
    EXPECT_DEATH(misuse([] {
                     coil_wait_group group = COIL_ZERO;
                     coil_wait_group_add(&group, UINT32_MAX);
                     coil_wait_group_add(&group, 1);
                     return 0;
                 }),
                 line("sync/wait_group", "coil_wait_group_add: more than it can count"));
}

int run_itself(void *once)
{
    return coil_once_run(static_cast<coil_once *>(once), run_itself, once);
}

int destroy_itself(void *once)
{
    coil_once_destroy(static_cast<coil_once *>(once));
    return 0;
}

TEST_F(SyncDeathTest, StopsAFunctionThatRunsOnceFromItself)
{
    EXPECT_DEATH(misuse([] {
                     struct coil_once once = COIL_ZERO;
                     return run_itself(&once);
                 }),
                 line("sync/once", "coil_once_run: called by the function that it runs"));
    EXPECT_DEATH(misuse([] {
                     struct coil_once once = COIL_ZERO;
                     return coil_once_run(&once, destroy_itself, &once);
                 }),
                 line("sync/once", "coil_once_destroy: its function runs"));
}

TEST_F(SyncDeathTest, StopsCallsFromOutsideOfCoroutines)
{
    const char *text = "called outside a coroutine: only fn of coil_run\\(\\) and what it spawns";
    coil_mutex mutex = COIL_ZERO;
    coil_rwlock rwlock = COIL_ZERO;
    coil_sem sem = COIL_ZERO;
    coil_cond cond = COIL_ZERO;
    coil_event event = COIL_ZERO;
    coil_wait_group group = COIL_ZERO;
    EXPECT_DEATH((void)!coil_mutex_try_lock(&mutex), text);
    EXPECT_DEATH(coil_mutex_unlock(&mutex), text);
    EXPECT_DEATH((void)!coil_rwlock_try_read(&rwlock), text);
    EXPECT_DEATH((void)!coil_rwlock_try_write(&rwlock), text);
    EXPECT_DEATH(coil_rwlock_unlock(&rwlock), text);
    EXPECT_DEATH((void)!coil_sem_try_acquire(&sem), text);
    EXPECT_DEATH(coil_sem_release(&sem), text);
    EXPECT_DEATH(coil_cond_signal(&cond), text);
    EXPECT_DEATH(coil_cond_broadcast(&cond), text);
    EXPECT_DEATH(coil_event_set(&event), text);
    EXPECT_DEATH(coil_event_clear(&event), text);
    EXPECT_DEATH(coil_wait_group_add(&group, 1), text);
    EXPECT_DEATH(coil_wait_group_done(&group), text);
}

} // namespace
