/* SPDX-License-Identifier: MIT */
/* What is behind the colon of COIL_RING=sim:..., as include/coil/sim.h explains it. */
#ifndef COIL_SIM_KNOBS_H
#define COIL_SIM_KNOBS_H

#include <coil/sim.h>

struct coil__sim_knobs {
    uint64_t seed;
    enum coil_sim_faults faults;
    uint32_t descriptors; /* a process may have */
    uint32_t partition;   /* one thing sent in so many begins one; 0: none does */
    uint32_t silence;     /* one thing sent in so many is not heard, nor what follows; 0: none */
    uint32_t power;       /* it is cut within so many operations; 0: it is not */
};

/* A knob that nobody has turned: it stands as the faults have it. */
enum { COIL__SIM_AS_FAULTS = UINT32_MAX };

/* Reads "SEED[,name=value]..." . -EINVAL, with a line to the log. */
int coil__sim_knobs_read(const char *text, struct coil__sim_knobs *knobs);

/* "off", "mild" or "harsh". */
const char *coil__sim_faults_name(enum coil_sim_faults faults);

#endif
