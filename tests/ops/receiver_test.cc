/* SPDX-License-Identifier: MIT */
/* Receivers: order, ends, errors, back-pressure; with the kernel's buffer rings and without. */
#include "ops/sockets.h"
#include "ops/stream_peer.h"
#include "support/running.h"

#include <liburing.h>

extern "C" {
#include "ring/kernel.h"
}

#include <coil/fd.h>
#include <coil/receiver.h>
#include <memory>
#include <random>
#include <vector>

namespace {

using namespace coil_test;

enum Kernel { TODAYS, WITHOUT_MULTISHOT_RECV, WITH_PLAIN_RINGS };

/* Every promise holds on every kernel. */
struct Receiver : testing::TestWithParam<Kernel> {
    Receiver()
    {
        coil__kernel_lacks.multishot_recv = GetParam() == WITHOUT_MULTISHOT_RECV;
        if (GetParam() == WITH_PLAIN_RINGS)
            coil__kernel_lacks.setup_flags =
                IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
    }
    ~Receiver() override { coil__kernel_lacks = {}; }
};

std::string name_of(const testing::TestParamInfo<Kernel> &info)
{
    static const char *const names[] = {"Todays", "WithoutMultishotRecv", "WithPlainRings"};
    return names[info.param];
}

INSTANTIATE_TEST_SUITE_P(Kernels, Receiver,
                         testing::Values(TODAYS, WITHOUT_MULTISHOT_RECV, WITH_PLAIN_RINGS),
                         name_of);

coil_options with_buffers(unsigned count, size_t size)
{
    coil_options options = cores(1);
    options.recv_buffer_count = count;
    options.recv_buffer_size = size;
    return options;
}

/* Takes what comes until the end, and checks each byte. Returns how many there were, or the error
 * that ended it. */
int64_t receive_all(
    int fd, uint64_t seed, const Callable<void> &between = [] {})
{
    coil_receiver receiver = {};
    coil_receiver_open(&receiver, fd);
    uint64_t at = 0;
    ssize_t n;
    void *data;
    while ((n = coil_receiver_next(&receiver, &data)) > 0) { /* ends with the stream */
        bool right =
            pattern(seed + at, size_t(n)) == std::string(static_cast<char *>(data), size_t(n));
        EXPECT_TRUE(right) << "of seed " << seed << " at " << at;
        at += uint64_t(n);
        between();
        coil_buffer_release(data);
    }
    coil_receiver_close(&receiver);
    return n < 0 ? n : int64_t(at);
}

/* `count` connections, each of which gets random bytes in random pieces from a thread. */
void expect_all_arrives(size_t count, uint64_t most, bool gives_way)
{
    std::vector<Pair> pairs;
    std::vector<int> fds;
    std::vector<uint64_t> totals;
    std::mt19937_64 random(7);
    for (size_t i = 0; i < count; i++) {
        pairs.push_back(make_tcp_pair());
        fds.push_back(pairs[i].right);
        totals.push_back(random() % most);
    }
    std::vector<Body> bodies;
    for (size_t i = 0; i < count; i++)
        bodies.emplace_back([&, i] {
            int64_t got = receive_all(pairs[i].left, i << 32, [&] {
                if (gives_way)
                    turn(int(i % 3));
            });
            EXPECT_EQ(int64_t(totals[i]), got) << "connection " << i;
            return 0;
        });
    StreamPeer peer(fds, totals, 11);
    COIL_SCOPE(scope, coil_after((kSanitized ? 60 : 10) * COIL_SEC));
    for (const Body &body : bodies)
        spawn(&scope, body);
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
}

TEST_P(Receiver, KeepsEveryByteOfManyConnectionsInOrder)
{
    EXPECT_EQ(0, run([] {
                  expect_all_arrives(kSanitized ? 20 : 100, 200'000, false);
                  return 0;
              }));
}

TEST_P(Receiver, KeepsEveryByteWithSmallBuffers)
{
    EXPECT_EQ(0, run(
                     [] {
                         expect_all_arrives(20, 20'000, false);
                         return 0;
                     },
                     with_buffers(256, 64)));
}

struct Pool {
    unsigned count;
    size_t size;
};

class StarvedReceiver : public Receiver {
protected:
    static void expect_all_arrives_with(Pool pool, size_t connections)
    {
        EXPECT_EQ(0, run(
                         [=] {
                             expect_all_arrives(connections, 40 * pool.size, true);
                             return 0;
                         },
                         with_buffers(pool.count, pool.size)));
    }
};

INSTANTIATE_TEST_SUITE_P(Kernels, StarvedReceiver,
                         testing::Values(TODAYS, WITHOUT_MULTISHOT_RECV, WITH_PLAIN_RINGS),
                         name_of);

TEST_P(StarvedReceiver, OfThirtyWithOneBufferGetsAll)
{
    expect_all_arrives_with({1, 64}, 30);
    expect_all_arrives_with({1, 4096}, 30);
}

TEST_P(StarvedReceiver, OfThirtyWithTwoBuffersGetsAll)
{
    expect_all_arrives_with({2, 64}, 30);
}

TEST_P(StarvedReceiver, OfAHundredWithFourBuffersGetsAll)
{
    expect_all_arrives_with({4, 1024}, kSanitized ? 30 : 100);
}

TEST_P(StarvedReceiver, OfAHundredWithThirtyTwoBuffersGetsAll)
{
    expect_all_arrives_with({32, 256}, kSanitized ? 40 : 100);
}

TEST_P(Receiver, TellsTheEndOnlyAfterTheData)
{
    EXPECT_EQ(0, run(
                     [] {
                         Pair pair = make_tcp_pair();
                         std::string bytes = pattern(0, 1000);
                         EXPECT_EQ(1000, write(pair.right, bytes.data(), 1000));
                         pair.right.reset(-1);
                         EXPECT_EQ(1000, receive_all(pair.left, 0, [] { turn(); }));
                         return 0;
                     },
                     with_buffers(64, 64)));
}

TEST_P(Receiver, GoesOnTellingTheEnd)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  pair.right.reset(-1);
                  coil_receiver receiver = {};
                  coil_receiver_open(&receiver, pair.left);
                  void *data;
                  for (int i = 0; i < 3; i++)
                      EXPECT_EQ(0, coil_receiver_next(&receiver, &data));
                  coil_receiver_close(&receiver);
                  return 0;
              }));
}

