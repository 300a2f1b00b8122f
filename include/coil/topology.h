/* SPDX-License-Identifier: MIT */
/*
 * Where the cores of coil run. Unless coil_options says otherwise there is one for each CPU that
 * this process may use, by its affinity and by the quota of its cgroup, rounded down to whole CPUs;
 * each is a thread called coil-N, pinned to its CPU, which allocates the memory of its core itself,
 * so that it lies on the CPU's NUMA node.
 */
#ifndef COIL_TOPOLOGY_H
#define COIL_TOPOLOGY_H

#include <coil/base.h>

COIL_BEGIN_DECLS

/* Tells the log how many cores run and why, and for each its CPU, physical core and node, or why
 * the system would not have it pinned. Inside coil_run() only. */
void coil_topology_print(void);

COIL_END_DECLS
#endif
