/* SPDX-License-Identifier: MIT */
/*
 * Locks and signals for the coroutines of one core, for when something must stay as it is while a
 * coroutine waits, or when one waits for others. (Between two waits no other coroutine of the core
 * runs: what fits in there needs no lock.) Across cores use coil_call(). One that is used on
 * another core than where a coroutine waits for it aborts, as soon as that is seen.
 *
 *     struct coil_mutex mutex = COIL_ZERO;
 *     int err = coil_mutex_lock(&mutex);
 *     if (err < 0)
 *         return err;
 *     ...
 *     coil_mutex_unlock(&mutex);
 *
 * Zero is a valid initial state of all but the barrier. The storage is the caller's, and stays
 * where it is until all futures on it have been awaited or dropped. Nothing here allocates.
 *
 * Fair: who waits longest is served first, and nobody overtakes those who wait.
 *
 * A wait that is cancelled returns -ECANCELED and did not happen: nothing is locked or taken. What
 * was granted before the cancellation came is granted: the wait returns 0. A future that was
 * granted and is dropped instead of awaited passes the grant on to the next.
 *
 * What is locked belongs to the coroutine that locked it, or that started the future. It unlocks
 * before it ends: a coroutine that returns with a lock held aborts. The functions named _destroy
 * are for whoever wants a check: they abort if the thing is still in use, and leave it zero.
 */
#ifndef COIL_SYNC_H
#define COIL_SYNC_H

#include <coil/base.h>
#include <coil/future.h>

COIL_BEGIN_DECLS

/* Lets one coroutine in at a time. */
struct coil_mutex {
    /* private */
    struct coil_task *owner;
    struct coil_link waiters;
};

/* Waits until it is this coroutine's. Locking twice is a bug and aborts. */
COIL_SUSPENDS int coil_mutex_lock(struct coil_mutex *mutex);
void coil_mutex_lock_start(struct coil_future *future, struct coil_mutex *mutex);

/* Locks it if nobody holds it, the caller included. */
COIL_MUST_CHECK bool coil_mutex_try_lock(struct coil_mutex *mutex);

/* Hands it to who waits longest. Aborts unless the caller holds it. */
void coil_mutex_unlock(struct coil_mutex *mutex);

void coil_mutex_destroy(struct coil_mutex *mutex); /* aborts while it is held */

/*
 * Lets many readers in, or one writer. A writer that waits holds up the readers behind it, and
 * readers that wait side by side enter together, so neither starves the other. Hence whoever reads
 * must not lock it once more: with a writer between, both would wait for ever.
 */
struct coil_rwlock {
    /* private */
    struct coil_task *writer;
    uint32_t readers;
    struct coil_link waiters;
};

/* Waits until it may be read, or written. Locking what the caller writes is a bug and aborts. */
COIL_SUSPENDS int coil_rwlock_read(struct coil_rwlock *rwlock);
COIL_SUSPENDS int coil_rwlock_write(struct coil_rwlock *rwlock);
void coil_rwlock_read_start(struct coil_future *future, struct coil_rwlock *rwlock);
void coil_rwlock_write_start(struct coil_future *future, struct coil_rwlock *rwlock);

/* Locks it if that needs no wait, of those before included. */
COIL_MUST_CHECK bool coil_rwlock_try_read(struct coil_rwlock *rwlock);
COIL_MUST_CHECK bool coil_rwlock_try_write(struct coil_rwlock *rwlock);

/* Ends the caller's reading or writing. */
void coil_rwlock_unlock(struct coil_rwlock *rwlock);

void coil_rwlock_destroy(struct coil_rwlock *rwlock); /* aborts while it is held */

/* Counts permits: as many coroutines may hold one. Any coroutine may release what another took. */
struct coil_sem {
    /* private */
    uint32_t permits;
    struct coil_link waiters;
};

/* Starts with that many. Zero-initialised it has none. */
void coil_sem_init(struct coil_sem *sem, uint32_t permits);

/* Waits for a permit and takes it. */
COIL_SUSPENDS int coil_sem_acquire(struct coil_sem *sem);
void coil_sem_acquire_start(struct coil_future *future, struct coil_sem *sem);

/* Takes a permit if there is one. */
COIL_MUST_CHECK bool coil_sem_try_acquire(struct coil_sem *sem);

