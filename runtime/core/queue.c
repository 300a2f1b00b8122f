/* SPDX-License-Identifier: MIT */
/* A queue is a number, which any core may take, and what was said of it. Whoever hears of the
 * number, by a message or from a coroutine, finds the rest written. */
#include "core/queue.h"

#include <errno.h>

static const struct coil_queue default_queue = {0, 0};

void coil__queues_init(struct coil__run *run)
{
    run->queues[0] = (struct coil__queue_terms){.name = "default", .shares = COIL_SHARES_DEFAULT};
    run->queue_count = 1;
}

/* The number of a new queue; -ENOSPC when all are taken. */
static int take_number(struct coil__run *run)
{
    for (;;) { /* ends: who fails has been overtaken, which happens COIL_QUEUES times at most */
        uint32_t count = coil__step_now(&run->queue_count);
        if (count == COIL_QUEUES)
            return -ENOSPC;
        if (coil__step_try(&run->queue_count, count, count + 1))
            return (int)count;
    }
}

int coil_queue_create(struct coil_queue *queue, const char *name, unsigned shares,
                      int64_t latency_goal)
{
    coil__self();
    if (shares == 0 || shares > COIL_SHARES_MAX || latency_goal < 0)
        return -EINVAL;
    struct coil__run *run = coil__core_here->run;
    int number = take_number(run);
    if (number < 0)
        return number;
    run->queues[number] = (struct coil__queue_terms){name, shares, latency_goal};
    *queue = (struct coil_queue){.run = run->number, .number = (uint32_t)number};
    return 0;
}

struct coil_queue coil_queue_self(void)
{
    uint8_t number = coil__self()->queue;
    if (number == 0)
        return default_queue;
    return (struct coil_queue){.run = coil__core_here->run->number, .number = number};
}

/* The number that a user's handle stands for. */
static unsigned number_of(struct coil_queue queue)
{
    const struct coil__run *run = coil__core_here->run;
    bool is_default = queue.run == 0 && queue.number == 0;
    coil__require(is_default || (queue.run == run->number &&
                                 queue.number < coil__step_now(&run->queue_count)),
                  "no queue of this coil_run(): coil_queue_create() makes one");
    return queue.number;
}

void coil_queue_read(struct coil_queue queue, struct coil_queue_stats *stats)
{
    coil__self();
    const struct coil__sched *sched = coil__sched;
    unsigned number = number_of(queue);
    const struct coil__queue_terms *terms = &coil__core_here->run->queues[number];
    *stats = (struct coil_queue_stats){
        .name = terms->name,
        .shares = terms->shares,
        .latency_goal = terms->latency_goal,
        .run_ns = sched->queues.each[number].run_ns,
        .wait_ns = sched->queues.each[number].wait_ns,
        .length = coil__queues_length(sched, number),
    };
}

int coil__spawn_in(struct coil_scope *scope, struct coil_queue queue, coil_fn *fn, void *arg,
                   const char *site)
{
    coil__self();
    return coil__scope_spawn_in(scope, fn, arg, site, number_of(queue));
}
