/* SPDX-License-Identifier: MIT */
/* What the system says about the CPUs of this machine, and about how much of them is ours. */
#ifndef COIL_CORE_TOPOLOGY_H
#define COIL_CORE_TOPOLOGY_H

#include <sched.h>
#include <stdint.h>

enum { COIL__CPUS_MAX = CPU_SETSIZE };

struct coil__topology {
    cpu_set_t allowed; /* the affinity of this process */
    cpu_set_t online;  /* of this machine; empty: unknown */
    unsigned quota;    /* thousandths of a CPU that our cgroups grant; 0: no limit */
    int16_t physical_core[COIL__CPUS_MAX]; /* the first hyperthread of the same one */
};

/* Looks at files below `root`, "" for the system's own, and asks for the affinity. What can't be
 * read is taken for no limit, and a CPU for a core of its own. Returns 0 or -errno. */
int coil__topology_read(struct coil__topology *topology, const char *root);

/*
 * The allowed CPUs in the order in which cores should take them: one hyperthread of each physical
 * core, then the second ones, and so on, up to `hyperthreads` of each; 0: all. Returns how many.
 */
int coil__topology_order(const struct coil__topology *topology, unsigned hyperthreads,
                         int cpus[COIL__CPUS_MAX]);

/* A list like "0,2-5" into `cpus`, in its order. Returns how many, or -EINVAL. */
int coil__topology_list(const char *text, int cpus[COIL__CPUS_MAX]);

#endif
