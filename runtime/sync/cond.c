/* SPDX-License-Identifier: MIT */
/*
 * The condition. A future that waits for one goes from queue to queue, and is woken once:
 *
 *     at the condition --signal, cancel--> at the mutex --its turn--> done, mutex locked
 *
 * Its other kinds can't be cancelled: whoever awaits it gets the mutex back in any case.
 */
#include "sync/locks.h"

static void wait_cancel(struct coil_future *future);
static void relock_discard(struct coil_future *future);
static void signal_discard(struct coil_future *future);

static const struct coil_future_kind wait_kind = {.name = "condition", .cancel = wait_cancel};
static const struct coil_future_kind relock_kind = {.name = "mutex of a condition",
                                                    .discard = relock_discard};
static const struct coil_future_kind signal_kind = {.name = "mutex of a condition",
                                                    .discard = signal_discard};

static void relock(struct coil_future *future, const struct coil_future_kind *kind, int64_t result)
{
    future->kind = kind;
    future->waiting.result = result;
    coil__mutex_want(future->waiting.value, future);
}

static void wait_cancel(struct coil_future *future)
{
    struct coil_cond *cond = future->waiting.object;
    coil__waiters_remove(&cond->waiters, future);
    relock(future, &relock_kind, -ECANCELED);
}

static bool wake_one(struct coil_cond *cond, const struct coil_future_kind *kind)
{
    struct coil_future *first = coil__waiters_pop(&cond->waiters);
    if (first == NULL)
        return false;
    relock(first, kind, 0);
    return true;
}

/* Nobody will use the mutex. */
static void relock_discard(struct coil_future *future)
{
    coil__mutex_release(future->waiting.value, future->owner);
}

/* Nor the signal, which was for one of them: a broadcast has woken all whom it was for. */
static void signal_discard(struct coil_future *future)
{
    relock_discard(future);
    wake_one(future->waiting.object, &signal_kind);
}

void coil_cond_wait_start(struct coil_future *future, struct coil_cond *cond,
                          struct coil_mutex *mutex)
{
    bool begun = coil__future_begin(future, &wait_kind);
    coil__require(mutex->owner == future->owner,
                  "coil_cond_wait: the caller does not hold the mutex");
    future->waiting.object = cond;
    future->waiting.value = mutex;
    if (!begun) { /* done, with the mutex still locked */
        future->kind = &relock_kind;
        return;
    }
    coil__waiters_append(&cond->waiters, future);
    coil__mutex_release(mutex, future->owner);
}

int coil_cond_wait(struct coil_cond *cond, struct coil_mutex *mutex)
{
    struct coil_future future;
    coil_cond_wait_start(&future, cond, mutex);
    return (int)coil__await(&future);
}

void coil_cond_signal(struct coil_cond *cond)
{
    (void)coil__self();
    wake_one(cond, &signal_kind);
}

void coil_cond_broadcast(struct coil_cond *cond)
{
    (void)coil__self();
    while (wake_one(cond, &relock_kind)) /* ends: nobody comes back before this returns */
        ;
}

void coil_cond_destroy(struct coil_cond *cond)
{
    coil__require(coil__waiters_empty(&cond->waiters),
                  "coil_cond_destroy: a coroutine waits for it");
}
