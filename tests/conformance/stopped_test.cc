/* SPDX-License-Identifier: MIT */
/* A process that is stopped while a file system works for it, and continued: nobody was cancelled,
 * and nothing is lost. */
#include "conformance/fuse.h"
#include "support/running.h"

#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace coil_test;

namespace {

coil_options on(const char *ring)
{
    coil_options options = cores(1);
    options.ring = ring;
    return options;
}

/* The exit status of a process that reads all of the file on `ring`, and is stopped meanwhile. */
int stop_a_reader(const Fuse &fuse, const char *ring, ssize_t (*read)(int, void *, size_t, off_t))
{
    pid_t child = fork();
    if (child == 0) {
        _exit(run(
            [&] {
                char bytes[Fuse::kSize];
                int fd = coil_open(fuse.file().c_str(), O_RDONLY, 0);
                ssize_t n = read(fd, bytes, sizeof(bytes), 0);
                coil_close(fd);
                return n == sizeof(bytes) ? 0 : n < 0 ? -int(n) : 1;
            },
            on(ring)));
    }
    int status;
    fuse.wait_for_reader();
    EXPECT_EQ(0, kill(child, SIGSTOP));
    EXPECT_EQ(child, waitpid(child, &status, WUNTRACED));
    EXPECT_TRUE(WIFSTOPPED(status));
    EXPECT_EQ(0, kill(child, SIGCONT));
    EXPECT_EQ(child, waitpid(child, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct Stopped : testing::TestWithParam<const char *> {};

TEST_P(Stopped, ReadsAllAllTheSame)
{
    Fuse fuse(0);
    if (!fuse.is_mounted())
        GTEST_SKIP() << "only root may mount a file system, and not everywhere";
    EXPECT_EQ(0, stop_a_reader(fuse, GetParam(), coil_pread_all));
}

INSTANTIATE_TEST_SUITE_P(Drivers, Stopped, testing::Values("kernel", "poll"));

TEST(Stopped, IsToldThatItsReadWasInterruptedAndNotThatItWasCancelled)
{
    Fuse fuse(0);
    if (!fuse.is_mounted())
        GTEST_SKIP() << "only root may mount a file system, and not everywhere";
    EXPECT_EQ(EINTR, stop_a_reader(fuse, "kernel", coil_pread));
}

} // namespace
