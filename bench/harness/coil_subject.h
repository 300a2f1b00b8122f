/* SPDX-License-Identifier: MIT */
/* Runs coil as the subject of a benchmark, on the CPU where the others run. */
#ifndef BENCH_COIL_SUBJECT_H
#define BENCH_COIL_SUBJECT_H

#include "harness/harness.h"

#include <coil.h>

/*
 * Runs fn(arg) on one core of coil. Everything but the core's place comes from the environment.
 * Returns coil_run()'s result.
 */
int coil_subject_run(const struct window *window, coil_fn *fn, void *arg);

/* As above on two cores, the second one on window->peer_cpu, which look out for events as
 * `spin_ns` says. */
int coil_subject_run_two(const struct window *window, int64_t spin_ns, coil_fn *fn, void *arg);

#endif
