/* SPDX-License-Identifier: MIT */
/* Boost.Context's context switch: its assembly, declared in C. Nothing else of Boost is used. */
#ifndef COIL_CORO_CONTEXT_H
#define COIL_CORO_CONTEXT_H

#include <stddef.h>

/* What a context receives when it is switched to: who left, and what they handed over. */
struct coil__transfer {
    void *context;
    void *data;
};

/* A context that will call `entry` on the stack that ends below `top`. The entry never returns:
 * the assembly behind it would call _exit(0). */
void *make_fcontext(void *top, size_t size, void (*entry)(struct coil__transfer));

/* Leaves the running context for `to`; returns when somebody switches back. */
struct coil__transfer jump_fcontext(void *to, void *data);

#endif
