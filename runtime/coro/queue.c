/* SPDX-License-Identifier: MIT */
/* Weighted virtual time among the queues of a core. */
#include "coro/queue.h"

#include "coro/task.h"
#include "base/clock.h"

enum {
    TIME_PER_NS = COIL_SHARES_MAX, /* of a queue with one share: no digits are lost */
    RESUME_NS = 100,               /* what running once takes at least, also by a clock that stands
                                    * still: else it would be free */
    SHARE_MIN = 100,               /* each queue gets one part in so many */
};

/* How far ahead of its shares a queue with a latency goal may be and still go first; and how long
 * others run without a look at what the kernel has for such a queue. */
static const int64_t lead_ns = 20 * COIL_MSEC;
static const int64_t look_ns = 100 * COIL_USEC;

/* Goals that are farther away are as good as this one, which may be added to any instant. */
static const int64_t goal_max = COIL_FOREVER / 2;

const volatile uint32_t coil__yield_always = 1;
__thread const volatile uint32_t *coil__yield_wish = &coil__yield_always;

/* Whether one of the queues has a latency goal. */
static bool has_goals(const struct coil__queues *queues)
{
    return queues->nearest_goal != COIL_FOREVER;
}

/* What `ns` on the core come to in the queue's time. */
static uint64_t span(const struct coil__queues *queues, const struct coil__queue *queue, int64_t ns)
{
    uint32_t least = (queues->shares + SHARE_MIN - 1) / SHARE_MIN;
    uint32_t shares = queue->shares > least ? queue->shares : least;
    return (uint64_t)ns * TIME_PER_NS / shares;
}

/* Times may have wrapped around. */
static bool is_before(uint64_t time, uint64_t other)
{
    return (int64_t)(time - other) < 0;
}

static void open_queue(struct coil__queues *queues, unsigned number, uint32_t shares,
                       int64_t latency_goal)
{
    struct coil__queue *queue = &queues->each[number];
    queue->ready_tail = &queue->ready;
    queue->shares = shares;
    queue->latency_goal = latency_goal < goal_max ? latency_goal : goal_max;
    queue->time = queues->time;
    queues->opened |= 1u << number;
    queues->shares += shares;
    if (latency_goal > 0 && latency_goal < queues->nearest_goal)
        queues->nearest_goal = latency_goal;
}

void coil__queues_open(struct coil__sched *sched)
{
    sched->queues.nearest_goal = COIL_FOREVER;
    open_queue(&sched->queues, 0, COIL_SHARES_DEFAULT, 0);
}

/* Notes that a queue which is not being served has become ready. */
static void begin_to_wait(struct coil__queues *queues, unsigned number)
{
    struct coil__queue *queue = &queues->each[number];
    uint64_t ahead = queue->time - queues->time;
    if (ahead > UINT64_MAX / 4) /* it is behind: nobody is ever that far ahead */
        queue->time = queues->time;
    queue->waits_since = coil__clock_now();
    queues->waiting |= 1u << number;
}

void coil__queues_enqueue(struct coil__sched *sched, struct coil_task *task)
{
    struct coil__queues *queues = &sched->queues;
    unsigned number = task->queue;
    struct coil__queue *queue = &queues->each[number];
    if (queue->shares == 0)
        open_queue(queues, number, queues->terms[number].shares,
                   queues->terms[number].latency_goal);
    if ((queues->waiting & 1u << number) == 0)
        begin_to_wait(queues, number);
    task->state = COIL__TASK_READY;
    task->next = NULL;
    *queue->ready_tail = task;
    queue->ready_tail = &task->next;
    /* Whoever runs is the last one before somebody decides who is next. */
    queues->cut += sched->budget;
    sched->budget = 0;
    sched->quiet_turns = 0;
}

/* Serves another queue than before. */
static void serve(struct coil__sched *sched, unsigned number, coil_time now)
{
    struct coil__queues *queues = &sched->queues;
    struct coil__queue *aside = &queues->each[sched->queue];
    aside->run = sched->run;
    aside->ready = sched->ready;
    aside->ready_tail = sched->ready != NULL ? sched->ready_tail : &aside->ready;
    if (aside->run != NULL || aside->ready != NULL)
        queues->waiting |= 1u << sched->queue;

    struct coil__queue *queue = &queues->each[number];
    sched->queue = (uint8_t)number;
    sched->run = queue->run;
    sched->ready = queue->ready;
    sched->ready_tail = queue->ready != NULL ? queue->ready_tail : &sched->ready;
    queues->waiting &= ~(1u << number);
    queue->wait_ns += now - queue->waits_since;
    queue->run = NULL;
    queue->ready = NULL;
    queue->ready_tail = &queue->ready;
}

