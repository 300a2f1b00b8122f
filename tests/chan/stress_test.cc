/* SPDX-License-Identifier: MIT */
/* Senders and receivers that give up at random: each value arrives once, or was not sent. */
#include "support/running.h"
#include "support/sanitizer.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <random>
#include <set>
#include <vector>

using namespace coil_test;

namespace {

constexpr unsigned kSeeds = kSanitized ? 60 : 800;

std::vector<int> disposed;

void note_disposed(void *value)
{
    disposed.push_back(*static_cast<int *>(value));
}

/* Values are numbers, drawn as a send begins; a receive draws a number of its own. */
struct Market {
    static constexpr int kSenders = 4, kReceivers = 4, kSends = 15;

    std::mt19937 random;
    bool drops; /* whether futures are dropped: what was received then goes back */
    std::vector<int> slots;
    coil_chan chan;
    int next_value = 1, next_receive = 1, senders = kSenders;
    std::set<int> sent, not_sent;
    std::map<int, int> received; /* by number of the receive */
    int gave_up = 0, dropped = 0;
    std::vector<coil_scope *> scopes = std::vector<coil_scope *>(kSenders + kReceivers);

    Market(unsigned seed, bool with_drops) : random(seed), drops(with_drops)
    {
        static constexpr size_t counts[] = {0, 1, 2, 5};
        slots.resize(counts[seed % 4]);
        coil_chan_init(&chan, slots.data(), sizeof(int), slots.size());
        coil_chan_dispose_by(&chan, note_disposed);
        disposed.clear();
    }

    int choose(int count) { return int(random() % unsigned(count)); }

    void linger(int most)
    {
        for (int turns = choose(most + 1); turns > 0; turns--)
            (void)!coil_yield();
    }

    /* What becomes of a started future: its result, or 1 when it is to be dropped. */
    int settle(coil_future *future)
    {
        linger(4);
        switch (choose(drops ? 4 : 3)) {
        case 0:
            coil_future_cancel(future);
            return int(coil_await(future));
        case 1:
            return int(coil_await_until(future, coil_after(choose(20) * COIL_USEC)));
        case 2:
            return int(coil_await(future));
        default:
            return 1;
        }
    }

    int send(const int *value)
    {
        if (choose(2) == 0)
            return coil_chan_send(&chan, value);
        COIL_FUTURE(future);
        coil_chan_send_start(&future, &chan, value);
        int result = settle(&future);
        if (result > 0) { /* a drop that wants to know: what COIL_FUTURE() does, and the result */
            coil_future_cancel(&future);
            result = int(coil_await(&future));
        }
        return result;
    }

    int recv(int *value)
    {
        if (choose(2) == 0)
            return coil_chan_recv(&chan, value);
        COIL_FUTURE(future);
        coil_chan_recv_start(&future, &chan, value);
        return settle(&future);
    }

    void send_once()
    {
        int value = next_value++;
        int result = send(&value);
        EXPECT_TRUE(result == 0 || result == -ECANCELED || result == -ETIMEDOUT) << result;
        (result == 0 ? sent : not_sent).insert(value);
        gave_up += result < 0;
    }

    bool recv_once()
    {
        int number = next_receive++, value = 0;
        int result = recv(&value);
        if (result == 0)
            received[number] = value;
        gave_up += result < 0;
        dropped += result > 0;
        return result != -EPIPE;
    }

    template <class Once> void many(coil_scope **mine, Once once)
    {
        for (bool goes_on = true; goes_on;) {
            COIL_SCOPE(scope, choose(4) == 0 ? coil_after(30 * COIL_USEC) : COIL_FOREVER);
            *mine = &scope;
            goes_on = once();
            linger(2);
            *mine = nullptr;
        }
    }

    int disturb()
    {
        while (senders > 0) {
            coil_scope *victim = scopes[size_t(choose(int(scopes.size())))];
            if (victim != nullptr && choose(2) == 0)
                coil_scope_cancel(victim);
            EXPECT_EQ(0, choose(8) == 0 ? coil_sleep(10 * COIL_USEC) : coil_yield());
        }
        coil_chan_close(&chan);
        return 0;
    }

    void live()
    {
        Children children;
        COIL_SCOPE(scope, coil_after(100 * COIL_SEC)); /* a lost wake-up ends it, as a failure */
        for (size_t i = 0; i < kSenders; i++) {
            children.start(scope, [this, i] {
                int left = kSends;
                many(&scopes[i], [&] {
                    send_once();
                    return --left > 0;
                });
                senders--;
                return 0;
            });
        }
        for (size_t i = kSenders; i < scopes.size(); i++) {
            children.start(scope, [this, i] {
                many(&scopes[i], [&] { return recv_once(); });
                return 0;
            });
        }
        children.start(scope, [this] { return disturb(); });
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        coil_chan_destroy(&chan);
    }

    void expect_each_value_once()
    {
        std::vector<int> arrived = disposed;
        for (const auto &[number, value] : received)
            arrived.push_back(value);
        std::sort(arrived.begin(), arrived.end());
        EXPECT_EQ(std::vector<int>(sent.begin(), sent.end()), arrived) << "lost, or more than once";
        EXPECT_EQ(size_t(kSenders * kSends), sent.size() + not_sent.size());
    }

    /* Earlier receives have got what was sent earlier. */
    void expect_order()
    {
        int last = 0;
        for (const auto &[number, value] : received) {
            EXPECT_LT(last, value);
            last = value;
        }
    }
};

void expect_a_fair_market(bool drops)
{
    int received = 0, gave_up = 0, dropped = 0, thrown_away = 0;
    run([&] {
        for (unsigned seed = 1; seed <= kSeeds && !testing::Test::HasFailure(); seed++) {
            SCOPED_TRACE(seed);
            Market market(seed, drops);
            market.live();
            market.expect_each_value_once();
            if (!drops)
                market.expect_order();
            received += int(market.received.size());
            gave_up += market.gave_up;
            dropped += market.dropped;
            thrown_away += int(disposed.size());
        }
        return 0;
    });
    EXPECT_GT(received, int(kSeeds) * 10) << "the markets were too tame";
    EXPECT_GT(gave_up, int(kSeeds));
    EXPECT_EQ(drops, dropped > int(kSeeds));
    EXPECT_TRUE(drops || thrown_away == 0);
}

TEST(ChanStress, EveryValueArrivesOnceAndInOrderSlow)
{
    expect_a_fair_market(false);
}

TEST(ChanStress, EveryValueArrivesOnceThoughReceivesAreDroppedSlow)
{
    expect_a_fair_market(true);
}

} // namespace
