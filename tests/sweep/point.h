/* SPDX-License-Identifier: MIT */
/* One point of the sweep: a scenario, on a driver, in which something fails. */
#ifndef COIL_TESTS_SWEEP_POINT_H
#define COIL_TESTS_SWEEP_POINT_H

#include "sweep/fault.h"
#include "sweep/scenario.h"

#include <string>

namespace coil_test {

struct Point {
    const Scenario *scenario;
    char driver; /* one of the scenario's */
    Fault fault;
};

struct Verdict {
    int result;
    Tally tally;
    std::string complaint; /* what must not be; "": all is well */
    std::string log;       /* the last lines that the library said */
};

/* Runs it. Whatever hangs ends the process after a while, and whatever dies names the point. */
Verdict run_point(const Point &point);

/* As above, in a child process, which may also die of the loss of its ring, and say so. */
Verdict run_in_child_process(const Point &point);

/* "echo k memory 3 once 0", and the point of such a text; without a scenario: it is none. */
std::string text_of(const Point &point);
Point point_of(const std::string &text);

/* A line of shell that runs it. */
std::string command_of(const Point &point);

} // namespace coil_test

#endif
