/* SPDX-License-Identifier: MIT */
/* What libFuzzer calls: tests/fuzz/run. */
#include "world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    coil_fuzz::run_program(bytes, count);
    return 0;
}
