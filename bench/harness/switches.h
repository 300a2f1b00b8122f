/* SPDX-License-Identifier: MIT */
/* Subjects for benchmarks of what coroutines do with each other: the switch from one to the next.
 */
#ifndef BENCH_SWITCHES_H
#define BENCH_SWITCHES_H

#include "harness/harness.h"

/* Nanoseconds per coil_yield() between two coroutines of coil. */
const char *measure_yield(const struct window *window, double figures[METRIC_MAX]);

/* Nanoseconds per jump between two bare contexts, below which no switch can go. */
const char *measure_jump(const struct window *window, double figures[METRIC_MAX]);

#endif
