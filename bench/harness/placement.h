/* SPDX-License-Identifier: MIT */
/*
 * Which two CPUs a benchmark runs on, and how far apart they are at the moment.
 *
 * A virtual machine's host may move its CPUs about within seconds; a cache line then travels
 * between them four times as long, and everything that two CPUs do together takes longer. So the
 * time of that travel is read right before and right after each window, and a window counts only
 * if the two readings agree. The filter looks at the machine, never at the result.
 */
#ifndef BENCH_PLACEMENT_H
#define BENCH_PLACEMENT_H

#include <stdbool.h>

/* BUSY: somebody else ran on one of the two, so that the way could not be measured. */
enum distance { NEAR, FAR, BUSY };

struct placement {
    int server_cpu; /* where what is measured runs */
    int load_cpu;   /* where the load runs; -1: there is only one CPU */
    double near_below_ns;
};

/* Chooses two CPUs of those the process may use, on different physical cores if there are. */
void placement_open(struct placement *placement);

/* Pins the calling thread. */
void placement_pin(int cpu);

/* Nanoseconds for a cache line's way from one CPU to the other and back. Takes about 1 ms. */
double placement_read(const struct placement *placement);

enum distance placement_distance(const struct placement *placement, double bounce_ns);

/* Whether two readings show the same state of the machine. */
bool placement_agree(const struct placement *placement, double before_ns, double after_ns);

#endif
