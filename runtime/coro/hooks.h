/* SPDX-License-Identifier: MIT */
/*
 * What sanitizers and valgrind must be told about stacks and switches. The compiler's flags choose
 * one variant; each defines `struct coil__hooks_task`, kept per context, and
 *
 *     coil__hooks_thread(self)         this thread's own context is about to run coroutines
 *     coil__hooks_thread_end(self)     it has stopped doing so, and its stack is as it was
 *     coil__hooks_create(h, bottom, n) the n bytes from `bottom` up are a stack from now on
 *     coil__hooks_destroy(h)           they are not any more; called on another stack, before their
 *                                      memory is given back
 *     coil__hooks_leave(from, to)      the next thing that happens is the jump
 *     coil__hooks_enter(self)          the jump has landed; also first thing on a fresh stack
 *     coil__hooks_stack(self)          the stack that `self` is on: its own, or one it visits
 *     coil__hooks_visit(self, stack)   `self` goes on upon that stack, as a generator's consumer
 *                                      does; the next thing that happens is the jump
 *
 * COIL__HOOKS_SWITCHES says whether switches must be told at all, and coil__hooks_one_at_a_time()
 * whether only one of the program's threads runs at any time: valgrind passes a lock around.
 *
 * A stack stays one context from create to destroy, however many tasks run on it one after the
 * other: no switch is the last one of its context.
 */
#ifndef COIL_CORO_HOOKS_H
#define COIL_CORO_HOOKS_H

/* gcc has a macro for each sanitizer, clang a feature. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define COIL__HOOKS_ASAN
#elif __has_feature(thread_sanitizer)
#define COIL__HOOKS_TSAN
#endif
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(COIL__HOOKS_ASAN)
#include "coro/hooks_asan.h"
#elif defined(__SANITIZE_THREAD__) || defined(COIL__HOOKS_TSAN)
#include "coro/hooks_tsan.h"
#elif __has_include(<valgrind/memcheck.h>)
#include "coro/hooks_valgrind.h"
#else
#include "coro/hooks_none.h"
#endif

#endif
