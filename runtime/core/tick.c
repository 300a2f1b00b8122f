/* SPDX-License-Identifier: MIT */
#include "core/tick.h"

#include "core/core.h"
#include "base/clock.h"

#include <errno.h>

/* The longest that others wait for a coroutine which asks, and the shortest tick. */
static const int64_t span_max = COIL_MSEC;
static const int64_t span_min = 50 * COIL_USEC;

/* -ETIME, as a rule: the tick is over, and the next call yields. */
static void tick_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    (void)flags;
    coil__yield_wish = &coil__yield_always;
    coil__future_complete(future, result);
}

static const struct coil_future_kind tick_kind = {.name = "tick", .event = tick_event};

/* Until the nearest goal of a queue, or until the next timer. */
static int64_t span_of(const struct coil__core *core)
{
    int64_t span = core->sched.queues.nearest_goal;
    coil_time next = coil__timers_next(&core->timers);
    if (span > span_max)
        span = span_max;
    if (next != COIL_FOREVER) {
        coil_time now = coil__clock_now();
        int64_t rest = next > now ? next - now : 0;
        span = rest < span ? rest : span;
    }
    return span > span_min ? span : span_min;
}

static void start(struct coil__core *core)
{
    struct coil__tick *tick = &core->tick;
    tick->span = (struct __kernel_timespec){.tv_nsec = span_of(core)};
    struct io_uring_sqe *sqe =
        coil__op_begin_always(&tick->future, &tick_kind, &core->sched.loop, COIL__NO_FD);
    io_uring_prep_timeout(sqe, (void *)&tick->span, 0, 0);
    tick->entry = core->ring.uring.sq.sqe_tail;
    coil__op_fire_events(sqe, &tick->future);
}

/* Whether the kernel knows of the tick: before that, nothing would end it. */
static bool is_under_way(const struct coil__core *core)
{
    unsigned consumed = IO_URING_READ_ONCE(*core->ring.uring.sq.khead);
    return coil__future_busy(&core->tick.future) && (int)(consumed - core->tick.entry) > 0;
}

/* A slice is over, by the tick or by what has come for others. `task` is to ask once more in this
 * pass, which began with it: so the next one begins with who is behind it. */
static void end_slice(struct coil__core *core, struct coil_task *task)
{
    task->pass = core->tick.passes[task->queue] - 1;
    core->tick.ended = core->sched.bursts;
    coil__yield_wish = &coil__yield_always;
}

/* Whether the loop has looked at the kernel since the last slice, and those whom it has readied
 * have run. */
static bool others_have_run(const struct coil__core *core)
{
    return core->sched.bursts - core->tick.ended >= 2;
}

/* Whether `task` is the first of its queue to ask for another time: then a new pass begins. */
static bool begin_pass(struct coil__tick *tick, struct coil_task *task)
{
    uint32_t *pass = &tick->passes[task->queue];
    bool begins = task->pass == *pass;
    if (begins)
        ++*pass;
    task->pass = *pass;
    return begins;
}

/* Whether `task` begins a slice. None begins in the middle of a pass, which may take several
 * bursts: those who have asked before would be left out. */
static bool begin_slice(struct coil__core *core, struct coil_task *task)
{
    struct coil__tick *tick = &core->tick;
    bool quiet = IO_URING_READ_ONCE(*core->ring.uring.sq.kflags) == 0;
    if (quiet && !coil__future_busy(&tick->future))
        start(core);
    if (!begin_pass(tick, task) || !quiet || !others_have_run(core) || !is_under_way(core))
        return false;
    coil__yield_wish = core->ring.uring.sq.kflags;
    return true;
}

int coil__yield_now(void)
{
    struct coil_task *task = coil__self();
    struct coil__core *core = coil__core_here;
    if (__builtin_expect(task->cancelled, 0))
        return coil__future_refuse(task);
    if (coil__yield_wish != &coil__yield_always)
        end_slice(core, task);
    else if (core->ring.flags_tell && begin_slice(core, task))
        return 0;
    core->sched.quiet_turns = 0; /* the loop looks at the kernel before this one goes on */
    coil__task_yield(task);
    return 0;
}

void coil__tick_finish(struct coil__core *core)
{
    while (coil__future_busy(&core->tick.future)) /* ends with the tick */
        coil__ring_enter(&core->ring, 1, COIL_FOREVER);
}