/* A reset throws away what the kernel still had: so all of it is taken before. */
TEST_P(Receiver, TellsOfAResetAfterTheDataAndKeepsSaying)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  coil_receiver receiver = {};
                  coil_receiver_open(&receiver, pair.left);
                  void *data;
                  EXPECT_EQ(4, write(pair.right, "data", 4));
                  EXPECT_EQ(4, coil_receiver_next(&receiver, &data));
                  coil_buffer_release(data);
                  EXPECT_EQ(4, write(pair.right, "more", 4));
                  turn();
                  EXPECT_EQ(4, coil_receiver_next(&receiver, &data));
                  EXPECT_EQ("more", std::string(static_cast<char *>(data), 4));
                  coil_buffer_release(data);
                  reset_connection(pair.right);
                  EXPECT_EQ(-ECONNRESET, coil_receiver_next(&receiver, &data));
                  EXPECT_EQ(-ECONNRESET, coil_receiver_next(&receiver, &data));
                  coil_receiver_close(&receiver);
                  return 0;
              }));
}

TEST_P(Receiver, TellsOfADescriptorThatIsNone)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  EXPECT_EQ(-EBADF, receive_all(-1, 0));
                  EXPECT_EQ(1, write(pipe.right, "!", 1));
                  EXPECT_EQ(-ENOTSOCK, receive_all(pipe.left, 0));
                  return 0;
              }));
}

