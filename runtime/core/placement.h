/* SPDX-License-Identifier: MIT */
/* How many cores there are, on which CPUs, and why. */
#ifndef COIL_CORE_PLACEMENT_H
#define COIL_CORE_PLACEMENT_H

#include "core/topology.h"

#include <coil/runtime.h>

/* What was decided for a run. */
struct coil__placement {
    struct coil__topology topology;
    int cpus[COIL__CPUS_MAX]; /* for each core; more cores than CPUs share them in turn */
    int cpu_count;            /* of `cpus`, before they are shared */
    unsigned usual_cores;     /* unless the caller has a number in mind */
    cpu_set_t worker_cpus;    /* of the threads that do what would block a core */
    char why[160];            /* these CPUs, and that number */
};

/* Decides by the list in `given` or else COIL_CPUS, or else by the machine, of which it takes
 * `hyperthreads` of each physical core. Returns 0, or -EINVAL with a line to the log. */
int coil__placement_decide(struct coil__placement *placement, const char *given,
                           unsigned hyperthreads);

/* The same for a machine that has been looked at. */
int coil__placement_decide_on(struct coil__placement *placement, const char *list,
                              unsigned hyperthreads);

/* Decides where worker threads go, by the list in `given` or else COIL_IO_WORKER_CPUS, or else
 * wherever this process may run. Afterwards. Returns 0, or -EINVAL with a line to the log. */
int coil__placement_decide_workers(struct coil__placement *placement, const char *given);

/* Has `core_count` cores share the CPUs. */
void coil__placement_share(struct coil__placement *placement, unsigned core_count);

#endif
