/* SPDX-License-Identifier: MIT */
#include "sim/frame.h"

#include "coro/task.h"

#include <stdio.h>

/* Whose stack it is on, beneath all frames that are left; NULL: it may well be there. A coroutine
 * that waits on a generator's stack does not tell where its own ends. */
static const struct coil_task *left_by(const struct coil__stacks *stacks, uintptr_t future)
{
    const struct coil_task *task;
    if (coil__stacks_find(stacks, (const void *)future, &task) != COIL__STACK_INSIDE)
        return NULL;
    uintptr_t end = (uintptr_t)task->context;
    bool rests = task->state == COIL__TASK_PARKED || task->state == COIL__TASK_READY;
    bool is_there = (uintptr_t)task - end < stacks->slot_size;
    return rests && is_there && future < end ? task : NULL;
}

static void stop(const struct coil_task *task)
{
    char line[256];
    snprintf(line, sizeof(line),
             "an operation has ended whose future is gone: the function that had it has returned, "
             "in coroutine %s",
             task->name);
    coil__panic(__FILE__, __LINE__, line);
}

void coil__sim_check_frames(const struct coil__sim_ring *ring)
{
    const struct io_uring_cqe *cqes = ring->ring->uring.cq.cqes;
    for (unsigned head = ring->cq_head; head != ring->cq_tail; head++) {
        uint64_t data = cqes[head & ring->cq_mask].user_data;
        uint64_t tag = data & COIL__TAG_MASK;
        if (tag != COIL__TAG_FUTURE && tag != COIL__TAG_EVENT)
            continue;
        const struct coil_task *task = left_by(&coil__sched->stacks, (uintptr_t)(data - tag));
        if (__builtin_expect(task != NULL, 0))
            stop(task);
    }
}
