/* SPDX-License-Identifier: MIT */
/*
 * The process's own descriptors: they are of the world outside, and what is done with them is done
 * for real. Whether it can be done without waiting is asked now and then, for nothing there tells
 * the simulated kernel; what they find is not decided by the seed.
 */
#ifndef COIL_SIM_OUTSIDE_H
#define COIL_SIM_OUTSIDE_H

#include "sim/file.h"

/* What is open at that number, which is below COIL__SIM_FIRST_FD; NULL: nothing. */
struct coil__sim_file *coil__sim_outside_at(int fd);

#endif
