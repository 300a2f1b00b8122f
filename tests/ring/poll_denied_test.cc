/* SPDX-License-Identifier: MIT */
/* The poll driver where a filter forbids the newer system calls: the older ones do. */
#include "ring/poll_ring.h"
#include "support/process.h"
#include "support/sandbox.h"

extern "C" {
#include "base/log.h"
}

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <initializer_list>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

std::string said;

void keep(const char *line)
{
    said += std::string(line) + "\n";
}

bool has_begun(PollRing &ring, uint64_t user_data)
{
    auto poll = static_cast<coil__poll *>(ring.ring.own);
    coil__poll_op *op = coil__poll_find(poll, user_data);
    pthread_mutex_lock(&poll->running);
    bool running = op != nullptr && op->running;
    pthread_mutex_unlock(&poll->running);
    return running;
}

/* Enters again and again, for ten seconds at most, until it is true. */
template <class Condition> bool comes_true(PollRing &ring, Condition condition)
{
    coil_time give_up = ring.ring.driver->now() + 10 * COIL_SEC;
    while (!condition() && ring.ring.driver->now() < give_up)
        ring.enter(1, ring.ring.driver->now() + COIL_MSEC);
    return condition();
}

/* Where the program uses the signal that needs no room. */
TEST(PollDenied, SaysOnceThatNoSignalCanInterruptAWorker)
{
    TempDir folder;
    std::string fifo = folder.path("fifo");
    ASSERT_EQ(0, mkfifo(fifo.c_str(), 0600));
    ChildOutcome outcome = run_in_child([&] {
        const rlimit none = {0, 0};
        signal(SIGSTKFLT, [](int) {});
        setrlimit(RLIMIT_SIGPENDING, &none);
        coil__log_to(keep);
        PollRing ring;
        io_uring_sqe *entry = ring.sqe();
        io_uring_prep_openat(entry, AT_FDCWD, fifo.c_str(), O_RDONLY | O_CLOEXEC, 0);
        ring.push(entry, 1);
        if (!comes_true(ring, [&] { return has_begun(ring, 1); }))
            return 1;
        ring.cancel(1, 2);
        bool says = comes_true(ring, [] { return !said.empty(); });
        size_t length = said.size();
        for (int i = 0; i < 5; i++) /* in which it is told to stop again and again */
            ring.enter(2, ring.ring.driver->now() + 3 * COIL_MSEC);
        bool says_once = said.size() == length;
        int writer = open(fifo.c_str(), O_RDWR | O_CLOEXEC); /* lets the worker go */
        bool ends = comes_true(ring, [&] { return !has_begun(ring, 1); });
        close(writer);
        bool names_it = said.find("RLIMIT_SIGPENDING") != std::string::npos;
        return says && says_once && ends && names_it ? 0 : 2;
    });
    EXPECT_EQ(0, outcome.result);
}

} // namespace
