/* SPDX-License-Identifier: MIT */
/* Runs with one driver or another. */
#ifndef COIL_TESTS_CONFORMANCE_DRIVERS_H
#define COIL_TESTS_CONFORMANCE_DRIVERS_H

#include "support/running.h"

namespace coil_test {

inline coil_options on(const char *ring)
{
    coil_options options = cores(1);
    options.ring = ring;
    return options;
}

} // namespace coil_test

#endif