/* Many times more than coil and the kernel may keep: the peer has to wait. */
TEST_P(Receiver, OfASlowCoroutineHoldsThePeerBack)
{
    auto body = [] {
        Pair pair = make_tcp_pair();
        shrink_buffer(pair.left, SO_RCVBUF, 4096);
        shrink_buffer(pair.right, SO_SNDBUF, 4096);
        coil_receiver receiver = {};
        coil_receiver_open(&receiver, pair.left);
        void *data;
        uint64_t sent = 0, received = 0;
        std::string bytes = pattern(0, 1 << 20);
        auto send_more = [&] {
            ssize_t n = send(pair.right, bytes.data() + sent,
                             std::min<size_t>(512, bytes.size() - sent), MSG_DONTWAIT);
            sent += n > 0 ? uint64_t(n) : 0;
            return n > 0;
        };
        send_more();
        ssize_t n = coil_receiver_next(&receiver, &data);
        EXPECT_GT(n, 0);
        for (int quiet = 0; quiet < 100; quiet = send_more() ? 0 : quiet + 1)
            turn(1);
        EXPECT_LT(sent, bytes.size() / 4) << "nobody held the peer back";
        while (n > 0) { /* ends when all has come */
            EXPECT_TRUE(bytes.compare(received, size_t(n), static_cast<char *>(data), size_t(n)) ==
                        0);
            received += uint64_t(n);
            coil_buffer_release(data);
            if (received == bytes.size())
                break;
            EXPECT_TRUE(turn_until([&] { return send_more() || received < sent; }));
            n = coil_receiver_next(&receiver, &data);
        }
        EXPECT_EQ(bytes.size(), received);
        coil_receiver_close(&receiver);
        return 0;
    };
    EXPECT_EQ(0, run(body, with_buffers(1024, 1024)));
}

/* Of a pool of four, four are lent for good: the fifth would never come. */
TEST_P(Receiver, GivesBackAtItsCloseWhatNobodyTook)
{
    auto body = [] {
        for (int i = 0; i < 20; i++) {
            Pair pair = make_tcp_pair();
            coil_receiver receiver = {};
            coil_receiver_open(&receiver, pair.left);
            std::string bytes = pattern(0, 256);
            EXPECT_EQ(256, write(pair.right, bytes.data(), bytes.size()));
            void *data;
            EXPECT_GT(coil_receiver_next(&receiver, &data), 0);
            turn(); /* more has arrived */
            coil_receiver_close(&receiver);
            coil_buffer_release(data);
        }
        return 0;
    };
    EXPECT_EQ(0, run(body, with_buffers(4, 64)));
}

TEST_P(Receiver, LendsABufferThatMayBeWrittenToAndOutlivesTheReceiver)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  coil_receiver receiver = {};
                  coil_receiver_open(&receiver, pair.left);
                  EXPECT_EQ(4, write(pair.right, "text", 4));
                  void *data;
                  EXPECT_EQ(4, coil_receiver_next(&receiver, &data));
                  coil_receiver_close(&receiver);
                  memcpy(data, "TEXT", 4);
                  EXPECT_EQ(4, write(pair.right, "next", 4));
                  turn();
                  EXPECT_EQ("TEXT", std::string(static_cast<char *>(data), 4));
                  coil_buffer_release(static_cast<char *>(data) + 3);
                  return 0;
              }));
}

TEST_P(Receiver, TakesNoDescriptorForItsOwnAfterCoilClose)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair(), other = make_tcp_pair();
                  int fd = pair.left.release();
                  const Body closer = [&] {
                      turn();
                      COIL_FUTURE(close);
                      coil_close_start(&close, fd);
                      coil_future_done(&close);
                      int err = int(coil_await(&close));
                      EXPECT_EQ(fd, dup2(other.left, fd)); /* the number has a new meaning */
                      EXPECT_EQ(6, write(other.right, "secret", 6));
                      return err;
                  };
                  COIL_SCOPE(scope, COIL_FOREVER);
                  spawn(&scope, closer);
                  EXPECT_EQ(-ECANCELED, receive_all(fd, 0));
                  EXPECT_EQ(0, coil_scope_close(&scope, 0));
                  close(fd);
                  return 0;
              }));
}

} // namespace
