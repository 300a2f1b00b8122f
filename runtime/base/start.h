/* SPDX-License-Identifier: MIT */
/* Threads of our own. */
#ifndef COIL_BASE_START_H
#define COIL_BASE_START_H

#include <pthread.h>
#include <stdbool.h>

/* Starts a thread that runs work(arg), and that the caller joins. It has blocked the signals that
 * the caller has, or, if it is `deaf`, all: those are for the program's own threads. But a fault is
 * a thread's own, and would kill without a word where it is blocked. It has 256 KiB of stack at
 * least. Returns 0, or -errno. */
int coil__start_thread(pthread_t *thread, bool deaf, void *(*work)(void *), void *arg);

#endif
