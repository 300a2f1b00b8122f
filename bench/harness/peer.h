/* SPDX-License-Identifier: MIT */
/* A second thread for what a benchmark does between two. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "harness/harness.h"

#include <pthread.h>

struct peer {
    pthread_t thread;
    void *(*work)(void *arg);
    void *arg;
    int cpu;
};

/* Starts work(arg) on window->peer_cpu. Ends the process when it can't. */
void peer_start(struct peer *peer, const struct window *window, void *(*work)(void *arg),
                void *arg);

/* Waits for its end. */
void peer_join(const struct peer *peer);

#endif
