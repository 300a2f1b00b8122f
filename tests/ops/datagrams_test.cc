/* SPDX-License-Identifier: MIT */
/* Sending to a Unix socket whose queue of datagrams is full: see runtime/ops/datagrams.c. */
#include "ops/full_queue.h"
#include "support/running.h"

#include <coil/fd.h>
#include <coil/file.h>
#include <coil/net.h>

namespace {

using namespace coil_test;

/* A way to send a text, which FullQueue has in its message as well. */
struct Way {
    const char *name;
    bool is_connected;
    void (*start)(coil_future *, FullQueue &, const std::string &);
};

void PrintTo(const Way &way, std::ostream *out)
{
    *out << way.name;
}

void start_sendmsg(coil_future *future, FullQueue &to, const std::string &)
{
    coil_sendmsg_start(future, to.sender, &to.message.header, 0);
}

const Way kWays[] = {
    {"send", true,
     [](coil_future *future, FullQueue &to, const std::string &text) {
         coil_send_start(future, to.sender, text.data(), text.size(), 0);
     }},
    {"send_zc", true,
     [](coil_future *future, FullQueue &to, const std::string &text) {
         coil_send_zc_start(future, to.sender, text.data(), text.size(), 0);
     }},
    {"write", true,
     [](coil_future *future, FullQueue &to, const std::string &text) {
         coil_write_start(future, to.sender, text.data(), text.size());
     }},
    {"sendmsg", true, start_sendmsg},
    {"sendmsg_by_name", false, start_sendmsg},
};

class FullDatagrams : public testing::TestWithParam<Way> {
protected:
    /* Runs `body` with one send that waits for room behind `fillers` messages. */
    void with_waiting(void (*body)(FullQueue &, coil_future *, size_t fillers))
    {
        const Way way = GetParam();
        EXPECT_EQ(0, run([=] {
                      FullQueue to(way.is_connected);
                      to.open();
                      size_t fillers = to.fill();
                      std::string text = "message";
                      to.message.set(text);
                      COIL_FUTURE(sending);
                      way.start(&sending, to, text);
                      EXPECT_EQ(0, coil_sleep(5 * COIL_MSEC)) << "looked for room, and paused";
                      EXPECT_FALSE(coil_future_done(&sending));
                      body(to, &sending, fillers);
                      return 0;
                  }));
    }
};

void expect_fillers(FullQueue &to, size_t count)
{
    for (; count > 0; count--)
        ASSERT_EQ(FullQueue::kFiller, to.take());
}

TEST_P(FullDatagrams, ArriveWholeOnceThereIsRoom)
{
    with_waiting([](FullQueue &to, coil_future *sending, size_t fillers) {
        expect_fillers(to, fillers);
        EXPECT_EQ(7, coil_await(sending));
        EXPECT_EQ("message", to.take());
        EXPECT_EQ("", to.take());
    });
}

TEST_P(FullDatagrams, AreNotSentPastTheirDeadline)
{
    with_waiting([](FullQueue &to, coil_future *sending, size_t fillers) {
        EXPECT_EQ(-ETIMEDOUT, coil_await_until(sending, coil_now()));
        expect_fillers(to, fillers);
        EXPECT_EQ("", to.take());
    });
}

TEST_P(FullDatagrams, AreNotSentByTheNextSocketOfTheirNumber)
{
    COIL_SKIP_IF_SIMULATED("a close knows no socket but the world's");
    with_waiting([](FullQueue &to, coil_future *sending, size_t fillers) {
        int number = to.sender.release();
        EXPECT_EQ(0, coil_close(number));
        to.open();
        EXPECT_EQ(number, to.sender) << "or this tests nothing";
        expect_fillers(to, fillers);
        EXPECT_EQ(-ECANCELED, coil_await_until(sending, coil_after(10 * COIL_SEC)));
        EXPECT_EQ("", to.take());
    });
}

TEST_P(FullDatagrams, SayThatNobodyIsThereAnyMore)
{
    with_waiting([](FullQueue &to, coil_future *sending, size_t) {
        to.receiver.reset(-1);
        EXPECT_EQ(-ECONNREFUSED, coil_await_until(sending, coil_after(10 * COIL_SEC)));
    });
}

/* All of them wake when there is room for one. */
TEST_P(FullDatagrams, OfManySendersArriveWhole)
{
    enum { SENDERS = 20, MESSAGES = 10 };
    const Way way = GetParam();
    EXPECT_EQ(0, run([=] {
                  FullQueue to(way.is_connected);
                  to.open();
                  std::string text = "message";
                  to.message.set(text);
                  Body sender = [&] {
                      for (int i = 0; i < MESSAGES; i++) {
                          COIL_FUTURE(sending);
                          way.start(&sending, to, text);
                          EXPECT_EQ(7, coil_await(&sending));
                      }
                      return 0;
                  };
                  COIL_SCOPE(scope, coil_after(60 * COIL_SEC));
                  for (int i = 0; i < SENDERS; i++)
                      spawn(&scope, sender);
                  for (int i = 0; i < SENDERS * MESSAGES; i++) {
                      EXPECT_EQ(POLLIN, coil_poll(to.receiver, POLLIN));
                      EXPECT_EQ("message", to.take());
                  }
                  return coil_scope_close(&scope, 0);
              }));
}

INSTANTIATE_TEST_SUITE_P(Ways, FullDatagrams, testing::ValuesIn(kWays),
                         [](const auto &row) { return std::string(row.param.name); });

TEST(Datagrams, ArriveWholeAlsoFromASocketThatDoesNotBlock)
{
    EXPECT_EQ(0, run([] {
                  FullQueue to(true);
                  to.open(SOCK_NONBLOCK);
                  size_t fillers = to.fill();
                  COIL_FUTURE(sending);
                  coil_send_start(&sending, to.sender, "message", 7, 0);
                  EXPECT_EQ(0, coil_sleep(5 * COIL_MSEC));
                  expect_fillers(to, fillers);
                  EXPECT_EQ(7, coil_await(&sending));
                  EXPECT_EQ("message", to.take());
                  return 0;
              }));
}

TEST(Datagrams, AreRefusedAtOnceWhereNobodyWantsToWait)
{
    EXPECT_EQ(0, run([] {
                  FullQueue to(true);
                  to.open();
                  to.fill();
                  EXPECT_EQ(-EAGAIN, coil_send(to.sender, "!", 1, MSG_DONTWAIT));
                  return 0;
              }));
}

/* Nothing tells when there is room: the core is not to spin until then. */
TEST(Datagrams, ByNameAreWaitedForAsleep)
{
    const Body body = [] {
        FullQueue to(false);
        to.open();
        to.fill();
        std::string text = "message";
        to.message.set(text);
        COIL_FUTURE(sending);
        coil_sendmsg_start(&sending, to.sender, &to.message.header, 0);
        rusage before, after;
        getrusage(RUSAGE_THREAD, &before);
        EXPECT_EQ(0, coil_sleep(50 * COIL_MSEC));
        getrusage(RUSAGE_THREAD, &after);
        EXPECT_LT(5, after.ru_nvcsw - before.ru_nvcsw) << "how often it went to sleep";
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel()));
}

} // namespace
