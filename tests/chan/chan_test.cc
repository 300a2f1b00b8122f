/* SPDX-License-Identifier: MIT */
/* Channels: what arrives, in which order, who waits, and how they end. (All waits: waits_test.cc.)
 */
#include "support/running.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

using namespace coil_test;

namespace {

/* A channel of ints with its slots. */
struct Ints {
    std::vector<int> slots;
    coil_chan chan;

    explicit Ints(size_t count) : slots(count)
    {
        coil_chan_init(&chan, slots.data(), sizeof(int), count);
    }
    int send(int value) { return coil_chan_send(&chan, &value); }
    int try_send(int value) { return coil_chan_try_send(&chan, &value); }
    /* The value, or -errno; values are positive. */
    int recv()
    {
        int value = 0;
        int err = coil_chan_recv(&chan, &value);
        return err < 0 ? err : value;
    }
    int try_recv()
    {
        int value = 0;
        int err = coil_chan_try_recv(&chan, &value);
        return err < 0 ? err : value;
    }
};

/* What the dispose function was given. */
std::vector<int> disposed;

void note_disposed(void *value)
{
    disposed.push_back(*static_cast<int *>(value));
}

TEST(Chan, DeliversEveryValueInOrderWhateverItsNumberOfSlots)
{
    for (size_t slots : {0u, 1u, 2u, 3u, 64u}) {
        SCOPED_TRACE(slots);
        run([=] {
            constexpr int kCount = 500;
            Ints ints(slots);
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            children.start(scope, [&] {
                for (int i = 1; i <= kCount; i++) {
                    EXPECT_EQ(0, ints.send(i));
                    give_way(i % 7 == 0);
                }
                coil_chan_close(&ints.chan);
                return 0;
            });
            for (int i = 1; i <= kCount; i++) {
                EXPECT_EQ(i, ints.recv());
                give_way(i % 11 == 0 ? 3 : 0);
            }
            EXPECT_EQ(-EPIPE, ints.recv());
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            coil_chan_destroy(&ints.chan);
            return 0;
        });
    }
}

TEST(Chan, CopiesValuesOfAnySize)
{
    run([] {
        for (size_t size : {1u, 2u, 7u, 8u, 9u, 64u, 4096u}) {
            SCOPED_TRACE(size);
            std::vector<char> slots(3 * size), in(size), out(size);
            coil_chan chan;
            coil_chan_init(&chan, slots.data(), size, 3);
            for (char round = 1; round < 20; round++) {
                std::fill(in.begin(), in.end(), round);
                EXPECT_EQ(0, coil_chan_send(&chan, in.data()));
                EXPECT_EQ(0, coil_chan_recv(&chan, out.data()));
                EXPECT_EQ(in, out);
            }
        }
        return 0;
    });
}

TEST(Chan, WaitsOnlyWhenItIsFullOrEmpty)
{
    run([] {
        Ints ints(2);
        bool ran = false;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            ran = true;
            return 0;
        });
        EXPECT_EQ(-EAGAIN, ints.try_recv());
        EXPECT_EQ(0, ints.send(1));
        EXPECT_EQ(0, ints.try_send(2));
        EXPECT_EQ(-EAGAIN, ints.try_send(3));
        EXPECT_EQ(1, ints.recv());
        EXPECT_EQ(0, ints.try_send(3));
        EXPECT_EQ(2, ints.try_recv());
        EXPECT_EQ(3, ints.recv());
        EXPECT_FALSE(ran);
        return coil_scope_close(&scope, 0);
    });
}

TEST(Chan, WithoutSlotsASendEndsWhenItsValueIsReceived)
{
    run([] {
        Ints ints(0);
        int sent = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            for (int i = 1; i <= 3; i++) {
                EXPECT_EQ(0, ints.send(i));
                sent = i;
            }
            return 0;
        });
        give_way(3);
        EXPECT_EQ(0, sent);
        EXPECT_EQ(-EAGAIN, ints.try_send(9)) << "nobody receives";
        EXPECT_EQ(1, ints.try_recv());
        give_way(3);
        EXPECT_EQ(1, sent);
        EXPECT_EQ(2, ints.recv());
        EXPECT_EQ(3, ints.recv()) << "waits for the next send";
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        return 0;
    });
}

