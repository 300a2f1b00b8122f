/* SPDX-License-Identifier: MIT */
/* The commands around the tests: what they say when a test fails, hangs or is skipped, and when a
 * package is missing. */
#include "support/process.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

using coil_test::Outcome;
using coil_test::quote;
using coil_test::run_shell;
using coil_test::TempDir;

namespace {

/* Behaves as a program of GoogleTest's, as far as the runner can see. */
constexpr const char *kFakeProgram = R"(#!/bin/sh
case "$*" in
*--gtest_list_tests*)
    printf 'Fake.\n'
    printf '  %s\n' Passes Fails Crashes IsSkipped Hangs DISABLED_Part ;;
*Fake.Passes) echo 'words of a test that passed' ;;
*Fake.Fails) echo 'why it failed'; exit 1 ;;
*Fake.Crashes) kill -SEGV $$ ;;
*Fake.IsSkipped) echo 'SKIPPED BECAUSE: this kernel is too old'; exit 77 ;;
*Fake.Hangs) sleep 1000 & [ ! -p "$0.pid" ] || echo $$ >"$0.pid"; sleep 1000 ;;
esac
)";

class Runner : public testing::Test {
protected:
    Outcome run(const std::string &arguments) { return run_shell(command(arguments)); }

    std::string command(const std::string &arguments)
    {
        coil_test::write_file(dir_.path("fake"), kFakeProgram);
        chmod(dir_.path("fake").c_str(), 0755);
        coil_test::write_file(dir_.path("programs"), dir_.path("fake") + "\n");
        return COIL_TEST_RUNNER " --programs " + dir_.path("programs") + " " + arguments;
    }

    static bool contains(const Outcome &outcome, const std::string &text)
    {
        return outcome.output.find(text) != std::string::npos;
    }

    TempDir dir_;
};

std::string last_line(const std::string &text)
{
    size_t end = text.find_last_not_of('\n');
    size_t begin = text.rfind('\n', end) + 1;
    return text.substr(begin, end + 1 - begin);
}

Outcome run_in_project(const std::string &command)
{
    return run_shell("cd " + quote(COIL_TEST_SOURCE_DIR) + " && " + command);
}

} // namespace

TEST_F(Runner, CountsOutcomesInItsLastLine)
{
    Outcome outcome = run("--limit 30 Passes Fails Crashes IsSkipped");
    EXPECT_EQ("1 passed, 2 failed, 1 skipped", last_line(outcome.output));
    EXPECT_EQ(1, outcome.status);
    EXPECT_TRUE(contains(outcome, "why it failed"));
    EXPECT_TRUE(contains(outcome, "FAILED Fake.Crashes: died of signal"));
    EXPECT_TRUE(contains(outcome, "SKIPPED Fake.IsSkipped: this kernel is too old"));
    EXPECT_FALSE(contains(outcome, "words of a test that passed"));
}

TEST_F(Runner, SucceedsWhenNothingFails)
{
    Outcome outcome = run("Passes");
    EXPECT_EQ("1 passed, 0 failed\n", outcome.output);
    EXPECT_EQ(0, outcome.status);
}

TEST_F(Runner, EndsATestThatHangsWithItsChildren)
{
    Outcome outcome = run("--limit 1 Hangs");
    EXPECT_EQ("0 passed, 1 failed", last_line(outcome.output));
    EXPECT_TRUE(contains(outcome, "FAILED Fake.Hangs: ran into its time limit"));
}

TEST_F(Runner, EndsWhatRunsWhenItIsEndedItself)
{
    std::string pid = dir_.path("fake.pid");
    Outcome outcome =
        run_shell("mkfifo " + pid + "\n" + command("Hangs") + " & runner=$!\n" + "read test <" +
                  pid + "\nkill -TERM $runner\nwait $runner\n" + "echo status $?\nkill -0 $test");
    EXPECT_TRUE(contains(outcome, "status 143\n")) << outcome.output;
    EXPECT_NE(0, outcome.status) << "the test outlives it";
}

TEST_F(Runner, StopsAtTheFirstFailureWhenAskedTo)
{
    Outcome outcome = run("--fail-fast --jobs 1 Fails Crashes");
    EXPECT_EQ("0 passed, 1 failed", last_line(outcome.output));
    EXPECT_TRUE(contains(outcome, "FAILED Fake.Fails: status 1"));
    outcome = run("--fail-fast Passes IsSkipped");
    EXPECT_EQ("1 passed, 0 failed, 1 skipped", last_line(outcome.output));
}

