/* SPDX-License-Identifier: MIT */
/*
 * All cores on one thread: each has a stack for its loop, and gives way in enter(). Who goes on is
 * chance, among those that have a reason to; when nobody has, the clock jumps to the next event.
 */
#ifndef COIL_SIM_STAGE_H
#define COIL_SIM_STAGE_H

#include "sim/world.h"

/* See `stage` of struct coil__ring_driver. */
int coil__sim_stage(const struct coil__ring_stage *stage);

/* Lets the others run; returns when coil__sim_stage_resume() was called by one. */
void coil__sim_stage_pause(void);
void coil__sim_stage_resume(void);

/* The number of the running core. */
unsigned coil__sim_stage_self(void);

/* The running core waits as its ring says. Returns when it has a reason to go on. */
void coil__sim_stage_wait(void);

#endif
