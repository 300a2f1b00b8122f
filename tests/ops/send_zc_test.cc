/* SPDX-License-Identifier: MIT */
/* Sends without a copy: what they come to, and when their memory is the caller's again. */
#include "ops/sockets.h"
#include "support/running.h"
#include "support/sandbox.h"

#include <liburing.h>
#include <linux/sockios.h>

extern "C" {
#include "ring/kernel.h"
}

#include <coil/fd.h>
#include <coil/net.h>

namespace {

using namespace coil_test;

enum Kernel { TODAYS, WITHOUT_SEND_ZC };

/* Every promise holds on every kernel. */
struct SendZc : testing::TestWithParam<Kernel> {
    SendZc() { coil__kernel_lacks.send_zc = GetParam() == WITHOUT_SEND_ZC; }
    ~SendZc() override { coil__kernel_lacks = {}; }
};

std::string name_of(const testing::TestParamInfo<Kernel> &info)
{
    return info.param == TODAYS ? "Todays" : "WithoutSendZc";
}

INSTANTIATE_TEST_SUITE_P(Kernels, SendZc, testing::Values(TODAYS, WITHOUT_SEND_ZC), name_of);

/* Whether `sent` reaches the other end, in order. */
void expect_arrival(Pair &pair, const std::string &sent,
                    const std::function<ssize_t(const char *data, size_t len)> &send)
{
    std::string got(sent.size(), '\0');
    Children children;
    COIL_SCOPE(scope, coil_after(30 * COIL_SEC));
    children.start(scope, [&] {
        EXPECT_EQ(ssize_t(sent.size()), send(sent.data(), sent.size()));
        return 0;
    });
    EXPECT_EQ(ssize_t(got.size()), coil_recv_all(pair.right, got.data(), got.size(), 0));
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
    EXPECT_TRUE(sent == got);
}

TEST_P(SendZc, DeliversEveryByteInOrderInEachSpelling)
{
    EXPECT_EQ(0, run([] {
                  Pair tcp = make_tcp_pair(), local = make_socketpair();
                  for (Pair *pair : {&tcp, &local}) {
                      for (size_t size : {size_t(1), size_t(70'001), size_t(3'000'000)}) {
                          std::string bytes = pattern(size, size);
                          expect_arrival(*pair, bytes, [&](const char *data, size_t len) {
                              return coil_send_zc_all(pair->left, data, len, 0);
                          });
                          expect_arrival(*pair, bytes, [&](const char *data, size_t len) {
                              return coil_send_zc(pair->left, data, len, MSG_WAITALL);
                          });
                          expect_arrival(*pair, bytes, [&](const char *data, size_t len) {
                              COIL_FUTURE(sending);
                              coil_send_zc_start(&sending, pair->left, data, len, MSG_WAITALL);
                              return coil_await(&sending);
                          });
                      }
                      EXPECT_EQ(0, coil_send_zc(pair->left, "", 0, 0));
                      EXPECT_EQ(0, coil_send_zc_all(pair->left, "", 0, 0));
                  }
                  return 0;
              }));
}

TEST_P(SendZc, SendsDatagrams)
{
    EXPECT_EQ(0, run([] {
                  Fd there(coil_socket(AF_INET, SOCK_DGRAM, 0));
                  Fd here(coil_socket(AF_INET, SOCK_DGRAM, 0));
                  sockaddr_in any = loopback();
                  EXPECT_EQ(0, coil_bind(there, as_sockaddr(any), sizeof(any)));
                  sockaddr_in to = address_of(there);
                  EXPECT_EQ(0, coil_connect(here, as_sockaddr(to), sizeof(to)));
                  std::string bytes = pattern(0, 60'000), got(bytes.size(), '\0');
                  EXPECT_EQ(60'000, coil_send_zc(here, bytes.data(), bytes.size(), 0));
                  EXPECT_EQ(60'000, coil_recv(there, got.data(), got.size(), 0));
                  EXPECT_TRUE(bytes == got);
                  return 0;
              }));
}

TEST_P(SendZc, GivesTheErrorsOfSend)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe(), tcp = make_tcp_pair(), shut = make_tcp_pair();
                  Fd alone(coil_socket(AF_INET, SOCK_STREAM, 0));
                  Fd alone_unix(coil_socket(AF_UNIX, SOCK_STREAM, 0));
                  EXPECT_EQ(-EBADF, coil_send_zc(-1, "!", 1, 0));
                  EXPECT_EQ(-EBADF, coil_send_zc_all(-1, "!", 1, 0));
                  EXPECT_EQ(-ENOTSOCK, coil_send_zc(pipe.right, "!", 1, 0));
                  EXPECT_EQ(-EPIPE, coil_send_zc(alone, "!", 1, 0)) << "and no signal";
                  EXPECT_EQ(-ENOTCONN, coil_send_zc(alone_unix, "!", 1, 0));
                  EXPECT_EQ(-EFAULT, coil_send_zc(tcp.left, reinterpret_cast<char *>(16), 1, 0));
                  EXPECT_EQ(0, coil_shutdown(shut.left, SHUT_WR));
                  EXPECT_EQ(-EPIPE, coil_send_zc(shut.left, "!", 1, 0));
                  reset_connection(tcp.right);
                  EXPECT_EQ(-ECONNRESET, coil_send_zc(tcp.left, "!", 1, 0));
                  EXPECT_EQ(-EPIPE, coil_send_zc(tcp.left, "!", 1, 0));
                  return 0;
              }));
}

/* The other side takes nothing, so that the rest of what was sent stays here. */
struct Stalled {
    Pair pair = make_tcp_pair();
    std::string bytes;
    coil_future sending = {};

    /* With a buffer of that size on this side, if one is given, else of what the kernel likes. */
    explicit Stalled(size_t size, int buffer = 0) : bytes(pattern(0, size))
    {
        if (buffer > 0)
            shrink_buffer(pair.left, SO_SNDBUF, buffer);
        coil_send_zc_start(&sending, pair.left, bytes.data(), bytes.size(), MSG_WAITALL);
    }

    ~Stalled() { coil_future_drop(&sending); }
    Stalled(const Stalled &) = delete;
    Stalled &operator=(const Stalled &) = delete;

    /* What has been sent and is not acknowledged. */
    int unacknowledged() const
    {
        int count = 0;
        EXPECT_EQ(0, ioctl(pair.left, SIOCOUTQ, &count));
        return count;
    }

    bool is_all_with_the_socket() const
    {
        return size_t(unacknowledged()) + bytes_waiting(pair.right) >= bytes.size();
    }

    /* So many bytes of what arrives. */
    std::string receive(size_t len)
    {
        std::string got(len, '\0');
        ssize_t n = coil_recv_all(pair.right, got.data(), len, 0);
        EXPECT_GE(n, 0);
        got.resize(size_t(n < 0 ? 0 : n));
        return got;
    }
};

struct SendZcHolds : testing::Test {
    void SetUp() override
    {
        bool has = false;
        int result = run([&] { return has = coil__ring_here->has_send_zc, 0; }, on_kernel());
        if (result != 0 || !has)
            GTEST_SKIP() << "needs io_uring, and that of Linux 6.0";
    }
};

/* Less than the socket of who sends takes, more than that of who does not receive; and more than
 * both with that buffer. A user may lock it: 8 MiB is usual, and what is more would be copied. */
constexpr size_t kMuch = 1'000'000;
constexpr int kLittleBuffer = 64 << 10;

TEST_F(SendZcHolds, ItsMemoryUntilThePeerHasTheData)
{
    const Body body = [] {
        Stalled stalled(kMuch);
        EXPECT_TRUE(turn_until([&] { return stalled.is_all_with_the_socket(); }));
        turn();
        EXPECT_FALSE(coil_future_done(&stalled.sending)) << "the kernel still reads it";
        EXPECT_TRUE(stalled.receive(kMuch) == stalled.bytes);
        EXPECT_EQ(ssize_t(kMuch), coil_await(&stalled.sending));
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel()));
}

TEST_F(SendZcHolds, ItsMemoryThoughItWasCancelledAfterAll)
{
    const Body body = [] {
        Stalled stalled(kMuch);
        EXPECT_TRUE(turn_until([&] { return stalled.is_all_with_the_socket(); }));
        turn();
        coil_future_cancel(&stalled.sending);
        EXPECT_TRUE(coil__list_empty(&coil__ring_here->cancelling)) << "nothing is left to stop";
        turn();
        EXPECT_FALSE(coil_future_done(&stalled.sending));
        EXPECT_TRUE(stalled.receive(kMuch) == stalled.bytes);
        EXPECT_EQ(ssize_t(kMuch), coil_await(&stalled.sending)) << "what happened wins";
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel()));
}

