/* SPDX-License-Identifier: MIT */
/* Channels whose ends are on different cores. What all waits have in common is in waits_test.cc. */
#include "support/running.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <unistd.h>
#include <vector>

using namespace coil_test;

namespace {

/* A channel of numbers with room for `slots` of them. */
struct Numbers {
    std::vector<int> slots;
    coil_xchan chan;

    explicit Numbers(size_t count) : slots(count)
    {
        coil_xchan_init(&chan, slots.data(), sizeof(int), count);
    }
    ~Numbers() { coil_xchan_destroy(&chan); }

    int send(int value) { return coil_xchan_send(&chan, &value); }
    int recv()
    {
        int value = 0, err = coil_xchan_recv(&chan, &value);
        return err < 0 ? err : value;
    }
    int try_recv()
    {
        int value = 0, err = coil_xchan_try_recv(&chan, &value);
        return err < 0 ? err : value;
    }
};

TEST(Xchan, BringsValuesFromCoreToCoreInTheirOrder)
{
    for (size_t slots : {0u, 1u, 7u, 64u}) {
        run(
            [&] {
                constexpr int kValues = 500;
                Numbers numbers(slots);
                Children children;
                COIL_SCOPE(scope, COIL_FOREVER);
                EXPECT_EQ(0, children.spawn_on(scope, 1, [&] {
                    for (int i = 1; i <= kValues; i++)
                        EXPECT_EQ(0, numbers.send(i));
                    coil_xchan_close(&numbers.chan);
                    return 0;
                }));
                for (int i = 1; i <= kValues; i++)
                    EXPECT_EQ(i, numbers.recv());
                EXPECT_EQ(-EPIPE, numbers.recv());
                return coil_scope_close(&scope, 0);
            },
            cores(2));
    }
}

TEST(Xchan, TryNeverWaits)
{
    run([] {
        Numbers numbers(1);
        int value = 3;
        EXPECT_EQ(-EAGAIN, numbers.try_recv());
        EXPECT_EQ(0, coil_xchan_try_send(&numbers.chan, &value));
        EXPECT_EQ(-EAGAIN, coil_xchan_try_send(&numbers.chan, &value));
        EXPECT_EQ(3, numbers.try_recv());
        coil_xchan_close(&numbers.chan);
        EXPECT_EQ(-EPIPE, coil_xchan_try_send(&numbers.chan, &value));
        EXPECT_EQ(-EPIPE, numbers.try_recv());
        return 0;
    });
}

/* Both the sender's and the receiver's end may close, on whichever core they are. */
TEST(Xchan, ClosingFromEitherEndEndsWhoWaitsOnOtherCores)
{
    for (bool now : {false, true}) {
        run(
            [&] {
                Numbers full(1), empty(1);
                std::atomic<int> ended{0};
                Children children;
                COIL_SCOPE(scope, COIL_FOREVER);
                EXPECT_EQ(0, full.send(1));
                for (unsigned core = 0; core < 3; core++) {
                    EXPECT_EQ(0, children.spawn_on(scope, core, [&] {
                        EXPECT_EQ(-EPIPE, full.send(2));
                        return ended++, 0;
                    }));
                    EXPECT_EQ(0, children.spawn_on(scope, core, [&] {
                        EXPECT_EQ(-EPIPE, empty.recv());
                        return ended++, 0;
                    }));
                }
                EXPECT_EQ(0, coil_sleep(2 * COIL_MSEC)); /* most wait by then */
                EXPECT_EQ(0, call(1, [&] {
                              for (coil_xchan *chan : {&full.chan, &empty.chan})
                                  (now ? coil_xchan_close_now : coil_xchan_close)(chan);
                              return 0;
                          }));
                EXPECT_EQ(0, coil_scope_close(&scope, 0));
                EXPECT_EQ(6, ended);
                EXPECT_EQ(now ? -EPIPE : 1, full.recv());
                EXPECT_EQ(-EPIPE, full.recv());
                return 0;
            },
            cores(3));
    }
}

std::atomic<int> disposals;

TEST(Xchan, ClosedNowByAllDisposesOfEachValueOnce)
{
    for (int round = 0; round < rounds(100); round++) {
        disposals = 0;
        run(
            [] {
                Numbers numbers(8);
                coil_xchan_dispose_by(&numbers.chan, [](void *) { disposals++; });
                for (int i = 0; i < 8; i++)
                    EXPECT_EQ(0, numbers.send(i));
                Children children;
                COIL_SCOPE(scope, COIL_FOREVER);
                for (unsigned core = 0; core < 3; core++)
                    EXPECT_EQ(0, children.spawn_on(scope, core, [&] {
                        coil_xchan_close_now(&numbers.chan);
                        EXPECT_EQ(-EPIPE, numbers.try_recv());
                        return 0;
                    }));
                return coil_scope_close(&scope, 0);
            },
            cores(3));
        EXPECT_EQ(8, disposals);
    }
}

TEST(Xchan, NobodyReceivesWhatIsBeingDisposedOf)
{
    static Numbers *closed;
    static std::vector<int> seen;
    run([] {
        Numbers numbers(4);
        closed = &numbers;
        seen.clear();
        coil_xchan_dispose_by(&numbers.chan, [](void *) { seen.push_back(closed->try_recv()); });
        for (int i = 0; i < 4; i++)
            EXPECT_EQ(0, numbers.send(i));
        coil_xchan_close_now(&numbers.chan);
        EXPECT_EQ(std::vector<int>(4, -EPIPE), seen);
        return 0;
    });
}

/* Sends the writing ends of pipes to a core that takes `taken` of them and then ends, whether with
 * a word or not. Returns how many were sent. */
int send_descriptors(int (&readers)[20], int taken, bool closes)
{
    Numbers fds(4);
    coil_xchan_dispose_by(&fds.chan, [](void *fd) { close(*static_cast<int *>(fd)); });
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    EXPECT_EQ(0, children.spawn_on(scope, 1, [&] {
        for (int i = 0; i < taken; i++)
            EXPECT_EQ(0, close(fds.recv()));
        if (closes)
            coil_xchan_close_now(&fds.chan);
        return 0;
    }));
    int sent = 0;
    for (int &reader : readers) {
        int ends[2];
        EXPECT_EQ(0, pipe2(ends, O_CLOEXEC | O_NONBLOCK));
        reader = ends[0];
        if (sent < taken || closes ? fds.send(ends[1]) == 0
                                   : coil_xchan_try_send(&fds.chan, &ends[1]) == 0)
            sent++;
        else
            EXPECT_EQ(0, close(ends[1])); /* still ours */
    }
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
    return sent; /* and the channel's life ends */
}

TEST(Xchan, ClosesADescriptorThatWasSentToACoreThatEnds)
{
    for (int round = 0; round < rounds(50); round++) {
        run(
            [=] {
                int readers[20], taken = round % 7;
                int sent = send_descriptors(readers, taken, round % 2 == 0);
                EXPECT_GE(sent, taken);
                for (int reader : readers) {
                    char byte;
                    EXPECT_EQ(0, read(reader, &byte, 1)) << "its other end is open";
                    close(reader);
                }
                return 0;
            },
            cores(2));
    }
}

/* Whoever was served may free the channel at once: nobody touches it any more. */
TEST(Xchan, MayEndAsSoonAsItsLastValueIsThere)
{
    run(
        [] {
            for (int round = 0; round < rounds(500); round++) {
                auto numbers = std::make_unique<Numbers>(size_t(round % 2));
                Children children;
                COIL_SCOPE(scope, COIL_FOREVER);
                Numbers *chan = numbers.get();
                EXPECT_EQ(0, children.spawn_on(scope, 1, [=] { return chan->send(round); }));
                EXPECT_EQ(round, numbers->recv());
                if (round % 2 == 0) { /* without slots the send ends with the receive */
                    numbers.reset();
                }
                EXPECT_EQ(0, coil_scope_close(&scope, 0));
            }
            return 0;
        },
        cores(2));
}

TEST(Xchan, WaitsForEachOtherAcrossCoresAreADeadlock)
{
    coil_options options = cores(2);
    options.log = [](const char *) {};
    EXPECT_EQ(-EDEADLK, run(
                            [] {
                                Numbers numbers(1);
                                Children children;
                                COIL_SCOPE(scope, COIL_FOREVER);
                                EXPECT_EQ(0, children.spawn_on(scope, 1, [&] {
                                    EXPECT_EQ(-ECANCELED, numbers.recv());
                                    return 0;
                                }));
                                EXPECT_EQ(-ECANCELED, numbers.recv());
                                return 0;
                            },
                            options));
}

/* Senders and receivers on all cores, who give up at random. */
struct Market {
    static constexpr int kSends = 60;
    Numbers numbers;
    std::mutex lock; /* of what follows; for the test only */
    std::multiset<int> sent, received;
    std::atomic<int> gave_up{0};

