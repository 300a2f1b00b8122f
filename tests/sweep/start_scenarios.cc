/* SPDX-License-Identifier: MIT */
/* The start of a run, and its end. */
#include "sweep/scenario.h"

namespace coil_test {
namespace {

int nothing()
{
    return 0;
}

int ask_everybody()
{
    for (unsigned core = 0; core < coil_core_count(); core++) {
        int result = call(core, [] { return int(coil_core_self()); });
        if (result < 0)
            return result;
        if (result != int(core))
            return kWrong;
    }
    return 0;
}

/* On the calling thread, with another core beside it. */
int run_attached()
{
    coil_options options = cores(2);
    options.ring = "kernel";
    options.spin_ns = COIL_SPIN_OFF;
    options.stall_ns = COIL_STALL_OFF;
    options.log = [](const char *) {};
    Body body = ask_everybody;
    return coil_run_attached(&options, call_body, &body);
}

} // namespace

const std::vector<Scenario> kStartScenarios = {
    {"start1", 1, nothing, "kaps", {}, 0, COIL_SEC},
    {"start2", 2, ask_everybody, "kapsl"},
    {"start4", 4, ask_everybody, "kps"},
    {"start8", 8, ask_everybody, "kaps"},
    {"attached", 2, nullptr, "k", {}, 0, COIL_STALL_OFF, run_attached},
};

} // namespace coil_test