TEST(Chan, ASendAndAReceiveOfOneCoroutineMeet)
{
    for (size_t slots : {0u, 1u}) {
        run([=] {
            Ints ints(slots);
            int in = 5, out = 0;
            COIL_FUTURE(send);
            COIL_FUTURE(recv);
            coil_future *both[] = {&send, &recv};
            coil_chan_recv_start(&recv, &ints.chan, &out);
            coil_chan_send_start(&send, &ints.chan, &in);
            EXPECT_EQ(0, coil_await_all(both, 2));
            EXPECT_EQ(5, out);
            return 0;
        });
    }
}

TEST(Chan, NobodyOvertakesWhoWaits)
{
    run([] {
        Ints ints(1);
        int got = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            got = ints.recv();
            return 0;
        });
        give_way();
        EXPECT_EQ(0, ints.try_send(1));
        EXPECT_EQ(-EAGAIN, ints.try_recv()) << "it is the waiter's, who has not run yet";
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(1, got);

        COIL_SCOPE(senders, COIL_FOREVER);
        EXPECT_EQ(0, ints.send(2));
        children.start(senders, [&] { return ints.send(3); });
        give_way();
        EXPECT_EQ(2, ints.recv());
        EXPECT_EQ(-EAGAIN, ints.try_send(4)) << "the one who waits has the room";
        EXPECT_EQ(3, ints.recv());
        return coil_scope_close(&senders, 0);
    });
}

TEST(Chan, CloseLetsReceiversHaveWhatWasSentAndRefusesTheRest)
{
    run([] {
        Ints ints(2);
        int late = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        EXPECT_EQ(0, ints.send(1));
        EXPECT_EQ(0, ints.send(2));
        children.start(scope, [&] {
            late = ints.send(3);
            return 0;
        });
        give_way();
        coil_chan_close(&ints.chan);
        coil_chan_close(&ints.chan);
        EXPECT_EQ(-EPIPE, ints.send(4));
        EXPECT_EQ(-EPIPE, ints.try_send(4));
        EXPECT_EQ(1, ints.recv());
        EXPECT_EQ(2, ints.try_recv());
        EXPECT_EQ(-EPIPE, ints.recv());
        EXPECT_EQ(-EPIPE, ints.try_recv());
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(-EPIPE, late) << "it waited, and was not sent";
        return 0;
    });
}

TEST(Chan, CloseEndsReceiversThatWait)
{
    for (size_t slots : {0u, 1u}) {
        run([=] {
            Ints ints(slots);
            std::array<int, 3> results = {};
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            for (int &result : results) {
                children.start(scope, [&] {
                    result = ints.recv();
                    return 0;
                });
            }
            give_way();
            coil_chan_close(&ints.chan);
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            EXPECT_EQ((std::array<int, 3>{-EPIPE, -EPIPE, -EPIPE}), results);
            COIL_FUTURE(send);
            COIL_FUTURE(recv);
            int value = 1;
            coil_chan_send_start(&send, &ints.chan, &value);
            coil_chan_recv_start(&recv, &ints.chan, &value);
            EXPECT_EQ(-EPIPE, coil_await(&send));
            EXPECT_EQ(-EPIPE, coil_await(&recv));
            return 0;
        });
    }
}

TEST(Chan, CloseNowDisposesOfWhatWasSent)
{
    run([] {
        Ints ints(3);
        int late = 0;
        Children children;
        disposed.clear();
        coil_chan_dispose_by(&ints.chan, note_disposed);
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 1; i <= 4; i++)
            EXPECT_EQ(0, i == 4 ? ints.recv() - 1 : ints.send(i));
        EXPECT_EQ(0, ints.send(4));
        children.start(scope, [&] {
            late = ints.send(5);
            return 0;
        });
        give_way();
        coil_chan_close_now(&ints.chan);
        EXPECT_EQ((std::vector<int>{2, 3, 4}), disposed) << "not 5, which was not sent";
        EXPECT_EQ(-EPIPE, ints.recv());
        EXPECT_EQ(-EPIPE, ints.send(6));
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(-EPIPE, late);
        coil_chan_close_now(&ints.chan);
        coil_chan_close(&ints.chan);
        coil_chan_destroy(&ints.chan);
        EXPECT_EQ(3u, disposed.size());
        return 0;
    });
}

