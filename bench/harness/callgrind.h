/* SPDX-License-Identifier: MIT */
/*
 * Instructions in user space, as valgrind's callgrind counts them: unlike times they do not jitter,
 * and they see a change of one instruction.
 */
#ifndef BENCH_CALLGRIND_H
#define BENCH_CALLGRIND_H

#include "harness/process.h"

#include <stdint.h>

/* NULL if instructions can be counted here, else why not. */
const char *callgrind_missing(void);

/* Runs a program that ends by itself. Returns its instructions, or -1. */
int64_t callgrind_run(const char *const argv[]);

/* Starts a program under callgrind, as process_start(). End it by process_kill(). */
const char *callgrind_start(struct process *process, const char *const argv[]);

/* The instructions of a program so started, up to now. -1: they cannot be had. */
int64_t callgrind_read(const struct process *process);

#endif
