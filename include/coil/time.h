/* SPDX-License-Identifier: MIT */
/* Instants, spans and sleeping. */
#ifndef COIL_TIME_H
#define COIL_TIME_H

#include <coil/base.h>

COIL_BEGIN_DECLS

struct coil_future;

/* An instant: nanoseconds of CLOCK_MONOTONIC. Deadlines are instants, never spans. */
typedef int64_t coil_time;

/* Spans, and the instant that never comes. */
#define COIL_USEC INT64_C(1000)
#define COIL_MSEC INT64_C(1000000)
#define COIL_SEC INT64_C(1000000000)
#define COIL_FOREVER INT64_MAX

/* The time now. Inside coil_run() it is the clock of the ring's driver. */
coil_time coil_now(void);

/* The instant `span_ns` from now; COIL_FOREVER when that overflows. */
coil_time coil_after(int64_t span_ns);

/*
 * Waits for `span_ns` nanoseconds, or until `instant`. Never returns 0 early; sleepers wake in
 * the order of their deadlines. A span of 0 or less lets the ready coroutines run once.
 */
COIL_SUSPENDS int coil_sleep(int64_t span_ns);
COIL_SUSPENDS int coil_sleep_until(coil_time instant);

/* As above, as futures: their result is 0. No system call, no allocation. */
void coil_sleep_start(struct coil_future *future, int64_t span_ns);
void coil_sleep_until_start(struct coil_future *future, coil_time instant);

COIL_END_DECLS
#endif
