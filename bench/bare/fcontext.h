/* SPDX-License-Identifier: MIT */
/* Boost.Context's two functions, as the bare subjects use them. */
#ifndef BENCH_BARE_FCONTEXT_H
#define BENCH_BARE_FCONTEXT_H

#include <stddef.h>

struct transfer {
    void *context; /* where the jump came from */
    void *data;
};

/* `stack_top` is one past the stack's end. `entry` must never return. */
extern void *make_fcontext(void *stack_top, size_t size, void (*entry)(struct transfer));
extern struct transfer jump_fcontext(void *to, void *data);

#endif
