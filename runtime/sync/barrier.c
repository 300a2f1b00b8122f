/* SPDX-License-Identifier: MIT */
/* The barrier. Whoever waits has arrived, and leaves no trace when cancelled. */
#include "future/waiters.h"

#include <coil/sync.h>

static void wait_cancel(struct coil_future *future)
{
    struct coil_barrier *barrier = future->waiting.object;
    barrier->arrived--;
    coil__waiters_cancel(&barrier->waiters, future);
}

static const struct coil_future_kind wait_kind = {.name = "barrier", .cancel = wait_cancel};

void coil_barrier_init(struct coil_barrier *barrier, uint32_t count)
{
    coil__require(count > 0, "coil_barrier_init: it is for nobody");
    *barrier = (struct coil_barrier){.count = count};
}

void coil_barrier_wait_start(struct coil_future *future, struct coil_barrier *barrier)
{
    if (!coil__future_begin(future, &wait_kind))
        return;
    coil__require(barrier->count > 0, "coil_barrier_wait: it was not initialized");
    future->waiting.object = barrier;
    if (++barrier->arrived < barrier->count) {
        coil__waiters_append(&barrier->waiters, future);
        return;
    }
    barrier->arrived = 0;
    coil__waiters_complete(&barrier->waiters, 0);
    coil__future_complete(future, 1);
}

int coil_barrier_wait(struct coil_barrier *barrier)
{
    struct coil_future future;
    coil_barrier_wait_start(&future, barrier);
    return (int)coil__await(&future);
}

void coil_barrier_destroy(struct coil_barrier *barrier)
{
    coil__require(barrier->arrived == 0, "coil_barrier_destroy: a coroutine waits at it");
    barrier->count = 0;
}
