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

/* The same of an operation's future and its own coroutine. */
static bool is_left(const struct coil__sim_op *op, uintptr_t future)
{
    const struct coil_task *task = op->owner;
    uintptr_t top = (uintptr_t)task, end = (uintptr_t)task->context;
    size_t slot_size = coil__sched->stacks.slot_size;
    bool rests = task->state == COIL__TASK_PARKED || task->state == COIL__TASK_READY;
    return rests && future < end && top - end < slot_size && top - future < slot_size;
}

static const struct coil_future *future_of(uint64_t user_data)
{
    uint64_t tag = user_data & COIL__TAG_MASK;
    bool has_one = tag == COIL__TAG_FUTURE || tag == COIL__TAG_EVENT || tag == COIL__TAG_TRANSFER;
    return has_one ? (const struct coil_future *)(uintptr_t)(user_data - tag) : NULL;
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
    const struct io_uring_cq *cq = &ring->ring->uring.cq;
    for (unsigned head = ring->cq_head; head != ring->cq_tail; head++) {
        const struct coil_future *future = future_of(cq->cqes[head & cq->ring_mask].user_data);
        if (future == NULL)
            continue;
        const struct coil_task *task = left_by(&coil__sched->stacks, (uintptr_t)future);
        if (__builtin_expect(task != NULL, 0))
            stop(task);
    }
}

void coil__sim_know_future(struct coil__sim_op *op)
{
    const struct coil_future *future = future_of(op->sqe.user_data);
    if (future == NULL)
        return;
    coil__require(coil__future_busy(future),
                  "an operation begins whose future is gone: it is not in flight");
    op->owner = future->owner;
    op->kind = future->kind;
}

static void stop_without(const struct coil__sim_op *op, const char *why)
{
    char line[256];
    snprintf(line, sizeof(line),
             "the future of a %s in flight (%llu in the trace) is gone: %s, in coroutine %s",
             op->code->name, (unsigned long long)op->number, why, op->owner->name);
    coil__panic(__FILE__, __LINE__, line);
}

/* The latest are those whose functions may still be at work, or have just returned. Not all: the
 * others are seen when something happens to them. */
void coil__sim_check_latest(const struct coil__sim_ring *ring)
{
    unsigned left = 8;
    for (const struct coil_link *link = ring->ops.prev; link != &ring->ops && left > 0; left--) {
        const struct coil__sim_op *op =
            coil__container_of(link, const struct coil__sim_op, of_ring);
        link = link->prev;
        if (op->owner != NULL && is_left(op, (uintptr_t)future_of(op->sqe.user_data)))
            stop_without(op, "the function that had it has returned");
    }
}

void coil__sim_check_future(const struct coil__sim_op *op)
{
    if (op->owner == NULL)
        return;
    const struct coil_future *future = future_of(op->sqe.user_data);
    if (__builtin_expect(is_left(op, (uintptr_t)future), 0))
        stop_without(op, "the function that had it has returned");
    bool is_same = coil__future_busy(future) && future->owner == op->owner &&
                   (future->kind == op->kind || op->told); /* which may change its kind */
    if (__builtin_expect(!is_same, 0))
        stop_without(op, "it was started again, or its memory was used for something else");
}
