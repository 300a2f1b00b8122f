/* SPDX-License-Identifier: MIT */
/* copy_file, judged by cmp, and what it says when a copy cannot be whole. */
#include "examples/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace coil_test;

namespace {

constexpr size_t kBlock = 256 * 1024; /* of copy_file.c */

class CopyFile : public testing::Test {
protected:
    /* Runs a line of shell in the folder of this test, in which copy_file is a command. */
    Outcome shell(const std::string &line)
    {
        return run_shell("cd " + quote(dir_.path()) + "\ncopy_file() { " +
                         example_command("copy_file", "\"$@\"") + "; }\n" + line);
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
        EXPECT_EQ("copy_file: " + said + "\n", outcome.output) << line;
    }

    TempDir dir_;
};

} // namespace

TEST_F(CopyFile, CopiesFilesOfEverySizeAroundABlock)
{
    for (size_t size : {size_t(0), size_t(1), kBlock - 1, kBlock, kBlock + 1, 2 * kBlock,
                        16 * kBlock - 1, 16 * kBlock, 16 * kBlock + 1, 40 * kBlock + 12345})
        expect_success("head -c " + std::to_string(size) +
                       " /dev/urandom >from && copy_file from to && cmp from to");
}

TEST_F(CopyFile, CopiesAFileWithHoles)
{
    expect_success("printf begin >from && truncate -s 9000000 from && printf end >>from && "
                   "copy_file from to && cmp from to");
}

TEST_F(CopyFile, ShortensALongerTarget)
{
    expect_success("printf short >from && head -c 1000000 /dev/urandom >to && "
                   "copy_file from to && cmp from to");
}

TEST_F(CopyFile, KeepsTheModeOfAProgram)
{
    expect_success("umask 022; printf x >from && chmod 750 from && copy_file from to && "
                   "test \"$(stat -c %a to)\" = 750");
}

TEST_F(CopyFile, CopiesWhatComesThroughAPipe)
{
    expect_success("head -c 3000000 /dev/urandom >from && "
                   "(head -c 1000000; sleep 0.1; cat) <from | copy_file - to && cmp from to");
}

TEST_F(CopyFile, GoesOnWhereStdinStands)
{
    expect_success("printf '1\\n2\\n3\\n' >from && { read -r first; copy_file - to; } <from && "
                   "test \"$(cat to)\" = \"$(printf '2\\n3')\"");
}

TEST_F(CopyFile, CopiesIntoAPipe)
{
    expect_success("head -c 3000000 /dev/urandom >from && "
                   "copy_file from /dev/stdout | cmp - from");
}

TEST_F(CopyFile, CopiesAFileThatSaysItIsEmptyAndIsNot)
{
    expect_success("copy_file /proc/version to && cmp /proc/version to");
}

TEST_F(CopyFile, NamesAMissingSourceAndMakesNoTarget)
{
    expect_failure("copy_file missing to", "missing: No such file or directory");
    EXPECT_NE(0, access(dir_.path("to").c_str(), F_OK));
}

TEST_F(CopyFile, RefusesAFolderAndMakesNoTarget)
{
    expect_failure("mkdir from; copy_file from to", "from: Is a directory");
    EXPECT_NE(0, access(dir_.path("to").c_str(), F_OK));
}

TEST_F(CopyFile, NamesATargetThatCannotBe)
{
    expect_failure("printf x >from; copy_file from no/to", "no/to: No such file or directory");
    expect_failure("mkdir folder; copy_file from folder", "folder: Is a directory");
}

TEST_F(CopyFile, DoesNotCopyAFileOntoItself)
{
    expect_failure("printf x >from; ln -s from link; copy_file from link",
                   "link: is the file to copy from");
    EXPECT_EQ("x", read_file(dir_.path("from")));
}

/* Even root may not read it, without the capabilities that override permissions. */
TEST_F(CopyFile, NamesAnUnreadableSource)
{
    std::string unprivileged = geteuid() == 0 ? "setpriv --inh-caps -all --bounding-set "
                                                "-dac_override,-dac_read_search "
                                              : "";
    if (shell(unprivileged + "true").status != 0)
        GTEST_SKIP() << "root may not give up its capabilities here";
    expect_failure("printf x >from; chmod 0 from; " + unprivileged + quote(example("copy_file")) +
                       " from to",
                   "from: Permission denied");
}

TEST_F(CopyFile, AnnouncesAnIncompleteCopyWhenTheDeviceIsFull)
{
    expect_failure("head -c 1000000 /dev/urandom >from; copy_file from /dev/full",
                   "/dev/full: No space left on device; the copy is incomplete");
}

TEST_F(CopyFile, AnnouncesAnIncompleteCopyWhenTheFileSystemIsFull)
{
    std::string unshare = geteuid() == 0 ? "unshare -m " : "unshare -rm ";
    std::string mount = "mount -t tmpfs -o size=1M tmpfs small";
    if (shell("mkdir small; " + unshare + mount).status != 0)
        GTEST_SKIP() << "no file system may be mounted here";
    expect_failure("head -c 3000000 /dev/urandom >from; " + unshare + "sh -c " +
                       quote(mount + " && " + example_command("copy_file", "from small/to")),
                   "small/to: No space left on device; the copy is incomplete");
}

TEST_F(CopyFile, GivesUpWhenTheSourceSendsNothingMore)
{
    std::string fifo = dir_.path("fifo");
    ASSERT_EQ(0, mkfifo(fifo.c_str(), 0600));
    int writer = open(fifo.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(1000, write(writer, std::string(1000, 'x').data(), 1000));
    expect_failure("copy_file --timeout 0.2 fifo to",
                   "not done when the time of --timeout was up; the copy is incomplete");
    close(writer);
}

TEST_F(CopyFile, GivesUpWhenNobodyOpensTheOtherEnd)
{
    expect_failure("mkfifo fifo; printf x >from; copy_file --timeout 0.2 from fifo",
                   "not done when the time of --timeout was up");
}

TEST_F(CopyFile, IsInTimeWhenItIs)
{
    expect_success("head -c 1000000 /dev/urandom >from && copy_file --timeout 1e3 from to && "
                   "cmp from to");
}

TEST_F(CopyFile, CopesWithAClosedStdin)
{
    expect_success("printf x >from; copy_file from to <&- && cmp from to");
    expect_failure("copy_file - to <&-", "-: Bad file descriptor; the copy is incomplete");
}

TEST_F(CopyFile, ShowsOnATerminalHowFarItIs)
{
    if (run_shell("command -v script").status != 0)
        GTEST_SKIP() << "there is no script(1) to make a terminal";
    Outcome outcome =
        shell("mkfifo fifo; (sleep 1.3; echo x) >fifo & " + quote("script") + " -qec " +
              quote(quote(example("copy_file")) + " fifo to") + " /dev/null; wait");
    EXPECT_EQ(0, outcome.status);
    EXPECT_NE(std::string::npos, outcome.output.find("\rto: 0 of 0 MiB")) << outcome.output;
    EXPECT_EQ("x\n", read_file(dir_.path("to")));
}
