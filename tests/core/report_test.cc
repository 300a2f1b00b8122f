/* SPDX-License-Identifier: MIT */
/* What the log says of coroutines that did not end: who they are, and what they wait for. */
#include "support/pattern.h"
#include "support/running.h"

#include <coil/stop.h>

#include <algorithm>
#include <vector>

using namespace coil_test;

namespace {

std::vector<std::string> lines;

void keep_line(const char *line)
{
    lines.push_back(line);
}

std::string all_lines()
{
    std::string all;
    for (const std::string &line : lines)
        all += line + "\n";
    return all;
}

long count_lines(const std::string &pattern)
{
    return std::count_if(lines.begin(), lines.end(),
                         [&](const std::string &line) { return matches(line, pattern); });
}

/* Is ready whenever the loop runs, until the log has named all. */
int yield_until_named(const char *name)
{
    coil_task_rename(name);
    COIL_SCOPE(shield, COIL_FOREVER);
    coil_scope_shield(&shield);
    EXPECT_TRUE(turn_until([] { return all_lines().find("core 0: other") != std::string::npos; }));
    return coil_scope_close(&shield, 0);
}

/* Since when they are is nowhere written down: a spawn and a yield would pay for it. */
TEST(Report, OfWhoIsReadyNamesNoTime)
{
    lines.clear();
    coil_options options = cores(1);
    options.log = keep_line;
    EXPECT_EQ(0, run(
                     [] {
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         for (int i = 0; i < 3; i++)
                             children.start(scope, [] { return yield_until_named("one"); });
                         children.start(scope, [] { return yield_until_named("other"); });
                         coil_stop(0);
                         return coil_scope_close(&scope, 0);
                     },
                     options));
    const std::string spawned = ", spawned as call_body \\(.*:\\d+\\) ";
    const std::string on_0 = "coil:   core 0: ";
    EXPECT_EQ(1, count_lines(on_0 + "3 of one" + spawned + "wait for a turn")) << all_lines();
    EXPECT_EQ(1, count_lines(on_0 + "other" + spawned + "waits for a turn")) << all_lines();
    EXPECT_EQ(1, count_lines(on_0 + "fn of coil_run\\(\\) has waited \\d+\\.\\d{3} s for "
                                    "the 4 coroutines of its scope, cancelled"))
        << all_lines();
}

} // namespace