TEST(Chan, CloseNowAfterCloseDropsWhatWasLeftToReceive)
{
    run([] {
        Ints ints(3);
        disposed.clear();
        coil_chan_dispose_by(&ints.chan, note_disposed);
        EXPECT_EQ(0, ints.send(1));
        EXPECT_EQ(0, ints.send(2));
        coil_chan_close(&ints.chan);
        EXPECT_EQ(1, ints.recv());
        coil_chan_close_now(&ints.chan);
        EXPECT_EQ(-EPIPE, ints.recv());
        EXPECT_EQ((std::vector<int>{2}), disposed);
        return 0;
    });
}

TEST(Chan, DestroyDisposesOfWhatIsLeft)
{
    run([] {
        Ints ints(3);
        disposed.clear();
        coil_chan_dispose_by(&ints.chan, note_disposed);
        EXPECT_EQ(0, ints.send(1));
        EXPECT_EQ(0, ints.send(2));
        coil_chan_destroy(&ints.chan);
        EXPECT_EQ((std::vector<int>{1, 2}), disposed);
        return 0;
    });
}

/* --- a receive that is dropped with its value --------------------------------------------- */

struct Dropped {
    Ints ints;
    int value = 0;
    coil_future recv = COIL_ZERO;

    /* A future that has received 1. */
    explicit Dropped(size_t slots) : ints(slots)
    {
        disposed.clear();
        coil_chan_dispose_by(&ints.chan, note_disposed);
        coil_chan_recv_start(&recv, &ints.chan, &value);
        EXPECT_EQ(0, ints.try_send(1));
        EXPECT_TRUE(coil_future_done(&recv));
    }
};

TEST(Chan, ADroppedReceiveReturnsItsValueToTheFront)
{
    run([] {
        Dropped dropped(3);
        EXPECT_EQ(0, dropped.ints.try_send(2));
        EXPECT_EQ(0, dropped.ints.try_send(3));
        coil_future_drop(&dropped.recv);
        for (int i = 1; i <= 3; i++)
            EXPECT_EQ(i, dropped.ints.try_recv());
        EXPECT_EQ(-EAGAIN, dropped.ints.try_recv());
        EXPECT_TRUE(disposed.empty());
        return 0;
    });
}

TEST(Chan, ADroppedReceiveHandsItsValueToWhoWaits)
{
    for (size_t slots : {0u, 1u}) {
        run([=] {
            Dropped dropped(slots);
            int got = 0;
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            children.start(scope, [&] {
                got = dropped.ints.recv();
                return 0;
            });
            give_way();
            coil_future_drop(&dropped.recv);
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            EXPECT_EQ(1, got);
            EXPECT_TRUE(disposed.empty());
            return 0;
        });
    }
}

TEST(Chan, ADroppedReceiveDisposesOfItsValueWhereThereIsNoRoom)
{
    for (size_t slots : {0u, 1u}) {
        run([=] {
            Dropped dropped(slots);
            EXPECT_EQ(slots > 0 ? 0 : -EAGAIN, dropped.ints.try_send(2));
            coil_future_drop(&dropped.recv);
            EXPECT_EQ((std::vector<int>{1}), disposed);
            EXPECT_EQ(slots > 0 ? 2 : -EAGAIN, dropped.ints.try_recv());
            return 0;
        });
    }
}

TEST(Chan, ADroppedReceiveIsDrainedAfterCloseAndDisposedOfAfterCloseNow)
{
    run([] {
        Dropped drained(1);
        coil_chan_close(&drained.ints.chan);
        coil_future_drop(&drained.recv);
        EXPECT_EQ(1, drained.ints.recv());
        EXPECT_EQ(-EPIPE, drained.ints.recv());
        EXPECT_TRUE(disposed.empty());

        Dropped closed(1);
        coil_chan_close_now(&closed.ints.chan);
        coil_future_drop(&closed.recv);
        EXPECT_EQ(-EPIPE, closed.ints.recv());
        EXPECT_EQ((std::vector<int>{1}), disposed);
        return 0;
    });
}

TEST(Chan, AReceiveThatIsCancelledAndAwaitedKeepsItsValue)
{
    run([] {
        Dropped dropped(0);
        coil_future_cancel(&dropped.recv);
        EXPECT_EQ(0, coil_await(&dropped.recv));
        EXPECT_EQ(1, dropped.value);
        EXPECT_TRUE(disposed.empty());
        return 0;
    });
}

/* --- the latest value --------------------------------------------------------------------- */

struct Latest : Ints {
    Latest() : Ints(1)
    {
        disposed.clear();
        coil_chan_init_latest(&chan, slots.data(), sizeof(int));
        coil_chan_dispose_by(&chan, note_disposed);
    }
};