TEST_F(Runner, FailsWhenNothingMatches)
{
    Outcome outcome = run("NoSuchTest");
    EXPECT_EQ("no test matches\n0 passed, 0 failed\n", outcome.output);
    EXPECT_EQ(1, outcome.status);
}

TEST_F(Runner, ChoosesByPartOfTheNameOrByPattern)
{
    EXPECT_EQ("Fake.Passes\nFake.IsSkipped\n", run("--list Pass Skip").output);
    EXPECT_EQ("Fake.Crashes\n", run("--list 'Fake.C*'").output);
    EXPECT_EQ("", run("--list 'C*'").output);
    EXPECT_EQ("", run("--list Part").output); /* GoogleTest would not run it either */
}

TEST(RunScript, RefusesAWrongOptionInOneLine)
{
    for (const char *arguments : {"--bogus", "--preset", "--preset=bogus", "--jobs 0"}) {
        Outcome outcome = run_in_project(std::string("tests/run ") + arguments);
        EXPECT_EQ(2, outcome.status);
        EXPECT_EQ(outcome.output.size() - 1, outcome.output.find('\n')) << outcome.output;
    }
    EXPECT_EQ(0, run_in_project("tests/run --help").status);
}

TEST(SoakScript, RefusesAWrongOptionInOneLine)
{
    for (const char *arguments : {"--bogus", "--seeds", "--seeds=0", "--first x", "--preset no"}) {
        Outcome outcome = run_in_project(std::string("tests/soak ") + arguments);
        EXPECT_EQ(2, outcome.status);
        EXPECT_EQ(outcome.output.size() - 1, outcome.output.find('\n')) << outcome.output;
    }
    EXPECT_EQ(0, run_in_project("tests/soak --help").status);
}

TEST(FuzzScript, RefusesAWrongOptionInOneLine)
{
    for (const char *arguments :
         {"--bogus", "--seconds", "--seconds=0", "--seed x", "xyz", "abc"}) {
        Outcome outcome = run_in_project(std::string("tests/fuzz/run ") + arguments);
        EXPECT_EQ(2, outcome.status);
        EXPECT_EQ(outcome.output.size() - 1, outcome.output.find('\n')) << outcome.output;
    }
    EXPECT_EQ(0, run_in_project("tests/fuzz/run --help").status);
}

TEST(BenchScript, RefusesAWrongOptionInOneLine)
{
    for (const char *arguments :
         {"--bogus", "--json", "--json=/nowhere/results", "nosuchbench", "switch --quickly"}) {
        Outcome outcome = run_in_project(std::string("bench/run ") + arguments);
        EXPECT_EQ(2, outcome.status) << arguments;
        EXPECT_EQ(outcome.output.size() - 1, outcome.output.find('\n')) << outcome.output;
    }
    EXPECT_EQ(0, run_in_project("bench/run --help").status);
}

TEST(Setup, IsContentWhereTheTestsRun)
{
    Outcome outcome = run_in_project("bash -c '. .ci/setup.sh; setup_need --no-install tests'");
    EXPECT_EQ(0, outcome.status);
    EXPECT_EQ("", outcome.output);
}

TEST(Setup, RefusesWithTheCommandThatHelps)
{
    TempDir tools; /* a machine where nothing is installed */
    Outcome linked = run_shell("ln -s $(command -v bash id sed sort mktemp rm) " + tools.path());
    ASSERT_EQ(0, linked.status);
    Outcome outcome = run_in_project("PATH=" + tools.path() +
                                     " bash -c '. .ci/setup.sh; setup_need --no-install build'");
    EXPECT_EQ(1, outcome.status);
    for (const char *words : {"liburing-dev ", "io_uring, 2.3 or newer", "apt-get install -y "})
        EXPECT_NE(std::string::npos, outcome.output.find(words)) << outcome.output;
}

TEST(Setup, RefusesAnUnknownGroup)
{
    Outcome outcome = run_in_project("bash -c '. .ci/setup.sh; setup_need --no-install bogus'");
    EXPECT_EQ("setup_need: there is no group 'bogus'\n", outcome.output);
    EXPECT_NE(0, outcome.status);
}
