/* SPDX-License-Identifier: MIT */
/* More receivers than buffers: each gets its turn, and misuse of a buffer is told. */
#include "ops/sockets.h"
#include "support/running.h"

#include <liburing.h>

extern "C" {
#include "ring/kernel.h"
}

#include <coil/receiver.h>

namespace {

using namespace coil_test;

struct Starvation : testing::TestWithParam<bool> {
    Starvation() { coil__kernel_lacks.multishot_recv = GetParam(); }
    ~Starvation() override { coil__kernel_lacks = {}; }
};

std::string name_of(const testing::TestParamInfo<bool> &info)
{
    return info.param ? "WithoutMultishotRecv" : "Todays";
}

INSTANTIATE_TEST_SUITE_P(Kernels, Starvation, testing::Bool(), name_of);

coil_options with_one_buffer()
{
    coil_options options = cores(1);
    options.recv_buffer_count = 1;
    options.recv_buffer_size = 64;
    return options;
}

/* A connection and its receiver. */
struct Conn {
    Pair pair = make_tcp_pair();
    coil_receiver receiver = {};
    int taken = 0;

    Conn() { coil_receiver_open(&receiver, pair.left); }
    ~Conn() { coil_receiver_close(&receiver); }

    void give() { EXPECT_EQ(1, write(pair.right, "!", 1)); }

    /* The one that the buffer is lent to. */
    void *hold()
    {
        void *data = nullptr;
        give();
        EXPECT_EQ(1, coil_receiver_next(&receiver, &data));
        return data;
    }

    /* For a coroutine of its own, which may leave nothing in flight. */
    int take_and_close()
    {
        int err = take();
        coil_receiver_close(&receiver);
        return err;
    }

