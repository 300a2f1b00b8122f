/* SPDX-License-Identifier: MIT */
/*
 * Stacks for generators, wherever they run: those of this thread's core, or, in a thread that runs
 * no core, stacks of its own. The latter are made by the first generator, and unmapped when the
 * thread ends.
 */
#ifndef COIL_CORO_THREAD_H
#define COIL_CORO_THREAD_H

#include "coro/task.h"

/* The stacks from which this thread lends; NULL when there is no memory for them. */
struct coil__stacks *coil__thread_stacks(void);

/* Those that it made for itself; NULL without any. Safe in a signal handler. */
const struct coil__stacks *coil__thread_own_stacks(void);

/* Who runs in this thread now, as sanitizers know him: a coroutine, the loop, or the thread. Only
 * after coil__thread_stacks(). */
struct coil__hooks_task *coil__thread_hooks(void);

#endif
