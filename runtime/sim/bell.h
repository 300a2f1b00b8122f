/* SPDX-License-Identifier: MIT */
/* The bells by which threads that are no cores reach into a simulated world: the one thing there
 * that no seed decides. */
#ifndef COIL_SIM_BELL_H
#define COIL_SIM_BELL_H

#include "sim/world.h"

/* Rings the bell of a core, from any thread, also from the handler of a signal. */
void coil__sim_bell_ring(struct coil__sim_ring *ring);

/* Lets it be heard once more / not any more. */
void coil__sim_bell_arm(struct coil__sim_ring *ring);
void coil__sim_bell_disarm(struct coil__sim_ring *ring);

/* Hands over what was rung. */
void coil__sim_bells_hear(void);

/* The time for such a thread: what it was when bells were last heard, and later with each look. */
coil_time coil__sim_bells_now(void);

/* Waits until somebody rings; false when no bell is armed, so that nobody could. */
bool coil__sim_bells_wait(void);

#endif
