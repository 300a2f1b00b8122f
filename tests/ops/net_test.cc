/* SPDX-License-Identifier: MIT */
/* net.h in both spellings, on TCP and UDP over loopback and on socket pairs. */
#include "ops/sockets.h"
#include "support/running.h"

#include <coil/fd.h>
#include <coil/net.h>
#include <set>
#include <sys/uio.h>

namespace {

using namespace coil_test;

Fd bound(int type, const sockaddr_in &addr = loopback())
{
    Fd fd(coil_socket(AF_INET, type, 0));
    EXPECT_EQ(0, coil_bind(fd, as_sockaddr(addr), sizeof(addr)));
    return fd;
}

TEST(Net, ConnectsInTheWaitingSpelling)
{
    EXPECT_EQ(0, run([] {
                  Fd listener = bound(SOCK_STREAM);
                  EXPECT_EQ(0, coil_listen(listener, 8));
                  sockaddr_in addr = {}, from = {};
                  socklen_t len = sizeof(addr), from_len = sizeof(from);
                  EXPECT_EQ(0,
                            coil_getsockname(listener, reinterpret_cast<sockaddr *>(&addr), &len));
                  Fd client(coil_socket(AF_INET, SOCK_STREAM, 0));
                  EXPECT_TRUE(closes_on_exec(client));
                  EXPECT_EQ(0, coil_connect(client, as_sockaddr(addr), len));
                  Fd conn(coil_accept(listener, reinterpret_cast<sockaddr *>(&from), &from_len,
                                      SOCK_NONBLOCK));
                  EXPECT_TRUE(closes_on_exec(conn));
                  EXPECT_TRUE(is_simulated(conn) || (fcntl(conn, F_GETFL) & O_NONBLOCK) != 0);
                  EXPECT_EQ(address_of(client).sin_port, from.sin_port);
                  return 0;
              }));
}

TEST(Net, ConnectsInTheStartingSpelling)
{
    EXPECT_EQ(0, run([] {
                  COIL_FUTURE(one);
                  COIL_FUTURE(two);
                  coil_socket_start(&one, AF_INET, SOCK_STREAM, 0);
                  coil_socket_start(&two, AF_INET, SOCK_STREAM, 0);
                  Fd listener(int(coil_await(&one))), client(int(coil_await(&two)));
                  EXPECT_TRUE(closes_on_exec(client));
                  sockaddr_in addr = loopback();
                  coil_bind_start(&one, listener, as_sockaddr(addr), sizeof(addr));
                  EXPECT_EQ(0, coil_await(&one));
                  coil_listen_start(&one, listener, 8);
                  EXPECT_EQ(0, coil_await(&one));
                  addr = address_of(listener);
                  coil_accept_start(&one, listener, nullptr, nullptr, 0);
                  coil_connect_start(&two, client, as_sockaddr(addr), sizeof(addr));
                  Fd conn(int(coil_await(&one)));
                  EXPECT_EQ(0, coil_await(&two));
                  EXPECT_TRUE(closes_on_exec(conn));
                  coil_shutdown_start(&one, conn, SHUT_WR);
                  EXPECT_EQ(0, coil_await(&one));
                  char byte;
                  EXPECT_EQ(0, coil_recv(client, &byte, 1, 0));
                  return 0;
              }));
}

TEST(Net, SendsAndReceivesInBothSpellings)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  char bytes[8];
                  EXPECT_EQ(4, coil_send(pair.left, "ping", 4, 0));
                  EXPECT_EQ(4, coil_recv(pair.right, bytes, 8, MSG_PEEK));
                  EXPECT_EQ(4, coil_recv(pair.right, bytes, 8, 0));
                  EXPECT_EQ(-EAGAIN, coil_recv(pair.right, bytes, 8, MSG_DONTWAIT));
                  COIL_FUTURE(recv);
                  COIL_FUTURE(send);
                  coil_recv_start(&recv, pair.left, bytes, 8, 0);
                  coil_send_start(&send, pair.right, "pong", 4, 0);
                  EXPECT_EQ(4, coil_await(&recv));
                  EXPECT_EQ(4, coil_await(&send));
                  EXPECT_EQ("pong", std::string(bytes, 4));
                  EXPECT_EQ(0, coil_send(pair.left, bytes, 0, 0));
                  EXPECT_EQ(0, coil_send_all(pair.left, bytes, 0, 0));
                  EXPECT_EQ(0, coil_recv_all(pair.left, bytes, 0, 0));
                  return 0;
              }));
}

