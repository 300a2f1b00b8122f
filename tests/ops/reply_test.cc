/* SPDX-License-Identifier: MIT */
/* coil_receiver_reply(): sends a lent buffer, all of it, and gives it back by itself. */
#include "ops/sockets.h"
#include "support/running.h"

#include <coil/fd.h>
#include <coil/net.h>
#include <coil/receiver.h>

namespace {

using namespace coil_test;

coil_options with_buffers(unsigned count, size_t size)
{
    coil_options options = cores(1);
    options.recv_buffer_count = count;
    options.recv_buffer_size = size;
    return options;
}

/* Sends everything back. Returns what ended it. */
int echo(int fd)
{
    coil_receiver receiver = {};
    coil_receiver_open(&receiver, fd);
    ssize_t n;
    void *data;
    while ((n = coil_receiver_next(&receiver, &data)) > 0) { /* ends with the stream */
        int err = coil_receiver_reply(&receiver, data, size_t(n));
        if (err < 0) {
            n = err;
            break;
        }
    }
    coil_receiver_close(&receiver);
    return int(n);
}

/* Through an echo whose socket takes little at a time. */
void expect_echoes(size_t size)
{
    Pair pair = make_tcp_pair();
    shrink_buffer(pair.left, SO_SNDBUF, 4096);
    std::string bytes = pattern(0, size), got(size, '\0');
    const Body server = [&] { return echo(pair.left); };
    const Body client = [&] {
        EXPECT_EQ(ssize_t(size), coil_send_all(pair.right, bytes.data(), size, 0));
        return coil_shutdown(pair.right, SHUT_WR);
    };
    COIL_SCOPE(scope, coil_after((kSanitized ? 60 : 20) * COIL_SEC));
    spawn(&scope, server);
    spawn(&scope, client);
    EXPECT_EQ(ssize_t(size), coil_recv_all(pair.right, got.data(), size, 0));
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
    EXPECT_TRUE(bytes == got);
}

TEST(Reply, SendsEverythingInOrder)
{
    EXPECT_EQ(0, run([] {
                  expect_echoes(1'000'000);
                  return 0;
              }));
}

TEST(Reply, SendsEverythingFromOneSmallBuffer)
{
    EXPECT_EQ(0, run(
                     [] {
                         expect_echoes(20'000);
                         return 0;
                     },
                     with_buffers(1, 64)));
}

TEST(Reply, SharesFewBuffersAmongManyConnections)
{
    auto body = [] {
        const Body one = [] {
            expect_echoes(5'000);
            return 0;
        };
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 20; i++)
            spawn(&scope, one);
        return coil_scope_close(&scope, 0);
    };
    EXPECT_EQ(0, run(body, with_buffers(4, 256)));
}

/* The peer reads nothing: its reply is on its way until the scope ends it. */
TEST(Reply, ThatNobodyReadsIsCancelledAndGivesItsBufferBack)
{
    auto body = [] {
        for (int i = 0; i < 10; i++) {
            Pair pair = make_tcp_pair();
            for (const Fd *fd : {&pair.left, &pair.right}) {
                shrink_buffer(*fd, SO_SNDBUF, 4096);
                shrink_buffer(*fd, SO_RCVBUF, 4096);
            }
            std::string bytes(4 << 20, 'x');
            const Body flood = [&] {
                ssize_t n = coil_send_all(pair.right, bytes.data(), bytes.size(), 0);
                return n < ssize_t(bytes.size()) ? 0 : -EIO;
            };
            COIL_SCOPE(scope, coil_after(20 * COIL_MSEC));
            spawn(&scope, flood);
            EXPECT_EQ(-ECANCELED, echo(pair.left));
            EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
        }
        expect_echoes(1000);
        return 0;
    };
    EXPECT_EQ(0, run(body, with_buffers(4, 4096)));
}

TEST(Reply, ToAPeerThatIsGoneFailsOnceTold)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  coil_receiver receiver = {};
                  coil_receiver_open(&receiver, pair.left);
                  void *data;
                  EXPECT_EQ(5, write(pair.right, "hello", 5));
                  EXPECT_EQ(5, coil_receiver_next(&receiver, &data));
                  reset_connection(pair.right);
                  EXPECT_EQ(0, coil_receiver_reply(&receiver, data, 5));
                  ssize_t n = coil_receiver_next(&receiver, &data);
                  EXPECT_TRUE(n == -EPIPE || n == -ECONNRESET) << n;
                  coil_receiver_close(&receiver);
                  return 0;
              }));
}

TEST(Reply, OfNoBytesGivesTheBufferBack)
{
    auto body = [] {
        Pair pair = make_tcp_pair();
        coil_receiver receiver = {};
        coil_receiver_open(&receiver, pair.left);
        void *data;
        for (int i = 0; i < 5; i++) {
            EXPECT_EQ(1, write(pair.right, "!", 1));
            EXPECT_EQ(1, coil_receiver_next(&receiver, &data));
            EXPECT_EQ(0, coil_receiver_reply(&receiver, data, 0));
        }
        coil_receiver_close(&receiver);
        return 0;
    };
    EXPECT_EQ(0, run(body, with_buffers(1, 64)));
}

} // namespace
