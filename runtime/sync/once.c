/* SPDX-License-Identifier: MIT */
/* Doing something once. Its turn to do so passes from who failed to who waits longest. */
#include "future/waiters.h"

#include <coil/sync.h>

/* Results of a wait. */
enum { ALREADY_DONE, OUR_TURN };

static void wait_cancel(struct coil_future *future)
{
    struct coil_once *once = future->waiting.object;
    coil__waiters_cancel(&once->waiters, future);
}

static const struct coil_future_kind wait_kind = {.name = "once", .cancel = wait_cancel};

static int wait_for_runner(struct coil_once *once)
{
    struct coil_future future;
    if (coil__future_begin(&future, &wait_kind)) {
        future.waiting.object = once;
        coil__waiters_append(&once->waiters, &future);
    }
    return (int)coil__await(&future);
}

static void succeed(struct coil_once *once)
{
    once->done = true;
    once->runner = NULL;
    coil__waiters_complete(&once->waiters, ALREADY_DONE);
}

static void pass_on(struct coil_once *once)
{
    struct coil_future *next = coil__waiters_pop(&once->waiters);
    once->runner = next != NULL ? next->owner : NULL;
    if (next != NULL)
        coil__future_complete(next, OUR_TURN);
}

int coil_once_run(struct coil_once *once, coil_fn *fn, void *arg)
{
    struct coil_task *task = coil__self();
    if (__builtin_expect(task->cancelled, 0))
        return coil__future_refuse(task);
    if (once->done)
        return 0;
    coil__require(once->runner != task, "coil_once_run: called by the function that it runs");
    if (once->runner != NULL) {
        int turn = wait_for_runner(once);
        if (turn != OUR_TURN)
            return turn;
    }
    once->runner = task;
    int result = fn(arg);
    if (result < 0) {
        pass_on(once);
        return result;
    }
    succeed(once);
    return 0;
}

void coil_once_destroy(struct coil_once *once)
{
    coil__require(once->runner == NULL, "coil_once_destroy: its function runs");
    once->done = false;
}
