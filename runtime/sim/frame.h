/* SPDX-License-Identifier: MIT */
/* Futures that have outlived the function whose variable they were. Where somebody has that memory
 * by now, the future's own assertions see it; where nobody has, only this. */
#ifndef COIL_SIM_FRAME_H
#define COIL_SIM_FRAME_H

#include "sim/world.h"

/* Stops when a completion in the CQ, which the running core's loop has yet to look at, is for such
 * a future: where its coroutine waits, its stack does not reach down to it any more. */
void coil__sim_check_frames(const struct coil__sim_ring *ring);

#endif
