/* SPDX-License-Identifier: MIT */
/* The simulated network. */
#include "sim/network.h"
#include "sim/simulate.h"

#include <arpa/inet.h>
#include <cstring>
#include <liburing.h>
#include <map>
#include <netinet/in.h>
#include <poll.h>
#include <set>
#include <sys/un.h>
#include <thread>
extern "C" {
#include "sim/world.h"
}

using namespace coil_test;

namespace {

std::string pattern(size_t size, unsigned salt)
{
    std::string text(size, ' ');
    for (size_t i = 0; i < size; i++)
        text[i] = char((i * 2654435761u + salt) >> 11);
    return text;
}

template <class Test> void for_seeds(uint64_t count, Test test, unsigned core_count = 1)
{
    for (uint64_t seed = 0; seed < count; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        EXPECT_EQ(0, simulate(seed, test, core_count).result);
    }
}

} // namespace

TEST(SimStream, CarriesAllBytesBothWaysInOrder)
{
    for_seeds(20, [] {
        Pair pair = connected();
        std::string there = pattern(400000, 1), back = pattern(300000, 2);
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            EXPECT_EQ(ssize_t(there.size()),
                      coil_send_all(pair.client, there.data(), there.size(), 0));
            return 0;
        });
        children.start(scope, [&] {
            EXPECT_EQ(ssize_t(back.size()), coil_write_all(pair.server, back.data(), back.size()));
            return 0;
        });
        std::string got(there.size(), 0), got_back(back.size(), 0);
        EXPECT_EQ(ssize_t(got.size()), coil_recv_all(pair.server, &got[0], got.size(), 0));
        EXPECT_EQ(ssize_t(got_back.size()), coil_read_all(pair.client, &got_back[0], back.size()));
        EXPECT_TRUE(got == there);
        EXPECT_TRUE(got_back == back);
        int result = coil_scope_close(&scope, 0);
        close_both(pair);
        return result;
    });
}

TEST(SimStream, MovesLessThanWasAskedForNowAndThen)
{
    int shorts = 0;
    for_seeds(200, [&] {
        Pair pair = connected();
        char data[1000] = {};
        ssize_t n = coil_send(pair.client, data, sizeof(data), 0);
        EXPECT_GT(n, 0);
        shorts += n < ssize_t(sizeof(data)) ? 1 : 0;
        close_both(pair);
        return 0;
    });
    EXPECT_GT(shorts, 0);
    shorts = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        simulate(
            seed,
            [&] {
                Pair pair = connected();
                char data[1000] = {};
                shorts += coil_send(pair.client, data, sizeof(data), 0) < 1000 ? 1 : 0;
                close_both(pair);
                return 0;
            },
            1, ",faults=off");
    }
    EXPECT_EQ(0, shorts);
}

TEST(SimStream, IsClosedOneWayAndGoesOnTheOther)
{
    for_seeds(50, [] {
        Pair pair = connected();
        char data[8];
        EXPECT_EQ(0, coil_shutdown(pair.client, SHUT_WR));
        EXPECT_EQ(0, coil_recv(pair.server, data, sizeof(data), 0));
        EXPECT_EQ(-EPIPE, coil_send(pair.client, "no", 2, 0));
        EXPECT_EQ(3, coil_send_all(pair.server, "yes", 3, 0));
        EXPECT_EQ(3, coil_recv_all(pair.client, data, 3, 0));
        close_both(pair);
        return 0;
    });
}

TEST(SimStream, ThrowsAwayAsMuchAsWasAskedForWithoutMemory)
{
    for_seeds(50, [] {
        Pair pair = connected();
        char data[4];
        EXPECT_EQ(14, coil_send_all(pair.client, "0123456789next", 14, 0));
        EXPECT_EQ(10, coil_recv_all(pair.server, nullptr, 10, MSG_TRUNC));
        EXPECT_EQ(4, coil_recv_all(pair.server, data, 4, 0));
        EXPECT_EQ("next", std::string(data, 4));
        close_both(pair);
        return 0;
    });
}

TEST(SimStream, IsResetByWhoClosesWithoutReading)
{
    for_seeds(50, [] {
        Pair pair = connected();
        char data[8];
        EXPECT_EQ(4, coil_send_all(pair.client, "lost", 4, 0));
        EXPECT_EQ(0, coil_close(pair.server));
        EXPECT_EQ(-ECONNRESET, coil_recv(pair.client, data, sizeof(data), 0));
        EXPECT_EQ(0, coil_recv(pair.client, data, sizeof(data), 0)) << "it is told once";
        EXPECT_EQ(-EPIPE, coil_send(pair.client, "x", 1, 0));
        EXPECT_EQ(0, coil_close(pair.client));
        return 0;
    });
}

