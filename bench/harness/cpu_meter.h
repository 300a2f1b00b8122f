/* SPDX-License-Identifier: MIT */
/* The CPU time that another process uses within a window, and how much of it in user space. */
#ifndef BENCH_CPU_METER_H
#define BENCH_CPU_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum { CPU_METER_THREAD_MAX = 16 };

struct cpu_meter {
    pid_t pid;
    int64_t cpu_start, user_start;
    unsigned sampler_count;
    int samplers[CPU_METER_THREAD_MAX]; /* a perf event per thread of the process */
    void *rings[CPU_METER_THREAD_MAX];  /* where the kernel writes a record per sample */
};

struct cpu_use {
    int64_t cpu_ns;
    int64_t user_ns; /* good to 10 % of half a second only if sampled */
};

/* `sample_user`: also find out the user-space share, of the threads that run by now. */
void cpu_meter_open(struct cpu_meter *meter, pid_t pid, bool sample_user);

void cpu_meter_start(struct cpu_meter *meter);
struct cpu_use cpu_meter_stop(struct cpu_meter *meter);

#endif
