/* SPDX-License-Identifier: MIT */
/* The threads of the cores: started together, ended together. */
#ifndef COIL_CORE_WORKER_H
#define COIL_CORE_WORKER_H

#include "core/core.h"

/* Runs every core of `run` on a thread of its own, pinned where its placement says, but core 0 of
 * an attached run on the calling thread as it is; returns when all have ended. When one can't be
 * set up, none runs. Returns 0 or the first one's -errno. */
int coil__workers_run(struct coil__run *run);

/* Claims the one coil_run() of this process; false when there is one already. */
bool coil__workers_claim(void);
bool coil__workers_claimed(void);
void coil__workers_release(void);

#endif
