/* SPDX-License-Identifier: MIT */
/* The acceptor: bursts, back-pressure, want of descriptors, and the listener's end. */
#include "ops/sockets.h"
#include "support/running.h"

#include <coil/fd.h>
#include <coil/net.h>
#include <thread>
#include <vector>

namespace {

using namespace coil_test;

int64_t thread_cpu_ns()
{
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * COIL_SEC + time.tv_nsec;
}

/* Connects `count` times in bursts, each connection telling its number. */
void connect_in_bursts(sockaddr_in addr, int count, int burst)
{
    for (int first = 0; first < count; first += burst) {
        std::vector<Fd> conns;
        for (int i = first; i < first + burst && i < count; i++) {
            conns.push_back(connect_to(addr));
            EXPECT_EQ(ssize_t(sizeof(i)), write(conns.back(), &i, sizeof(i)));
        }
        for (Fd &conn : conns) {
            char byte;
            EXPECT_EQ(1, read(conn, &byte, 1)) << "nobody answered";
        }
    }
}

TEST(Acceptor, LosesNoneOfManyConnectionsInBursts)
{
    const int count = kSanitized ? 1000 : 5000;
    EXPECT_EQ(0, run([=] {
                  Fd listener = make_listener();
                  std::thread peer(connect_in_bursts, address_of(listener), count, 50);
                  std::vector<bool> seen(size_t(count), false);
                  coil_acceptor acceptor = {};
                  coil_acceptor_open(&acceptor, listener, 0);
                  for (int i = 0; i < count; i++) {
                      Fd conn(coil_acceptor_next(&acceptor));
                      int number = -1;
                      EXPECT_EQ(ssize_t(sizeof(number)), coil_recv_all(conn, &number, 4, 0));
                      EXPECT_EQ(FD_CLOEXEC, fcntl(conn, F_GETFD));
                      EXPECT_FALSE(seen.at(size_t(number)));
                      seen.at(size_t(number)) = true;
                      EXPECT_EQ(1, coil_send(conn, "!", 1, 0));
                  }
                  coil_acceptor_close(&acceptor);
                  peer.join();
                  return 0;
              }));
}

/* Nobody takes any: it stops at 256 or little more, and goes on when they are taken. */
TEST(Acceptor, StopsWhenManyWaitAndGoesOn)
{
    COIL_SKIP_IF_SIMULATED("what tells it to stop may come late");
    EXPECT_EQ(0, run([] {
                  Fd listener = make_listener(1024);
                  sockaddr_in addr = address_of(listener);
                  coil_acceptor acceptor = {};
                  coil_acceptor_open(&acceptor, listener, 0);
                  std::vector<Fd> peers, conns;
                  peers.push_back(connect_to(addr));
                  conns.emplace_back(coil_acceptor_next(&acceptor));
                  int before = open_descriptors();
                  for (int i = 0; i < 400; i++) {
                      peers.push_back(connect_to(addr));
                      turn(1);
                  }
                  turn(100);
                  EXPECT_LE(open_descriptors() - before - 400, 256 + 32);
                  EXPECT_TRUE(holds(listener, POLLIN)) << "the rest stays in the backlog";
                  COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
                  while (conns.size() < peers.size()) {
                      conns.emplace_back(coil_acceptor_next(&acceptor));
                      if (conns.back() < 0)
                          break;
                  }
                  EXPECT_EQ(peers.size(), conns.size());
                  coil_acceptor_close(&acceptor);
                  return coil_scope_close(&scope, 0);
              }));
}

TEST(Acceptor, ClosesTheConnectionsThatNobodyTook)
{
    EXPECT_EQ(0, run([] {
                  Fd listener = make_listener();
                  sockaddr_in addr = address_of(listener);
                  coil_acceptor acceptor = {};
                  coil_acceptor_open(&acceptor, listener, 0);
                  Fd first = connect_to(addr);
                  Fd conn(coil_acceptor_next(&acceptor));
                  int before = open_descriptors();
                  {
                      std::vector<Fd> peers;
                      for (int i = 0; i < 100; i++)
                          peers.push_back(connect_to(addr));
                      EXPECT_TRUE(turn_until([&] { return !holds(listener, POLLIN); }));
                      coil_acceptor_close(&acceptor);
                      EXPECT_TRUE(turn_until([&] { return holds(peers[0], POLLIN); }))
                          << "it hangs where nobody has it";
                      char byte;
                      EXPECT_LE(recv(peers[0], &byte, 1, MSG_DONTWAIT), 0);
                  }
                  EXPECT_EQ(before, open_descriptors());
                  return 0;
              }));
}

/* For half a second there is no descriptor: it may not spin, and forgets nobody. */
TEST(Acceptor, WaitsForDescriptorsWithoutSpinning)
{
    EXPECT_EQ(0, run([] {
                  Fd listener = make_listener();
                  sockaddr_in addr = address_of(listener);
                  std::vector<Fd> peers, conns;
                  for (int i = 0; i < 10; i++)
                      peers.push_back(connect_to(addr));
                  coil_acceptor acceptor = {};
                  coil_acceptor_open(&acceptor, listener, 0);
                  FewDescriptors few(4);
                  while (conns.size() < 4)
                      conns.emplace_back(coil_acceptor_next(&acceptor));
                  {
                      COIL_SCOPE(scope, coil_after(500 * COIL_MSEC));
                      int64_t cpu = thread_cpu_ns();
                      EXPECT_EQ(-ECANCELED, coil_acceptor_next(&acceptor));
                      EXPECT_LT(thread_cpu_ns() - cpu, (kSanitized ? 200 : 100) * COIL_MSEC);
                      EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
                  }
                  few.lift();
                  COIL_SCOPE(scope, coil_after(60 * COIL_SEC));
                  while (conns.size() < 10)
                      conns.emplace_back(coil_acceptor_next(&acceptor));
                  for (Fd &conn : conns)
                      EXPECT_GE(conn, 0);
                  coil_acceptor_close(&acceptor);
                  return coil_scope_close(&scope, 0);
              }));
}

TEST(Accept, WithoutDescriptorsPausesBeforeItSaysSo)
{
    EXPECT_EQ(0, run([] {
                  Fd listener = make_listener();
                  Fd peer = connect_to(address_of(listener));
                  {
                      FewDescriptors none(0);
                      coil_time begin = coil_now();
                      EXPECT_EQ(-EMFILE, coil_accept(listener, nullptr, nullptr, 0));
                      EXPECT_GE(coil_now() - begin, 10 * COIL_MSEC);
                  }
                  Fd conn(coil_accept(listener, nullptr, nullptr, 0));
                  EXPECT_GE(conn, 0);
                  return 0;
              }));
}

TEST(Acceptor, EndsWithTheErrorOfItsListener)
{
    auto ends_with = [](int fd) {
        coil_acceptor acceptor = {};
        coil_acceptor_open(&acceptor, fd, 0);
        int err = coil_acceptor_next(&acceptor);
        coil_acceptor_close(&acceptor);
        return err;
    };
    EXPECT_EQ(0, run([=] {
                  Pair pipe = make_pipe(), pair = make_socketpair(),
                       udp = make_socketpair(SOCK_DGRAM);
                  EXPECT_EQ(-EBADF, ends_with(-1));
                  EXPECT_EQ(-ENOTSOCK, ends_with(pipe.left));
                  EXPECT_EQ(-EINVAL, ends_with(pair.left));
                  EXPECT_EQ(-EOPNOTSUPP, ends_with(udp.left));
                  return 0;
              }));
}

TEST(Acceptor, EndsWhenItsListenerIsShutDown)
{
    EXPECT_EQ(0, run([] {
                  Fd listener = make_listener();
                  const Body stop = [&] {
                      turn();
                      return coil_shutdown(listener, SHUT_RDWR);
                  };
                  coil_acceptor acceptor = {};
                  coil_acceptor_open(&acceptor, listener, 0);
                  COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
                  spawn(&scope, stop);
                  EXPECT_EQ(-EINVAL, coil_acceptor_next(&acceptor));
                  coil_acceptor_close(&acceptor);
                  return coil_scope_close(&scope, 0);
              }));
}

int listen_at(const sockaddr_in &addr)
{
    return coil_tcp_listen(as_sockaddr(addr), sizeof(addr), 64);
}

TEST(TcpListen, TakesAPortAgainAtOnce)
{
    COIL_SKIP_IF_SIMULATED("nobody outside can connect");
    EXPECT_EQ(0, run([] {
                  Fd first(listen_at(loopback()));
                  sockaddr_in addr = address_of(first);
                  for (int i = 0; i < 50; i++) {
                      coil_acceptor acceptor = {};
                      coil_acceptor_open(&acceptor, first, 0);
                      Fd peer = connect_to(addr);
                      Fd conn(coil_acceptor_next(&acceptor));
                      coil_acceptor_close(&acceptor);
                      EXPECT_EQ(0, coil_close(first.release()));
                      conn.reset(-1);
                      first.reset(listen_at(addr));
                      EXPECT_GE(first, 0);
                  }
                  return 0;
              }));
}

/* Busy for good: told after half a second. Busy for a moment: not told at all. */
TEST(TcpListen, WaitsForABusyAddressButNotForEver)
{
    EXPECT_EQ(0, run([] {
                  Fd owner(coil_socket(AF_INET, SOCK_STREAM, 0)); /* which shares with nobody */
                  sockaddr_in addr = loopback();
                  EXPECT_EQ(0, coil_bind(owner, as_sockaddr(addr), sizeof(addr)));
                  EXPECT_EQ(0, coil_listen(owner, 1));
                  addr = address_of(owner);
                  coil_time begin = coil_now();
                  EXPECT_EQ(-EADDRINUSE, listen_at(addr));
                  EXPECT_GE(coil_now() - begin, 500 * COIL_MSEC);
                  const Body free_it = [&] {
                      int err = coil_sleep(50 * COIL_MSEC);
                      owner.reset(-1);
                      return err;
                  };
                  COIL_SCOPE(scope, COIL_FOREVER);
                  spawn(&scope, free_it);
                  Fd mine(listen_at(addr));
                  EXPECT_GE(mine, 0);
                  return coil_scope_close(&scope, 0);
              }));
}

TEST(TcpListen, TellsOfABadAddress)
{
    COIL_SKIP_IF_SIMULATED("a program has all addresses");
    EXPECT_EQ(0, run([] {
                  sockaddr_in addr = loopback();
                  addr.sin_addr.s_addr = htonl(0xC0000201); /* 192.0.2.1: nobody's */
                  EXPECT_EQ(-EADDRNOTAVAIL, listen_at(addr));
                  addr.sin_family = 255;
                  EXPECT_EQ(-EAFNOSUPPORT, listen_at(addr));
                  return 0;
              }));
}

/* Every core has its listener on the one port; the kernel spreads the connections. */
struct Sharing {
    sockaddr_in addr;
    int count[2];
    bool stop;
};

int serve_a_share(void *arg)
{
    auto sharing = static_cast<Sharing *>(arg);
    Fd listener(listen_at(sharing->addr));
    EXPECT_GE(listener, 0);
    coil_acceptor acceptor = {};
    coil_acceptor_open(&acceptor, listener, 0);
    int conn;
    while ((conn = coil_acceptor_next(&acceptor)) >= 0) {
        EXPECT_EQ(1, coil_send(conn, "!", 1, 0));
        sharing->count[coil_core_self()]++;
        EXPECT_EQ(0, coil_close(conn));
    }
    coil_acceptor_close(&acceptor);
    return conn == -ECANCELED ? 0 : conn;
}

TEST(TcpListen, LetsEveryCoreServeTheSamePort)
{
    coil_options options = cores(2);
    Sharing sharing = {};
    auto body = [&] {
        Fd first(listen_at(loopback()));
        sharing.addr = address_of(first);
        COIL_SCOPE(scope, COIL_FOREVER);
        for (unsigned core = 0; core < 2; core++)
            EXPECT_EQ(0, coil_spawn_on(&scope, core, serve_a_share, &sharing));
        int err = coil_sleep(50 * COIL_MSEC); /* not to wait for them: to mix with their start */
        EXPECT_EQ(0, err);
        EXPECT_EQ(0, coil_close(first.release()));
        for (int i = 0; i < 200; i++) {
            Fd conn(coil_socket(AF_INET, SOCK_STREAM, 0));
            char byte;
            if (coil_connect(conn, as_sockaddr(sharing.addr), sizeof(sharing.addr)) < 0)
                continue; /* it went to the first, as it was closed */
            EXPECT_EQ(1, coil_recv(conn, &byte, 1, 0));
        }
        coil_scope_cancel(&scope);
        return coil_scope_close(&scope, 0);
    };
    EXPECT_EQ(0, run(body, options));
    EXPECT_GT(sharing.count[0], 0);
    EXPECT_GT(sharing.count[1], 0);
    EXPECT_GE(sharing.count[0] + sharing.count[1], 190);
}

} // namespace
