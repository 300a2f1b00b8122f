/* SPDX-License-Identifier: MIT */
/*
 * The timers of one core, in user space: a hierarchical wheel for what is far away and a heap for
 * what is near.
 *
 *      now       horizon
 *     --|-----------|-------------------------------------------------------------> time
 *       heap: exact   level 0: 64 slots of 2^16 ns | level 1: 64 of 2^22 | ... 8 levels
 *
 * A far timer is in the level of the highest of its deadline's 6-bit digits that differs from the
 * horizon's, in the slot of that digit. Hence all slots in use are ahead of the horizon, those of a
 * lower level come before those of a higher one, and equal deadlines are always in one slot.
 *
 * Arming and disarming a far timer is a list operation. When the horizon reaches a slot, its
 * timers go down to where they now belong, or into the heap, which orders them to the nanosecond.
 * A timer moves 8 times at most, in steps that visit all timers of a slot. Nothing allocates.
 */
#ifndef COIL_FUTURE_TIMERS_H
#define COIL_FUTURE_TIMERS_H

#include "base/heap.h"
#include "base/list.h"

#include <coil/future.h>

enum {
    COIL__TIMERS_SHIFT = 16, /* a level-0 slot is 2^16 ns, 65.5 us; each level 64 times as much */
    COIL__TIMERS_DIGIT = 6,
    COIL__TIMERS_LEVELS = 8, /* 16 + 8 * 6 bits: all of a coil_time */
    COIL__TIMERS_SLOTS = 1 << COIL__TIMERS_DIGIT,
};

/* All entries up to and including `horizon` are in the heap, all others in the wheel. */
struct coil__timers {
    size_t armed; /* how many there are */
    struct coil__heap near;
    coil_time horizon;                  /* the last instant of a level-0 slot */
    uint64_t used[COIL__TIMERS_LEVELS]; /* a bit per slot that is not empty */
    struct coil_link slots[COIL__TIMERS_LEVELS * COIL__TIMERS_SLOTS]; /* level by level */
};

/* The timers of the core this thread runs; NULL in other threads. */
extern __thread struct coil__timers *coil__timers_here __attribute__((tls_model("initial-exec")));

/* Prepares empty timers. The storage must stay where it is. */
void coil__timers_init(struct coil__timers *timers, coil_time now);

/* Arms `timer`, which is not armed, for its deadline, which must not change while armed. One that
 * has passed is as good as any. */
void coil__timers_arm(struct coil__timers *timers, struct coil_timer *timer);

/* Disarms `timer`, which is armed. */
void coil__timers_disarm(struct coil__timers *timers, struct coil_timer *timer);

/* Removes and returns the timer with the earliest deadline, if that is `now` or before, else NULL.
 * Equal deadlines come in the order of arming. */
struct coil_timer *coil__timers_pop(struct coil__timers *timers, coil_time now);

/* When to look again: the earliest deadline, or an instant not after it; COIL_FOREVER if none. */
coil_time coil__timers_next(const struct coil__timers *timers);

/* Whether nothing is armed. */
static inline bool coil__timers_empty(const struct coil__timers *timers)
{
    return timers->armed == 0;
}

#endif
