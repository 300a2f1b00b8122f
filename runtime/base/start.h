/* SPDX-License-Identifier: MIT */
/* Threads of our own, and others while they are ours. */
#ifndef COIL_BASE_START_H
#define COIL_BASE_START_H

#include <pthread.h>
#include <stdbool.h>

/* Starts a thread that runs work(arg), and that the caller joins. It has blocked the signals that
 * the caller has, or, if it is `deaf`, all: those are for the program's own threads. But a fault is
 * a thread's own, and would kill without a word where it is blocked. It has 256 KiB of stack at
 * least. Returns 0, or -errno. */
int coil__start_thread(pthread_t *thread, bool deaf, void *(*work)(void *), void *arg);

/* From `true` until `false` the calling thread must return to who says so, since others wait for
 * it: a function of the program's that ends the thread with pthread_exit(), or has it cancelled,
 * stops the process. Goes unnoticed where the process has no key left for values of a thread. */
void coil__thread_must_return(bool must);

#endif
