/* SPDX-License-Identifier: MIT */
/* Running a body in a simulated world, and what it leaves behind. */
#ifndef COIL_TESTS_SIM_SIMULATE_H
#define COIL_TESTS_SIM_SIMULATE_H

#include "support/running.h"

#include <coil/sim.h>

#include <string>
#include <vector>

namespace coil_test {

struct Simulated {
    int result;
    uint64_t trace;
    std::vector<std::string> log;
};

inline std::vector<std::string> *&simulation_log()
{
    static std::vector<std::string> *log;
    return log;
}

/* Runs `body` under sim:SEED and further knobs, on `core_count` cores. */
inline Simulated simulate(uint64_t seed, const Body &body, unsigned core_count = 1,
                          const std::string &knobs = "", unsigned ring_entries = 0)
{
    Simulated outcome = {};
    std::string ring = "sim:" + std::to_string(seed) + knobs;
    coil_options options = cores(core_count);
    options.ring = ring.c_str();
    options.ring_entries = ring_entries;
    simulation_log() = &outcome.log;
    options.log = [](const char *line) { simulation_log()->push_back(line); };
    outcome.result = run(body, options);
    outcome.trace = coil_sim_trace();
    return outcome;
}

} // namespace coil_test

#endif