TEST_F(SendZcHolds, ItsMemoryThoughItWasCancelledAfterAPart)
{
    const Body body = [] {
        Stalled stalled(kMuch, kLittleBuffer);
        EXPECT_TRUE(turn_until([&] { return stalled.unacknowledged() > 0; }));
        turn();
        coil_future_cancel(&stalled.sending);
        turn();
        EXPECT_FALSE(coil_future_done(&stalled.sending));
        std::string got;
        EXPECT_TRUE(turn_until([&] {
            bool done = coil_future_done(&stalled.sending); /* all has been acknowledged */
            got += stalled.receive(bytes_waiting(stalled.pair.right));
            return done;
        }));
        EXPECT_LT(got.size(), kMuch);
        EXPECT_EQ(ssize_t(got.size()), coil_await(&stalled.sending));
        EXPECT_TRUE(got == stalled.bytes.substr(0, got.size()));
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel()));
}

TEST_F(SendZcHolds, NothingOnceAnotherCoroutineResetsTheConnection)
{
    const Body body = [] {
        Stalled stalled(kMuch);
        EXPECT_TRUE(turn_until([&] { return stalled.is_all_with_the_socket(); }));
        linger now = {1, 0};
        EXPECT_EQ(0, coil_setsockopt(stalled.pair.left, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
        EXPECT_FALSE(coil_future_done(&stalled.sending));
        EXPECT_EQ(0, coil_close(stalled.pair.left.release()));
        EXPECT_EQ(ssize_t(kMuch), coil_await_until(&stalled.sending, coil_after(20 * COIL_SEC)));
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel()));
}

TEST_F(SendZcHolds, NothingOnceTheConnectionTimesOut)
{
    const Body body = [] {
        Stalled stalled(kMuch);
        unsigned soon = 1; /* ms: at the first probe of the closed window */
        EXPECT_EQ(0, coil_setsockopt(stalled.pair.left, IPPROTO_TCP, TCP_USER_TIMEOUT, &soon,
                                     sizeof(soon)));
        EXPECT_EQ(ssize_t(kMuch), coil_await(&stalled.sending));
        EXPECT_EQ(-ETIMEDOUT, coil_send_zc(stalled.pair.left, "!", 1, 0));
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel()));
}

