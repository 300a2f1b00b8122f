/* SPDX-License-Identifier: MIT */
/* coil_close(): whoever waits on the descriptor is let go, in a cancelled scope too. */
#include "ops/sockets.h"
#include "support/census.h"
#include "support/running.h"

#include <coil/fd.h>
#include <coil/net.h>
#include <coil/receiver.h>
#include <coil/stop.h>
#include <algorithm>
#include <atomic>
#include <ctime>
#include <sched.h>
#include <sys/un.h>
#include <thread>

namespace {

using namespace coil_test;

/* Three coroutines wait, each in its own way, and the fd is closed: all get -ECANCELED. */
void expect_close_frees(Fd fd, const std::function<ssize_t(int)> &wait)
{
    int results[3] = {1, 1, 1}, number = fd.release();
    const Body waiters[3] = {
        [&] { return results[0] = int(wait(number)), 0; },
        [&] { return results[1] = int(wait(number)), 0; },
        [&] { return results[2] = int(wait(number)), 0; },
    };
    COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
    for (const Body &waiter : waiters)
        spawn(&scope, waiter);
    turn();
    EXPECT_EQ(0, coil_close(number));
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
    for (int result : results)
        EXPECT_EQ(-ECANCELED, result);
    EXPECT_EQ(-1, fcntl(number, F_GETFD));
}

struct Waiting {
    const char *name;
    std::function<Fd(Fd *keep)> make;
    std::function<ssize_t(int)> wait;
};

void PrintTo(const Waiting &waiting, std::ostream *out)
{
    *out << waiting.name;
}

Fd keep_right(Pair pair, Fd *keep)
{
    *keep = std::move(pair.right);
    return std::move(pair.left);
}

Fd keep_left(Pair pair, Fd *keep)
{
    std::string bytes(4096, 'x');
    EXPECT_EQ(4096, write(pair.right, bytes.data(), bytes.size()));
    *keep = std::move(pair.left);
    return std::move(pair.right);
}

ssize_t receive(int fd)
{
    coil_receiver receiver = {};
    void *data;
    coil_receiver_open(&receiver, fd);
    ssize_t result = coil_receiver_next(&receiver, &data);
    coil_receiver_close(&receiver);
    return result;
}

ssize_t take_connection(int fd)
{
    coil_acceptor acceptor = {};
    coil_acceptor_open(&acceptor, fd, 0);
    int result = coil_acceptor_next(&acceptor);
    coil_acceptor_close(&acceptor);
    return result;
}

char byte_of_nobody;

const Waiting kWaiting[] = {
    {"ReadOfAPipe", [](Fd *keep) { return keep_right(make_pipe(), keep); },
     [](int fd) { return coil_read(fd, &byte_of_nobody, 1); }},
    {"WriteToAFullPipe", [](Fd *keep) { return keep_left(make_pipe(4096), keep); },
     [](int fd) { return coil_write(fd, "!", 1); }},
    {"Recv", [](Fd *keep) { return keep_right(make_tcp_pair(), keep); },
     [](int fd) { return coil_recv(fd, &byte_of_nobody, 1, 0); }},
    {"Poll", [](Fd *keep) { return keep_right(make_tcp_pair(), keep); },
     [](int fd) { return coil_poll(fd, POLLIN); }},
    {"Receiver", [](Fd *keep) { return keep_right(make_tcp_pair(), keep); }, receive},
    {"Accept", [](Fd *) { return make_listener(); },
     [](int fd) { return coil_accept(fd, nullptr, nullptr, 0); }},
    {"Acceptor", [](Fd *) { return make_listener(); }, take_connection},
};

struct Close : testing::TestWithParam<Waiting> {};

TEST_P(Close, LetsEverybodyGoWhoWaits)
{
    EXPECT_EQ(0, run([] {
                  Fd keep;
                  expect_close_frees(GetParam().make(&keep), GetParam().wait);
                  return 0;
              }));
}

template <class Param> std::string name_of(const testing::TestParamInfo<Param> &info)
{
    return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Ops, Close, testing::ValuesIn(kWaiting), name_of<Waiting>);

TEST(Close, EndsTheConnectionForThePeerAtOnce)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  int number = pair.left.release();
                  const Body reader = [&] {
                      char byte;
                      EXPECT_EQ(-ECANCELED, coil_recv(number, &byte, 1, 0));
                      return 0;
                  };
                  COIL_SCOPE(scope, COIL_FOREVER);
                  spawn(&scope, reader);
                  turn();
                  EXPECT_EQ(0, coil_close(number));
                  char byte;
                  EXPECT_EQ(0, coil_recv(pair.right, &byte, 1, 0));
                  return coil_scope_close(&scope, 0);
              }));
}

