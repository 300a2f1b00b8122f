/* SPDX-License-Identifier: MIT */
/*
 * A promise is a future that is set by hand: once, by this core, by another one, or by a thread
 * that has nothing to do with coil. Any number of coroutines of its home core may wait for it.
 *
 *     COIL_PROMISE(answer);
 *     ask_the_thread(&answer);            which will call coil_promise_set(&answer, 42)
 *     ssize_t n = coil_promise_wait(&answer);
 *
 * A promise must stay where it is until it is dropped, and nobody may set it any more by then:
 * join the thread first, or know otherwise that its coil_promise_set() has begun. Once a wait has
 * returned the value, no coil_promise_set() that has begun touches the promise any more.
 */
#ifndef COIL_PROMISE_H
#define COIL_PROMISE_H

#include <coil/base.h>
#include <coil/future.h>
#include <coil/port.h>

COIL_BEGIN_DECLS

/* One value to come. Declared by COIL_PROMISE(), or storage for coil_promise_init(). */
struct coil_promise {
    /* private */
    struct coil_message message;
    struct coil_link waiters;
    struct coil__core *home;
    int64_t value;
    uint32_t run;
    uint32_t step;
};

/* Declares a promise that is dropped however its block is left. */
#define COIL_PROMISE(name)                                                \
    __attribute__((cleanup(coil_promise_drop))) struct coil_promise name; \
    coil_promise_init(&name)

/* Prepares a promise whose home is the calling coroutine's core. */
void coil_promise_init(struct coil_promise *promise);

/*
 * Sets the value, which may be an error, and wakes who waits. From any thread; never waits. What
 * the caller did before is done for who gets the value.
 *
 * Returns 0; -EALREADY when it was set or dropped before; -ESHUTDOWN when the coil_run() to which
 * it belongs has returned. Either changes nothing.
 */
COIL_MUST_CHECK int coil_promise_set(struct coil_promise *promise, ssize_t value);

/*
 * Waits for the value and returns it: at once if it is there. On the home core only, and not after
 * the drop. -EMFILE, -ENFILE or -ENOMEM: the descriptor by which threads wake this core,
 * made by its first wait, was not to be had.
 */
COIL_SUSPENDS ssize_t coil_promise_wait(struct coil_promise *promise);
void coil_promise_wait_start(struct coil_future *future, struct coil_promise *promise);

/*
 * Ends the promise. Waits for a coil_promise_set() that has begun elsewhere; nobody may wait for
 * the value any more. Idempotent. On the home core only.
 */
COIL_UNCANCELLABLE void coil_promise_drop(struct coil_promise *promise);

COIL_END_DECLS
#endif
