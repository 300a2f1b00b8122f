/* SPDX-License-Identifier: MIT */
/*
 * Futures that wait for one thing, in the order in which they began to. An empty list is zero, so
 * that a lock or an event needs no initialization, and may move while nobody waits for it.
 */
#ifndef COIL_FUTURE_WAITERS_H
#define COIL_FUTURE_WAITERS_H

#include "future/future.h"
#include "base/list.h"

static inline bool coil__waiters_empty(const struct coil_link *waiters)
{
    return !coil__list_linked(waiters);
}

static inline struct coil_future *coil__waiters_of(struct coil_link *link)
{
    return coil__container_of(link, struct coil_future, waiting.link);
}

/* What coroutines of one core wait for is theirs. One that runs on another core would wake them
 * from there: found out here, as long as one waits. */
static inline void coil__waiters_check_core(const struct coil_future *waiting)
{
    coil__require(waiting->waiting.home == coil__sched,
                  "a lock, signal or channel of one core is used on another one as well");
}

static inline void coil__waiters_append(struct coil_link *waiters, struct coil_future *future)
{
    if (coil__waiters_empty(waiters))
        coil__list_init(waiters);
    else
        coil__waiters_check_core(coil__waiters_of(waiters->next));
    future->waiting.home = coil__sched;
    coil__list_append(waiters, &future->waiting.link);
}

static inline void coil__waiters_remove(struct coil_link *waiters, struct coil_future *future)
{
    coil__assert(coil__list_linked(&future->waiting.link));
    coil__waiters_check_core(future);
    coil__list_remove(&future->waiting.link);
    if (coil__list_empty(waiters))
        *waiters = (struct coil_link){NULL, NULL};
}

/* Who waits longest, and stays among them; NULL when nobody does. */
static inline struct coil_future *coil__waiters_first(const struct coil_link *waiters)
{
    return coil__waiters_empty(waiters) ? NULL : coil__waiters_of(waiters->next);
}

/* Who waits longest, removed; NULL when nobody does. */
static inline struct coil_future *coil__waiters_pop(struct coil_link *waiters)
{
    struct coil_future *first = coil__waiters_first(waiters);
    if (first != NULL)
        coil__waiters_remove(waiters, first);
    return first;
}

/* Ends the wait of all of them with `result`. */
static inline void coil__waiters_complete(struct coil_link *waiters, int64_t result)
{
    struct coil_future *future;
    while ((future = coil__waiters_pop(waiters)) != NULL) /* ends: completing only readies */
        coil__future_complete(future, result);
}

/* One of them gives up: the `cancel` of kinds that have nothing else to undo. */
static inline void coil__waiters_cancel(struct coil_link *waiters, struct coil_future *future)
{
    coil__waiters_remove(waiters, future);
    coil__future_complete(future, -ECANCELED);
}

#endif
