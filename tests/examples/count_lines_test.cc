/* SPDX-License-Identifier: MIT */
/* count_lines, judged by wc -l. */
#include "examples/program.h"

#include <gtest/gtest.h>

using namespace coil_test;

namespace {

class CountLines : public testing::Test {
protected:
    /* Runs a line of shell in the folder of this test, in which count_lines is a command, and so
     * is `same`, which compares its output with wc's but for the width of the numbers. */
    Outcome shell(const std::string &line)
    {
        return run_shell("cd " + quote(dir_.path()) + "\ncount_lines() { " +
                         example_command("count_lines", "\"$@\"") + "; }\n" +
                         "same() { count_lines \"$@\" | sed 's/^ *//' >counted; "
                         "wc -l \"$@\" | sed 's/^ *//' | cmp - counted; }\n" +
                         line);
    }

    void expect_success(const std::string &line)
    {
        Outcome outcome = shell(line);
        EXPECT_EQ(0, outcome.status) << line;
        EXPECT_EQ("", outcome.output) << line;
    }

    void expect_failure(const std::string &line, const std::string &said)
    {
        Outcome outcome = shell(line);
        EXPECT_EQ(1, outcome.status) << line;
        EXPECT_EQ("count_lines: " + said + "\n", outcome.output) << line;
    }

    TempDir dir_;
};

} // namespace

TEST_F(CountLines, CountsOneFileLikeWc)
{
    expect_success("seq 1000 >file && same file");
}

TEST_F(CountLines, CountsAnEmptyFileAndOneWithoutAnEndOfItsLastLine)
{
    expect_success(": >empty; printf 'a\\nb' >open; printf '\\n' >line; same empty open line");
}

TEST_F(CountLines, CountsBinaryFilesOfSeveralMegabytes)
{
    expect_success("head -c 5000000 /dev/urandom >a; head -c 131072 /dev/urandom >b; "
                   "head -c 131073 /dev/zero >c; same a b c");
}

TEST_F(CountLines, CountsManyMoreFilesThanItMayOpenAtATime)
{
    expect_success("mkdir d; for i in $(seq 300); do seq $i >d/$i; done; ulimit -n 64; same d/*");
}

TEST_F(CountLines, CountsAFileThatIsNamedTwiceTwice)
{
    expect_success("seq 10 >file; same file file");
}

TEST_F(CountLines, CountsStdin)
{
    Outcome outcome = shell("seq 100 | count_lines -");
    EXPECT_EQ(0, outcome.status);
    EXPECT_EQ("100 -\n", outcome.output);
}

TEST_F(CountLines, PrintsNumbersInAColumn)
{
    Outcome outcome = shell("seq 9 >a; seq 95 >b; count_lines a b");
    EXPECT_EQ(0, outcome.status);
    EXPECT_EQ("  9 a\n 95 b\n104 total\n", outcome.output);
}

TEST_F(CountLines, NamesTheFileThatFails)
{
    expect_failure("seq 9 >a; count_lines a missing a", "missing: No such file or directory");
    expect_failure("mkdir folder; count_lines a folder", "folder: Is a directory");
}

/* The FIFO would never end: only a cancellation lets this return. */
TEST_F(CountLines, CancelsTheRestAtTheFirstFailure)
{
    expect_failure("mkfifo fifo; exec 5<>fifo; seq 9 >a; count_lines fifo fifo a missing",
                   "missing: No such file or directory");
}

TEST_F(CountLines, GivesUpAtTheTimeout)
{
    expect_failure("mkfifo fifo; exec 5<>fifo; count_lines --timeout 0.2 fifo fifo",
                   "not done when the time of --timeout was up");
}

TEST_F(CountLines, FailsWhenItsOutputCannotBeWritten)
{
    expect_failure("seq 9 >a; count_lines a 2>&1 >/dev/full", "stdout: No space left on device");
    expect_failure("seq 9 >a; count_lines a 2>&1 >&-", "stdout: Bad file descriptor");
}