TEST(Close, HappensInACancelledScopeToo)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  COIL_SCOPE(scope, COIL_FOREVER);
                  coil_scope_cancel(&scope);
                  int left = pipe.left.release(), right = pipe.right.release();
                  EXPECT_EQ(0, coil_close(left));
                  COIL_FUTURE(close);
                  coil_close_start(&close, right);
                  coil_future_cancel(&close);
                  EXPECT_EQ(0, coil_await(&close));
                  EXPECT_EQ(-1, fcntl(left, F_GETFD));
                  EXPECT_EQ(-1, fcntl(right, F_GETFD));
                  return coil_scope_close(&scope, 0);
              }));
}

TEST(Close, OfABadDescriptorSaysSo)
{
    EXPECT_EQ(0, run([] {
                  EXPECT_EQ(-EBADF, coil_close(-1));
                  EXPECT_EQ(-EBADF, coil_close(12345));
                  Pair pipe = make_pipe();
                  int number = pipe.left.release();
                  EXPECT_EQ(0, coil_close(number));
                  EXPECT_EQ(-EBADF, coil_close(number));
                  return 0;
              }));
}

/* What was asked for before the close and not yet seen by the kernel goes first. */
TEST(Close, LetsGoOperationsOfItsOwnTurn)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  char byte;
                  COIL_FUTURE(read);
                  coil_read_start(&read, pipe.left, &byte, 1);
                  EXPECT_EQ(0, coil_close(pipe.left.release()));
                  EXPECT_EQ(-ECANCELED, coil_await(&read));
                  return 0;
              }));
}

/* Gives `fd` the number of a descriptor that was just closed, as the next open() may. */
Fd with_number(int number, Fd fd)
{
    if (fd != number)
        fd.reset(dup3(fd, number, O_CLOEXEC));
    EXPECT_EQ(number, fd);
    return fd;
}

Pair reuse(int number)
{
    Pair pair = make_socketpair();
    if (pair.right == number)
        std::swap(pair.left, pair.right);
    return {with_number(number, std::move(pair.left)), std::move(pair.right)};
}

/* A receiver that has begun a reply of which only a part fits into its socket. */
struct PartialReply {
    static constexpr size_t kSize = 1 << 20;

    explicit PartialReply(coil_receiver *receiver)
    {
        shrink_buffer(pair.left, SO_SNDBUF, 4096);
        shrink_buffer(pair.right, SO_RCVBUF, 4096);
        coil_receiver_open(receiver, pair.left);
        void *data;
        EXPECT_EQ(1, write(pair.right, "?", 1));
        EXPECT_EQ(1, coil_receiver_next(receiver, &data));
        EXPECT_EQ(0, coil_receiver_reply(receiver, data, kSize));
        EXPECT_TRUE(turn_until([&] { return bytes_waiting(pair.right) > 0; }));
        turn();
        EXPECT_LT(bytes_waiting(pair.right), kSize);
    }

    Pair pair = make_tcp_pair();
};

coil_options with_large_buffers()
{
    coil_options options = cores(1);
    options.recv_buffer_count = 4;
    options.recv_buffer_size = PartialReply::kSize;
    return options;
}

TEST(Close, LetsNothingOfAReplyGoToWhoGetsTheNumber)
{
    auto body = [] {
        coil_receiver receiver = {};
        PartialReply reply(&receiver);
        int number = reply.pair.left.release();
        EXPECT_EQ(0, coil_close(number));
        Pair other = reuse(number);
        turn();
        EXPECT_EQ(0u, bytes_waiting(other.right));
        void *data;
        EXPECT_EQ(-ECANCELED, coil_receiver_next(&receiver, &data));
        coil_receiver_close(&receiver);
        EXPECT_EQ(0u, bytes_waiting(other.right));
        return 0;
    };
    EXPECT_EQ(0, run(body, with_large_buffers()));
}

/* Only the rest's own failure tells why a part was all that could be sent. */
TEST(Close, OfOneDescriptorLeavesTheReplyOnAnotherAlone)
{
    auto body = [] {
        coil_receiver receiver = {};
        PartialReply reply(&receiver);
        Pair other = make_socketpair();
        EXPECT_EQ(0, coil_close(other.left.release()));
        reset_connection(reply.pair.right);
        turn(200);
        void *data;
        ssize_t n = coil_receiver_next(&receiver, &data);
        EXPECT_TRUE(n == -EPIPE || n == -ECONNRESET) << n;
        coil_receiver_close(&receiver);
        return 0;
    };
    EXPECT_EQ(0, run(body, with_large_buffers()));
}

