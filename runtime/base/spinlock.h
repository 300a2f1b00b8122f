/* SPDX-License-Identifier: MIT */
/* A lock for a few instructions without a call out, whose holder never waits for anything. */
#ifndef COIL_BASE_SPINLOCK_H
#define COIL_BASE_SPINLOCK_H

#include "base/relax.h"

#include <sched.h>
#include <stdint.h>

/* The holder works for some dozens of nanoseconds: when it has not come to an end by then, it does
 * not run, and may need our CPU. */
static inline __attribute__((cold)) void coil__spinlock_wait(const uint32_t *lock)
{
    for (unsigned i = 0; __atomic_load_n(lock, __ATOMIC_RELAXED) != 0; i++) { /* ends: see above */
        if (i % 256 == 255)
            sched_yield();
        else
            coil__relax();
    }
}

static inline void coil__spinlock_take(uint32_t *lock)
{
    /* Acquire; pairs with the release in coil__spinlock_leave(). */
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) != 0)
        coil__spinlock_wait(lock);
}

static inline void coil__spinlock_leave(uint32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

#endif