TEST(SimStream, HoldsBackWhoSendsToWhoDoesNotRead)
{
    for_seeds(20, [] {
        Pair pair = connected();
        std::string data = pattern(1000000, 3);
        coil_future sending;
        coil_send_start(&sending, pair.client, data.data(), data.size(), MSG_WAITALL);
        EXPECT_EQ(0, coil_sleep(COIL_SEC));
        coil_future_cancel(&sending);
        ssize_t sent = coil_await(&sending);
        EXPECT_GT(sent, 1000);
        EXPECT_LT(sent, 200000);
        std::string got(size_t(sent), 0);
        EXPECT_EQ(sent, coil_recv_all(pair.server, &got[0], got.size(), 0));
        EXPECT_EQ(data.substr(0, size_t(sent)), got) << "what was sent before the cancel counts";
        close_both(pair);
        return 0;
    });
}

TEST(SimStream, RefusesAConnectionThatNobodyWants)
{
    for_seeds(10, [] {
        EXPECT_EQ(-ECONNREFUSED, connect_to(81));
        sockaddr_un name = {AF_UNIX, "/nowhere"};
        int fd = coil_socket(AF_UNIX, SOCK_STREAM, 0);
        EXPECT_EQ(-ENOENT, coil_connect(fd, reinterpret_cast<sockaddr *>(&name), sizeof(name)));
        return coil_close(fd);
    });
}

TEST(SimStream, LetsMoreConnectThanTheBacklogHolds)
{
    for_seeds(10, [] {
        int listener = listen_at(80, 2), served = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 30; i++) {
            children.start(scope, [&] {
                int fd = connect_to(80);
                EXPECT_GE(fd, 0);
                return fd < 0 ? fd : coil_close(fd);
            });
        }
        for (; served < 30; served++) {
            int conn = coil_accept(listener, nullptr, nullptr, 0);
            EXPECT_GE(conn, 0);
            EXPECT_EQ(0, coil_close(conn));
        }
        EXPECT_EQ(0, coil_close(listener));
        return coil_scope_close(&scope, 0);
    });
}

TEST(SimStream, TakesItsPortAlone)
{
    for_seeds(3, [] {
        int first = coil_socket(AF_INET, SOCK_STREAM, 0),
            second = coil_socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in name = loopback(90), any = loopback(0), got = {};
        socklen_t len = sizeof(got);
        EXPECT_EQ(0, coil_bind(first, reinterpret_cast<sockaddr *>(&name), sizeof(name)));
        EXPECT_EQ(-EADDRINUSE,
                  coil_bind(second, reinterpret_cast<sockaddr *>(&name), sizeof(name)));
        EXPECT_EQ(0, coil_bind(second, reinterpret_cast<sockaddr *>(&any), sizeof(any)));
        EXPECT_EQ(0, coil_getsockname(second, reinterpret_cast<sockaddr *>(&got), &len));
        EXPECT_GE(ntohs(got.sin_port), 32768);
        EXPECT_EQ(0, coil_close(first));
        EXPECT_EQ(0, coil_close(second));
        return 0;
    });
}

TEST(SimCancel, OfAReceiveLosesNoByte)
{
    std::map<bool, int> won;
    for_seeds(300, [&] {
        Pair pair = connected();
        EXPECT_EQ(5, coil_send_all(pair.client, "hello", 5, 0));
        char data[5] = {};
        coil_future future;
        coil_recv_start(&future, pair.server, data, sizeof(data), 0);
        EXPECT_EQ(0, coil_sleep(int64_t(coil_sim_random() % 60) * COIL_USEC));
        coil_future_cancel(&future);
        ssize_t got = coil_await(&future);
        EXPECT_TRUE(got > 0 || got == -ECANCELED) << got;
        won[got > 0]++;
        got = got > 0 ? got : 0;
        EXPECT_EQ(5 - got, coil_recv_all(pair.server, data + got, size_t(5 - got), 0));
        EXPECT_EQ("hello", std::string(data, 5));
        close_both(pair);
        return 0;
    });
    EXPECT_GT(won[true], 30);
    EXPECT_GT(won[false], 30);
}