/* Gives a permit, to who waits longest. Aborts beyond UINT32_MAX permits. */
void coil_sem_release(struct coil_sem *sem);

void coil_sem_destroy(struct coil_sem *sem); /* aborts while anybody waits */

/* Wakes coroutines that wait for something which a mutex protects to become true. */
struct coil_cond {
    /* private */
    struct coil_link waiters;
};

/*
 * Unlocks the mutex, which the caller holds, waits for a signal, and locks it again. Returns with
 * the mutex locked whatever it returns: 0 after a signal, or -ECANCELED. Locking again can't be
 * cancelled, and has its turn among those who wait for the mutex. No signal is lost: who got it
 * before the cancellation returns 0. There are no wake-ups without one, but others may have been at
 * the mutex in between: look again.
 *
 *     while (queue_is_empty() && err == 0)
 *         err = coil_cond_wait(&filled, &mutex);
 *
 * Started as a future it takes the mutex along: it is the caller's again when coil_await() returns;
 * coil_future_drop() unlocks it, and passes a signal on.
 */
COIL_SUSPENDS int coil_cond_wait(struct coil_cond *cond, struct coil_mutex *mutex);
void coil_cond_wait_start(struct coil_future *future, struct coil_cond *cond,
                          struct coil_mutex *mutex);

/* Wakes who waits longest, or all that wait now. The caller need not hold the mutex. */
void coil_cond_signal(struct coil_cond *cond);
void coil_cond_broadcast(struct coil_cond *cond);

void coil_cond_destroy(struct coil_cond *cond); /* aborts while anybody waits */

/* Something that has happened, or not yet. */
struct coil_event {
    /* private */
    bool set;
    struct coil_link waiters;
};

/* Waits until it is set; not at all if it is. */
COIL_SUSPENDS int coil_event_wait(struct coil_event *event);
void coil_event_wait_start(struct coil_future *future, struct coil_event *event);

/* Sets it and wakes all that wait, who return 0 also if it is cleared before they run. */
void coil_event_set(struct coil_event *event);

/* From here on waits wait again. */
void coil_event_clear(struct coil_event *event);
bool coil_event_is_set(const struct coil_event *event);

void coil_event_destroy(struct coil_event *event); /* aborts while anybody waits */

/* A place where a number of coroutines wait for each other; then it serves the next round. */
struct coil_barrier {
    /* private */
    uint32_t count, arrived;
    struct coil_link waiters;
};

/* For `count` coroutines, at least one. */
void coil_barrier_init(struct coil_barrier *barrier, uint32_t count);

/*
 * Waits until `count` coroutines have arrived. Returns 1 to the last, who does not wait, and 0 to
 * the others. Who is cancelled has not arrived: another one has to come.
 */
COIL_SUSPENDS int coil_barrier_wait(struct coil_barrier *barrier);
void coil_barrier_wait_start(struct coil_future *future, struct coil_barrier *barrier);

void coil_barrier_destroy(struct coil_barrier *barrier); /* aborts while anybody waits */

/* Counts what is yet to be done. (For coroutines that one spawns oneself a scope does that.) */
struct coil_wait_group {
    /* private */
    uint32_t count;
    struct coil_link waiters;
};

/* Adds `count` things to do, and takes one off. Below zero it aborts. */
void coil_wait_group_add(struct coil_wait_group *group, uint32_t count);
void coil_wait_group_done(struct coil_wait_group *group);

/* Waits until nothing is left to do; not at all if nothing is. */
COIL_SUSPENDS int coil_wait_group_wait(struct coil_wait_group *group);
void coil_wait_group_wait_start(struct coil_future *future, struct coil_wait_group *group);

void coil_wait_group_destroy(struct coil_wait_group *group); /* aborts while anybody waits */

/* Something to be done once, by whoever comes first. */
struct coil_once {
    /* private */
    bool done;
    struct coil_task *runner;
    struct coil_link waiters;
};

/*
 * Runs fn(arg) unless that was done before; waits while another coroutine does. Returns 0 once fn
 * has succeeded. A failure of fn, -ECANCELED included, is returned to whoever ran it, and does not
 * count: the next that waits, or comes, runs its own fn. No future: fn runs in the caller.
 */
COIL_SUSPENDS int coil_once_run(struct coil_once *once, coil_fn *fn, void *arg);

void coil_once_destroy(struct coil_once *once); /* aborts while fn runs */

COIL_END_DECLS
#endif