    explicit Market(size_t slots) : numbers(slots) {}

    /* Values of one sender rise, and those it gave up do not come. */
    int send_all(int sender, unsigned seed)
    {
        std::mt19937 random(seed);
        std::vector<int> mine;
        for (int i = 0; i < kSends; i++) {
            int value = sender * 1000 + i;
            COIL_SCOPE(scope, random() % 3 == 0 ? coil_after(int64_t(random() % 40) * COIL_USEC)
                                                : COIL_FOREVER);
            int err = numbers.send(value);
            EXPECT_EQ(err < 0 ? -ETIMEDOUT : 0, coil_scope_close(&scope, 0));
            if (err == 0)
                mine.push_back(value);
            gave_up += err < 0;
        }
        std::lock_guard<std::mutex> guard(lock);
        sent.insert(mine.begin(), mine.end());
        return 0;
    }

    int receive_all(unsigned seed)
    {
        std::mt19937 random(seed);
        std::vector<int> mine;
        std::array<int, 16> last;
        last.fill(-1);
        for (int value = 0; value != -EPIPE;) {
            int place = 0;
            COIL_FUTURE(future);
            coil_xchan_recv_start(&future, &numbers.chan, &place);
            ssize_t err =
                random() % 3 != 0
                    ? coil_await(&future)
                    : coil_await_until(&future, coil_after(int64_t(random() % 40) * COIL_USEC));
            value = err < 0 ? int(err) : place;
            gave_up += err == -ETIMEDOUT;
            if (err < 0)
                continue;
            EXPECT_LT(last[size_t(value / 1000)], value) << "out of order";
            last[size_t(value / 1000)] = value;
            mine.push_back(value);
        }
        std::lock_guard<std::mutex> guard(lock);
        received.insert(mine.begin(), mine.end());
        return 0;
    }

