/* SPDX-License-Identifier: MIT */
/* Opening what blocks: the kernel's own restart codes never reach a program. */
#include "support/process.h"
#include "support/running.h"

#include <coil/fd.h>
#include <coil/file.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace coil_test;

namespace {

/* Waits for a reader, who does not come, until its time is up. */
int open_in_vain(const char *fifo)
{
    COIL_SCOPE(limit, coil_after(100 * COIL_MSEC));
    int fd = coil_open(fifo, O_WRONLY | O_CREAT, 0600);
    EXPECT_EQ(-ECANCELED, fd);
    return coil_scope_close(&limit, fd);
}

} // namespace

/* O_CREAT makes a worker thread of the kernel open it, and wait for a reader as open(2) does. A
 * worker that is told to stop then returns -ERESTARTSYS, which no program should ever see. */
TEST(Open, OfAFifoWithoutAReaderIsCancelledInTime)
{
    COIL_SKIP_IF_SIMULATED("no file is a FIFO");
    TempDir dir;
    std::string fifo = dir.path("fifo");
    ASSERT_EQ(0, mkfifo(fifo.c_str(), 0600));

    EXPECT_EQ(-ETIMEDOUT, run([&] { return open_in_vain(fifo.c_str()); }));
}

/* Where a worker of our own waits, it has to be a signal that needs no room. */
TEST(Open, IsCancelledInTimeWhereNoSignalCanBeQueued)
{
    COIL_SKIP_IF_SIMULATED("no file is a FIFO");
    TempDir dir;
    std::string fifo = dir.path("fifo");
    ASSERT_EQ(0, mkfifo(fifo.c_str(), 0600));
    const struct rlimit none = {0, 0};
    ASSERT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &none));
    EXPECT_EQ(-ETIMEDOUT, run([&] { return open_in_vain(fifo.c_str()); }));
}