/* The kernel says first that it can't do without a copy; by the time we would send with one, the
 * number means nothing, or another file. */
TEST_F(SendZcHolds, NoNumberThatWasClosed)
{
    const Body body = [] {
        Pair local = make_socketpair();
        COIL_FUTURE(sending);
        COIL_FUTURE(closing);
        int fd = local.left.release();
        coil_send_zc_start(&sending, fd, "!", 1, 0);
        coil_close_start(&closing, fd);
        EXPECT_EQ(0, coil_await(&closing));
        Fd next(coil_socket(AF_UNIX, SOCK_DGRAM, 0));
        EXPECT_EQ(fd, next) << "or this tests nothing";
        EXPECT_EQ(-ECANCELED, coil_await(&sending));
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel()));
}

TEST_F(SendZcHolds, NoMoreThanMayBeLocked)
{
    if (!is_root())
        GTEST_SKIP() << "needs root, to become a user with little locked memory";
    ChildOutcome outcome = run_in_child([] {
        become_nobody(256 << 10);
        const Body body = [] {
            Pair pair = make_tcp_pair();
            expect_arrival(pair, pattern(0, 1 << 20), [&](const char *data, size_t len) {
                return coil_send_zc_all(pair.left, data, len, 0);
            });
            return testing::Test::HasFailure() ? 1 : 0;
        };
        return run(body, on_kernel());
    });
    EXPECT_EQ(0, outcome.result) << outcome.log;
}

} // namespace