/* One that moves bytes in several rounds through a pipe, and what lets it have a part. */
struct Rounds {
    const char *name;
    bool writes;
    ssize_t (*move)(int fd, char *bytes, size_t len);
    ssize_t (*let)(int other_end, char *bytes, size_t len);
};

const Rounds kRounds[] = {
    {"ReadAll", false,
     [](int fd, char *bytes, size_t len) { return coil_read_all(fd, bytes, len); },
     [](int other_end, char *bytes, size_t len) { return write(other_end, bytes, len); }},
    {"WriteAll", true,
     [](int fd, char *bytes, size_t len) { return coil_write_all(fd, bytes, len); },
     [](int other_end, char *bytes, size_t len) { return read(other_end, bytes, len); }},
};

void PrintTo(const Rounds &rounds, std::ostream *out)
{
    *out << rounds.name;
}

struct CloseBetween : testing::TestWithParam<Rounds> {};

/* The first round is over, and the next not begun, when the number becomes another file's. */
TEST_P(CloseBetween, RoundsLeavesAloneWhoGetsTheNumber)
{
    if (is_simulated())
        GTEST_SKIP() << "there, what two pipes have comes in any order";
    auto body = [] {
        constexpr size_t kPart = 4096;
        static char bytes[2 * kPart];
        const Rounds &rounds = GetParam();
        Pair pipe = make_pipe(kPart), bell = make_pipe();
        Fd ours = std::move(rounds.writes ? pipe.right : pipe.left);
        Fd other_end = std::move(rounds.writes ? pipe.left : pipe.right);
        if (rounds.writes) {
            EXPECT_EQ(ssize_t(kPart), write(ours, bytes, kPart));
        }
        int number = ours.release();
        char byte;
        COIL_FUTURE(rung);
        coil_read_start(&rung, bell.left, &byte, 1); /* wakes us before the other one */
        ssize_t moved = 0;
        COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
        Body mover = [&] { return moved = rounds.move(number, bytes, 2 * kPart), 0; };
        spawn(&scope, mover);
        turn();
        EXPECT_EQ(1, write(bell.right, "!", 1));
        EXPECT_EQ(ssize_t(kPart), rounds.let(other_end, bytes, kPart));
        EXPECT_EQ(1, coil_await(&rung));
        EXPECT_EQ(0, coil_close(number));
        Pair stranger = reuse(number);
        EXPECT_EQ(1, write(stranger.right, "?", 1));
        turn();
        EXPECT_EQ(0u, bytes_waiting(stranger.right));
        EXPECT_EQ(1u, bytes_waiting(stranger.left));
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(ssize_t(kPart), moved);
        return 0;
    };
    EXPECT_EQ(0, run(body));
}

INSTANTIATE_TEST_SUITE_P(Ops, CloseBetween, testing::ValuesIn(kRounds), name_of<Rounds>);

/* One that waits when coil_stop() is called tries once more. */
TEST(Close, EndsAnAcceptBetweenItsTwoTries)
{
    EXPECT_EQ(0, run([] {
                  int number = make_listener().release(), result = 0;
                  COIL_SCOPE(scope, COIL_FOREVER);
                  Body taker = [&] { return result = coil_accept(number, nullptr, nullptr, 0), 0; };
                  spawn(&scope, taker);
                  turn();
                  coil_stop(COIL_SEC);
                  EXPECT_EQ(0, coil_close(number));
                  EXPECT_EQ(0, coil_scope_close(&scope, 0));
                  EXPECT_EQ(-ECANCELED, result);
                  return 0;
              }));
}

/* The kernel tells only operations of it: this receiver had none in flight. */
TEST(Close, EndsAReceiverThatReceivesNothingJustThen)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  coil_receiver receiver = {};
                  coil_receiver_open(&receiver, pair.left);
                  int number = pair.left.release();
                  EXPECT_EQ(0, coil_close(number));
                  Pair other = reuse(number);
                  EXPECT_EQ(5, write(other.right, "other", 5));
                  void *data;
                  EXPECT_EQ(-ECANCELED, coil_receiver_next(&receiver, &data));
                  EXPECT_EQ(5u, bytes_waiting(number));
                  coil_receiver_close(&receiver);
                  return 0;
              }));
}