/* For sanitizers: also where nothing is to be moved, no pointer is made of it. */
TEST(Net, NoMemoryWillDoForNoBytes)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  char bytes[2];
                  iovec pieces[] = {{nullptr, 0}, {bytes, 2}};
                  msghdr message = {};
                  message.msg_iov = pieces;
                  message.msg_iovlen = 2;
                  EXPECT_EQ(0, coil_send(pair.left, nullptr, 0, 0));
                  EXPECT_EQ(0, coil_send_all(pair.left, nullptr, 0, 0));
                  EXPECT_EQ(0, coil_send_zc_all(pair.left, nullptr, 0, 0));
                  EXPECT_EQ(4, coil_send(pair.left, "ping", 4, 0));
                  EXPECT_EQ(0, coil_recv(pair.right, nullptr, 0, 0));
                  EXPECT_EQ(2, coil_recvmsg(pair.right, &message, MSG_WAITALL));
                  EXPECT_EQ(2, coil_readv(pair.right, pieces, 2));
                  EXPECT_EQ("ng", std::string(bytes, 2));
                  return 0;
              }));
}

/* To wait for more the kernel would look once more, and find the same again. */
TEST(Net, PeeksAtWhatIsThereAlsoWhereAllIsAskedFor)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  char bytes[8] = {};
                  iovec iov = {bytes, 8};
                  msghdr message = {};
                  message.msg_iov = &iov;
                  message.msg_iovlen = 1;
                  EXPECT_EQ(4, coil_send(pair.left, "ping", 4, 0));
                  EXPECT_EQ(POLLIN, coil_poll(pair.right, POLLIN));
                  EXPECT_EQ(4, coil_recv(pair.right, bytes, 8, MSG_PEEK | MSG_WAITALL));
                  EXPECT_EQ(4, coil_recvmsg(pair.right, &message, MSG_PEEK | MSG_WAITALL));
                  EXPECT_EQ(-EINVAL, coil_recv_all(pair.right, bytes, 8, MSG_PEEK));
                  EXPECT_EQ(4, coil_recv_all(pair.right, bytes, 4, 0));
                  EXPECT_EQ("ping", std::string(bytes, 4));
                  return 0;
              }));
}

/* In two parts, of which the second has more than is still wanted. */
TEST(Net, ThrowsAwayAsMuchAsWasAskedFor)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
                  const Body thrower = [&] {
                      EXPECT_EQ(10, coil_recv_all(pair.right, nullptr, 10, MSG_TRUNC));
                      return 0;
                  };
                  spawn(&scope, thrower);
                  turn();
                  EXPECT_EQ(4, coil_send(pair.left, "0123", 4, 0));
                  while (bytes_waiting(pair.right) > 0)
                      turn();
                  turn();
                  EXPECT_EQ(10, coil_send(pair.left, "456789next", 10, 0));
                  EXPECT_EQ(0, coil_scope_close(&scope, 0));
                  char bytes[8];
                  EXPECT_EQ(4, coil_recv(pair.right, bytes, 8, 0));
                  EXPECT_EQ("next", std::string(bytes, 4));
                  COIL_FUTURE(recv);
                  coil_recv_start(&recv, pair.right, nullptr, 8, MSG_TRUNC | MSG_WAITALL);
                  EXPECT_EQ(4, coil_send(pair.left, "ping", 4, 0));
                  EXPECT_EQ(4, coil_await(&recv)) << "as without MSG_WAITALL";
                  return 0;
              }));
}

