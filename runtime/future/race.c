/* SPDX-License-Identifier: MIT */
/* Several futures in the order in which they are done, and races among them. */
#include "future/future.h"

/* The first of those that are done; -1 when none is. `happened`: but for -ECANCELED. */
static int first_of(struct coil_future *const futures[], size_t count, bool happened)
{
    int first = -1;
    uint32_t oldest = 0;
    for (size_t i = 0; i < count; i++) {
        if (futures[i]->state != COIL__FUTURE_DONE ||
            (happened && futures[i]->result == -ECANCELED))
            continue;
        uint32_t age = coil__completions - futures[i]->order; /* right also after it wrapped */
        if (age > oldest) {
            oldest = age;
            first = (int)i;
        }
    }
    return first;
}

static bool any_busy(struct coil_future *const futures[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (coil__future_busy(futures[i]))
            return true;
    }
    return false;
}

int coil_await_next(struct coil_future *const futures[], size_t count)
{
    struct coil_task *task = coil__self(); /* also when one is done */
    int first = first_of(futures, count, false);
    if (first >= 0)
        return first;
    if (!any_busy(futures, count))
        return -ENOENT;
    coil__future_wait_one(futures, count);
    first = first_of(futures, count, false);
    return first >= 0 ? first : coil__future_refuse(task);
}

/* Cancels all at once, before it waits for the first of them. */
static void stop_all(struct coil_future *const futures[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        coil_future_cancel(futures[i]);
    for (size_t i = 0; i < count; i++) {
        if (coil__future_busy(futures[i]))
            coil__future_wait_uncancellable(futures[i]);
    }
}

int coil_await_race(struct coil_future *const futures[], size_t count)
{
    struct coil_task *task = coil__self();
    for (size_t i = 0; i < count; i++) {
        coil__require(futures[i]->state != COIL__FUTURE_IDLE,
                      "coil_await_race: a future was never started");
    }
    int winner = first_of(futures, count, false);
    if (winner < 0) {
        coil__future_wait_one(futures, count);
        winner = first_of(futures, count, false);
    }
    stop_all(futures, count);
    if (winner < 0) /* cancelled, and yet one of them may have withstood that */
        winner = first_of(futures, count, true);
    for (size_t i = 0; i < count; i++) {
        if ((int)i != winner)
            coil_future_drop(futures[i]);
    }
    return winner >= 0 ? winner : coil__future_refuse(task);
}
