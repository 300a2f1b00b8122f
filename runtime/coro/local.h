/* SPDX-License-Identifier: MIT */
/* Values that belong to a coroutine, at its start and at its end. */
#ifndef COIL_CORO_LOCAL_H
#define COIL_CORO_LOCAL_H

#include "coro/task.h"

void coil__locals_inherit_some(const struct coil_task *from, struct coil_task *to);
void coil__locals_destroy(struct coil_task *task);

/* Gives `to`, which has yet to run, what it inherits. */
static inline void coil__locals_inherit(const struct coil_task *from, struct coil_task *to)
{
    if (__builtin_expect(from->locals_set != 0, 0))
        coil__locals_inherit_some(from, to);
}

/* Destroys the values of the running task, which leaves it without. */
static inline void coil__locals_end(struct coil_task *task)
{
    if (__builtin_expect(task->locals_set != 0, 0))
        coil__locals_destroy(task);
}

#endif