    int trade()
    {
        Children senders, receivers;
        COIL_SCOPE(sending, COIL_FOREVER);
        COIL_SCOPE(receiving, COIL_FOREVER);
        for (unsigned i = 0; i < 6; i++) {
            EXPECT_EQ(0, receivers.spawn_on(receiving, i % coil_core_count(),
                                            [=] { return receive_all(i + 99); }));
        }
        {
            COIL_SCOPE(inner, COIL_FOREVER);
            for (unsigned i = 0; i < 6; i++) {
                EXPECT_EQ(0, senders.spawn_on(inner, i % coil_core_count(),
                                              [=] { return send_all(int(i), i + 7); }));
            }
            EXPECT_EQ(0, coil_scope_close(&inner, 0));
        }
        coil_xchan_close(&numbers.chan);
        EXPECT_EQ(0, coil_scope_close(&receiving, 0));
        return coil_scope_close(&sending, 0);
    }
};

TEST(XchanStress, EveryValueArrivesOnceAndInOrderSlow)
{
    int gave_up = 0;
    for (int round = 0; round < rounds(60); round++) {
        for (unsigned core_count : {2u, 4u}) {
            static constexpr size_t kSlots[] = {0, 1, 2, 5};
            Market market(kSlots[round % 4]);
            EXPECT_EQ(0, run([&] { return market.trade(); }, cores(core_count)));
            EXPECT_EQ(market.sent, market.received);
            gave_up += market.gave_up;
        }
    }
    EXPECT_GT(gave_up, 0);
}

} // namespace