TEST(Close, EndsAnAcceptorThatAcceptsNothingJustThen)
{
    EXPECT_EQ(0, run([] {
                  coil_acceptor acceptor = {};
                  int number = make_listener().release();
                  coil_acceptor_open(&acceptor, number, 0);
                  EXPECT_EQ(0, coil_close(number));
                  Fd other = with_number(number, make_listener());
                  Fd client = connect_to(address_of(other));
                  EXPECT_EQ(-ECANCELED, coil_acceptor_next(&acceptor));
                  coil_acceptor_close(&acceptor);
                  return 0;
              }));
}

bool has_a_worker_of_the_kernel()
{
    std::vector<std::string> threads = take_census().threads;
    return std::any_of(threads.begin(), threads.end(), [](const std::string &name) {
        return name.find("iou-wrk") != std::string::npos;
    });
}

/* The kernel gives up on polling for an operation that is woken in vain over and over, and has a
 * worker thread wait for it. Returns whether it did, and what is to be read is still to come: a
 * worker that is there before it is seen may be the first to read. */
bool drive_into_a_worker(const Pair &pipe)
{
    std::string path = "/proc/self/fd/" + std::to_string(pipe.left);
    Fd thief(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    for (int i = 0; i < 1000 && !has_a_worker_of_the_kernel(); i++) {
        char byte;
        EXPECT_EQ(1, write(pipe.right, "!", 1));
        if (read(thief, &byte, 1) != 1)
            return false;
        turn();
    }
    return has_a_worker_of_the_kernel();
}

TEST(Close, LetsGoAReadThatAWorkerOfTheKernelWaitsFor)
{
    auto body = [] {
        Pair pipe = make_pipe();
        char byte;
        COIL_FUTURE(read);
        coil_read_start(&read, pipe.left, &byte, 1);
        turn();
        if (!drive_into_a_worker(pipe))
            return -EAGAIN;
        EXPECT_FALSE(coil_future_done(&read));
        EXPECT_EQ(0, coil_close(pipe.left.release()));
        EXPECT_EQ(-ECANCELED, coil_await(&read));
        return 0;
    };
    int result = -EAGAIN;
    for (int tries = 0; tries < 10 && result == -EAGAIN; tries++) {
        time_t give_up = time(nullptr) + 10; /* a ring's workers end some time after it */
        while (has_a_worker_of_the_kernel() && time(nullptr) < give_up)
            sched_yield();
        result = run(body, on_kernel());
    }
    EXPECT_EQ(0, result);
}

/* What moves from one of the kernel's queues to another is in none of them for a moment. */
TEST(Close, LetsGoWhoReceivesWhatComesInSmallPieces)
{
    static char rest[8 << 20];
    auto body = [] {
        Pair pair = make_tcp_pair();
        std::atomic<bool> is_over{false};
        std::thread peer([&] {
            const char piece[300] = {};
            while (!is_over)
                send(pair.right, piece, sizeof(piece), MSG_DONTWAIT | MSG_NOSIGNAL);
        });
        int number = pair.left.release();
        bool has_ended = false;
        const Body reader = [&] {
            has_ended = coil_recv_all(number, rest, sizeof(rest), 0) != 0;
            return 0;
        };
        COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
        spawn(&scope, reader);
        EXPECT_EQ(0, coil_sleep(COIL_MSEC));
        EXPECT_EQ(0, coil_close(number));
        is_over = true;
        int result = coil_scope_close(&scope, 0);
        peer.join();
        EXPECT_TRUE(has_ended);
        return result;
    };
    for (int round = 0; round < 20; round++)
        ASSERT_EQ(0, run(body, on_kernel()));
}

/* Likewise on its way to a worker. */
TEST(Close, LetsGoASendThatTheKernelIsAboutToGiveToAWorker)
{
    auto body = [] {
        Fd receiver(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        Fd filler(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_un address = {};
        socklen_t len = sizeof(address);
        address.sun_family = AF_UNIX;
        EXPECT_EQ(0, bind(receiver, reinterpret_cast<sockaddr *>(&address), sizeof(sa_family_t)));
        EXPECT_EQ(0, getsockname(receiver, reinterpret_cast<sockaddr *>(&address), &len));
        while (sendto(filler, "!", 1, MSG_DONTWAIT, reinterpret_cast<sockaddr *>(&address), len) ==
               1)
            ; /* ends: the queue is short */
        iovec part = {&len, 1};
        msghdr message = {};
        message.msg_name = &address;
        message.msg_namelen = len;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        int number = Fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)).release();
        COIL_FUTURE(sending);
        coil_sendmsg_start(&sending, number, &message, 0);
        EXPECT_EQ(0, coil_yield());
        EXPECT_EQ(0, coil_close(number));
        EXPECT_EQ(-ECANCELED, coil_await_until(&sending, coil_after(10 * COIL_SEC)));
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel()));
}

} // namespace
