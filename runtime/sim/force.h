/* SPDX-License-Identifier: MIT */
/* What a test makes the simulated kernel answer: one result, for one kind of operation, at one
 * moment. Whatever else happens is as ever. */
#ifndef COIL_SIM_FORCE_H
#define COIL_SIM_FORCE_H

#include <stdbool.h>
#include <stdint.h>

enum coil__sim_moment {
    COIL__SIM_AT_NONE,
    COIL__SIM_AT_FIRST,     /* instead of what the next operation of the kind would do */
    COIL__SIM_AFTER_PART,   /* the next one does half of what it might; then as above */
    COIL__SIM_WHEN_STOPPED, /* the next one does nothing until it is cancelled: and then */
};

struct coil__sim_forced {
    enum coil__sim_moment moment;
    unsigned opcode;
    int32_t result;
    bool halves; /* what is transferred */
};

/* Once, in the world that runs. A new one replaces it. */
void coil__sim_force(unsigned opcode, enum coil__sim_moment moment, int32_t result);

/* Whether it is still to come. */
bool coil__sim_force_waits(void);

/* How many simulated descriptors are open. */
unsigned coil__sim_files_count(void);

#endif