/* Which of the queues in `ready`, of which there is at least one, is next. */
static unsigned choose(struct coil__queues *queues, uint32_t ready)
{
    unsigned behind = (unsigned)__builtin_ctz(ready);
    for (uint32_t rest = ready & (ready - 1); rest != 0; rest &= rest - 1) {
        unsigned number = (unsigned)__builtin_ctz(rest);
        if (is_before(queues->each[number].time, queues->each[behind].time))
            behind = number;
    }
    uint64_t least = queues->each[behind].time;
    if (is_before(queues->time, least))
        queues->time = least;

    unsigned first = behind;
    coil_time first_goal = COIL_FOREVER;
    for (uint32_t rest = has_goals(queues) ? ready : 0; rest != 0; rest &= rest - 1) {
        unsigned number = (unsigned)__builtin_ctz(rest);
        const struct coil__queue *queue = &queues->each[number];
        if (queue->latency_goal == 0 ||
            is_before(least + span(queues, queue, lead_ns), queue->time))
            continue;
        if (queue->waits_since + queue->latency_goal < first_goal) {
            first = number;
            first_goal = queue->waits_since + queue->latency_goal;
        }
    }
    return first;
}

/* Lets the queue that is being served run, for `burst` resumes at most. Returns how many. */
static unsigned run_burst(struct coil__sched *sched, unsigned burst)
{
    sched->budget = burst;
    sched->bursts++;
    sched->quiet_turns = 0;
    sched->queues.cut = 0;
    coil__switch(sched, &sched->loop, coil__sched_next(sched));
    return burst - sched->budget - sched->queues.cut;
}

/* The queue that is being served has run. */
static void charge(struct coil__sched *sched, unsigned resumes, coil_time since, coil_time now)
{
    struct coil__queue *queue = &sched->queues.each[sched->queue];
    int64_t least = (int64_t)resumes * RESUME_NS;
    int64_t ran = now - since;
    queue->run_ns += ran;
    queue->time += span(&sched->queues, queue, ran > least ? ran : least);
    queue->waits_since = now;
}

static uint32_t ready_queues(const struct coil__sched *sched)
{
    bool served_is = sched->run != NULL || sched->ready != NULL;
    return sched->queues.waiting | (served_is ? 1u << sched->queue : 0);
}

void coil__queues_run(struct coil__sched *sched)
{
    struct coil__queues *queues = &sched->queues;
    unsigned budget = COIL__TURN_BUDGET;
    coil_time begun = coil__clock_now();
    coil_time now = begun;
    uint32_t ready;
    queues->each[sched->queue].waits_since = now; /* in which nobody else has run */
    while ((ready = ready_queues(sched)) != 0) {  /* ends with the budget */
        unsigned number = choose(queues, ready);
        if (number != sched->queue)
            serve(sched, number, now);
        if (sched->run == NULL) {
            if (sched->loop_due && budget < COIL__TURN_BUDGET)
                return; /* its turn is over, and entries wait to be submitted */
            coil__sched_turn(sched);
        }
        bool alone = queues->waiting == 0 && !has_goals(queues);
        unsigned resumes = run_burst(sched, alone ? budget : 1);
        coil_time since = now;
        now = coil__clock_now();
        charge(sched, resumes, since, now);
        budget -= resumes;
        if (budget == 0 || now - begun >= look_ns)
            return;
    }
}

size_t coil__queues_length(const struct coil__sched *sched, unsigned number)
{
    const struct coil__queue *queue = &sched->queues.each[number];
    bool served = sched->queue == number;
    const struct coil_task *lists[] = {served ? sched->run : queue->run,
                                       served ? sched->ready : queue->ready};
    size_t length = 0;
    for (int i = 0; i < 2; i++) {
        for (const struct coil_task *task = lists[i]; task != NULL; task = task->next)
            length++;
    }
    return length;
}
