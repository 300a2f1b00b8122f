/* SPDX-License-Identifier: MIT */
/* Two threads with a bare ring between them: how many values a second. */
#ifndef BENCH_BARE_RING_PAIR_H
#define BENCH_BARE_RING_PAIR_H

#include "harness/harness.h"

/* figures[0]: values a second from the caller to a peer. */
const char *measure_ring_pair(const struct window *window, double figures[METRIC_MAX]);

#endif
