/* SPDX-License-Identifier: MIT */
/* Futures that are gone before their operation has ended: with the function whose variable they
 * were, or since somebody else has that memory by now. */
#ifndef COIL_SIM_FRAME_H
#define COIL_SIM_FRAME_H

#include "sim/op.h"

/* Stops when a completion in the CQ, which the running core's loop has yet to look at, is for one
 * of the first kind: where its coroutine waits, its stack does not reach down to it any more. */
void coil__sim_check_frames(const struct coil__sim_ring *ring);

/* The same for the ring's latest operations, which need not have ended. */
void coil__sim_check_latest(const struct coil__sim_ring *ring);

/* Notes what stays the same in the future of the operation, which begins / stops when that has
 * changed, the future is not in flight, or is of the first kind. */
void coil__sim_know_future(struct coil__sim_op *op);
void coil__sim_check_future(const struct coil__sim_op *op);

#endif
