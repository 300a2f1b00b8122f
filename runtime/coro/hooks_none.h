/* SPDX-License-Identifier: MIT */
/* The hooks of coro/hooks.h when nobody watches. */
#ifndef COIL_CORO_HOOKS_NONE_H
#define COIL_CORO_HOOKS_NONE_H

#include <stdbool.h>
#include <stddef.h>

enum { COIL__HOOKS_SWITCHES = 0 };

struct coil__hooks_task {
    char unused; /* an empty struct has another size in C++ */
};

static inline void coil__hooks_thread(struct coil__hooks_task *self)
{
    (void)self;
}

static inline void coil__hooks_thread_end(struct coil__hooks_task *self)
{
    (void)self;
}

static inline void coil__hooks_create(struct coil__hooks_task *hooks, void *bottom, size_t size)
{
    (void)hooks;
    (void)bottom;
    (void)size;
}

static inline void coil__hooks_destroy(struct coil__hooks_task *hooks)
{
    (void)hooks;
}

static inline void coil__hooks_leave(struct coil__hooks_task *from, struct coil__hooks_task *to)
{
    (void)from;
    (void)to;
}

static inline void coil__hooks_enter(struct coil__hooks_task *self)
{
    (void)self;
}

static inline struct coil__hooks_task *coil__hooks_stack(struct coil__hooks_task *self)
{
    return self;
}

static inline void coil__hooks_visit(struct coil__hooks_task *self, struct coil__hooks_task *stack)
{
    (void)self;
    (void)stack;
}

static inline bool coil__hooks_one_at_a_time(void)
{
    return false;
}

#endif
