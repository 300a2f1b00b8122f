/* SPDX-License-Identifier: MIT */
/* fd.h in both spellings: results, errors, zero lengths, and the loops over short counts. */
#include "ops/sockets.h"
#include "support/running.h"

#include <coil/fd.h>
#include <csignal>
#include <sys/mman.h>
#include <sys/uio.h>

namespace {

using namespace coil_test;

struct Pieces {
    char bytes[12] = {};
    iovec iov[3] = {{bytes, 4}, {bytes + 4, 0}, {bytes + 4, 8}};
    std::string text() const { return std::string(bytes, 12); }
};

TEST(Fd, ReadsAndWritesInBothSpellings)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  char bytes[16];
                  EXPECT_EQ(5, coil_write(pipe.right, "hello", 5));
                  EXPECT_EQ(5, coil_read(pipe.left, bytes, sizeof(bytes)));
                  EXPECT_EQ("hello", std::string(bytes, 5));

                  COIL_FUTURE(read);
                  COIL_FUTURE(write);
                  coil_read_start(&read, pipe.left, bytes, sizeof(bytes));
                  turn();
                  EXPECT_FALSE(coil_future_done(&read));
                  coil_write_start(&write, pipe.right, "again", 5);
                  EXPECT_EQ(5, coil_await(&write));
                  EXPECT_EQ(5, coil_await(&read));
                  EXPECT_EQ("again", std::string(bytes, 5));
                  return 0;
              }));
}

/* Accepts, receives and sends are in the same case: a system call would return -EAGAIN. */
TEST(Fd, WaitsAlsoOnADescriptorThatDoesNotBlock)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe(), sockets = make_socketpair();
                  char bytes[2];
                  for (int fd : {int(pipe.left), int(sockets.left)})
                      EXPECT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
                  COIL_FUTURE(read);
                  COIL_FUTURE(recv);
                  coil_read_start(&read, pipe.left, &bytes[0], 1);
                  coil_recv_start(&recv, sockets.left, &bytes[1], 1, 0);
                  turn();
                  EXPECT_FALSE(coil_future_done(&read));
                  EXPECT_FALSE(coil_future_done(&recv));
                  EXPECT_EQ(1, coil_write(pipe.right, "a", 1));
                  EXPECT_EQ(1, coil_send(sockets.right, "b", 1, 0));
                  EXPECT_EQ(1, coil_await(&read));
                  EXPECT_EQ(1, coil_await(&recv));
                  EXPECT_EQ("ab", std::string(bytes, 2));
                  EXPECT_EQ(-EAGAIN, coil_recv(sockets.left, bytes, 1, MSG_DONTWAIT));
                  return 0;
              }));
}

TEST(Fd, ReadsAndWritesSeveralPiecesInBothSpellings)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  Pieces out, in;
                  memcpy(out.bytes, "several bits", 12);
                  EXPECT_EQ(12, coil_writev(pipe.right, out.iov, 3));
                  EXPECT_EQ(12, coil_readv(pipe.left, in.iov, 3));
                  EXPECT_EQ("several bits", in.text());

                  COIL_FUTURE(read);
                  COIL_FUTURE(write);
                  memset(in.bytes, 0, sizeof(in.bytes));
                  coil_readv_start(&read, pipe.left, in.iov, 3);
                  coil_writev_start(&write, pipe.right, out.iov, 3);
                  EXPECT_EQ(12, coil_await(&read));
                  EXPECT_EQ(12, coil_await(&write));
                  EXPECT_EQ("several bits", in.text());
                  return 0;
              }));
}

TEST(Fd, GivesTheErrorsOfTheSystemCalls)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  char byte;
                  iovec iov = {&byte, 1};
                  EXPECT_EQ(-EBADF, coil_read(-1, &byte, 1));
                  EXPECT_EQ(-EBADF, coil_write(-1, &byte, 1));
                  EXPECT_EQ(-EBADF, coil_readv(-1, &iov, 1));
                  EXPECT_EQ(-EBADF, coil_writev(-1, &iov, 1));
                  EXPECT_EQ(-EBADF, coil_poll(-1, POLLIN));
                  EXPECT_EQ(-EBADF, coil_read(pipe.right, &byte, 1)) << "not open for reading";
                  EXPECT_EQ(-EBADF, coil_write(pipe.left, &byte, 1));
                  EXPECT_EQ(-EFAULT, coil_write(pipe.right, reinterpret_cast<void *>(8), 1));
                  EXPECT_EQ(-EINVAL, coil_readv(pipe.left, &iov, 100'000));
                  EXPECT_EQ(-EINVAL, coil_readv(pipe.left, &iov, -1));
                  return 0;
              }));
}

