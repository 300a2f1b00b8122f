/* SPDX-License-Identifier: MIT */
/* What only a wrong program does with a lock or a signal. */
#include "support/misuse.h"

#include <cerrno>

using namespace coil_test;

namespace {

constexpr const char *kScopeEnd = "future/scope.h", *kTask = "coro/task.h";
constexpr const char *kMutex = "sync/mutex.c", *kRwlock = "sync/rwlock.c", *kSem = "sync/sem.c",
                     *kCond = "sync/cond.c", *kEvent = "sync/event.c", *kBarrier = "sync/barrier.c",
                     *kGroup = "sync/wait_group.c", *kOnce = "sync/once.c";

constexpr const char *kNotOwner = "coil_mutex_unlock: the caller does not hold it";
constexpr const char *kOwner = "coil_mutex_lock: the caller holds it already";
constexpr const char *kNotHolder = "coil_rwlock_unlock: the caller does not hold it";
constexpr const char *kWriter = "coil_rwlock: the caller writes already";
constexpr const char *kNoMutex = "coil_cond_wait: the caller does not hold the mutex";
constexpr const char *kRwlockHeld = "coil_rwlock_destroy: it is held";

/* What a coroutine leaves behind. */
coil_mutex left_mutex;
coil_rwlock left_rwlock;
coil_event left_event;
coil_future left_future;

/* One coroutine holds it or waits for it, and then another uses it. */
template <class Thing> int use_while_held(int (*hold)(Thing *), void (*use)(Thing *))
{
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
}

/* On one that is free. */
template <class Thing, void (*function)(Thing *)> int use()
{
    Thing thing = COIL_ZERO;
    function(&thing);
    return 0;
}

int lock_what_one_writes(int (*lock)(coil_rwlock *))
{
    coil_rwlock rwlock = COIL_ZERO;
    EXPECT_EQ(0, coil_rwlock_write(&rwlock));
    return lock(&rwlock);
}

const Misuse kLocks[] = {
    {"MutexLockFromAnotherCoreThanWhereOneWaits", kWaiters, kOtherCore, kChild,
     [] {
         coil_mutex mutex = COIL_ZERO;
         EXPECT_EQ(0, coil_mutex_lock(&mutex));
         Children children;
         COIL_SCOPE(scope, COIL_FOREVER);
         children.start(scope, [&] { return coil_mutex_lock(&mutex); });
         give_way();
         return call(1, [&] { return coil_mutex_lock(&mutex); });
     },
     2},
    {"MutexUnlockOfAFreeOne", kMutex, kNotOwner, kFirst, use<coil_mutex, coil_mutex_unlock>},
    {"MutexUnlockOfAnothers", kMutex, kNotOwner, kFirst,
     [] { return use_while_held<coil_mutex>(coil_mutex_lock, coil_mutex_unlock); }},
    {"MutexLockTwice", kMutex, kOwner, kFirst,
     [] {
         coil_mutex mutex = COIL_ZERO;
         EXPECT_EQ(0, coil_mutex_lock(&mutex));
         return coil_mutex_lock(&mutex);
     }},
    {"MutexLockTwiceAsAFuture", kMutex, kOwner, kFirst,
     [] {
         coil_mutex mutex = COIL_ZERO;
         EXPECT_EQ(0, coil_mutex_lock(&mutex));
         coil_mutex_lock_start(&left_future, &mutex);
         return 0;
     }},
    {"MutexDestroyWhileHeld", kMutex, "coil_mutex_destroy: it is held", kFirst,
     [] { return use_while_held<coil_mutex>(coil_mutex_lock, coil_mutex_destroy); }},
    {"ReturnWithAMutexHeld", kScopeEnd, kLockHeld, kFirst,
     [] { return coil_mutex_lock(&left_mutex); }},
    {"ReturnWithAMutexGrantedUnseen", kScopeEnd, kLockHeld, kFirst,
     [] {
         coil_mutex_lock_start(&left_future, &left_mutex);
         return 0;
     }},
    {"ReturnWithARwlockRead", kScopeEnd, kLockHeld, kFirst,
     [] { return coil_rwlock_read(&left_rwlock); }},
    {"ReturnOfAChildWithARwlockWritten", kScopeEnd, kLockHeld, kChild,
     [] {
         Children children;
         COIL_SCOPE(scope, COIL_FOREVER);
         children.start(scope, [] { return coil_rwlock_write(&left_rwlock); });
         return coil_scope_close(&scope, 0);
     }},
    {"RwlockUnlockOfAFreeOne", kRwlock, kNotHolder, kFirst, use<coil_rwlock, coil_rwlock_unlock>},
    {"RwlockUnlockOfAnothersWrite", kRwlock, kNotHolder, kFirst,
     [] { return use_while_held<coil_rwlock>(coil_rwlock_write, coil_rwlock_unlock); }},
    {"RwlockUnlockOfAnothersRead", kRwlock, kNotHolder, kFirst,
     [] { return use_while_held<coil_rwlock>(coil_rwlock_read, coil_rwlock_unlock); }},
    {"RwlockReadByItsWriter", kRwlock, kWriter, kFirst,
     [] { return lock_what_one_writes(coil_rwlock_read); }},
    {"RwlockWriteTwice", kRwlock, kWriter, kFirst,
     [] { return lock_what_one_writes(coil_rwlock_write); }},
    {"RwlockDestroyWhileRead", kRwlock, kRwlockHeld, kFirst,
     [] { return use_while_held<coil_rwlock>(coil_rwlock_read, coil_rwlock_destroy); }},
    {"RwlockDestroyWhileWritten", kRwlock, kRwlockHeld, kFirst,
     [] { return use_while_held<coil_rwlock>(coil_rwlock_write, coil_rwlock_destroy); }},
};

int run_itself(void *once)
{
    return coil_once_run(static_cast<coil_once *>(once), run_itself, once);
}

int destroy_itself(void *once)
{
    coil_once_destroy(static_cast<coil_once *>(once));
    return 0;
}

const Misuse kSignals[] = {
    {"SemReleaseBeyondItsRange", kSem, "coil_sem_release: more permits than it can count", kFirst,
     [] {
         coil_sem sem;
         coil_sem_init(&sem, UINT32_MAX);
         coil_sem_release(&sem);
         return 0;
     }},
    {"SemDestroyWhileOneWaits", kSem, "coil_sem_destroy: a coroutine waits for it", kFirst,
     [] { return use_while_held<coil_sem>(coil_sem_acquire, coil_sem_destroy); }},
    {"EventDestroyWhileOneWaits", kEvent, "coil_event_destroy: a coroutine waits for it", kFirst,
     [] { return use_while_held<coil_event>(coil_event_wait, coil_event_destroy); }},
    {"ReturnWithAWaitForAnEventInFlight", kOrigin, in_flight("event"), kFirst,
     [] {
         coil_event_wait_start(&left_future, &left_event);
         return 0;
     }},
    {"CondWaitWithoutTheMutex", kCond, kNoMutex, kFirst,
     [] {
         coil_mutex mutex = COIL_ZERO;
         coil_cond cond = COIL_ZERO;
         return coil_cond_wait(&cond, &mutex);
     }},
    {"CondWaitWithAnothersMutex", kCond, kNoMutex, kFirst,
     [] {
         return use_while_held<coil_mutex>(coil_mutex_lock, [](coil_mutex *mutex) {
             coil_cond cond = COIL_ZERO;
             (void)!coil_cond_wait(&cond, mutex);
         });
     }},
    {"CondDestroyWhileOneWaits", kCond, "coil_cond_destroy: a coroutine waits for it", kFirst,
     [] {
         return use_while_held<coil_cond>(
             [](coil_cond *cond) {
                 coil_mutex mutex = COIL_ZERO;
                 EXPECT_EQ(0, coil_mutex_lock(&mutex));
                 return coil_cond_wait(cond, &mutex);
             },
             coil_cond_destroy);
     }},
    {"BarrierForNobody", kBarrier, "coil_barrier_init: it is for nobody", kFirst,
     [] {
         coil_barrier barrier;
         coil_barrier_init(&barrier, 0);
         return 0;
     }},
    {"BarrierWithoutInit", kBarrier, "coil_barrier_wait: it was not initialized", kFirst,
     [] {
         coil_barrier barrier = COIL_ZERO;
         return coil_barrier_wait(&barrier);
     }},
    {"BarrierDestroyWhileOneWaits", kBarrier, "coil_barrier_destroy: a coroutine waits at it",
     kFirst,
     [] {
         return use_while_held<coil_barrier>(
             [](coil_barrier *barrier) {
                 coil_barrier_init(barrier, 2);
                 return coil_barrier_wait(barrier);
             },
             coil_barrier_destroy);
     }},
    {"WaitGroupDoneTooOften", kGroup, "coil_wait_group_done: more was done than added", kFirst,
     [] {
         coil_wait_group group = COIL_ZERO;
         coil_wait_group_add(&group, 1);
         coil_wait_group_done(&group);
         coil_wait_group_done(&group);
         return 0;
     }},
    {"WaitGroupAddBeyondItsRange", kGroup, "coil_wait_group_add: more than it can count", kFirst,
     [] {
         coil_wait_group group = COIL_ZERO;
         coil_wait_group_add(&group, UINT32_MAX);
         coil_wait_group_add(&group, 1);
         return 0;
     }},
    {"WaitGroupDestroyWhileOneWaits", kGroup, "coil_wait_group_destroy: a coroutine waits for it",
     kFirst,
     [] {
         return use_while_held<coil_wait_group>(
             [](coil_wait_group *group) {
                 coil_wait_group_add(group, 1);
                 return coil_wait_group_wait(group);
             },
             coil_wait_group_destroy);
     }},
    {"EventSetFromAnotherCoreThanWhereOneWaits", kWaiters, kOtherCore, kChild,
     [] {
         coil_event event = COIL_ZERO;
         COIL_FUTURE(wait);
         coil_event_wait_start(&wait, &event);
         return call(1, [&] {
             coil_event_set(&event);
             return 0;
         });
     },
     2},
    {"OnceFromWithin", kOnce, "coil_once_run: called by the function that it runs", kFirst,
     [] {
         struct coil_once once = COIL_ZERO;
         return run_itself(&once);
     }},
    {"OnceDestroyFromWithin", kOnce, "coil_once_destroy: its function runs", kFirst,
     [] {
         struct coil_once once = COIL_ZERO;
         return coil_once_run(&once, destroy_itself, &once);
     }},
};

/* Those that wait are tested in future/. */
const Misuse kElsewhere[] = {
    {"MutexTryLock", kTask, kOutside, "", [] { return int(coil_mutex_try_lock(&left_mutex)); }},
    {"MutexUnlock", kTask, kOutside, "", use<coil_mutex, coil_mutex_unlock>},
    {"RwlockTryRead", kTask, kOutside, "", [] { return int(coil_rwlock_try_read(&left_rwlock)); }},
    {"RwlockTryWrite", kTask, kOutside, "",
     [] { return int(coil_rwlock_try_write(&left_rwlock)); }},
    {"RwlockUnlock", kTask, kOutside, "", use<coil_rwlock, coil_rwlock_unlock>},
    {"SemTryAcquire", kTask, kOutside, "",
     [] {
         coil_sem sem = COIL_ZERO;
         return int(coil_sem_try_acquire(&sem));
     }},
    {"SemRelease", kTask, kOutside, "", use<coil_sem, coil_sem_release>},
    {"CondSignal", kTask, kOutside, "", use<coil_cond, coil_cond_signal>},
    {"CondBroadcast", kTask, kOutside, "", use<coil_cond, coil_cond_broadcast>},
    {"EventSet", kTask, kOutside, "", use<coil_event, coil_event_set>},
    {"EventClear", kTask, kOutside, "", use<coil_event, coil_event_clear>},
    {"WaitGroupAdd", kTask, kOutside, "",
     [] {
         coil_wait_group group = COIL_ZERO;
         coil_wait_group_add(&group, 1);
         return 0;
     }},
    {"WaitGroupDone", kTask, kOutside, "", use<coil_wait_group, coil_wait_group_done>},
};

INSTANTIATE_TEST_SUITE_P(Lock, MisuseDeathTest, testing::ValuesIn(kLocks), name_of_misuse);
INSTANTIATE_TEST_SUITE_P(Signal, MisuseDeathTest, testing::ValuesIn(kSignals), name_of_misuse);
INSTANTIATE_TEST_SUITE_P(OutsideOfCoroutines, MisuseDeathTest, testing::ValuesIn(kElsewhere),
                         name_of_misuse);

} // namespace
