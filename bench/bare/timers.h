/* SPDX-License-Identifier: MIT */
/* Two bare timer queues, written for speed alone: what coil's timers stand beside. */
#ifndef BENCH_BARE_TIMERS_H
#define BENCH_BARE_TIMERS_H

#include <stddef.h>
#include <stdint.h>

/* --- a hierarchical timing wheel: arming and cancelling touch a slot and its neighbours ---------
 */

enum {
    WHEEL_TICK_BITS = 17, /* a tick is 131 us */
    WHEEL_SLOT_BITS = 6,  /* 64 slots a level, so that one word says which are in use */
    WHEEL_LEVELS = 8,
};

struct wheel_timer {
    struct wheel_timer *next;
    struct wheel_timer **link; /* what points to us */
    int64_t deadline_ns;
    uint32_t slot;
};

struct wheel {
    uint64_t now_tick;
    uint64_t used[WHEEL_LEVELS];
    struct wheel_timer *slots[WHEEL_LEVELS << WHEEL_SLOT_BITS];
};

void wheel_open(struct wheel *wheel, int64_t now_ns);

/* The level is that of the highest digit in which the deadline differs from now. */
static inline void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, int64_t deadline_ns)
{
    uint64_t tick = (uint64_t)deadline_ns >> WHEEL_TICK_BITS;
    uint64_t differs = (tick ^ wheel->now_tick) | 1;
    unsigned level = (63U - (unsigned)__builtin_clzll(differs)) / WHEEL_SLOT_BITS;
    unsigned digit = (unsigned)(tick >> (level * WHEEL_SLOT_BITS)) & ((1U << WHEEL_SLOT_BITS) - 1);
    timer->deadline_ns = deadline_ns;
    timer->slot = level << WHEEL_SLOT_BITS | digit;
    struct wheel_timer **slot = &wheel->slots[timer->slot];
    timer->next = *slot;
    timer->link = slot;
    if (timer->next != NULL)
        timer->next->link = &timer->next;
    *slot = timer;
    wheel->used[level] |= UINT64_C(1) << digit;
}

static inline void wheel_cancel(struct wheel *wheel, struct wheel_timer *timer)
{
    *timer->link = timer->next;
    if (timer->next != NULL)
        timer->next->link = timer->link;
    else if (wheel->slots[timer->slot] == NULL)
        wheel->used[timer->slot >> WHEEL_SLOT_BITS] &=
            ~(UINT64_C(1) << (timer->slot & ((1U << WHEEL_SLOT_BITS) - 1)));
}

/* --- a 4-ary heap, with the deadlines in its array ----------------------------------------------
 */

struct heap_timer {
    size_t at; /* where in the heap; the caller's otherwise */
};

struct heap_entry {
    int64_t deadline_ns;
    struct heap_timer *timer;
};

struct heap {
    struct heap_entry *entries; /* the caller's: room for all timers that are ever armed at once */
    size_t count;
};

void heap_arm(struct heap *heap, struct heap_timer *timer, int64_t deadline_ns);
void heap_cancel(struct heap *heap, struct heap_timer *timer);

#endif
