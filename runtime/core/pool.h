/* SPDX-License-Identifier: MIT */
/* The pools of threads of a coil_run(): opened by their first work, closed at its end. */
#ifndef COIL_CORE_POOL_H
#define COIL_CORE_POOL_H

#include "core/core.h"

#include <coil/offload.h>

/* Begins a run, without any thread: where they may run, and how many a pool without a limit of its
 * own may have. */
void coil__pools_open(const cpu_set_t *cpus, unsigned limit);

/* Ends all threads. No work may be under way. */
void coil__pools_close(void);

/*
 * Puts work of this core in line, `fn`, `arg` and `deliver` filled in: `fn` runs on another thread,
 * and then `deliver` here, which has to call coil__pools_forget(). The core does not end before.
 * Returns 0, or -errno when there can be no thread.
 */
int coil__pools_add(struct coil_pool *pool, struct coil_offloaded *work);

/* Takes it out of the line again: it will neither run nor arrive. False: it was taken. */
bool coil__pools_remove(struct coil_offloaded *work);

/* Notes that the work has arrived, at its home. */
static inline void coil__pools_forget(const struct coil_offloaded *work)
{
    work->home->offloaded--;
}

#endif
