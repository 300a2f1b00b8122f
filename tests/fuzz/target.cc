/* SPDX-License-Identifier: MIT */
/* What libFuzzer calls: tests/fuzz/run. */
#include "world.h"

#include <sanitizer/common_interface_defs.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

namespace {

const uint8_t *running;
size_t running_count;

/* In place of libFuzzer, which a simulation takes the place of when it begins. */
void tell_input()
{
    fprintf(stderr, "input: ");
    for (size_t i = 0; i < running_count; i++)
        fprintf(stderr, "%02x", running[i]);
    fprintf(stderr, "\n");
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    running = bytes;
    running_count = count;
    coil_fuzz::when_begun = [] { __sanitizer_set_death_callback(tell_input); };
    coil_fuzz::run_program(bytes, count);
    return 0;
}
