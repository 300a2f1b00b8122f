/* SPDX-License-Identifier: MIT */
/*
 * The work queues of one core: who runs next, when coroutines of several queues are ready.
 *
 *     sched: run, ready ---- of the queue `sched->queue`, which is being served
 *     queues.each[i] ------- of every other one, while it waits
 *
 * A queue's virtual time is how long it ran, divided by its shares: the one that is most behind is
 * served, for one coroutine at a time. One with a latency goal goes first while it is not too far
 * ahead. Who was idle starts with those who are most behind, and has saved nothing up.
 *
 * The switch from one coroutine to the next knows nothing of this: when another queue becomes
 * ready, the rest of the budget is taken away, and the loop's context, to which the next coroutine
 * that parks then returns, decides. A core that has only ever had one queue never comes here.
 */
#ifndef COIL_CORO_QUEUE_H
#define COIL_CORO_QUEUE_H

#include <coil/queue.h>

struct coil__sched;

/* What is said of a queue when it is created, for all cores. */
struct coil__queue_terms {
    const char *name;
    uint32_t shares; /* 0: there is no such queue */
    int64_t latency_goal;
};

/* A queue on one core. */
struct coil__queue {
    struct coil_task *run, *ready, **ready_tail; /* as in the sched, while it waits */
    uint64_t time;                               /* virtual, in units of no meaning */
    uint32_t shares;                             /* 0: not yet used on this core */
    int64_t latency_goal;                        /* 0: none */
    coil_time waits_since;
    int64_t run_ns, wait_ns; /* so far */
};

struct coil__queues {
    const struct coil__queue_terms *terms; /* COIL_QUEUES of them; NULL: only the default queue */
    uint32_t opened;                       /* a bit for each queue used on this core */
    uint32_t waiting;                      /* likewise, not served and with ready coroutines */
    uint32_t shares;                       /* of all that are open */
    int64_t nearest_goal;                  /* COIL_FOREVER: none of them has one */
    uint64_t time;                         /* virtual: where who was idle begins */
    unsigned cut;                          /* what was taken from the budget */
    struct coil__queue each[COIL_QUEUES];
};

/* What coil__yield_wish points to where nothing is known: 1. */
extern const volatile uint32_t coil__yield_always;

/* Prepares the default queue, which is being served. */
void coil__queues_open(struct coil__sched *sched);

/* Whether there has ever been more than one. */
static inline bool coil__queues_many(const struct coil__queues *queues)
{
    return queues->opened != 1;
}

/* Appends a task that is not ready to its queue, which is not the one being served. */
void coil__queues_enqueue(struct coil__sched *sched, struct coil_task *task);

/* Runs what is ready, in as many turns as may pass without the loop: where there are many. */
void coil__queues_run(struct coil__sched *sched);

/* How many coroutines are ready. Takes time in proportion. */
size_t coil__queues_length(const struct coil__sched *sched, unsigned number);

#endif
