/* SPDX-License-Identifier: MIT */
/* The semaphore. While anybody waits there are no permits: releasing hands them over. */
#include "future/waiters.h"

#include <coil/sync.h>

static void acquire_cancel(struct coil_future *future)
{
    struct coil_sem *sem = future->waiting.object;
    coil__waiters_cancel(&sem->waiters, future);
}

static void release(struct coil_sem *sem)
{
    struct coil_future *next = coil__waiters_pop(&sem->waiters);
    if (next != NULL) {
        coil__future_complete(next, 0);
        return;
    }
    coil__require(sem->permits < UINT32_MAX, "coil_sem_release: more permits than it can count");
    sem->permits++;
}

static void acquire_discard(struct coil_future *future)
{
    if (future->result == 0)
        release(future->waiting.object);
}

static const struct coil_future_kind acquire_kind = {
    .name = "semaphore", .cancel = acquire_cancel, .discard = acquire_discard};

void coil_sem_init(struct coil_sem *sem, uint32_t permits)
{
    *sem = (struct coil_sem){.permits = permits};
}

void coil_sem_acquire_start(struct coil_future *future, struct coil_sem *sem)
{
    if (!coil__future_begin(future, &acquire_kind))
        return;
    future->waiting.object = sem;
    if (sem->permits == 0) {
        coil__waiters_append(&sem->waiters, future);
        return;
    }
    sem->permits--;
    coil__future_complete(future, 0);
}

static __attribute__((noinline)) int acquire_slow(struct coil_sem *sem)
{
    struct coil_future future;
    coil_sem_acquire_start(&future, sem);
    return (int)coil__await(&future);
}

int coil_sem_acquire(struct coil_sem *sem)
{
    struct coil_task *task = coil__self();
    if (__builtin_expect(task->cancelled || sem->permits == 0, 0))
        return acquire_slow(sem);
    sem->permits--;
    return 0;
}

bool coil_sem_try_acquire(struct coil_sem *sem)
{
    (void)coil__self();
    if (sem->permits == 0)
        return false;
    sem->permits--;
    return true;
}

void coil_sem_release(struct coil_sem *sem)
{
    (void)coil__self();
    release(sem);
}

void coil_sem_destroy(struct coil_sem *sem)
{
    coil__require(coil__waiters_empty(&sem->waiters), "coil_sem_destroy: a coroutine waits for it");
    sem->permits = 0;
}
