/* SPDX-License-Identifier: MIT */
/* The census around each test sees what a test leaves behind. */
#include "support/census.h"

#include <fcntl.h>
#include <future>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using coil_test::compare_census;
using coil_test::take_census;

/* For what is there to stay. */
static constexpr std::chrono::milliseconds kNoGrace{0};

TEST(Census, FindsNothingWhereNothingChanged)
{
    EXPECT_EQ("", compare_census(take_census()));
}

TEST(Census, SeesADescriptorLeftOpen)
{
    coil_test::Census before = take_census();
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_NE(std::string::npos, compare_census(before).find("one more descriptor"));
    close(fd);
}

TEST(Census, SeesADescriptorClosedThatWasNotOurs)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    coil_test::Census before = take_census();
    close(fd);
    EXPECT_NE(std::string::npos, compare_census(before).find("one descriptor less"));
}

TEST(Census, SeesAThreadThatStays)
{
    int ends[2];
    ASSERT_EQ(0, pipe(ends));
    coil_test::Census before = take_census();
    std::thread thread([&] {
        char byte;
        EXPECT_EQ(0, read(ends[0], &byte, 1));
    });
    EXPECT_NE(std::string::npos, compare_census(before, kNoGrace).find("one more thread"));
    close(ends[1]);
    thread.join();
    close(ends[0]);
}

TEST(Census, DoesNotMissAThreadThatWasGoing)
{
    std::promise<void> go;
    std::thread thread([&] { go.get_future().wait(); });
    coil_test::Census before = take_census();
    go.set_value();
    thread.join();
    EXPECT_EQ("", compare_census(before));
}

TEST(Census, SeesAChildThatNobodyWaitedFor)
{
    coil_test::Census before = take_census();
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    EXPECT_NE(std::string::npos, compare_census(before, kNoGrace).find("one more child"));
    waitpid(child, nullptr, 0);
}

TEST(Census, SeesMemoryThatStays)
{
    coil_test::Census before = take_census();
    before.resident_kib -= 2L << 20; /* as if 2 GiB had come since */
    EXPECT_NE(std::string::npos, compare_census(before).find("resident memory"));
}
