/* SPDX-License-Identifier: MIT */
/* The time, from whatever world the driver of the ring lives in. */
#ifndef COIL_BASE_CLOCK_H
#define COIL_BASE_CLOCK_H

#include <coil/time.h>

/* CLOCK_MONOTONIC. */
coil_time coil__clock_monotonic(void);

/* Where coil__clock_now() takes the time; CLOCK_MONOTONIC outside coil_run(). */
extern coil_time (*coil__clock_source)(void);

static inline coil_time coil__clock_now(void)
{
    return coil__clock_source();
}

#endif