TEST(ChanLatest, KeepsTheNewestAndGivesItOnce)
{
    run([] {
        Latest latest;
        EXPECT_EQ(0, latest.send(1));
        EXPECT_EQ(0, latest.send(2));
        EXPECT_EQ(0, latest.try_send(3)) << "never waits";
        EXPECT_EQ((std::vector<int>{1, 2}), disposed);
        EXPECT_EQ(3, latest.recv());
        EXPECT_EQ(-EAGAIN, latest.try_recv());
        EXPECT_EQ(0, latest.send(4));
        coil_chan_close(&latest.chan);
        EXPECT_EQ(-EPIPE, latest.send(5));
        EXPECT_EQ(4, latest.recv());
        EXPECT_EQ(-EPIPE, latest.recv());
        EXPECT_EQ(2u, disposed.size());
        return 0;
    });
}

TEST(ChanLatest, GivesEachReceiverThatWaitsAValueOfItsOwn)
{
    run([] {
        Latest latest;
        int first = 0, second = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int *result : {&first, &second}) {
            children.start(scope, [&, result] {
                *result = latest.recv();
                return 0;
            });
        }
        give_way();
        for (int i = 1; i <= 4; i++)
            EXPECT_EQ(0, latest.send(i));
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(1, first);
        EXPECT_EQ(2, second);
        EXPECT_EQ(4, latest.recv());
        EXPECT_EQ((std::vector<int>{3}), disposed);
        return 0;
    });
}

TEST(ChanLatest, AReturnedValueDoesNotReplaceANewerOne)
{
    run([] {
        Latest latest;
        int value;
        coil_future recv = COIL_ZERO;
        coil_chan_recv_start(&recv, &latest.chan, &value);
        EXPECT_EQ(0, latest.send(1));
        EXPECT_EQ(0, latest.send(2));
        coil_future_drop(&recv);
        EXPECT_EQ((std::vector<int>{1}), disposed);
        EXPECT_EQ(2, latest.recv());

        coil_chan_recv_start(&recv, &latest.chan, &value);
        EXPECT_EQ(0, latest.send(3));
        coil_future_drop(&recv);
        EXPECT_EQ(3, latest.recv()) << "nothing newer has come";
        return 0;
    });
}

/* --- selecting ---------------------------------------------------------------------------- */

TEST(Chan, IsSelectedAlongWithATimerALockAChildAndThePeerOfASocket)
{
    run([] {
        Ints ints(0), other(0);
        coil_mutex mutex = COIL_ZERO;
        int ends[2], value = 0;
        char byte = 0;
        EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
        EXPECT_EQ(0, coil_mutex_lock(&mutex));
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_event chosen = COIL_ZERO;
        children.start(scope, [&] {
            std::array<coil_future, 5> futures = {};
            coil_future *all[5];
            for (size_t i = 0; i < 5; i++)
                all[i] = &futures[i];
            coil_chan_recv_start(all[0], &ints.chan, &value);
            coil_sleep_start(all[1], COIL_FOREVER);
            coil_mutex_lock_start(all[2], &mutex);
            coil_recv_start(all[3], ends[0], &byte, 1, 0);
            coil_chan_send_start(all[4], &other.chan, &value);
            std::vector<int> order;
            for (int i = 0; i < 4; i++) {
                int index = coil_await_any(all, 5);
                order.push_back(index);
                EXPECT_EQ(index == 3, coil_await(all[index]) == 1);
                coil_sleep_start(all[index], COIL_FOREVER); /* in its place */
                coil_event_set(&chosen);
            }
            EXPECT_EQ((std::vector<int>{2, 4, 3, 0}), order);
            coil_mutex_unlock(&mutex);
            for (coil_future &future : futures)
                coil_future_drop(&future);
            return 0;
        });
        auto wait_for_choice = [&] {
            EXPECT_EQ(0, coil_event_wait(&chosen));
            coil_event_clear(&chosen);
        };
        give_way();
        coil_mutex_unlock(&mutex);
        wait_for_choice();
        EXPECT_EQ(0, other.recv());
        wait_for_choice();
        EXPECT_EQ(1, coil_send(ends[1], "x", 1, 0));
        wait_for_choice();
        EXPECT_EQ(0, ints.send(7));
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(7, value);
        for (int end : ends)
            coil_close(end);
        return 0;
    });
}

} // namespace
