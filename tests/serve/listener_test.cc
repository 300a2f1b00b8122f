/* SPDX-License-Identifier: MIT */
/* Listeners that all cores serve: who gets a connection, and that none is lost. */
#include "ops/sockets.h"
#include "support/running.h"

#include <atomic>
#include <cerrno>
#include <climits>
#include <memory>
#include <thread>
#include <vector>

using namespace coil_test;

namespace {

/* A listener, and a coroutine of each core that keeps the connections it gets. */
struct Service {
    coil_listener listener = {};
    sockaddr_in addr = {};
    std::vector<std::vector<int>> conns; /* by core, who alone touches its own */
    std::atomic<int> total{0};
    std::vector<int> ends; /* what ended each core's loop */

    explicit Service(coil_balance balance, int backlog = 500)
        : conns(coil_core_count()), ends(coil_core_count(), 1)
    {
        sockaddr_in any = loopback();
        socklen_t len = sizeof(addr);
        EXPECT_EQ(0,
                  coil_listener_open(&listener, as_sockaddr(any), sizeof(any), backlog, balance));
        EXPECT_EQ(0, coil_listener_address(&listener, reinterpret_cast<sockaddr *>(&addr), &len));
    }
    ~Service() { coil_listener_destroy(&listener); }

    int serve(int most = 1 << 30)
    {
        std::vector<int> &mine = conns[coil_core_self()];
        int conn = 0;
        while (int(mine.size()) < most && (conn = coil_listener_next(&listener)) >= 0) {
            mine.push_back(conn);
            total++;
        }
        coil_listener_leave(&listener);
        ends[coil_core_self()] = conn;
        return 0;
    }

    void end_one(unsigned core)
    {
        EXPECT_EQ(0, call(core, [=] {
                      EXPECT_EQ(0, coil_close(conns[core].back()));
                      conns[core].pop_back();
                      coil_listener_done(&listener);
                      return 0;
                  }));
    }

