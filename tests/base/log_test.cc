/* SPDX-License-Identifier: MIT */
/* base/log.h */
extern "C" {
#include "base/log.h"
}

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

std::vector<std::string> lines;

void keep(const char *line)
{
    lines.push_back(line);
}

struct Log : testing::Test {
    Log() { lines.clear(); }
    ~Log() override { coil__log_to(nullptr); }
};

/* Puts a pipe in the place of stderr. Each read gives what one write gave. */
class CapturedStderr {
public:
    CapturedStderr() : saved_(dup(STDERR_FILENO))
    {
        EXPECT_EQ(pipe2(ends_, O_DIRECT | O_NONBLOCK), 0);
        dup2(ends_[1], STDERR_FILENO);
    }

    ~CapturedStderr()
    {
        dup2(saved_, STDERR_FILENO);
        close(saved_);
        close(ends_[0]);
        close(ends_[1]);
    }

    std::string next_write()
    {
        char text[4096];
        ssize_t len = read(ends_[0], text, sizeof(text));
        return len < 0 ? "" : std::string(text, size_t(len));
    }

private:
    int saved_;
    int ends_[2];
};

TEST_F(Log, WritesToStderrALineInOneWrite)
{
    CapturedStderr captured;
    coil__log("core %d has %s", 3, "started");
    coil__log("bye");
    EXPECT_EQ(captured.next_write(), "coil: core 3 has started\n");
    EXPECT_EQ(captured.next_write(), "coil: bye\n");
    EXPECT_EQ(captured.next_write(), "");
}

TEST_F(Log, GivesTheSinkALineWithoutItsEnd)
{
    CapturedStderr captured;
    coil__log_to(keep);
    coil__log("%d%%", 100);
    EXPECT_EQ(lines, std::vector<std::string>{"coil: 100%"});
    EXPECT_EQ(captured.next_write(), "");
}

TEST_F(Log, ReturnsToStderrWithoutASink)
{
    CapturedStderr captured;
    coil__log_to(keep);
    coil__log_to(nullptr);
    coil__log("here");
    EXPECT_TRUE(lines.empty());
    EXPECT_EQ(captured.next_write(), "coil: here\n");
}

TEST_F(Log, CutsALineThatIsTooLong)
{
    CapturedStderr captured;
    std::string prefix = "coil: ";
    std::string fits(COIL__LOG_LINE - prefix.size(), 'x');
    coil__log("%s", fits.c_str());
    coil__log("%sy", fits.c_str());
    EXPECT_EQ(captured.next_write(), prefix + fits + "\n");
    EXPECT_EQ(captured.next_write(), prefix + fits + "\n");
}

TEST_F(Log, KeepsErrno)
{
    int saved = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    errno = ENOTTY;
    coil__log("nobody hears this");
    EXPECT_EQ(errno, ENOTTY);
    dup2(saved, STDERR_FILENO);
    close(saved);
}

std::atomic<int> inside;
std::atomic<bool> collided;

void notice_collisions(const char *)
{
    if (inside.fetch_add(1) != 0)
        collided = true;
    std::this_thread::yield();
    inside.fetch_sub(1);
}

TEST_F(Log, LetsOneThreadAtATimeIntoTheSink)
{
    coil__log_to(notice_collisions);
    auto speak = [] {
        for (int i = 0; i < 2000; i++)
            coil__log("%d", i);
    };
    std::thread a(speak), b(speak);
    a.join();
    b.join();
    EXPECT_FALSE(collided);
}

TEST_F(Log, LetsOneExplainInEachRun)
{
    coil__log_to(keep);
    EXPECT_TRUE(coil__log_first());
    EXPECT_FALSE(coil__log_first());
    coil__log_to(nullptr);
    EXPECT_TRUE(coil__log_first());
}

} // namespace
