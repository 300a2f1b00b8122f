/* SPDX-License-Identifier: MIT */
/* Waiting for futures, one or several, and giving up on them. */
#include "future/future.h"

#include "future/timers.h"

__thread uint32_t coil__completions;

/* A second one would take the first one's place, which would then never be woken. */
static void require_no_waiter(const struct coil_future *future)
{
    coil__require(future->waiter == NULL || !coil__future_busy(future),
                  "coil_await: another coroutine waits for this future");
}

void coil__future_wait_uncancellable(struct coil_future *future)
{
    struct coil_task *task = coil__self();
    require_no_waiter(future);
    future->waiter = task;
    while (future->state != COIL__FUTURE_DONE)
        coil__task_park(task);
    future->waiter = NULL;
}

void coil__future_refuse_begin(struct coil_future *future)
{
    future->result = coil__future_refuse(coil__self());
    future->order = coil__completions++;
    future->state = COIL__FUTURE_DONE;
}

void coil__future_note_stop(const struct coil_future *future, int64_t result)
{
    coil__require(future->state == COIL__FUTURE_CANCELLING,
                  "an operation has ended whose future is not in flight: it was started twice, or "
                  "its memory was used for something else");
    struct coil_task *waiter = future->waiter;
    if (result == -ECANCELED && waiter != NULL && waiter->cancelled && waiter->waits_on == future)
        coil__future_refuse(waiter);
}

void coil__future_wait_slow(struct coil_future *future)
{
    struct coil_task *task = coil__self();
    coil__require(future->state != COIL__FUTURE_IDLE,
                  "coil_await: the future was never started, or is awaited twice");
    require_no_waiter(future);
    future->waiter = task;
    task->waits_on = future;
    if (task->cancelled)
        coil_future_cancel(future);
    while (future->state != COIL__FUTURE_DONE)
        coil__task_park(task);
    task->waits_on = NULL;
}

/* Apart, so that taking a result that is there needs no frame. */
static __attribute__((noinline, hot)) ssize_t await_busy(struct coil_future *future)
{
    return coil__await(future);
}

__attribute__((hot)) ssize_t coil_await(struct coil_future *future)
{
    if (future->state != COIL__FUTURE_DONE)
        return await_busy(future);
    future->state = COIL__FUTURE_IDLE;
    return future->result;
}

/* A deadline on somebody else's operation. */
struct limit {
    struct coil_timer timer;
    struct coil_future *future;
    bool armed;
    bool passed; /* it was the limit that cancelled the operation */
};

static void limit_expire(struct coil_timer *timer)
{
    struct limit *limit = coil__container_of(timer, struct limit, timer);
    limit->armed = false;
    limit->passed = limit->future->state == COIL__FUTURE_IN_FLIGHT; /* else somebody was first */
    coil_future_cancel(limit->future);
}

ssize_t coil_await_until(struct coil_future *future, coil_time deadline)
{
    if (deadline == COIL_FOREVER || future->state == COIL__FUTURE_DONE)
        return coil__await(future);

    (void)coil__self(); /* outside of a coroutine there may be no timers either */
    struct limit limit = {
        .timer = {.expire = limit_expire, .deadline = deadline},
        .future = future,
        .armed = true,
    };
    coil__timers_arm(coil__timers_here, &limit.timer);
    int64_t result = coil__await(future);
    if (limit.armed)
        coil__timers_disarm(coil__timers_here, &limit.timer);
    return limit.passed && result == -ECANCELED ? -ETIMEDOUT : result;
}

/* Stands for the wait itself, which is what cancellation ends; the operations go on. One of them
 * may yet be done before the waiter runs: then nothing was stopped. */
static void any_cancel(struct coil_future *any)
{
    coil__future_complete(any, 0);
}

static const struct coil_future_kind any_kind = {.name = "any of several", .cancel = any_cancel};
static const struct coil_future_kind all_kind = {.name = "all of several", .cancel = any_cancel};

static int first_done(struct coil_future *const futures[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        coil__require(futures[i]->state != COIL__FUTURE_IDLE,
                      "coil_await_any: a future was never started");
        if (futures[i]->state == COIL__FUTURE_DONE)
            return (int)i;
    }
    return -1;
}

static void wait_one(struct coil_future *const futures[], size_t count,
                     const struct coil_future_kind *kind)
{
    struct coil_task *task = coil__self();
    struct coil_future any;
    for (size_t i = 0; i < count; i++)
        require_no_waiter(futures[i]);
    if (!coil__future_begin(&any, kind))
        return;
    for (size_t i = 0; i < count; i++) {
        if (coil__future_busy(futures[i]))
            futures[i]->waiter = task;
    }
    any.waiter = task;
    task->waits_on = &any;
    coil__task_park(task);
    task->waits_on = NULL;
    for (size_t i = 0; i < count; i++) {
        if (futures[i]->waiter == task)
            futures[i]->waiter = NULL;
    }
    if (any.state != COIL__FUTURE_DONE)
        coil__future_complete(&any, 0);
}

void coil__future_wait_one(struct coil_future *const futures[], size_t count)
{
    wait_one(futures, count, &any_kind);
}

int coil_await_any(struct coil_future *const futures[], size_t count)
{
    struct coil_task *task = coil__self(); /* also when one is done */
    int index = first_done(futures, count);
    if (index >= 0)
        return index;
    coil__future_wait_one(futures, count);
    index = first_done(futures, count); /* a result goes before a cancellation */
    return index >= 0 ? index : coil__future_refuse(task);
}

int coil_await_all(struct coil_future *const futures[], size_t count)
{
    struct coil_task *task = coil__self();
    for (size_t i = 0; i < count; i++) {
        if (!task->cancelled && coil__future_busy(futures[i]))
            wait_one(&futures[i], 1, &all_kind);
        for (size_t later = i; task->cancelled && later < count; later++)
            coil_future_cancel(futures[later]);
        coil__future_wait(futures[i]); /* also for one that withstands that */
    }
    for (size_t i = 0; i < count; i++) {
        if (futures[i]->result == -ECANCELED && task->cancelled)
            return coil__future_refuse(task); /* it may have been stopped while nobody waited */
        if (futures[i]->result < 0)
            return (int)futures[i]->result;
    }
    return 0;
}

bool coil_future_done(const struct coil_future *future)
{
    return future->state == COIL__FUTURE_DONE;
}

void coil_future_cancel(struct coil_future *future)
{
    if (future->state != COIL__FUTURE_IN_FLIGHT)
        return;
    future->state = COIL__FUTURE_CANCELLING;
    if (future->kind->cancel != NULL)
        future->kind->cancel(future);
}

void coil_future_drop(struct coil_future *future)
{
    if (future->state == COIL__FUTURE_IDLE)
        return;
    if (future->state != COIL__FUTURE_DONE) {
        coil_future_cancel(future);
        coil__future_wait_uncancellable(future);
    }
    future->state = COIL__FUTURE_IDLE;
    if (future->kind->discard != NULL)
        future->kind->discard(future);
}
