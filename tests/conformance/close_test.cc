/* SPDX-License-Identifier: MIT */
/* Closing a file whose file system says that it was interrupted: the descriptor is gone, and the
 * caller is told. */
#include "conformance/drivers.h"
#include "conformance/fuse.h"

#include <fcntl.h>
#include <unistd.h>

using namespace coil_test;

namespace {

int close_on(const char *ring, const std::string &path)
{
    return run(
        [&] {
            int fd = coil_open(path.c_str(), O_RDWR, 0);
            EXPECT_GE(fd, 0);
            int result = coil_close(fd);
            EXPECT_EQ(-1, fcntl(fd, F_GETFD)) << "it is gone";
            return result;
        },
        on(ring));
}

TEST(Close, ThatIsInterruptedSaysThatAndHasClosed)
{
    Fuse fuse(-EINTR);
    if (!fuse.is_mounted())
        GTEST_SKIP() << "only root may mount a file system, and not everywhere";
    EXPECT_EQ(-EINTR, close_on("kernel", fuse.file()));
    EXPECT_EQ(-EINTR, close_on("poll", fuse.file()));
}

TEST(Close, ThatFailsSaysWhyAndHasClosed)
{
    Fuse fuse(-EDQUOT);
    if (!fuse.is_mounted())
        GTEST_SKIP() << "only root may mount a file system, and not everywhere";
    EXPECT_EQ(-EDQUOT, close_on("kernel", fuse.file()));
    EXPECT_EQ(-EDQUOT, close_on("poll", fuse.file()));
}

} // namespace
