/* SPDX-License-Identifier: MIT */
/* The lock of readers and writers: one queue, whose head enters as soon as it can. */
#include "sync/locks.h"

static void read_cancel(struct coil_future *future);
static void write_cancel(struct coil_future *future);
static void lock_discard(struct coil_future *future);

static const struct coil_future_kind read_kind = {
    .name = "rwlock, to read", .cancel = read_cancel, .discard = lock_discard};
static const struct coil_future_kind write_kind = {
    .name = "rwlock, to write", .cancel = write_cancel, .discard = lock_discard};

/* Whether `kind` may enter beside those who are in, if it is its turn. */
static inline bool admits(const struct coil_rwlock *rwlock, const struct coil_future_kind *kind)
{
    return rwlock->writer == NULL && (kind == &read_kind || rwlock->readers == 0);
}

static inline void enter(struct coil_rwlock *rwlock, const struct coil_future_kind *kind,
                         struct coil_task *task)
{
    if (kind == &read_kind)
        rwlock->readers++;
    else
        rwlock->writer = task;
    coil__locks_add(task);
}

/* Lets in from the head of the queue who can be. */
static void advance(struct coil_rwlock *rwlock)
{
    struct coil_future *first;
    while ((first = coil__waiters_first(&rwlock->waiters)) != NULL && admits(rwlock, first->kind)) {
        coil__waiters_remove(&rwlock->waiters, first);
        enter(rwlock, first->kind, first->owner);
        coil__future_complete(first, 0);
    }
}

static void leave(struct coil_rwlock *rwlock, struct coil_task *task)
{
    bool writing = rwlock->writer != NULL;
    bool held = writing ? rwlock->writer == task : rwlock->readers > 0 && task->locks_held > 0;
    coil__require(held, "coil_rwlock_unlock: the caller does not hold it");
    if (writing)
        rwlock->writer = NULL;
    else
        rwlock->readers--;
    coil__locks_remove(task);
    advance(rwlock);
}

static void read_cancel(struct coil_future *future)
{
    struct coil_rwlock *rwlock = future->waiting.object;
    coil__waiters_cancel(&rwlock->waiters, future);
}

/* Readers that waited only behind it may enter now. */
static void write_cancel(struct coil_future *future)
{
    struct coil_rwlock *rwlock = future->waiting.object;
    coil__waiters_cancel(&rwlock->waiters, future);
    advance(rwlock);
}

static void lock_discard(struct coil_future *future)
{
    if (future->result == 0)
        leave(future->waiting.object, future->owner);
}

static void start(struct coil_future *future, struct coil_rwlock *rwlock,
                  const struct coil_future_kind *kind)
{
    if (!coil__future_begin(future, kind))
        return;
    coil__require(rwlock->writer != future->owner, "coil_rwlock: the caller writes already");
    future->waiting.object = rwlock;
    coil__waiters_append(&rwlock->waiters, future);
    advance(rwlock);
}

void coil_rwlock_read_start(struct coil_future *future, struct coil_rwlock *rwlock)
{
    start(future, rwlock, &read_kind);
}

void coil_rwlock_write_start(struct coil_future *future, struct coil_rwlock *rwlock)
{
    start(future, rwlock, &write_kind);
}

static __attribute__((noinline)) int lock_slow(struct coil_rwlock *rwlock,
                                               const struct coil_future_kind *kind)
{
    struct coil_future future;
    start(&future, rwlock, kind);
    return (int)coil__await(&future);
}

/* Enters if nobody waits, and nobody who is in has to leave before. */
static inline bool try_lock(struct coil_rwlock *rwlock, const struct coil_future_kind *kind,
                            struct coil_task *task)
{
    if (!coil__waiters_empty(&rwlock->waiters) || !admits(rwlock, kind))
        return false;
    enter(rwlock, kind, task);
    return true;
}

int coil_rwlock_read(struct coil_rwlock *rwlock)
{
    struct coil_task *task = coil__self();
    if (__builtin_expect(task->cancelled, 0) || !try_lock(rwlock, &read_kind, task))
        return lock_slow(rwlock, &read_kind);
    return 0;
}

int coil_rwlock_write(struct coil_rwlock *rwlock)
{
    struct coil_task *task = coil__self();
    if (__builtin_expect(task->cancelled, 0) || !try_lock(rwlock, &write_kind, task))
        return lock_slow(rwlock, &write_kind);
    return 0;
}

bool coil_rwlock_try_read(struct coil_rwlock *rwlock)
{
    return try_lock(rwlock, &read_kind, coil__self());
}

bool coil_rwlock_try_write(struct coil_rwlock *rwlock)
{
    return try_lock(rwlock, &write_kind, coil__self());
}

void coil_rwlock_unlock(struct coil_rwlock *rwlock)
{
    leave(rwlock, coil__self());
}

void coil_rwlock_destroy(struct coil_rwlock *rwlock)
{
    coil__require(rwlock->writer == NULL && rwlock->readers == 0,
                  "coil_rwlock_destroy: it is held");
}
