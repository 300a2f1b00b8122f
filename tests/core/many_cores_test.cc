/* SPDX-License-Identifier: MIT */
/*
 * All that cores say to each other, at once and among all of them, with fewer threads than this
 * machine has CPUs, as many, and more.
 */
#include "support/running.h"

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

using namespace coil_test;

namespace {

class ManyCores : public testing::TestWithParam<unsigned> {
protected:
    /* Runs `body` on each core at once, with the core's number. */
    static int on_each_core(const std::function<int(unsigned)> &body)
    {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        int err = 0;
        for (unsigned core = 0; core < coil_core_count() && err == 0; core++)
            err = children.spawn_on(scope, core, [&body, core] { return body(core); });
        return coil_scope_close(&scope, err);
    }

    static constexpr int kRounds = kSanitized ? 100 : 2000;
};

TEST_P(ManyCores, CallEachOther)
{
    auto body = [](unsigned core) {
        for (unsigned i = 0; i < kRounds; i++) {
            unsigned to = (core + i) % coil_core_count();
            EXPECT_EQ(int(to), call(to, [] {
                          EXPECT_EQ(0, coil_sleep(1));
                          return int(coil_core_self());
                      }));
        }
        return 0;
    };
    EXPECT_EQ(0, run([&] { return on_each_core(body); }, cores(GetParam())));
}

/* One message, on its way to and fro until it has gone often enough. */
struct Token {
    coil_message message;
    int left;
    coil_promise *arrived;
};

void hop(coil_message *message)
{
    auto *token = reinterpret_cast<Token *>(message);
    if (token->left-- == 0) {
        EXPECT_EQ(0, coil_promise_set(token->arrived, 1));
        return;
    }
    EXPECT_EQ(0, coil_post_core((coil_core_self() + 1) % coil_core_count(), message));
}

TEST_P(ManyCores, PassMessagesOnAllRound)
{
    auto body = [](unsigned core) {
        COIL_PROMISE(arrived);
        Token token = {{nullptr, hop}, kRounds, &arrived};
        EXPECT_EQ(0, coil_post_core(core, &token.message));
        EXPECT_EQ(1, coil_promise_wait(&arrived));
        return 0;
    };
    EXPECT_EQ(0, run([&] { return on_each_core(body); }, cores(GetParam())));
}

/* Each core sends to all and receives from all by one channel. */
TEST_P(ManyCores, ShareAChannel)
{
    const unsigned count = GetParam();
    int slots[4];
    coil_xchan chan;
    coil_xchan_init(&chan, slots, sizeof(slots[0]), 4);
    std::atomic<unsigned> sending{count};
    std::atomic<int64_t> received{0}, sum{0};
    auto send = [&] {
        for (int i = 1; i <= kRounds; i++)
            EXPECT_EQ(0, coil_xchan_send(&chan, &i));
        if (--sending == 0)
            coil_xchan_close(&chan);
        return 0;
    };
    auto body = [&](unsigned) {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, send);
        for (int number; coil_xchan_recv(&chan, &number) == 0; sum += number)
            received++;
        return coil_scope_close(&scope, 0);
    };
    EXPECT_EQ(0, run([&] { return on_each_core(body); }, cores(count)));
    coil_xchan_destroy(&chan);
    EXPECT_EQ(int64_t(count) * kRounds, received);
    EXPECT_EQ(int64_t(count) * kRounds * (kRounds + 1) / 2, sum);
}

struct Letter {
    coil_message message;
    std::atomic<int> *arrived;
};

/* A thread that is no core writes to each of them. */
TEST_P(ManyCores, HearAThread)
{
    auto body = [](unsigned) {
        std::atomic<int> arrived{0};
        std::vector<Letter> letters(kRounds);
        COIL_PORT(port);
        EXPECT_EQ(0, coil_port_open(&port));
        std::thread writer([&] {
            for (Letter &letter : letters) {
                letter.arrived = &arrived;
                letter.message.deliver = [](coil_message *message) {
                    ++*reinterpret_cast<Letter *>(message)->arrived;
                };
                EXPECT_EQ(0, coil_post(&port, &letter.message));
            }
        });
        while (arrived < kRounds)
            EXPECT_EQ(0, coil_sleep(100 * COIL_USEC));
        writer.join();
        return 0;
    };
    EXPECT_EQ(0, run([&] { return on_each_core(body); }, cores(GetParam())));
}

/* What waits on all cores, for all others, is cancelled and has ended before the scope has. */
TEST_P(ManyCores, AreCancelledTogether)
{
    std::atomic<int> waiting{0}, cancelled{0};
    auto body = [&](unsigned core) {
        int result = call((core + 1) % coil_core_count(), [&] {
            waiting++;
            int outcome = wait_for_ever();
            cancelled += outcome == -ECANCELED;
            return outcome;
        });
        EXPECT_EQ(-ECANCELED, result);
        return result;
    };
    for (int i = 0; i < 20; i++) {
        waiting = cancelled = 0;
        EXPECT_EQ(0, run(
                         [&] {
                             Children children;
                             COIL_SCOPE(scope, COIL_FOREVER);
                             children.start(scope, [&] { return on_each_core(body); });
                             wait_until([&] { return waiting == int(GetParam()); });
                             coil_scope_cancel(&scope);
                             EXPECT_EQ(0, coil_scope_close(&scope, 0));
                             EXPECT_EQ(int(GetParam()), cancelled);
                             return 0;
                         },
                         cores(GetParam())));
    }
}

INSTANTIATE_TEST_SUITE_P(Each, ManyCores, testing::Values(1, 2, 4, 8),
                         [](const testing::TestParamInfo<unsigned> &count) {
                             return "With" + std::to_string(count.param);
                         });

} // namespace
