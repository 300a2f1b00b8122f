/* SPDX-License-Identifier: MIT */
/* coil_options, with defaults and the environment filled in, and where the cores go. */
#ifndef COIL_CORE_OPTIONS_H
#define COIL_CORE_OPTIONS_H

#include <coil/runtime.h>
#include <sched.h>

enum { COIL__CPUS_MAX = CPU_SETSIZE };

/* Fills in what `given` (may be NULL) leaves open and checks it. `allowed` gets the CPUs that this
 * process may use, `cpus` the `core_count` ones to pin to. -EINVAL, with a line to the log. */
int coil__options_resolve(const struct coil_options *given, struct coil_options *resolved,
                          cpu_set_t *allowed, int cpus[COIL__CPUS_MAX]);

/* A number with an optional suffix K, M or G (powers of 1024); -EINVAL for anything else. */
int coil__options_number(const char *text, int64_t *number);

/* A list like "0,2-5" into `cpus`, in its order. Returns how many, or -EINVAL. */
int coil__options_cpus(const char *text, int cpus[COIL__CPUS_MAX]);

#endif
