/* SPDX-License-Identifier: MIT */
/* Runs coil as the subject of a benchmark, on the CPU where the others run. */
#include "harness/coil_subject.h"

int coil_subject_run(const struct window *window, coil_fn *fn, void *arg)
{
    char cpus[16];
    snprintf(cpus, sizeof(cpus), "%d", window->cpu);
    struct coil_options options = {.core_count = 1, .cpus = cpus};
    return coil_run(&options, fn, arg);
}

int coil_subject_run_two(const struct window *window, int64_t spin_ns, coil_fn *fn, void *arg)
{
    char cpus[32];
    snprintf(cpus, sizeof(cpus), "%d,%d", window->cpu, window->peer_cpu);
    struct coil_options options = {.core_count = 2, .cpus = cpus, .spin_ns = spin_ns};
    return coil_run(&options, fn, arg);
}
