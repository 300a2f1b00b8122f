/* SPDX-License-Identifier: MIT */
/*
 * The tree of scopes and tasks, and how cancellation goes down it.
 *
 *     task --scope--> innermost scope --parent--> ... --parent--> home (another task's scope)
 *     scope --children--> tasks spawned into it
 *
 *     CLOSED --open--> OPEN --close--> CLOSING (waits for children) --> CLOSED
 */
#ifndef COIL_FUTURE_SCOPE_H
#define COIL_FUTURE_SCOPE_H

#include "future/future.h"
#include "coro/local.h"

#include <coil/scope.h>

enum coil__scope_phase { COIL__SCOPE_CLOSED, COIL__SCOPE_OPEN, COIL__SCOPE_CLOSING };

/* Why a scope is cancelled; the first cause stays. */
enum coil__scope_cause {
    COIL__CAUSE_NONE,
    COIL__CAUSE_ENCLOSING, /* a scope around it is cancelled */
    COIL__CAUSE_DEADLINE,
    COIL__CAUSE_REQUEST, /* coil_scope_cancel() */
    COIL__CAUSE_FAILURE, /* the body or a child returned an error */
};

/* Opens a scope of `owner`, which may be the loop itself. */
void coil__scope_open(struct coil_scope *scope, struct coil_task *owner, coil_time deadline);

/* Cancels what waits inside, and says why. */
void coil__scope_cancel(struct coil_scope *scope, enum coil__scope_cause cause);

/* Told of each child that is the first in its scope to fail; NULL: nobody is. Set while no core
 * runs: coil_options.on_failure. */
extern void (*coil__scope_on_failure)(const char *name, const char *site, int error);

/* The next coroutine in `root` and below, after `task`; the first one after NULL. NULL at the end.
 * None of them may start or end meanwhile. */
struct coil_task *coil__scope_next_task(struct coil_scope *root, struct coil_task *task);

/* As coil_spawn() with the copy of coil_spawn_copy(), from any context of this core. */
int coil__scope_spawn(struct coil_scope *scope, coil_fn *fn, const void *arg, size_t copy_size,
                      const char *site);

/* As above without a copy, in that work queue of this core. */
int coil__scope_spawn_in(struct coil_scope *scope, coil_fn *fn, void *arg, const char *site,
                         unsigned queue);

/* As above; it has run when this returns, until it first had to wait or has ended. By the loop, if
 * coil__sched_may_run_now(). */
int coil__scope_run_now(struct coil_scope *scope, coil_fn *fn, void *arg, const char *site,
                        unsigned queue);

/* Stops the program unless `task`, whose function has returned, has left everything in order. */
static inline void coil__scope_check_end(const struct coil_task *task)
{
    coil__require(task->scope == task->home, "a coroutine returned with a scope open");
    if (__builtin_expect(task->in_flight != 0, 0))
        coil__origins_blame(&task->origins);
    coil__require(task->locks_held == 0, "a coroutine returned with a lock held");
}

/* Opens `scope` around all that `task` has opened, as if that had been the first thing it did. */
void coil__scope_surround(struct coil_scope *scope, struct coil_task *task);

#endif