    int take()
    {
        void *data;
        ssize_t n = coil_receiver_next(&receiver, &data);
        if (n <= 0)
            return n < 0 ? int(n) : -ENODATA;
        taken++;
        coil_buffer_release(data);
        return 0;
    }
};

TEST_P(Starvation, EndsForWhoseDescriptorIsClosed)
{
    auto body = [] {
        Conn holder, starved;
        void *lent = holder.hold();
        bool has_ended = false;
        COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
        const Body waiter = [&] {
            void *data;
            EXPECT_EQ(-ECANCELED, coil_receiver_next(&starved.receiver, &data));
            has_ended = true;
            return 0;
        };
        spawn(&scope, waiter);
        starved.give();
        turn();
        EXPECT_EQ(0, coil_close(starved.pair.left.release()));
        turn();
        EXPECT_TRUE(has_ended);
        EXPECT_FALSE(coil_scope_cancelled(&scope));
        coil_buffer_release(lent);
        return coil_scope_close(&scope, 0);
    };
    EXPECT_EQ(0, run(body, with_one_buffer()));
}

TEST_P(Starvation, EndsWhenTheBufferComesBack)
{
    auto body = [] {
        Conn holder, waiter;
        void *held = holder.hold();
        const Body wait = [&] { return waiter.take_and_close(); };
        waiter.give();
        COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
        spawn(&scope, wait);
        turn();
        EXPECT_EQ(0, waiter.taken);
        coil_buffer_release(held);
        return coil_scope_close(&scope, 0);
    };
    EXPECT_EQ(0, run(body, with_one_buffer()));
}

/* The first in the queue needs no buffer: nothing comes for it. */
TEST_P(Starvation, OfAnIdleReceiverDoesNotHoldUpTheNext)
{
    auto body = [] {
        Conn holder, idle, idle_too, waiter;
        void *held = holder.hold();
        const Body wait_idle = [&] { return idle.take_and_close() == -ECANCELED ? 0 : -EIO; };
        const Body wait_idle_too = [&] {
            return idle_too.take_and_close() == -ECANCELED ? 0 : -EIO;
        };
        const Body wait = [&] { return waiter.take_and_close(); };
        COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
        spawn(&scope, wait_idle);
        spawn(&scope, wait_idle_too);
        turn();
        spawn(&scope, wait);
        waiter.give();
        turn();
        coil_buffer_release(held);
        EXPECT_TRUE(turn_until([&] { return waiter.taken == 1; }));
        coil_scope_cancel(&scope);
        return coil_scope_close(&scope, 0);
    };
    EXPECT_EQ(0, run(body, with_one_buffer()));
}

TEST_P(Starvation, EndsInTurnAlsoBesideOneThatNeverStops)
{
    auto body = [] {
        Conn busy, waiters[3];
        bool stop = false;
        const Body never_stop = [&] {
            while (!stop) {
                busy.give();
                EXPECT_EQ(0, busy.take());
            }
            coil_receiver_close(&busy.receiver);
            return 0;
        };
        const Body wait[3] = {
            [&] { return waiters[0].take_and_close(); },
            [&] { return waiters[1].take_and_close(); },
            [&] { return waiters[2].take_and_close(); },
        };
        COIL_SCOPE(scope, coil_after(20 * COIL_SEC));
        spawn(&scope, never_stop);
        turn();
        for (int i = 0; i < 3; i++) {
            waiters[i].give();
            spawn(&scope, wait[i]);
        }
        EXPECT_TRUE(turn_until(
            [&] { return waiters[0].taken + waiters[1].taken + waiters[2].taken == 3; }));
        stop = true;
        return coil_scope_close(&scope, 0);
    };
    EXPECT_EQ(0, run(body, with_one_buffer()));
}

TEST_P(Starvation, CanBeCancelled)
{
    auto body = [] {
        Conn holder, waiter;
        void *held = holder.hold();
        waiter.give();
        {
            COIL_SCOPE(scope, coil_after(COIL_MSEC));
            EXPECT_EQ(-ECANCELED, waiter.take());
            EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
        }
        coil_buffer_release(held);
        EXPECT_EQ(0, waiter.take());
        return 0;
    };
    EXPECT_EQ(0, run(body, with_one_buffer()));
}

/* Released and cancelled in one turn: the buffer goes to the next, not to nobody. */
TEST_P(Starvation, CancelledAsItEndsLetsTheNextHaveTheBuffer)
{
    auto body = [] {
        Conn holder, first, second;
        void *held = holder.hold();
        const Body wait_first = [&] { return first.take_and_close() == -ECANCELED ? 0 : -EIO; };
        const Body wait_second = [&] { return second.take_and_close(); };
        COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
        COIL_SCOPE(doomed, COIL_FOREVER);
        first.give();
        spawn(&doomed, wait_first);
        turn();
        second.give();
        spawn(&scope, wait_second);
        turn();
        coil_buffer_release(held);
        coil_scope_cancel(&doomed);
        EXPECT_EQ(0, coil_scope_close(&doomed, 0));
        return coil_scope_close(&scope, 0);
    };
    EXPECT_EQ(0, run(body, with_one_buffer()));
}

using BufferDeathTest = testing::Test;

int hold_and(const std::function<void(char *)> &misuse)
{
    return run([&] {
        Conn conn;
        misuse(static_cast<char *>(conn.hold()));
        return 0;
    });
}

TEST(BufferDeathTest, ReleasedTwiceIsTold)
{
    EXPECT_DEATH(hold_and([](char *data) {
                     coil_buffer_release(data);
                     coil_buffer_release(data);
                 }),
                 "coil_buffer_release: not a lent buffer of this core, or released twice");
}

TEST(BufferDeathTest, OfSomebodyElseIsTold)
{
    EXPECT_DEATH(hold_and([](char *) {
                     char mine[16] = {};
                     coil_buffer_release(mine);
                 }),
                 "coil_buffer_release: not a lent buffer of this core, or released twice");
    EXPECT_DEATH(hold_and([](char *data) { coil_buffer_release(data + (1 << 30)); }),
                 "coil_buffer_release: not a lent buffer of this core, or released twice");
    EXPECT_DEATH(hold_and([](char *) { coil_buffer_release(nullptr); }),
                 "coil_buffer_release: not a lent buffer of this core, or released twice");
}

TEST(BufferDeathTest, ReleasedOutsideOfCoilIsTold)
{
    EXPECT_DEATH(coil_buffer_release(nullptr), "coil_buffer_release: this core has lent no buffer");
}

} // namespace
