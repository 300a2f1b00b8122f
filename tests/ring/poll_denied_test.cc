/* SPDX-License-Identifier: MIT */
/* The poll driver where a filter forbids the newer system calls: the older ones do. */
#include "ring/poll_ring.h"
#include "support/process.h"
#include "support/sandbox.h"

#include <cstring>
#include <fcntl.h>
#include <functional>
#include <initializer_list>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

using namespace coil_test;

namespace {

/* Denies the calls with each of the errors that filters have for it, and expects that the function
 * then returns 0. */
void expect_well_without(std::initializer_list<long> calls, const std::function<int()> &function)
{
    for (int error : {ENOSYS, EPERM, EACCES}) {
        ChildOutcome outcome = run_in_child([&] {
            for (long call : calls) {
                if (!deny_system_call(call, error))
                    return 99;
            }
            return function();
        });
        if (outcome.result == 99)
            GTEST_SKIP() << "seccomp filters are forbidden here";
        EXPECT_EQ(0, outcome.result) << strerrorname_np(error);
    }
}

int read_result(PollRing &ring, int fd, char *to, unsigned len)
{
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_read(entry, fd, to, len, 0);
    return ring.result_of(entry);
}

TEST(PollDenied, WaitsInMilliseconds)
{
    expect_well_without({SYS_epoll_pwait2}, [] {
        PollRing ring;
        coil_time deadline = ring.ring.driver->now() + 5 * COIL_MSEC;
        int result = ring.enter(1, deadline);
        return result != 0 ? result : ring.ring.driver->now() < deadline;
    });
}

TEST(PollDenied, ReadsAndWritesFilesByWorkers)
{
    TempDir folder;
    std::string path = folder.path("file");
    expect_well_without({SYS_preadv2, SYS_pwritev2}, [&] {
        PollRing ring;
        int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        io_uring_sqe *entry = ring.sqe();
        io_uring_prep_write(entry, fd, "hello", 5, 0);
        int result = ring.result_of(entry);
        char bytes[10];
        if (result == 5)
            result = read_result(ring, fd, bytes, sizeof(bytes));
        close(fd);
        return result == 5 ? 0 : result;
    });
}

TEST(PollDenied, SaysOfAFileThatMayNotBeWrittenThatItMayNot)
{
    expect_well_without({SYS_preadv2, SYS_pwritev2}, [] {
        PollRing ring;
        int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE);
        io_uring_sqe *entry = ring.sqe();
        io_uring_prep_write(entry, fd, "x", 1, 0);
        int result = ring.result_of(entry);
        close(fd);
        return result == -EPERM ? 0 : 1;
    });
}

TEST(PollDenied, WaitsNowhereForNoBytes)
{
    expect_well_without({SYS_preadv2, SYS_pwritev2}, [] {
        PollRing ring;
        Pipe pipe;
        int pair[2];
        char byte;
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
            return 98;
        int of_pipe = read_result(ring, pipe.ends[0], &byte, 0);
        int of_socket = read_result(ring, pair[0], &byte, 0);
        int of_wrong_end = read_result(ring, pipe.ends[1], &byte, 0);
        close(pair[0]);
        close(pair[1]);
        return of_pipe == 0 && of_socket == 0 && of_wrong_end == -EBADF ? 0 : 1;
    });
}

} // namespace