TEST(Fd, MovesNothingForALengthOfZero)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  char byte;
                  iovec iov = {&byte, 0};
                  EXPECT_EQ(0, coil_write(pipe.right, &byte, 0));
                  EXPECT_EQ(0, coil_read(pipe.left, &byte, 0));
                  EXPECT_EQ(0, coil_writev(pipe.right, &iov, 1));
                  EXPECT_EQ(0, coil_writev(pipe.right, &iov, 0));
                  EXPECT_EQ(0, coil_read_all(pipe.left, &byte, 0));
                  EXPECT_EQ(0, coil_write_all(pipe.right, &byte, 0));
                  EXPECT_EQ(0u, bytes_waiting(pipe.left));
                  return 0;
              }));
}

TEST(Fd, SaysEpipeWithoutASignal)
{
    struct sigaction before, after;
    sigaction(SIGPIPE, nullptr, &before);
    ASSERT_EQ(SIG_DFL, before.sa_handler) << "else this test shows nothing";
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe(), pair = make_socketpair();
                  pipe.left.reset(-1);
                  pair.left.reset(-1);
                  iovec iov = {const_cast<char *>("!"), 1};
                  EXPECT_EQ(-EPIPE, coil_write(pipe.right, "!", 1));
                  EXPECT_EQ(-EPIPE, coil_writev(pipe.right, &iov, 1));
                  EXPECT_EQ(-EPIPE, coil_write(pair.right, "!", 1));
                  EXPECT_EQ(-EPIPE, coil_write_all(pipe.right, "!", 1));
                  return 0;
              }));
    sigaction(SIGPIPE, nullptr, &after);
    EXPECT_EQ(SIG_DFL, after.sa_handler) << "coil_run() leaves the signal as it was";
}

/* /dev/null takes all in one write, and says how much it was asked to take. */
TEST(Fd, CutsLengthsThatAreTooLargeForTheKernel)
{
    const size_t most = 0x7ffff000, more = size_t(5) << 30;
    void *memory =
        mmap(nullptr, more, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT_NE(MAP_FAILED, memory);
    EXPECT_EQ(0, run([=] {
                  Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
                  EXPECT_EQ(ssize_t(most), coil_write(null, memory, most));
                  EXPECT_EQ(ssize_t(most), coil_write(null, memory, most + 1));
                  EXPECT_EQ(ssize_t(most), coil_write(null, memory, more));
                  EXPECT_EQ(ssize_t(more), coil_write_all(null, memory, more));
                  return 0;
              }));
    munmap(memory, more);
}

TEST(Fd, WritesAllToASlowReader)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe(4096);
                  const size_t size = 1 << 20;
                  std::string bytes = pattern(0, size), got(size, '\0');
                  const Body reader = [&] {
                      for (size_t at = 0; at < size;) {
                          size_t most = std::min<size_t>(1 + at % 3000, size - at);
                          ssize_t n = coil_read(pipe.left, &got[at], most);
                          if (n <= 0)
                              return -EIO;
                          at += size_t(n);
                      }
                      return 0;
                  };
                  COIL_SCOPE(scope, coil_after(30 * COIL_SEC));
                  spawn(&scope, reader);
                  EXPECT_EQ(ssize_t(size), coil_write_all(pipe.right, bytes.data(), size));
                  EXPECT_EQ(0, coil_scope_close(&scope, 0));
                  EXPECT_TRUE(bytes == got);
                  return 0;
              }));
}

