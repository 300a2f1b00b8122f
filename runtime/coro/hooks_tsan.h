/* SPDX-License-Identifier: MIT */
/*
 * The hooks of coro/hooks.h for ThreadSanitizer: every stack is a fibre. Switches synchronise
 * (flag 0), for the coroutines of one thread never run at the same time.
 */
#ifndef COIL_CORO_HOOKS_TSAN_H
#define COIL_CORO_HOOKS_TSAN_H

#include <stdbool.h>
#include <stddef.h>

#include <sanitizer/tsan_interface.h>

enum { COIL__HOOKS_SWITCHES = 1 };

struct coil__hooks_task {
    void *fiber;
    struct coil__hooks_task *visited; /* the stack it is on; NULL: its own */
};

static inline __attribute__((always_inline)) struct coil__hooks_task *
coil__hooks_stack(struct coil__hooks_task *self)
{
    return self->visited != NULL ? self->visited : self;
}

static inline void coil__hooks_thread(struct coil__hooks_task *self)
{
    self->fiber = __tsan_get_current_fiber();
}

static inline void coil__hooks_thread_end(struct coil__hooks_task *self)
{
    self->fiber = NULL; /* it belongs to the thread */
}

static inline void coil__hooks_create(struct coil__hooks_task *hooks, void *bottom, size_t size)
{
    (void)bottom;
    (void)size;
    hooks->fiber = __tsan_create_fiber(0);
    hooks->visited = NULL;
}

static inline void coil__hooks_destroy(struct coil__hooks_task *hooks)
{
    __tsan_destroy_fiber(hooks->fiber);
    hooks->fiber = NULL;
}

/* Inlined even without optimisation: the instrumented return of a function of its own would take a
 * frame off the shadow stack of `to`. */
static inline __attribute__((always_inline)) void coil__hooks_leave(struct coil__hooks_task *from,
                                                                    struct coil__hooks_task *to)
{
    (void)from;
    __tsan_switch_to_fiber(coil__hooks_stack(to)->fiber, 0);
}

static inline __attribute__((always_inline)) void coil__hooks_enter(struct coil__hooks_task *self)
{
    (void)self;
}

static inline __attribute__((always_inline)) void coil__hooks_visit(struct coil__hooks_task *self,
                                                                    struct coil__hooks_task *stack)
{
    self->visited = stack;
    __tsan_switch_to_fiber(stack->fiber, 0);
}

static inline bool coil__hooks_one_at_a_time(void)
{
    return false;
}

#endif
