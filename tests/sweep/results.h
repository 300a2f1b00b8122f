/* SPDX-License-Identifier: MIT */
/* With what an operation may end, whichever driver executes it. */
#ifndef COIL_TESTS_SWEEP_RESULTS_H
#define COIL_TESTS_SWEEP_RESULTS_H

#include "sweep/fault.h"

#include <cstdint>

namespace coil_test {

/* By the opcode of its entry; without errors: it never fails. */
const Row &row_of_opcode(unsigned opcode);

} // namespace coil_test

#endif
