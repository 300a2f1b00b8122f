/* SPDX-License-Identifier: MIT */
/* What a process holds: memory, and descriptors. */
#ifndef BENCH_FOOTPRINT_H
#define BENCH_FOOTPRINT_H

#include <sys/types.h>

/* Resident memory and page tables, in bytes; 0 if there is no such process. */
double footprint_bytes(pid_t pid);

/* How many memory areas the process has. */
double footprint_areas(pid_t pid);

/* How many descriptors this process has open. */
int footprint_descriptors(void);

/* Memory that programs can get without swapping, in bytes. */
double footprint_available(void);

#endif