    void close_all()
    {
        for (unsigned core = 0; core < coil_core_count(); core++) {
            for (int conn : conns[core])
                EXPECT_EQ(0, coil_close(conn));
        }
    }
};

void start(Service &service, Children &children, coil_scope &scope)
{
    for (unsigned core = 0; core < coil_core_count(); core++)
        EXPECT_EQ(0, children.spawn_on(scope, core, [&] { return service.serve(); }));
}

TEST(Listener, ServesEachConnectionOnce)
{
    for (coil_balance balance : {COIL_BALANCE_KERNEL, COIL_BALANCE_LEAST}) {
        int descriptors = open_descriptors();
        run(
            [=] {
                constexpr int kConnections = 60;
                Service service(balance);
                Children children;
                COIL_SCOPE(scope, COIL_FOREVER);
                start(service, children, scope);
                std::vector<Fd> clients;
                for (int i = 0; i < kConnections; i++)
                    clients.push_back(connect_to(service.addr));
                wait_until([&] { return service.total == kConnections; });
                unsigned loads = 0;
                for (unsigned core = 0; core < 3; core++)
                    loads += coil_listener_load(&service.listener, core);
                EXPECT_EQ(unsigned(kConnections), loads);
                coil_scope_cancel(&scope);
                EXPECT_EQ(0, coil_scope_close(&scope, 0));
                service.close_all();
                return 0;
            },
            cores(3));
        EXPECT_EQ(descriptors, open_descriptors());
    }
}

TEST(Listener, WithLeastHandsConnectionsToTheCoreThatHasTheFewest)
{
    run(
        [] {
            Service service(COIL_BALANCE_LEAST);
            auto load = [&](unsigned core) { return coil_listener_load(&service.listener, core); };
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            start(service, children, scope);
            std::vector<Fd> clients;
            auto connect = [&](int count) {
                for (int i = 0, before = service.total; i < count; i++) {
                    clients.push_back(connect_to(service.addr));
                    wait_until([&] { return service.total == before + i + 1; });
                }
            };
            connect(30);
            for (unsigned core = 0; core < 3; core++)
                EXPECT_EQ(10u, load(core));
            for (int i = 0; i < 4; i++)
                service.end_one(2);
            EXPECT_EQ(6u, load(2));
            connect(4);
            EXPECT_EQ(10u, load(2)) << "all four were the emptiest core's";
            coil_scope_cancel(&scope);
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            service.close_all();
            return 0;
        },
        cores(3));
}

/* All come within a turn of the core that accepts, before the others can hear of any. */
TEST(Listener, WithLeastSharesABurstEvenly)
{
    run(
        [] {
            constexpr int kConnections = 300;
            Service service(COIL_BALANCE_LEAST);
            std::vector<Fd> clients;
            for (int i = 0; i < kConnections; i++)
                clients.push_back(connect_to(service.addr));
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            start(service, children, scope);
            wait_until([&] { return service.total == kConnections; });
            coil_scope_cancel(&scope);
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            for (const std::vector<int> &conns : service.conns)
                EXPECT_EQ(size_t(kConnections / 2), conns.size());
            service.close_all();
            return 0;
        },
        cores(2));
}

/* Nobody waits for it: its own lie in its inbox, until that has as many as the backlog. Whatever
 * else comes is not on its account. */
TEST(Listener, WithLeastGivesACoreThatTakesNoneItsShareAndKeepsWhatItHasNoRoomFor)
{
    int descriptors = open_descriptors();
    run(
        [] {
            constexpr unsigned kBacklog = 80;
            Service service(COIL_BALANCE_LEAST, kBacklog);
            auto load = [&](unsigned core) { return coil_listener_load(&service.listener, core); };
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            EXPECT_EQ(0, children.spawn_on(scope, 0, [&] { return service.serve(); }));
            std::vector<Fd> clients;
            for (unsigned expected : {40u, 80u, 80u}) {
                for (unsigned i = 0; i < kBacklog; i++)
                    clients.push_back(connect_to(service.addr));
                wait_until([&] { return load(0) + load(1) >= clients.size(); });
                EXPECT_EQ(expected, load(1));
            }
            EXPECT_EQ(2 * kBacklog, unsigned(service.total));
            coil_scope_cancel(&scope);
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            service.close_all();
            return 0;
        },
        cores(2));
    EXPECT_EQ(descriptors, open_descriptors());
}

TEST(Listener, TakesAnyBacklog)
{
    run(
        [] {
            for (int backlog : {INT_MIN, -1, 0, INT_MAX}) {
                Service service(COIL_BALANCE_LEAST, backlog);
                EXPECT_EQ(0, call(1, [&] {
                              coil_listener_leave(&service.listener);
                              return 0;
                          }));
                Fd client = connect_to(service.addr);
                int conn = coil_listener_next(&service.listener);
                EXPECT_GE(conn, 0);
                EXPECT_EQ(0, coil_close(conn));
                coil_listener_leave(&service.listener);
            }
            return 0;
        },
        cores(2));
}

/* The others take what they were given, and then hear that nothing more will come. */
TEST(Listener, WithLeastEndsEverywhereWhenTheAcceptingCoreLeaves)
{
    run(
        [] {
            Service service(COIL_BALANCE_LEAST);
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            for (unsigned core = 0; core < 3; core++)
                EXPECT_EQ(0, children.spawn_on(scope, core, [&, core] {
                    return service.serve(core == 0 ? 1 : 1 << 30);
                }));
            std::vector<Fd> clients;
            for (int i = 0; i < 3; i++)
                clients.push_back(connect_to(service.addr));
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            EXPECT_EQ(3, service.total);
            EXPECT_EQ(-EPIPE, service.ends[1]);
            EXPECT_EQ(-EPIPE, service.ends[2]);
            EXPECT_EQ(-EPIPE, coil_listener_next(&service.listener));
            service.close_all();
            return 0;
        },
        cores(3));
}

/* Also those that take the last of what they were given when it has left long since. */
TEST(Listener, WithLeastIsStoppedOnEveryCoreWhenTheAcceptingCoreIs)
{
    run(
        [] {
            constexpr int kConnections = 9;
            Service service(COIL_BALANCE_LEAST);
            std::vector<Fd> clients;
            for (int i = 0; i < kConnections; i++)
                clients.push_back(connect_to(service.addr));
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            EXPECT_EQ(0, children.spawn_on(scope, 1, [&] { return service.serve(); }));
            coil_stop(600 * COIL_SEC);
            EXPECT_EQ(0, service.serve());
            EXPECT_EQ(0, children.spawn_on(scope, 2, [&] { return service.serve(); }));
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            EXPECT_EQ(kConnections, service.total);
            for (unsigned core = 0; core < 3; core++) {
                EXPECT_EQ(-ESHUTDOWN, service.ends[core]) << core;
                EXPECT_EQ(size_t(kConnections / 3), service.conns[core].size()) << core;
            }
            service.close_all();
            return 0;
        },
        cores(3));
}

/* Nobody else is to take it for a failure: it may have been cancelled, when the grace is over. */
TEST(Listener, WithLeastIsStoppedOnEveryCoreHoweverTheAcceptingCoreEndsThen)
{
    run(
        [] {
            Service service(COIL_BALANCE_LEAST);
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            EXPECT_EQ(0, children.spawn_on(scope, 1, [&] { return service.serve(); }));
            coil_stop(600 * COIL_SEC);
            EXPECT_EQ(0, service.serve(0));
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            EXPECT_EQ(-ESHUTDOWN, service.ends[1]);
            return 0;
        },
        cores(2));
}

/* Who has left knows of no stop. */
TEST(Listener, GivesNothingToACoreThatHasLeft)
{
    for (coil_balance balance : {COIL_BALANCE_KERNEL, COIL_BALANCE_LEAST}) {
        run(
            [=] {
                Service service(balance);
                for (unsigned core = 0; core < 2; core++) {
                    EXPECT_EQ(-EPIPE, call(core, [&] {
                        coil_listener_leave(&service.listener);
                        return coil_listener_next(&service.listener);
                    }));
                }
                coil_stop(600 * COIL_SEC);
                EXPECT_EQ(-EPIPE, call(1, [&] { return coil_listener_next(&service.listener); }));
                return 0;
            },
            cores(2));
    }
}

/* Connections come while cores leave one after the other: each is served, or closed. */
TEST(Listener, LosesNoConnectionWhenCoresLeave)
{
    int descriptors = open_descriptors();
    for (int round = 0; round < rounds(20); round++) {
        run(
            [=] {
                Service service(COIL_BALANCE_LEAST);
                Children children;
                COIL_SCOPE(scope, COIL_FOREVER);
                for (unsigned core = 0; core < 3; core++)
                    EXPECT_EQ(0, children.spawn_on(scope, core, [&, core] {
                        return service.serve(core == 0 ? 1 << 30 : int(core) + round % 3);
                    }));
                std::vector<Fd> clients;
                for (int i = 0; i < 20; i++)
                    clients.push_back(connect_to(service.addr));
                /* Those that were handed to a core that left are closed: their clients see it. */
                wait_until([&] {
                    int closed = 0;
                    for (const Fd &client : clients)
                        closed += holds(client, POLLIN);
                    return service.total + closed == 20;
                });
                coil_scope_cancel(&scope);
                EXPECT_EQ(0, coil_scope_close(&scope, 0));
                service.close_all();
                return 0;
            },
            cores(3));
    }
    EXPECT_EQ(descriptors, open_descriptors());
}

/* Threads that connect, ask for one byte back, and come again, until nobody lets them in. */
class Visitors {
public:
    explicit Visitors(const sockaddr_in &addr)
    {
        for (int i = 0; i < 6; i++)
            threads_.emplace_back([=] { visit(addr); });
    }
    Visitors(const Visitors &) = delete;
    Visitors &operator=(const Visitors &) = delete;
    ~Visitors() { end(); }

