/* SPDX-License-Identifier: MIT */
/*
 * The hooks of coro/hooks.h where valgrind's headers were there at build time. Valgrind sees
 * switches by itself once it knows the stacks; outside of it a request is a few idle instructions,
 * and none of them is on the path of a switch.
 */
#ifndef COIL_CORO_HOOKS_VALGRIND_H
#define COIL_CORO_HOOKS_VALGRIND_H

#include <stdbool.h>
#include <stddef.h>

#include <valgrind/memcheck.h>

enum { COIL__HOOKS_SWITCHES = 0 };

struct coil__hooks_task {
    unsigned stack_id; /* valgrind's name for the stack */
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
    /* What was below the last tenant's stack pointer counts as unaddressable: it is ours again. */
    (void)VALGRIND_MAKE_MEM_DEFINED(bottom, size);
    hooks->stack_id = VALGRIND_STACK_REGISTER(bottom, (char *)bottom + size - 1);
}

static inline void coil__hooks_destroy(struct coil__hooks_task *hooks)
{
    VALGRIND_STACK_DEREGISTER(hooks->stack_id);
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
    return RUNNING_ON_VALGRIND != 0;
}

#endif
