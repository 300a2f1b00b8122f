/* SPDX-License-Identifier: MIT */
/*
 * What a program has others do that blocks, where no threads are to do it: the seed decides when
 * one takes it and how long it takes. Then it runs, on the simulator's thread but as none of its
 * cores, one after the other.
 *
 *     in line --its pool has a thread for it--> taken --its time has passed--> due --> it runs
 */
#ifndef COIL_SIM_WORK_H
#define COIL_SIM_WORK_H

#include "sim/world.h"

/* See the functions of struct coil__ring_driver. */
int coil__sim_work_add(const struct coil__ring_pool *pool, struct coil_link *job);
bool coil__sim_work_remove(struct coil_link *job);

/* Whether some is due / runs the one that has been for longest. */
bool coil__sim_work_is_due(void);
void coil__sim_work_run(void);

#endif