struct Message {
    char bytes[8] = {};
    iovec iov[3] = {{bytes, 3}, {bytes + 3, 1}, {bytes + 4, 4}};
    sockaddr_in from = {};
    msghdr header = {};

    Message()
    {
        header.msg_iov = iov;
        header.msg_iovlen = 3;
    }
};

TEST(Net, SendsAndReceivesMessagesOfSeveralPieces)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_socketpair();
                  Message out, in;
                  memcpy(out.bytes, "3 pieces", 8);
                  EXPECT_EQ(8, coil_sendmsg(pair.left, &out.header, 0));
                  EXPECT_EQ(8, coil_recvmsg(pair.right, &in.header, 0));
                  EXPECT_EQ("3 pieces", std::string(in.bytes, 8));
                  COIL_FUTURE(recv);
                  COIL_FUTURE(send);
                  memset(in.bytes, 0, 8);
                  coil_recvmsg_start(&recv, pair.left, &in.header, 0);
                  coil_sendmsg_start(&send, pair.right, &out.header, 0);
                  EXPECT_EQ(8, coil_await(&recv));
                  EXPECT_EQ(8, coil_await(&send));
                  EXPECT_EQ("3 pieces", std::string(in.bytes, 8));
                  return 0;
              }));
}

TEST(Net, RefusesMessagesOfTooManyPieces)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_socketpair();
                  Message message;
                  message.header.msg_iovlen = SIZE_MAX;
                  EXPECT_EQ(-EMSGSIZE, coil_sendmsg(pair.left, &message.header, 0));
                  EXPECT_EQ(-EMSGSIZE, coil_recvmsg(pair.right, &message.header, 0));
                  return 0;
              }));
}

TEST(Net, KeepsDatagramsApartAndTellsTheirSender)
{
    EXPECT_EQ(0, run([] {
                  Fd here = bound(SOCK_DGRAM), there = bound(SOCK_DGRAM);
                  sockaddr_in to = address_of(there);
                  EXPECT_EQ(0, coil_connect(here, as_sockaddr(to), sizeof(to)));
                  EXPECT_EQ(5, coil_send(here, "first", 5, 0));
                  EXPECT_EQ(0, coil_send(here, "", 0, 0));
                  EXPECT_EQ(12, coil_send(here, "much too long", 12, 0));
                  Message in;
                  in.header.msg_name = &in.from;
                  in.header.msg_namelen = sizeof(in.from);
                  std::set<ssize_t> lens; /* they may overtake each other */
                  for (int i = 0; i < 3; i++) {
                      ssize_t len = coil_recvmsg(there, &in.header, 0);
                      EXPECT_EQ(address_of(here).sin_port, in.from.sin_port);
                      EXPECT_EQ(len == 8, (in.header.msg_flags & MSG_TRUNC) != 0) << len;
                      lens.insert(len);
                  }
                  EXPECT_EQ((std::set<ssize_t>{0, 5, 8}), lens) << "an empty one is not the end";
                  there.reset(-1);
                  EXPECT_EQ(1, coil_send(here, "?", 1, 0));
                  char byte;
                  EXPECT_EQ(-ECONNREFUSED, coil_recv(here, &byte, 1, 0));
                  EXPECT_EQ(1, coil_send(here, "?", 1, 0)) << "told once; the socket lives";
                  return 0;
              }));
}

