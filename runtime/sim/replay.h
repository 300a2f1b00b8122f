/* SPDX-License-Identifier: MIT */
/*
 * What tells how to see a simulation again whose program fails: by a signal, a status other than 0,
 * a deadlock, or a finding of a sanitizer. The line is made when a world begins: when it is wanted,
 * nothing of the program can be relied upon.
 */
#ifndef COIL_SIM_REPLAY_H
#define COIL_SIM_REPLAY_H

#include <stdint.h>

/* From here on a failure of this process is told with that seed / only one by SIGABRT or by a
 * status is: what follows a simulation is often an assertion about it. */
void coil__sim_replay_begin(uint64_t seed);
void coil__sim_replay_end(void);

/* Says it on stderr, once for a world; nothing if there was none, or in a child of fork(). May be
 * called by a signal handler. */
void coil__sim_replay_tell(void);

#endif
