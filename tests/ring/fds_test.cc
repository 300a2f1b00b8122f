/* SPDX-License-Identifier: MIT */
/* What is counted of a descriptor number, and what closing it costs by that. */
#include "ops/sockets.h"
#include "support/fds.h"
#include "support/running.h"

#include <coil/fd.h>
#include <coil/net.h>
#include <coil/receiver.h>
#include <string>
#include <vector>

namespace {

using namespace coil_test;

/* The entries that it takes to close a descriptor. */
unsigned entries_to_close(int fd)
{
    COIL_FUTURE(close);
    unsigned before = coil__ring_unsubmitted(coil__ring_here);
    coil_close_start(&close, fd);
    unsigned entries = coil__ring_unsubmitted(coil__ring_here) - before;
    EXPECT_EQ(0, coil_await(&close));
    return entries;
}

TEST(Fds, CountWhatIsInFlightOnEach)
{
    EXPECT_EQ(0, run([] {
                  Pair one = make_pipe(), other = make_pipe();
                  char bytes[2];
                  COIL_FUTURE(read);
                  COIL_FUTURE(poll);
                  EXPECT_EQ(0u, in_flight_on(one.left));
                  coil_read_start(&read, one.left, bytes, 1);
                  coil_poll_start(&poll, one.left, POLLIN);
                  EXPECT_EQ(2u, in_flight_on(one.left));
                  EXPECT_EQ(0u, in_flight_on(one.right));
                  EXPECT_EQ(0u, in_flight_on(other.left));
                  EXPECT_EQ(1, coil_write(one.right, "x", 1));
                  EXPECT_EQ(1, coil_await(&read));
                  coil_future_drop(&poll);
                  expect_counted();
                  EXPECT_EQ(0u, in_flight_on(one.left));
                  return 0;
              }));
}

/* To find what is in flight on it the kernel looks through all that is in flight: with thousands of
 * connections that takes longer than all else that is done for one. */
TEST(Fds, AreClosedByOneEntryWhereNothingIsInFlight)
{
    EXPECT_EQ(0, run([] {
                  Pair quiet = make_pipe(), awaited = make_pipe();
                  char byte;
                  COIL_FUTURE(read);
                  coil_read_start(&read, awaited.left, &byte, 1);
                  EXPECT_EQ(0, coil_yield());
                  EXPECT_EQ(1u, entries_to_close(quiet.left.release()));
                  EXPECT_EQ(0, coil_close(awaited.left.release()));
                  EXPECT_EQ(-ECANCELED, coil_await(&read));
                  expect_counted();
                  return 0;
              }));
}

TEST(Fds, AreClosedByOneEntryAfterAConnectionsLife)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  shrink_buffer(pair.left, SO_SNDBUF, 4096);
                  std::vector<char> bytes(100000, 'x'); /* a reply of them takes several sends */
                  Body client = [&] {
                      ssize_t n = coil_send_all(pair.right, bytes.data(), bytes.size(), 0);
                      EXPECT_EQ(ssize_t(bytes.size()), n);
                      EXPECT_EQ(n, coil_recv_all(pair.right, bytes.data(), bytes.size(), 0));
                      return coil_shutdown(pair.right, SHUT_WR);
                  };
                  COIL_SCOPE(scope, COIL_FOREVER);
                  spawn(&scope, client);
                  coil_receiver receiver = {};
                  coil_receiver_open(&receiver, pair.left);
                  void *data;
                  ssize_t n;
                  while ((n = coil_receiver_next(&receiver, &data)) > 0) /* ends with the stream */
                      EXPECT_EQ(0, coil_receiver_reply(&receiver, data, size_t(n)));
                  EXPECT_EQ(0, n);
                  coil_receiver_close(&receiver);
                  expect_counted();
                  EXPECT_EQ(1u, entries_to_close(pair.left.release()));
                  return coil_scope_close(&scope, 0);
              }));
}

/* The peer's end is told to a poll that did not ask for it, which begins again by itself. */
TEST(Fds, CountAPollThatBeginsAgainOnce)
{
    EXPECT_EQ(0, run([] {
                  Pair pair = make_tcp_pair();
                  std::string bytes(4 << 20, 'x');
                  EXPECT_LT(0, send(pair.left, bytes.data(), bytes.size(), MSG_DONTWAIT));
                  COIL_FUTURE(poll);
                  EXPECT_EQ(0, shutdown(pair.right, SHUT_WR));
                  coil_poll_start(&poll, pair.left, POLLOUT);
                  turn();
                  EXPECT_FALSE(coil_future_done(&poll));
                  EXPECT_EQ(1u, in_flight_on(pair.left));
                  coil_future_cancel(&poll);
                  EXPECT_EQ(-ECANCELED, coil_await(&poll));
                  EXPECT_EQ(0u, in_flight_on(pair.left));
                  expect_counted();
                  return 0;
              }));
}

} // namespace
