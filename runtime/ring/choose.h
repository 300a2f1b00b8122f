/* SPDX-License-Identifier: MIT */
/* Which driver runs: the one that somebody named, else the best that the kernel allows. */
#ifndef COIL_RING_CHOOSE_H
#define COIL_RING_CHOOSE_H

#include "ring/ring.h"

struct coil__ring_choice {
    const struct coil__ring_driver *driver;
    const struct coil__ring_driver *instead; /* when the kernel refuses `driver`; NULL: nothing */
    const char *parameter; /* what follows the colon of the name, as a seed does; "": nothing */
};

/* Finds the driver that `name` means, like "kernel" or "sim:SEED"; NULL or "": the best one. `name`
 * must live as long as the choice. -EINVAL, with a line to the log: there is none of that name. */
int coil__ring_choose(const char *name, struct coil__ring_choice *choice);

#endif
