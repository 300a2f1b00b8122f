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

int coil__yield_now(void)
{
    struct coil_task *task = coil__self();
    struct coil__core *core = coil__core_here;
    if (__builtin_expect(task->cancelled, 0))
        return coil__future_refuse(task);
    if (core->ring.flags_tell) {
        if (!coil__future_busy(&core->tick.future))
            start(core);
        if (is_under_way(core))
            coil__yield_wish = core->ring.uring.sq.kflags;
    }
    core->sched.quiet_turns = 0; /* the loop looks at the kernel before this one goes on */
    coil__task_yield(task);
    return 0;
}

void coil__tick_finish(struct coil__core *core)
{
    while (coil__future_busy(&core->tick.future)) /* ends with the tick */
        coil__ring_enter(&core->ring, 1, COIL_FOREVER);
}
