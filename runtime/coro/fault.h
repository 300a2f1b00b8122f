/* SPDX-License-Identifier: MIT */
/*
 * A stack that overflows ends in a SIGSEGV that says so: one line on stderr names the coroutine,
 * then the signal goes where it went before coil, by default to a core file.
 *
 * Faults that are no overflow go to the previous handler as if coil were not there. A sanitizer's
 * handler is such a previous one: its report follows coil's line.
 */
#ifndef COIL_CORO_FAULT_H
#define COIL_CORO_FAULT_H

#include <signal.h>

/* Handles SIGSEGV for the process, from the first open to the last close; may be called by several
 * threads. Returns 0 or -errno. */
int coil__fault_open(void);
void coil__fault_close(void);

/* A thread's own stack for signal handlers: the overflowed one has no room for them. */
struct coil__fault_stack {
    void *memory;
    stack_t previous;
};

/* Gives the calling thread its stack for handlers / takes it away again. Returns 0 or -errno. */
int coil__fault_stack_open(struct coil__fault_stack *stack);
void coil__fault_stack_close(struct coil__fault_stack *stack);

#endif
