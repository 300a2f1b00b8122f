/* SPDX-License-Identifier: MIT */
/* Sleeping, and giving way: the futures that need nothing but this core. */
#include "future/timers.h"

#include "future/future.h"
#include "base/clock.h"

__thread struct coil__timers *coil__timers_here;

static void sleep_expire(struct coil_timer *timer)
{
    coil__future_complete(coil__container_of(timer, struct coil_future, timer), 0);
}

static void sleep_cancel(struct coil_future *future)
{
    if (future->timer.deadline != COIL_FOREVER)
        coil__timers_disarm(coil__timers_here, &future->timer);
    coil__future_complete(future, -ECANCELED);
}

static const struct coil_future_kind sleep_kind = {.name = "sleep", .cancel = sleep_cancel};

coil_time coil_now(void)
{
    return coil__clock_now();
}

coil_time coil_after(int64_t span_ns)
{
    coil_time now = coil_now();
    return span_ns > COIL_FOREVER - now ? COIL_FOREVER : now + span_ns;
}

static inline __attribute__((always_inline)) void start(struct coil_future *future,
                                                        coil_time instant)
{
    if (!coil__future_begin(future, &sleep_kind))
        return;
    future->timer.expire = sleep_expire;
    future->timer.deadline = instant;
    if (instant == COIL_FOREVER)
        return; /* no timer: nothing will happen then, and a deadlock is one all the same */
    coil__timers_arm(coil__timers_here, &future->timer);
}

void coil_sleep_until_start(struct coil_future *future, coil_time instant)
{
    start(future, instant);
}

void coil_sleep_start(struct coil_future *future, int64_t span_ns)
{
    start(future, coil_after(span_ns));
}

int coil_sleep_until(coil_time instant)
{
    struct coil_future future;
    coil_sleep_until_start(&future, instant);
    return (int)coil__await(&future);
}

int coil_sleep(int64_t span_ns)
{
    return coil_sleep_until(coil_after(span_ns));
}

int coil_yield(void)
{
    struct coil_task *task = coil__self();
    if (__builtin_expect(task->cancelled, 0))
        return coil__future_refuse(task);
    coil__task_yield(task);
    return 0;
}
