/* SPDX-License-Identifier: MIT */
/* A process that is stopped while a file system works for it, and continued: nobody was cancelled,
 * and nothing is lost. */
#include "conformance/drivers.h"
#include "conformance/fuse.h"

#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace coil_test;

namespace {

using Read = ssize_t (*)(int, void *, size_t, off_t);

int read_file_on(const char *ring, const char *path, Read read_bytes)
{
    return run(
        [&] {
            char bytes[Fuse::kSize];
            int fd = coil_open(path, O_RDONLY, 0);
            ssize_t n = read_bytes(fd, bytes, sizeof(bytes), 0);
            coil_close(fd);
            return n == sizeof(bytes) ? 0 : n < 0 ? -int(n) : 1;
        },
        on(ring));
}

/* A process that reads all of a file on `ring`, and is stopped meanwhile. It begins before there is
 * a thread, of which it would have half. */
class Reader {
public:
    Reader(const char *ring, Read read_bytes)
    {
        EXPECT_EQ(0, pipe2(path_, O_CLOEXEC));
        child_ = fork();
        if (child_ == 0) {
            char path[64] = {};
            close(path_[1]);
            ssize_t len = read(path_[0], path, sizeof(path) - 1);
            _exit(len > 0 ? read_file_on(ring, path, read_bytes) : 0);
        }
        close(path_[0]);
    }

    /* Its exit status. */
    int stop_and_continue(const Fuse &fuse)
    {
        int status;
        EXPECT_EQ(ssize_t(fuse.file().size()),
                  write(path_[1], fuse.file().data(), fuse.file().size()));
        EXPECT_TRUE(fuse.has_reader());
        EXPECT_EQ(0, kill(child_, SIGSTOP));
        EXPECT_EQ(child_, waitpid(child_, &status, WUNTRACED));
        EXPECT_TRUE(WIFSTOPPED(status));
        EXPECT_EQ(0, kill(child_, SIGCONT));
        return end();
    }

    int end()
    {
        int status;
        close(path_[1]);
        EXPECT_EQ(child_, waitpid(child_, &status, 0));
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

private:
    int path_[2];
    pid_t child_;
};

void expect_when_stopped(int outcome, const char *ring, Read read_bytes)
{
    Reader reader(ring, read_bytes);
    Fuse fuse(0);
    if (fuse.is_mounted()) {
        EXPECT_EQ(outcome, reader.stop_and_continue(fuse));
        return;
    }
    reader.end();
    GTEST_SKIP() << "only root may mount a file system, and not everywhere";
}

struct Stopped : testing::TestWithParam<const char *> {};

TEST_P(Stopped, ReadsAllAllTheSame)
{
    expect_when_stopped(0, GetParam(), coil_pread_all);
}

INSTANTIATE_TEST_SUITE_P(Drivers, Stopped, testing::Values("kernel", "poll"));

TEST(Stopped, IsToldThatItsReadWasInterruptedAndNotThatItWasCancelled)
{
    expect_when_stopped(EINTR, "kernel", coil_pread);
}

} // namespace
