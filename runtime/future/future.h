/* SPDX-License-Identifier: MIT */
/*
 * The life of a future.
 *
 *     IDLE --begin--> IN_FLIGHT --cancel--> CANCELLING --+
 *                         +------- complete -------------+--> DONE --await--> IDLE
 *
 * From begin to complete the future and what it points to belong to whoever executes it.
 */
#ifndef COIL_FUTURE_FUTURE_H
#define COIL_FUTURE_FUTURE_H

#include "coro/task.h"

#include <coil/future.h>

#include <errno.h>

enum coil__future_state {
    COIL__FUTURE_IDLE,
    COIL__FUTURE_IN_FLIGHT,
    COIL__FUTURE_CANCELLING,
    COIL__FUTURE_DONE,
};

/* What differs between the things one can wait for. Whoever begins a future supplies it. */
struct coil_future_kind {
    const char *name; /* for messages */
    /* Asks an operation in flight to stop; its completion still follows. May complete it at once.
     * NULL: it can't be stopped. */
    void (*cancel)(struct coil_future *future);
    /* Takes each CQE of a future that may have several (ring/ring.h); NULL for the usual one. */
    void (*event)(struct coil_future *future, int32_t result, uint32_t flags);
    /* Disposes of the result of a future that is done and that nobody will await. NULL: nothing to
     * do. */
    void (*discard)(struct coil_future *future);
    bool by_path;   /* works on a path, not on a descriptor: no coil_close() stops it */
    bool to_memory; /* to or from memory that the ring knows, by its number */
    bool closes;    /* nothing stops it: whatever it says, the descriptor is gone */
};

static inline bool coil__future_busy(const struct coil_future *future)
{
    return future->state - COIL__FUTURE_IN_FLIGHT <=
           COIL__FUTURE_CANCELLING - COIL__FUTURE_IN_FLIGHT; /* one comparison for two states */
}

/* Notes that `task` was refused an operation because it is cancelled. Returns -ECANCELED. */
int coil__future_refuse(struct coil_task *task) __attribute__((cold));

/* As above, of an operation about to begin: it is done with that. */
void coil__future_refuse_begin(struct coil_future *future) __attribute__((cold));

/* How many futures of this core were done so far: the next one's place in the order. */
extern __thread uint32_t coil__completions __attribute__((tls_model("initial-exec")));

/*
 * Begins an operation of the running coroutine. Returns false when it may not start because the
 * scope is cancelled: the future is then done with -ECANCELED. Inlined always, so that its caller's
 * caller is the line that started the operation.
 */
static inline __attribute__((always_inline)) bool
coil__future_begin(struct coil_future *future, const struct coil_future_kind *kind)
{
    struct coil_task *task = coil__sched->current;
    future->kind = kind;
    future->owner = task;
    future->waiter = NULL;
    /* One comparison for both: the loop, which may not begin any, is never running. */
    if (__builtin_expect(task->state != COIL__TASK_RUNNING || task->cancelled, 0)) {
        coil__future_refuse_begin(future);
        return false; /* known here, so that who starts an operation needs no frame for it */
    }
    future->state = COIL__FUTURE_IN_FLIGHT;
    task->in_flight++;
    coil__origins_note(&task->origins, future, kind->name, __builtin_return_address(0));
    return true;
}

/* As above, also in a cancelled scope: for cleanup, and for coil's own operations. */
static inline __attribute__((always_inline)) void
coil__future_begin_always(struct coil_future *future, const struct coil_future_kind *kind,
                          struct coil_task *owner)
{
    future->kind = kind;
    future->owner = owner;
    future->waiter = NULL;
    future->state = COIL__FUTURE_IN_FLIGHT;
    owner->in_flight++;
    coil__origins_note(&owner->origins, future, kind->name, __builtin_return_address(0));
}

/* Notes for the scopes of its waiter whether the cancelled operation was stopped by them. */
void coil__future_note_stop(const struct coil_future *future, int64_t result) __attribute__((cold));

/* Hands the result over: whoever executed the operation is done with its memory. `order`: the place
 * among all that this core completes, for who counts in a register. */
static inline void coil__future_complete_as(struct coil_future *future, int64_t result,
                                            uint32_t order)
{
    if (__builtin_expect(future->state != COIL__FUTURE_IN_FLIGHT, 0))
        coil__future_note_stop(future, result);
    future->result = result;
    future->order = order;
    future->state = COIL__FUTURE_DONE;
    future->owner->in_flight--;
    coil__origins_forget(&future->owner->origins, future);
    if (future->waiter != NULL)
        coil__task_wake(future->waiter);
}

/* As above, the next one in the order. */
static inline void coil__future_complete(struct coil_future *future, int64_t result)
{
    coil__future_complete_as(future, result, coil__completions++);
}

/* Waits until one of those in flight is done. When the scope is cancelled, all of them still are in
 * flight: the caller looks, and refuses when it finds none done. */
void coil__future_wait_one(struct coil_future *const futures[], size_t count);

/* Waits until done, whatever happens to the scope: cancellation passes the wait by. */
void coil__future_wait_uncancellable(struct coil_future *future);

/* Waits until done without taking the result; cancels it when the scope is cancelled. */
void coil__future_wait_slow(struct coil_future *future);

static inline __attribute__((always_inline)) void coil__future_wait(struct coil_future *future)
{
    if (future->state == COIL__FUTURE_DONE)
        return;
    struct coil_task *task = coil__sched->current;
    bool plain = future->state == COIL__FUTURE_IN_FLIGHT && future->waiter == NULL;
    if (__builtin_expect(task->state != COIL__TASK_RUNNING || task->cancelled || !plain, 0)) {
        coil__future_wait_slow(future);
        return;
    }
    future->waiter = task;
    task->waits_on = future;
    coil__task_park(task);
    task->waits_on = NULL;
    coil__assert(future->state == COIL__FUTURE_DONE);
}

/* coil_await() itself, for the waiting spelling of every operation. */
static inline __attribute__((always_inline)) int64_t coil__await(struct coil_future *future)
{
    coil__future_wait(future);
    future->state = COIL__FUTURE_IDLE;
    return future->result;
}

#endif
