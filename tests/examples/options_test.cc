/* SPDX-License-Identifier: MIT */
/* --help, and one clear line with status 2 for whatever is not an option. */
#include "examples/program.h"

#include <gtest/gtest.h>

using namespace coil_test;

namespace {

struct Case {
    const char *program, *arguments, *complaint;
};

void expect_refused(const Case &wrong)
{
    Outcome outcome = run_shell(example_command(wrong.program, wrong.arguments));
    std::string said = std::string(wrong.program) + " " + wrong.arguments + ": " + outcome.output;
    EXPECT_EQ(2, outcome.status) << said;
    EXPECT_EQ(0u, outcome.output.find(std::string(wrong.program) + ": ")) << said;
    EXPECT_NE(std::string::npos, outcome.output.find(wrong.complaint)) << said;
    EXPECT_EQ(outcome.output.size() - 1, outcome.output.find('\n')) << "not one line: " << said;
}

} // namespace

TEST(Options, OfEveryExampleAreExplainedByHelp)
{
    for (const char *program : {"echo_server", "copy_file", "count_lines", "generators",
                                "scheduler", "tasks", "event_loop", "sim_test"}) {
        Outcome outcome = run_shell(example_command(program, "--help"));
        EXPECT_EQ(0, outcome.status);
        EXPECT_EQ(0u, outcome.output.find("usage: " + std::string(program))) << outcome.output;
        EXPECT_NE(std::string::npos, outcome.output.find("--help")) << outcome.output;
    }
}

TEST(Options, OfEchoServerAreRefusedInOneLineWhenWrong)
{
    for (const Case &wrong : {
             Case{"echo_server", "--bogus", "unrecognized option '--bogus'"},
             Case{"echo_server", "-x", "invalid option"},
             Case{"echo_server", "--port", "requires an argument"},
             Case{"echo_server", "--port 65536", "--port: \"65536\""},
             Case{"echo_server", "--port -1", "--port: \"-1\""},
             Case{"echo_server", "--port 80x", "--port: \"80x\""},
             Case{"echo_server", "--port ''", "--port: \"\""},
             Case{"echo_server", "--host localhost", "--host: \"localhost\""},
             Case{"echo_server", "--cores 0", "--cores: \"0\""},
             Case{"echo_server", "--cores 99999999999999999999", "--cores: "},
             Case{"echo_server", "--cpus ''", "--cpus: \"\""},
             Case{"echo_server", "--cpus 0-", "--cpus: \"0-\""},
             Case{"echo_server", "--cpus 0,", "--cpus: \"0,\""},
             Case{"echo_server", "--cpus 1-0", "--cpus: \"1-0\""},
             Case{"echo_server", "--cpus 1023", "--cpus: \"1023\""},
             Case{"echo_server", "--balance", "requires an argument"},
             Case{"echo_server", "--balance ''", "--balance: \"\" is not kernel or least"},
             Case{"echo_server", "--balance fewest", "--balance: \"fewest\""},
             Case{"echo_server", "7000", "unexpected argument \"7000\""},
         })
        expect_refused(wrong);
}

TEST(Options, OfTheFileToolsAreRefusedInOneLineWhenWrong)
{
    for (const Case &wrong : {
             Case{"copy_file", "--bogus a b", "unrecognized option '--bogus'"},
             Case{"copy_file", "", "expected FROM TO"},
             Case{"copy_file", "a", "expected FROM TO"},
             Case{"copy_file", "a b c", "expected FROM TO"},
             Case{"copy_file", "--timeout", "requires an argument"},
             Case{"copy_file", "--timeout '' a b", "--timeout: \"\""},
             Case{"copy_file", "--timeout 0 a b", "--timeout: \"0\""},
             Case{"copy_file", "--timeout -1 a b", "--timeout: \"-1\""},
             Case{"copy_file", "--timeout 1s a b", "--timeout: \"1s\""},
             Case{"copy_file", "--timeout nan a b", "--timeout: \"nan\""},
             Case{"copy_file", "--timeout inf a b", "--timeout: \"inf\""},
             Case{"count_lines", "", "expected FILE..."},
             Case{"count_lines", "--lines a", "unrecognized option '--lines'"},
         })
        expect_refused(wrong);
}

TEST(Options, OfTheLessonsAreRefusedInOneLineWhenWrong)
{
    for (const char *program : {"generators", "scheduler", "tasks", "event_loop"}) {
        expect_refused({program, "--bogus", "unrecognized option '--bogus'"});
        expect_refused({program, "-x", "invalid option"});
        expect_refused({program, "more", "unexpected argument \"more\""});
    }
}

TEST(Options, OfSimTestAreRefusedInOneLineWhenWrong)
{
    for (const Case &wrong : {
             Case{"sim_test", "--cheap", "unrecognized option '--cheap'"},
             Case{"sim_test", "--seed", "requires an argument"},
             Case{"sim_test", "--seed -1", "--seed: \"-1\""},
             Case{"sim_test", "--seed 18446744073709551616", "--seed: \"18446744073709551616\""},
             Case{"sim_test", "--seeds x", "--seeds: \"x\""},
             Case{"sim_test", "--seeds 7x", "--seeds: \"7x\""},
             Case{"sim_test", "--seeds 0", "--seeds: \"0\" is not a number from 1"},
             Case{"sim_test", "7", "unexpected argument \"7\""},
         })
        expect_refused(wrong);
}
