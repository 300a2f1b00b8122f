/* SPDX-License-Identifier: MIT */
/* sim_test: what was acknowledged survives, and a store that forgets to sync is found out. */
#include "examples/program.h"

#include <gtest/gtest.h>

using namespace coil_test;

namespace {

Outcome sim_test(const std::string &arguments)
{
    return run_shell(example_command("sim_test", arguments));
}

} // namespace

TEST(SimTest, LosesNothingInAThousandWorlds)
{
    Outcome outcome = sim_test(COIL_TEST_INSTRUMENTED ? "--seeds 100" : "--seeds 1000");
    EXPECT_EQ(0, outcome.status) << outcome.output;
    EXPECT_NE(std::string::npos, outcome.output.find(" acknowledged puts survived"));
}

TEST(SimTest, FindsAForgottenSyncAndHowToSeeItAgain)
{
    Outcome outcome = sim_test("--broken --seeds 100");
    EXPECT_EQ(1, outcome.status) << outcome.output;
    EXPECT_NE(std::string::npos, outcome.output.find(" was acknowledged, and is lost\n"));
    size_t seed = outcome.output.find("--broken --seed ");
    ASSERT_NE(std::string::npos, seed) << outcome.output;
    size_t end = outcome.output.find('\n', seed);
    Outcome again = sim_test(outcome.output.substr(seed, end - seed));
    EXPECT_EQ(1, again.status);
    EXPECT_EQ(outcome.output.substr(0, end), again.output.substr(0, end));
}

/* Also a program that knows nothing of the simulator, twice the same. */
TEST(SimExamples, RunInASimulatedWorldAndRepeatTheirSeed)
{
    TempDir dir;
    write_file(dir.path("lines"), std::string(20000, '\n'));
    for (const std::string &line :
         {example_command("generators", ""), example_command("scheduler", ""),
          example_command("tasks", ""), example_command("event_loop", ""),
          example_command("count_lines", quote(dir.path("lines"))),
          example_command("copy_file", quote(dir.path("lines")) + " " + quote(dir.path("copy")))}) {
        Outcome plain = run_shell(line);
        Outcome simulated = run_shell("COIL_RING=sim:5 " + line + " 2>/dev/null");
        EXPECT_EQ(0, simulated.status) << line;
        EXPECT_EQ(plain.output, simulated.output) << line;
        Outcome first = run_shell("COIL_RING=sim:5 " + line);
        EXPECT_EQ(first.output, run_shell("COIL_RING=sim:5 " + line).output) << line;
    }
}
