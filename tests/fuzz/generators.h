/* SPDX-License-Identifier: MIT */
/* The generator of a coroutine. */
#ifndef COIL_TESTS_FUZZ_GENERATORS_H
#define COIL_TESTS_FUZZ_GENERATORS_H

#include "actor.h"

namespace coil_fuzz {

/* Closes and forgets the one that there is. Returns its result. */
int end_generator(Actor &actor);

} // namespace coil_fuzz

#endif
