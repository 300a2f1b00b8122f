/* SPDX-License-Identifier: MIT */
/* Where a coroutine is that was interrupted by a signal. */
#ifndef COIL_CORO_BACKTRACE_H
#define COIL_CORO_BACKTRACE_H

#include "coro/task.h"

/*
 * Writes to `frames` where the innermost calls return to, the place of the interruption first, for
 * coil__symbol_line(). `context` is what the handler of the signal got. Returns how many; 1 outside
 * of the core's stacks, and less than all past a function that has neither an entry in the tables
 * nor a frame pointer. `*stack` is the coroutine or the generator whose stack that is, or NULL.
 * Safe in a signal handler.
 */
size_t coil__backtrace(const struct coil__sched *sched, const void *context, const void **frames,
                       size_t size, const struct coil_task **stack);

#endif
