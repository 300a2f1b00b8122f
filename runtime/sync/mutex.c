/* SPDX-License-Identifier: MIT */
/* The mutex. Nobody waits for one that is free: unlocking hands it over. */
#include "sync/locks.h"

static inline void take(struct coil_mutex *mutex, struct coil_task *task)
{
    mutex->owner = task;
    coil__locks_add(task);
}

static void grant(struct coil_mutex *mutex, struct coil_future *future)
{
    take(mutex, future->owner);
    coil__future_complete(future, future->waiting.result);
}

void coil__mutex_want(struct coil_mutex *mutex, struct coil_future *future)
{
    if (mutex->owner == NULL)
        grant(mutex, future);
    else
        coil__waiters_append(&mutex->waiters, future);
}

void coil__mutex_release(struct coil_mutex *mutex, struct coil_task *holder)
{
    coil__require(mutex->owner == holder, "coil_mutex_unlock: the caller does not hold it");
    coil__locks_remove(holder);
    mutex->owner = NULL;
    struct coil_future *next = coil__waiters_pop(&mutex->waiters);
    if (next != NULL)
        grant(mutex, next);
}

static void lock_cancel(struct coil_future *future)
{
    struct coil_mutex *mutex = future->waiting.object;
    coil__waiters_cancel(&mutex->waiters, future);
}

static void lock_discard(struct coil_future *future)
{
    if (future->result == 0)
        coil__mutex_release(future->waiting.object, future->owner);
}

static const struct coil_future_kind lock_kind = {
    .name = "mutex", .cancel = lock_cancel, .discard = lock_discard};

void coil_mutex_lock_start(struct coil_future *future, struct coil_mutex *mutex)
{
    if (!coil__future_begin(future, &lock_kind))
        return;
    coil__require(mutex->owner != future->owner, "coil_mutex_lock: the caller holds it already");
    future->waiting.object = mutex;
    future->waiting.result = 0;
    coil__mutex_want(mutex, future);
}

static __attribute__((noinline)) int lock_slow(struct coil_mutex *mutex)
{
    struct coil_future future;
    coil_mutex_lock_start(&future, mutex);
    return (int)coil__await(&future);
}

int coil_mutex_lock(struct coil_mutex *mutex)
{
    struct coil_task *task = coil__self();
    if (__builtin_expect(task->cancelled || mutex->owner != NULL, 0))
        return lock_slow(mutex);
    take(mutex, task);
    return 0;
}

bool coil_mutex_try_lock(struct coil_mutex *mutex)
{
    struct coil_task *task = coil__self();
    if (mutex->owner != NULL)
        return false;
    take(mutex, task);
    return true;
}

void coil_mutex_unlock(struct coil_mutex *mutex)
{
    coil__mutex_release(mutex, coil__self());
}

void coil_mutex_destroy(struct coil_mutex *mutex)
{
    coil__require(mutex->owner == NULL, "coil_mutex_destroy: it is held");
}
