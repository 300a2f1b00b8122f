/* SPDX-License-Identifier: MIT */
/*
 * The hooks of coro/hooks.h for AddressSanitizer and the LeakSanitizer in it. Both know only the
 * stack a thread runs on: every other one is a root region, so that memory owned by a parked
 * coroutine is not called a leak. (With detect_stack_use_after_return=1 locals live in fake frames,
 * and those of a parked coroutine are out of the leak check's sight.)
 */
#ifndef COIL_CORO_HOOKS_ASAN_H
#define COIL_CORO_HOOKS_ASAN_H

#include <stdbool.h>
#include <stddef.h>

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

enum { COIL__HOOKS_SWITCHES = 1 };

struct coil__hooks_task {
    void *fake_stack;   /* where ASan keeps the frames of a context that was left; may be NULL */
    const void *bottom; /* of its real stack */
    size_t size;
    struct coil__hooks_task *visited; /* the stack it is on; NULL: its own */
};

static inline __attribute__((always_inline)) struct coil__hooks_task *
coil__hooks_stack(struct coil__hooks_task *self)
{
    return self->visited != NULL ? self->visited : self;
}

static inline void coil__hooks_thread(struct coil__hooks_task *self)
{
    /* ASan tells the bounds of a stack only to one who has left it: leave for one byte and return.
     */
    const char elsewhere = 0;
    __sanitizer_start_switch_fiber(&self->fake_stack, &elsewhere, sizeof(elsewhere));
    __sanitizer_finish_switch_fiber(self->fake_stack, &self->bottom, &self->size);
    __sanitizer_start_switch_fiber(&self->fake_stack, self->bottom, self->size);
    __sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
    __lsan_register_root_region(self->bottom, self->size);
}

static inline void coil__hooks_thread_end(struct coil__hooks_task *self)
{
    __lsan_unregister_root_region(self->bottom, self->size);
}

static inline void coil__hooks_create(struct coil__hooks_task *hooks, void *bottom, size_t size)
{
    hooks->fake_stack = NULL;
    hooks->bottom = bottom;
    hooks->size = size;
    hooks->visited = NULL;
    __lsan_register_root_region(bottom, size);
}

static inline void coil__hooks_destroy(struct coil__hooks_task *hooks)
{
    /* Only leaving a context for good frees its fake stack: so pretend to be in it, and leave. */
    void *own_fake_stack;
    const void *own_bottom;
    size_t own_size;
    __sanitizer_start_switch_fiber(&own_fake_stack, hooks->bottom, hooks->size);
    __sanitizer_finish_switch_fiber(hooks->fake_stack, &own_bottom, &own_size);
    __sanitizer_start_switch_fiber(NULL, own_bottom, own_size);
    __sanitizer_finish_switch_fiber(own_fake_stack, NULL, NULL);

    __lsan_unregister_root_region(hooks->bottom, hooks->size);
    /* The entry frame never returned: its redzones would outlive the stack. */
    __asan_unpoison_memory_region(hooks->bottom, hooks->size);
}

static inline __attribute__((always_inline)) void coil__hooks_leave(struct coil__hooks_task *from,
                                                                    struct coil__hooks_task *to)
{
    to = coil__hooks_stack(to);
    __sanitizer_start_switch_fiber(&coil__hooks_stack(from)->fake_stack, to->bottom, to->size);
}

static inline __attribute__((always_inline)) void coil__hooks_enter(struct coil__hooks_task *self)
{
    __sanitizer_finish_switch_fiber(coil__hooks_stack(self)->fake_stack, NULL, NULL);
}

static inline __attribute__((always_inline)) void coil__hooks_visit(struct coil__hooks_task *self,
                                                                    struct coil__hooks_task *stack)
{
    struct coil__hooks_task *from = coil__hooks_stack(self);
    self->visited = stack;
    __sanitizer_start_switch_fiber(&from->fake_stack, stack->bottom, stack->size);
}

static inline bool coil__hooks_one_at_a_time(void)
{
    return false;
}

#endif
