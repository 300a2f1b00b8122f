/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <time.h>

coil_time (*coil__clock_source)(void) = coil__clock_monotonic;

__attribute__((hot)) coil_time coil__clock_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (coil_time)now.tv_sec * COIL_SEC + now.tv_nsec;
}