TEST(Net, GivesTheErrorsOfTheSystemCalls)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  Fd gone = bound(SOCK_STREAM), tcp(coil_socket(AF_INET, SOCK_STREAM, 0));
                  EXPECT_EQ(0, coil_listen(gone, 1));
                  sockaddr_in addr = address_of(gone);
                  char byte = 0;
                  EXPECT_EQ(-EADDRINUSE, coil_bind(tcp, as_sockaddr(addr), sizeof(addr)));
                  gone.reset(-1);
                  EXPECT_EQ(-ECONNREFUSED, coil_connect(tcp, as_sockaddr(addr), sizeof(addr)));
                  EXPECT_EQ(-EBADF, coil_connect(-1, as_sockaddr(addr), sizeof(addr)));
                  EXPECT_EQ(-EBADF, coil_bind(-1, as_sockaddr(addr), sizeof(addr)));
                  EXPECT_EQ(-EBADF, coil_listen(-1, 1));
                  EXPECT_EQ(-EBADF, coil_accept(-1, nullptr, nullptr, 0));
                  EXPECT_EQ(-EBADF, coil_recv(-1, &byte, 1, 0));
                  EXPECT_EQ(-EBADF, coil_shutdown(-1, SHUT_RD));
                  EXPECT_EQ(-ENOTSOCK, coil_recv(pipe.left, &byte, 1, 0));
                  EXPECT_EQ(-ENOTSOCK, coil_send(pipe.right, &byte, 1, 0));
                  EXPECT_EQ(-ENOTSOCK, coil_listen(pipe.left, 1));
                  EXPECT_EQ(-ENOTSOCK, coil_accept(pipe.left, nullptr, nullptr, 0));
                  EXPECT_EQ(-EINVAL, coil_accept(tcp, nullptr, nullptr, 0)) << "not listening";
                  EXPECT_EQ(-EAFNOSUPPORT, coil_socket(255, SOCK_STREAM, 0));
                  EXPECT_EQ(-EINVAL, coil_bind(tcp, as_sockaddr(addr), 1));
                  EXPECT_EQ(-EINVAL, coil_shutdown(tcp, 77));
                  EXPECT_EQ(-EBADF, coil_setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &addr, 4));
                  socklen_t len = sizeof(addr);
                  EXPECT_EQ(-ENOTSOCK,
                            coil_getsockname(pipe.left, reinterpret_cast<sockaddr *>(&addr), &len));
                  return 0;
              }));
}

TEST(Net, SaysEpipeAndResetWithoutASignal)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair(), unix_pair = make_socketpair();
                  char byte;
                  reset_connection(pair.right);
                  EXPECT_EQ(-ECONNRESET, coil_recv(pair.left, &byte, 1, 0));
                  EXPECT_EQ(-EPIPE, coil_send(pair.left, "!", 1, 0));
                  EXPECT_EQ(-EPIPE, coil_send_all(pair.left, "!", 1, 0));
                  unix_pair.right.reset(-1);
                  Message out;
                  EXPECT_EQ(-EPIPE, coil_sendmsg(unix_pair.left, &out.header, 0));
                  return 0;
              }));
}

/* A buffer of a few KiB, and a megabyte to go through it. */
TEST(Net, SendsAndReceivesAllOverShortCounts)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  shrink_buffer(pair.left, SO_SNDBUF, 4096);
                  const size_t size = kSanitized ? 200'000 : 1'000'000;
                  std::string bytes = pattern(0, size), got(2 * size, '\0');
                  const Body sender = [&] {
                      EXPECT_EQ(ssize_t(size), coil_send_all(pair.left, bytes.data(), size, 0));
                      return coil_shutdown(pair.left, SHUT_WR);
                  };
                  COIL_SCOPE(scope, coil_after(30 * COIL_SEC));
                  spawn(&scope, sender);
                  size_t half = size / 2;
                  EXPECT_EQ(ssize_t(half), coil_recv_all(pair.right, got.data(), half, 0));
                  EXPECT_EQ(ssize_t(size - half), coil_recv_all(pair.right, &got[half], size, 0))
                      << "the end in the middle";
                  EXPECT_EQ(0, coil_scope_close(&scope, 0));
                  EXPECT_TRUE(bytes == got.substr(0, size));
                  return 0;
              }));
}

TEST(Net, ShutdownWakesWhoeverReceives)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  char byte;
                  COIL_FUTURE(recv);
                  coil_recv_start(&recv, pair.left, &byte, 1, 0);
                  turn();
                  EXPECT_FALSE(coil_future_done(&recv));
                  EXPECT_EQ(0, coil_shutdown(pair.left, SHUT_RDWR));
                  EXPECT_EQ(0, coil_await(&recv));
                  return 0;
              }));
}

} // namespace
