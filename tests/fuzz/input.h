/* SPDX-License-Identifier: MIT */
/* The bytes that say what a program does, and what becomes of a program that does what it must not.
 */
#ifndef COIL_TESTS_FUZZ_INPUT_H
#define COIL_TESTS_FUZZ_INPUT_H

#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace coil_fuzz {

/* Read by all coroutines of a program, in the order in which they run. After the end come zeros. */
class Input {
public:
    Input(const uint8_t *bytes, size_t count) : next_(bytes), left_(count) {}

    bool ended() const { return left_ == 0; }

    uint8_t byte()
    {
        if (left_ == 0)
            return 0;
        left_--;
        return *next_++;
    }

    /* A number below `bound`, which is 256 at most; takes no byte where there is no choice. */
    unsigned below(size_t bound) { return bound > 1 ? byte() % unsigned(bound) : 0; }

    bool flag() { return (byte() & 1) != 0; }

    /* Nothing, or from 2 ns to 1 s. */
    int64_t span()
    {
        unsigned power = byte() % 31;
        return power == 0 ? 0 : INT64_C(1) << power;
    }

private:
    const uint8_t *next_;
    size_t left_;
};

/* Aborts with the sentence that says what always holds, if it does not. */
inline void expect(bool holds, const char *sentence, int64_t found = 0)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: %s, but: %" PRId64 "\n", sentence, found);
    abort();
}

} // namespace coil_fuzz

#endif
