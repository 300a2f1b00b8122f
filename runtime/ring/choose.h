/* SPDX-License-Identifier: MIT */
/* Which driver runs: the one that somebody named, else the best that the kernel allows. */
#ifndef COIL_RING_CHOOSE_H
#define COIL_RING_CHOOSE_H

#include "ring/ring.h"

/* Whether the line about the choice is not said. Only for tests, which compare all that is. */
extern bool coil__ring_choice_quiet;

struct coil__ring_choice {
    const struct coil__ring_driver *driver;
    const struct coil__ring_driver *instead; /* when the kernel refuses `driver`; NULL: nothing */
    const char *parameter; /* what follows the colon of the name, as a seed does; "": nothing */
    const char *notice;    /* that it was chosen, and how to get the usual one; NULL: it is that */
};

/* Says to the log, in a line, what somebody chose who may not have meant this run. */
void coil__ring_choice_say(const struct coil__ring_choice *choice);

/* Finds the driver that `name` means, like "kernel" or "sim:SEED"; NULL or "": the best one. `name`
 * must live as long as the choice. -EINVAL, with a line to the log: there is none of that name. */
int coil__ring_choose(const char *name, struct coil__ring_choice *choice);

/* Whether a driver that failed to open with `err` is refused here, now and for good: so that
 * another may do. Without descriptors, for example, it could not either. */
bool coil__ring_is_refusal(int err);

#endif
