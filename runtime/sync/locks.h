/* SPDX-License-Identifier: MIT */
/* What the locks share: counting them for their holder, and the mutex as a condition sees it. */
#ifndef COIL_SYNC_LOCKS_H
#define COIL_SYNC_LOCKS_H

#include "future/waiters.h"

#include <coil/sync.h>

static inline void coil__locks_add(struct coil_task *holder)
{
    holder->locks_held++;
}

static inline void coil__locks_remove(struct coil_task *holder)
{
    holder->locks_held--;
}

/* Has `future` locked, now or in its turn, for its owner; it then ends with waiting.result. */
void coil__mutex_want(struct coil_mutex *mutex, struct coil_future *future);

/* Unlocks what `holder` has locked. */
void coil__mutex_release(struct coil_mutex *mutex, struct coil_task *holder);

#endif