TEST(SimMemory, OfAReceiveIsScribbledOnUntilItHasEnded)
{
    for_seeds(20, [] {
        Pair pair = connected();
        char data[] = "untouched";
        coil_future future;
        coil_recv_start(&future, pair.server, data, sizeof(data), 0);
        EXPECT_EQ(0, coil_sleep(COIL_USEC));
        EXPECT_NE(0, memcmp("untouched", data, sizeof(data)));
        EXPECT_EQ(2, coil_send_all(pair.client, "hi", 2, 0));
        ssize_t got = coil_await(&future);
        EXPECT_EQ(0, memcmp(data, "hi", size_t(got)));
        close_both(pair);
        return 0;
    });
}

TEST(SimMemory, OfASendIsReadLate)
{
    int changed = 0;
    for_seeds(40, [&] {
        Pair pair = connected();
        char data[] = "before", got[6] = {};
        coil_future future;
        coil_send_start(&future, pair.client, data, 6, MSG_WAITALL);
        EXPECT_EQ(0, coil_yield());
        memcpy(data, "after!", 6); /* too early: it is still in flight */
        EXPECT_EQ(6, coil_await(&future));
        EXPECT_EQ(6, coil_recv_all(pair.server, got, 6, 0));
        changed += memcmp(got, "after!", 6) == 0 ? 1 : 0;
        close_both(pair);
        return 0;
    });
    EXPECT_GT(changed, 20);
}

TEST(SimDatagram, KeepsItsBoundsAndMayBeOvertaken)
{
    int overtaken = 0;
    for_seeds(30, [&] {
        int from = coil_socket(AF_INET, SOCK_DGRAM, 0), to = coil_socket(AF_INET, SOCK_DGRAM, 0);
        sockaddr_in name = loopback(53);
        EXPECT_EQ(0, coil_bind(to, reinterpret_cast<sockaddr *>(&name), sizeof(name)));
        EXPECT_EQ(0, coil_connect(from, reinterpret_cast<sockaddr *>(&name), sizeof(name)));
        EXPECT_EQ(3, coil_send(from, "one", 3, 0));
        EXPECT_EQ(5, coil_send(from, "three", 5, 0));
        std::set<std::string> seen;
        for (int i = 0; i < 2; i++) {
            char data[16], control[8];
            iovec piece = {data, 4};
            msghdr message = {};
            message.msg_iov = &piece;
            message.msg_iovlen = 1;
            message.msg_control = control;
            ssize_t n = coil_recvmsg(to, &message, 0);
            EXPECT_EQ(n == 4, (message.msg_flags & MSG_TRUNC) != 0);
            seen.insert(std::string(data, size_t(n)));
            overtaken += i == 0 && n == 4 ? 1 : 0;
        }
        EXPECT_EQ((std::set<std::string>{"one", "thre"}), seen);
        EXPECT_EQ(0, coil_close(from));
        return coil_close(to);
    });
    EXPECT_GT(overtaken, 0);
}

TEST(SimFiles, HaveTheLowestFreeNumberUpToALimit)
{
    Simulated outcome = simulate(
        1,
        [] {
            int fds[3];
            for (int &fd : fds)
                fd = coil_socket(AF_INET, SOCK_STREAM, 0);
            EXPECT_EQ(1002, fds[2]);
            EXPECT_EQ(-EMFILE, coil_socket(AF_INET, SOCK_STREAM, 0));
            EXPECT_EQ(0, coil_close(fds[1]));
            EXPECT_EQ(1001, coil_socket(AF_INET, SOCK_STREAM, 0));
            EXPECT_EQ(-EBADF, coil_close(1003));
            EXPECT_EQ(-EBADF, coil_read(1003, fds, 1));
            return 0;
        },
        1, ",descriptors=3");
    EXPECT_EQ(0, outcome.result);
}

TEST(SimDeadlock, IsReportedAlsoWithOperationsInFlight)
{
    Simulated outcome = simulate(
        1,
        [] {
            Pair pair = connected();
            char byte;
            ssize_t got = coil_recv(pair.server, &byte, 1, 0);
            close_both(pair);
            return int(got);
        },
        2);
    EXPECT_EQ(-EDEADLK, outcome.result);
    ASSERT_EQ(3u, outcome.log.size());
    EXPECT_NE(std::string::npos, outcome.log[1].find("for recv")) << outcome.log[1];
}