TEST(Fd, ReadsAllUntilTheEndInTheMiddle)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  char bytes[100];
                  const Body writer = [&] {
                      for (int i = 0; i < 5; i++) {
                          EXPECT_EQ(7, coil_write(pipe.right, "seven..", 7));
                          turn(3);
                      }
                      pipe.right.reset(-1);
                      return 0;
                  };
                  COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
                  spawn(&scope, writer);
                  EXPECT_EQ(20, coil_read_all(pipe.left, bytes, 20));
                  EXPECT_EQ(15, coil_read_all(pipe.left, bytes, 100)) << "the rest";
                  EXPECT_EQ(0, coil_read_all(pipe.left, bytes, 100));
                  return coil_scope_close(&scope, 0);
              }));
}

TEST(Fd, PollTellsWhatHolds)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_socketpair();
                  EXPECT_EQ(POLLOUT, coil_poll(pair.left, POLLIN | POLLOUT));
                  EXPECT_EQ(1, write(pair.right, "!", 1));
                  EXPECT_EQ(POLLIN | POLLOUT, coil_poll(pair.left, POLLIN | POLLOUT));
                  COIL_FUTURE(poll);
                  coil_poll_start(&poll, pair.right, POLLIN);
                  turn();
                  EXPECT_FALSE(coil_future_done(&poll));
                  pair.left.reset(-1);
                  EXPECT_EQ(POLLIN | POLLHUP, coil_await(&poll) & (POLLIN | POLLHUP));
                  return 0;
              }));
}

TEST(Fd, PollTellsNothingThatItWasNotAskedFor)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  EXPECT_EQ(0, shutdown(pair.right, SHUT_WR));
                  EXPECT_EQ(POLLIN, coil_poll(pair.left, POLLIN));
                  EXPECT_EQ(POLLIN | POLLRDHUP, coil_poll(pair.left, POLLIN | POLLRDHUP));
                  EXPECT_EQ(POLLOUT, coil_poll(pair.left, POLLOUT));
                  return 0;
              }));
}

/* As poll(2) always does. */
TEST(Fd, PollTellsOfErrorsAndHangupsUnasked)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  pipe.right.reset(-1);
                  EXPECT_EQ(POLLHUP, coil_poll(pipe.left, 0));
                  pipe = make_pipe();
                  pipe.left.reset(-1);
                  EXPECT_EQ(POLLOUT | POLLERR, coil_poll(pipe.right, POLLOUT));
                  return 0;
              }));
}

/* The kernel ends a poll also when the peer has shut down its side, whatever was asked for. */
TEST(Fd, PollWaitsForWhatItWasAskedForThroughAShutdown)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  std::string bytes(4 << 20, 'x');
                  ssize_t sent = send(pair.left, bytes.data(), bytes.size(), MSG_DONTWAIT);
                  EXPECT_FALSE(holds(pair.left, POLLOUT));
                  COIL_FUTURE(before);
                  coil_poll_start(&before, pair.left, POLLOUT);
                  turn();
                  EXPECT_EQ(0, shutdown(pair.right, SHUT_WR));
                  COIL_FUTURE(after);
                  coil_poll_start(&after, pair.left, POLLOUT);
                  COIL_FUTURE(cancelled);
                  coil_poll_start(&cancelled, pair.left, POLLOUT);
                  turn();
                  EXPECT_FALSE(coil_future_done(&before));
                  EXPECT_FALSE(coil_future_done(&after));
                  coil_future_cancel(&cancelled);
                  EXPECT_EQ(-ECANCELED, coil_await(&cancelled));
                  EXPECT_EQ(sent, coil_read_all(pair.right, bytes.data(), size_t(sent)));
                  EXPECT_EQ(POLLOUT, coil_await(&before));
                  EXPECT_EQ(POLLOUT, coil_await(&after));
                  return 0;
              }));
}

TEST(Fd, NopGoesToTheKernelAndBack)
{
    EXPECT_EQ(0, run([] {
                  EXPECT_EQ(0, coil_nop());
                  COIL_FUTURE(nop);
                  coil_nop_start(&nop);
                  EXPECT_FALSE(coil_future_done(&nop));
                  EXPECT_EQ(0, coil_await(&nop));
                  return 0;
              }));
}

} // namespace
