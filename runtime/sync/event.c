/* SPDX-License-Identifier: MIT */
/* The event. */
#include "future/waiters.h"

#include <coil/sync.h>

static void wait_cancel(struct coil_future *future)
{
    struct coil_event *event = future->waiting.object;
    coil__waiters_cancel(&event->waiters, future);
}

static const struct coil_future_kind wait_kind = {.name = "event", .cancel = wait_cancel};

void coil_event_wait_start(struct coil_future *future, struct coil_event *event)
{
    if (!coil__future_begin(future, &wait_kind))
        return;
    future->waiting.object = event;
    if (event->set)
        coil__future_complete(future, 0);
    else
        coil__waiters_append(&event->waiters, future);
}

static __attribute__((noinline)) int wait_slow(struct coil_event *event)
{
    struct coil_future future;
    coil_event_wait_start(&future, event);
    return (int)coil__await(&future);
}

int coil_event_wait(struct coil_event *event)
{
    struct coil_task *task = coil__self();
    return __builtin_expect(task->cancelled || !event->set, 0) ? wait_slow(event) : 0;
}

void coil_event_set(struct coil_event *event)
{
    (void)coil__self();
    event->set = true;
    coil__waiters_complete(&event->waiters, 0);
}

void coil_event_clear(struct coil_event *event)
{
    (void)coil__self();
    event->set = false;
}

bool coil_event_is_set(const struct coil_event *event)
{
    return event->set;
}

void coil_event_destroy(struct coil_event *event)
{
    coil__require(coil__waiters_empty(&event->waiters),
                  "coil_event_destroy: a coroutine waits for it");
    event->set = false;
}