    void end()
    {
        for (std::thread &thread : threads_)
            thread.join();
        threads_.clear();
    }

    std::atomic<bool> stopping{false};
    std::atomic<unsigned> answered{0};
    std::atomic<unsigned> lost{0};      /* connected before the stop, and not answered */
    std::atomic<unsigned> lost_late{0}; /* connected later */

private:
    std::vector<std::thread> threads_;

    void visit(const sockaddr_in &addr)
    {
        for (bool goes_on = true; goes_on;) {
            Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            timeval soon = {0, 30000}; /* who is not let in shall not try again after a second */
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
            if (connect(fd, as_sockaddr(addr), sizeof(addr)) < 0)
                return;
            bool is_late = stopping;
            char byte = 'x';
            goes_on = send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1;
            (goes_on ? answered : is_late ? lost_late : lost)++;
        }
    }
};

/* Each connection's one byte, until coil_stop(). */
int answer_all(coil_listener &listener)
{
    Children children;
    COIL_SCOPE(conns, COIL_FOREVER);
    int conn;
    while ((conn = coil_listener_next(&listener)) >= 0) {
        children.start(conns, [&listener, conn] {
            char byte;
            ssize_t len = coil_recv(conn, &byte, 1, 0);
            EXPECT_EQ(1, len > 0 ? coil_send(conn, &byte, 1, 0) : 1);
            EXPECT_EQ(0, coil_close(conn));
            coil_listener_done(&listener);
            return 0;
        });
    }
    EXPECT_EQ(-ESHUTDOWN, conn);
    coil_listener_leave(&listener);
    return coil_scope_close(&conns, 0);
}

/* Whoever was connected before has its answer, at whatever moment the service is told to end. Who
 * connects later has it as well, if this machine delivers the last packet in 10 ms. */
TEST(Listener, WhenItIsStoppedAnswersWhoeverIsConnected)
{
    unsigned lost_late = 0;
    for (int round = 0; round < rounds(20); round++) {
        coil_balance balance = round % 3 == 0 ? COIL_BALANCE_LEAST : COIL_BALANCE_KERNEL;
        std::unique_ptr<Visitors> visitors;
        EXPECT_EQ(0, run(
                         [&] {
                             coil_listener listener;
                             sockaddr_in addr = loopback();
                             socklen_t len = sizeof(addr);
                             sockaddr *name = reinterpret_cast<sockaddr *>(&addr);
                             EXPECT_EQ(0, coil_listener_open(&listener, name, len, 500, balance));
                             EXPECT_EQ(0, coil_listener_address(&listener, name, &len));
                             Children children;
                             COIL_SCOPE(scope, COIL_FOREVER);
                             for (unsigned core = 0; core < 3; core++)
                                 EXPECT_EQ(0, children.spawn_on(scope, core, [&] {
                                     return answer_all(listener);
                                 }));
                             visitors = std::make_unique<Visitors>(addr);
                             wait_until([&] { return visitors->answered > 20u; });
                             visitors->stopping = true;
                             coil_stop(600 * COIL_SEC);
                             EXPECT_EQ(0, coil_scope_close(&scope, 0));
                             coil_listener_destroy(&listener);
                             return 0;
                         },
                         cores(3)));
        visitors->end();
        ASSERT_EQ(0u, visitors->lost) << "in round " << round;
        lost_late += visitors->lost_late;
    }
    printf("%u who connected later were not answered\n", lost_late);
}

TEST(Listener, OnAnAddressInUseLeavesNothingBehind)
{
    run(
        [] {
            int descriptors = open_descriptors();
            sockaddr_in addr = {};
            addr.sin_family = AF_INET;
            addr.sin_addr.s_addr = htonl(0x08080808); /* not ours */
            coil_listener listener;
            EXPECT_EQ(-EADDRNOTAVAIL, coil_listener_open(&listener, as_sockaddr(addr), sizeof(addr),
                                                         5, COIL_BALANCE_KERNEL));
            EXPECT_EQ(descriptors, open_descriptors());
            coil_listener_destroy(&listener);
            return 0;
        },
        cores(2));
}

} // namespace