TEST(SimDeadlock, IsReportedAlsoWhereThreadsHaveHelpedBefore)
{
    Simulated outcome = simulate(1, [] {
        coil_promise promise;
        coil_promise_init(&promise);
        std::thread thread([&] { EXPECT_EQ(0, coil_promise_set(&promise, 7)); });
        EXPECT_EQ(7, coil_promise_wait(&promise));
        thread.join();
        coil_promise_drop(&promise);
        Pair pair = connected();
        char byte;
        ssize_t got = coil_recv(pair.server, &byte, 1, 0);
        close_both(pair);
        return int(got);
    });
    EXPECT_EQ(-EDEADLK, outcome.result);
}

TEST(SimDeadlock, IsNotReportedWhileAThreadMayStillHelp)
{
    Simulated outcome = simulate(
        1,
        [] {
            Pair pair = connected();
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            children.start(scope, [&] {
                char byte;
                EXPECT_EQ(1, coil_recv(pair.server, &byte, 1, 0));
                return 0;
            });
            coil_promise promise;
            coil_promise_init(&promise);
            std::thread thread([&] { EXPECT_EQ(0, coil_promise_set(&promise, 7)); });
            EXPECT_EQ(7, coil_promise_wait(&promise));
            thread.join();
            coil_promise_drop(&promise);
            EXPECT_EQ(3, coil_offload(
                             nullptr, [](void *) -> ssize_t { return 3; }, nullptr));
            EXPECT_EQ(1, coil_send(pair.client, "x", 1, 0));
            int err = coil_scope_close(&scope, 0);
            close_both(pair);
            return err;
        },
        2);
    EXPECT_EQ(0, outcome.result);
}

namespace {

/* An echo server and its clients, each on any core, over multishot operations. */
int echo(unsigned clients)
{
    unsigned left = clients;
    int listener = listen_at(7, 128);
    Children children;
    coil_acceptor acceptor = {};
    coil_acceptor_open(&acceptor, listener, 0);
    COIL_SCOPE(scope, COIL_FOREVER);
    for (unsigned i = 0; i < clients; i++) {
        children.spawn_on(scope, i % coil_core_count(), [=] {
            int fd = connect_to(7);
            std::string sent = pattern(3000 + i, i), got(sent.size(), 0);
            for (int round = 0; round < 3 && fd >= 0; round++) {
                EXPECT_EQ(ssize_t(sent.size()), coil_send_all(fd, sent.data(), sent.size(), 0));
                EXPECT_EQ(ssize_t(got.size()), coil_recv_all(fd, &got[0], got.size(), 0));
                EXPECT_TRUE(sent == got);
            }
            return fd < 0 ? fd : coil_close(fd);
        });
    }
    for (; left > 0; left--) {
        int conn = coil_acceptor_next(&acceptor);
        EXPECT_GE(conn, 0);
        children.start(scope, [=] {
            coil_receiver receiver = {};
            coil_receiver_open(&receiver, conn);
            void *data;
            ssize_t n;
            while ((n = coil_receiver_next(&receiver, &data)) > 0)
                EXPECT_EQ(0, coil_receiver_reply(&receiver, data, size_t(n)));
            coil_receiver_close(&receiver);
            return coil_close(conn);
        });
    }
    coil_acceptor_close(&acceptor);
    coil_close(listener);
    return coil_scope_close(&scope, 0);
}

} // namespace

TEST(SimEcho, OverSharedBuffersAndSeveralCoresRepeatsItsSeed)
{
    std::set<uint64_t> traces;
    for (uint64_t seed = 0; seed < 20; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Simulated first = simulate(
            seed, [] { return echo(12); }, 3);
        EXPECT_EQ(0, first.result);
        EXPECT_EQ(first.trace, simulate(
                                   seed, [] { return echo(12); }, 3)
                                   .trace);
        traces.insert(first.trace);
    }
    EXPECT_EQ(20u, traces.size());
}

/* Accepts and receives end then, and are begun again. */
TEST(SimEcho, GoesOnThoughItsCompletionQueuesOverflow)
{
    int overflowed = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        EXPECT_EQ(0, simulate(
                         seed, [] { return echo(24); }, 2, "", 2)
                         .result);
        overflowed += coil__sim.overflows > 0 ? 1 : 0;
    }
    EXPECT_GT(overflowed, 3);
}
