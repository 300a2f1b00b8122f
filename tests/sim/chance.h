/* SPDX-License-Identifier: MIT */
/* What random programs ask of their seed. */
#ifndef COIL_TESTS_SIM_CHANCE_H
#define COIL_TESTS_SIM_CHANCE_H

#include <coil.h>
#include <coil/sim.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <liburing.h>
extern "C" {
#include "sim/errors.h"
}

namespace coil_test {

inline uint64_t below(uint64_t bound)
{
    return coil_sim_random() % bound;
}

inline bool one_in(uint64_t count)
{
    return below(count) == 0;
}

/* Now and then one that does not last until the next turn. */
inline int64_t moment()
{
    return one_in(8) ? 0 : int64_t(below(COIL_MSEC));
}

inline unsigned any_core()
{
    return unsigned(below(coil_core_count()));
}

/* Whether operations fail like that where faults are harsh. */
inline bool is_of_bad_day(ssize_t result)
{
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        const coil__sim_error *error = coil__sim_errors_of(opcode);
        for (; error->error != 0; error++) {
            if (error->error == result)
                return true;
        }
    }
    return false;
}

/* Which seeds a test of random programs runs. */
struct Seeds {
    uint64_t first, count;
    bool chosen; /* by the environment: COIL_TEST_SEEDS=FIRST:COUNT, as tests/soak has it */
};

/* Those of the environment, or the first few. */
inline Seeds choose_seeds(uint64_t usual)
{
    Seeds seeds = {0, usual, false};
    const char *chosen = getenv("COIL_TEST_SEEDS");
    seeds.chosen = chosen != nullptr &&
                   sscanf(chosen, "%" SCNu64 ":%" SCNu64, &seeds.first, &seeds.count) == 2;
    EXPECT_EQ(chosen != nullptr, seeds.chosen) << chosen;
    return seeds;
}

/* Runs each of them, until one fails: then it says how to see that again. */
template <class Run> void for_each_seed(const Seeds &seeds, Run run)
{
    for (uint64_t seed = seeds.first; seed - seeds.first < seeds.count; seed++) {
        SCOPED_TRACE("to see it again: tests/soak --first " + std::to_string(seed) + " --seeds 1");
        run(seed);
        ASSERT_FALSE(testing::Test::HasFailure());
    }
}

} // namespace coil_test

#endif
