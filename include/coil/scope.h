/* SPDX-License-Identifier: MIT */
/*
 * A scope is the only place where concurrency lives. Coroutines are spawned
 * into a scope, none survives it, and cancelling it or passing its deadline
 * cancels everything that is waiting inside: the children, and the body itself.
 *
 *     COIL_SCOPE(scope, coil_after(2 * COIL_SEC));
 *     coil_spawn(&scope, fetch, &left);
 *     coil_spawn(&scope, fetch, &right);
 *     return coil_scope_close(&scope, 0);
 *
 * Scopes nest. A child that returns an error cancels its siblings. Cancellation is
 * level-triggered: in a cancelled scope every call that could suspend returns
 * -ECANCELED at once, until the scope ends.
 */
#ifndef COIL_SCOPE_H
#define COIL_SCOPE_H

#include <coil/base.h>
#include <coil/future.h>
#include <coil/time.h>

COIL_BEGIN_DECLS

/* A place for concurrency. Declare it by COIL_SCOPE(); it must not move while open. */
struct coil_scope {
    /* private */
    struct coil_scope *parent;
    struct coil_task *owner;
    struct coil_link children;
    uint32_t child_count;
    int32_t error;
    uint8_t phase;
    uint8_t cause;
    uint8_t later_cause; /* of its own, that came after a cancellation of those around it */
    bool shielded, armed, felt;
    struct coil_scope *next_cancelled;
    struct coil_task *lent; /* the stack of the generator's body that opened it; NULL: none did */
    struct coil_timer timer;
};

/* Declares and opens a scope; leaving the block unclosed cancels it and waits. */
#define COIL_SCOPE(name, deadline)                                    \
    __attribute__((cleanup(coil_scope_drop))) struct coil_scope name; \
    coil_scope_open(&name, (deadline))

/* Opens a scope within the calling coroutine's innermost one. COIL_FOREVER: no deadline. */
void coil_scope_open(struct coil_scope *scope, coil_time deadline);

/*
 * Waits for every child and ends the scope. `result` is the outcome of the
 * caller's own work in the scope; an error cancels the children first.
 *
 * Returns the first failure among the body and the children, else `result`.
 * A cancellation that stopped something is reported as what it was: 0 (or a
 * positive `result`) if this scope was cancelled by coil_scope_cancel(), -ETIMEDOUT
 * if its deadline passed, and -ECANCELED if an enclosing scope was cancelled.
 */
COIL_UNCANCELLABLE COIL_MUST_CHECK int coil_scope_close(struct coil_scope *scope, int result);

/*
 * Cancels what waits inside, and whatever will. Idempotent; from any coroutine of this core. From
 * another one, call it over there, while the scope is open:
 *
 *     static int cancel(void *scope) { coil_scope_cancel(scope); return 0; }
 *     ...
 *     coil_call(core, cancel, &scope);
 */
void coil_scope_cancel(struct coil_scope *scope);

/* Moves the deadline. One that has passed cancels at the next turn of the loop. */
void coil_scope_deadline(struct coil_scope *scope, coil_time deadline);

/*
 * From here on the scope ignores cancellation of the scopes around it, also one that
 * came before: for cleanup that must be able to wait. Its own deadline, which bounds
 * the cleanup, and its own coil_scope_cancel() still hold.
 *
 * What coil_call() and coil_spawn_on() run lies in no scope of the caller's: once the grace of
 * coil_stop() is over (coil/stop.h) they return -ECANCELED, also from here.
 */
void coil_scope_shield(struct coil_scope *scope);

/* Whether waiting in this scope would return -ECANCELED. */
bool coil_scope_cancelled(const struct coil_scope *scope);

/* Cancels, waits for the children and ends the scope; nothing if it is closed already. */
COIL_UNCANCELLABLE void coil_scope_drop(struct coil_scope *scope);

/*
 * Runs fn(arg) as a coroutine of this core, concurrently with the caller, which
 * is not suspended. `arg` must live until the scope is closed.
 *
 * Returns 0; -ENOMEM when there is no stack; -ECANCELED in a cancelled scope.
 *
 * The spawning calls are macros over functions only so that a coroutine knows the name
 * of its function and the line that started it, at no cost: messages show both.
 */
#define coil_spawn(scope, fn, arg) coil__spawn((scope), (fn), (arg), COIL__SITE(#fn))

/* As coil_spawn(), with a private copy of *arg on the new coroutine's stack (1 KiB at most). */
#define coil_spawn_copy(scope, fn, arg, arg_size) \
    coil__spawn_copy((scope), (fn), (arg), (arg_size), COIL__SITE(#fn))

/* As coil_spawn(), on another core. -EINVAL: no such core. Without a stack over there, the child
 * has failed with -ENOMEM. */
#define coil_spawn_on(scope, core, fn, arg) \
    coil__spawn_on((scope), (core), (fn), (arg), COIL__SITE(#fn))

/*
 * As coil_spawn(), as a future: coil_await() gives what fn(arg) returned. An error goes to who
 * awaits and does not fail the scope. Cancelling the future cancels that one child; dropping it
 * also waits for the child and forgets what it returned. The scope's close waits for it too.
 *
 * -ECANCELED: it was cancelled before it ran, so that fn was not called, or fn returned that.
 * -ENOMEM: there was no stack.
 */
#define coil_spawn_start(future, scope, fn, arg) \
    coil__spawn_start((future), (scope), (fn), (arg), COIL__SITE(#fn))

/* private: behind the macros above */
COIL_MUST_CHECK int coil__spawn(struct coil_scope *scope, coil_fn *fn, void *arg, const char *site);
COIL_MUST_CHECK int coil__spawn_copy(struct coil_scope *scope, coil_fn *fn, const void *arg,
                                     size_t arg_size, const char *site);
COIL_MUST_CHECK int coil__spawn_on(struct coil_scope *scope, unsigned core, coil_fn *fn, void *arg,
                                   const char *site);
void coil__spawn_start(struct coil_future *future, struct coil_scope *scope, coil_fn *fn, void *arg,
                       const char *site);

/* The name of the calling coroutine in messages; `name` must live as long as it does. */
void coil_task_rename(const char *name);
const char *coil_task_name(void);

/* Lets the other ready coroutines of this core run once. */
COIL_SUSPENDS int coil_yield(void);

COIL_END_DECLS
#endif
