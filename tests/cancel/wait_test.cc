/* SPDX-License-Identifier: MIT */
/* Cancelling what moves nothing itself: waiting, and what was received by others. */
#include "cancel/cancel.h"
#include "cancel/on_pipe.h"

#include <coil/fd.h>
#include <coil/net.h>
#include <coil/receiver.h>
#include <coil/runtime.h>

namespace {

using namespace coil_test;

struct Polling : OnPipe {
    Polling() { has_future = may_drop = true; }
    void start(coil_future *future) override { coil_poll_start(future, pipe.left, POLLIN); }
    ssize_t call() override { return coil_poll(pipe.left, POLLIN); }
};

struct AwaitingUntil : OnPipe {
    ssize_t call() override
    {
        COIL_FUTURE(poll);
        coil_poll_start(&poll, pipe.left, POLLIN);
        return coil_await_until(&poll, COIL_FOREVER - 1);
    }
};

/* By coil_await_any() or its like. The other one never is done. */
template <int (*wait)(coil_future *const[], size_t)> struct AwaitingOne : OnPipe {
    ssize_t call() override
    {
        COIL_FUTURE(sleep);
        COIL_FUTURE(poll);
        coil_sleep_until_start(&sleep, COIL_FOREVER);
        coil_poll_start(&poll, pipe.left, POLLIN);
        coil_future *const list[] = {&sleep, &poll};
        int index = wait(list, 2);
        return index < 0 ? index : coil_await(list[index]);
    }
};

/* The other one is done at once, and can't be cancelled. */
struct AwaitingAll : OnPipe {
    ssize_t call() override
    {
        COIL_FUTURE(nop);
        COIL_FUTURE(poll);
        coil_nop_start(&nop);
        coil_poll_start(&poll, pipe.left, POLLIN);
        coil_future *const list[] = {&nop, &poll};
        return coil_await_all(list, 2);
    }
};

/* What a cancelled receiver had received comes with its next call. */
struct Receiving : Operation {
    Pair pair = make_tcp_pair();
    coil_receiver receiver = {};
    uint64_t sent = 0, received = 0;
    size_t sending = 0;

    Receiving()
    {
        has_future = false;
        coil_receiver_open(&receiver, pair.left);
    }
    ~Receiving() override { coil_receiver_close(&receiver); }

    void begin() override { sending = 1 + pick(64); }
    ssize_t call() override
    {
        void *data;
        ssize_t n = coil_receiver_next(&receiver, &data);
        if (n > 0)
            take(data, size_t(n));
        return n;
    }
    void complete() override
    {
        std::string bytes = pattern(sent, sending);
        EXPECT_EQ(ssize_t(sending), write(pair.right, bytes.data(), bytes.size()));
        sent += sending;
    }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result > 0 || result == -ECANCELED);
        while (received < sent) /* each call brings bytes */
            ASSERT_GT(call(), 0);
    }
    void take(void *data, size_t n)
    {
        EXPECT_EQ(pattern(received, n), std::string(static_cast<char *>(data), n));
        received += n;
        coil_buffer_release(data);
    }
};

/* A reply waits for the one before, which the peer does not read; then the peer is gone. */
struct Replying : Operation {
    static constexpr size_t kMuch = 60000;
    Pair pair;
    coil_receiver receiver = {};
    void *second = nullptr;

    Replying() { has_future = false; }

    void begin() override
    {
        pair = make_socketpair();
        shrink_buffer(pair.left, SO_SNDBUF, 4096);
        receiver = {};
        coil_receiver_open(&receiver, pair.left);
        void *first = receive();
        second = receive();
        ASSERT_EQ(0, coil_receiver_reply(&receiver, first, kMuch));
    }
    void *receive()
    {
        void *data = nullptr;
        EXPECT_EQ(1, write(pair.right, "!", 1));
        EXPECT_EQ(1, coil_receiver_next(&receiver, &data));
        return data;
    }
    ssize_t call() override { return coil_receiver_reply(&receiver, second, 1); }
    void complete() override { pair.right.reset(-1); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == -EPIPE || result == -ECONNRESET || result == -ECANCELED) << result;
        coil_receiver_close(&receiver);
        pair.left.reset(-1);
    }
};

/* complete() lets the time pass; without it there is an hour. */
struct Sleeping : Operation {
    coil_time deadline = 0;

    Sleeping()
    {
        may_drop = true;
        has_peer = false;
    }
    void begin() override
    {
        deadline = coil_after(will_complete ? int64_t(pick(100)) * COIL_USEC : 3600 * COIL_SEC);
    }
    void start(coil_future *future) override { coil_sleep_until_start(future, deadline); }
    ssize_t call() override { return coil_sleep_until(deadline); }
    void complete() override
    {
        while (will_complete && coil_now() < deadline) { /* ends at that instant */
        }
    }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED);
        ASSERT_TRUE(result < 0 || coil_now() >= deadline) << "woken early";
    }
};

struct SleepingSpan : Sleeping {
    void start(coil_future *future) override { coil_sleep_start(future, deadline - coil_now()); }
    ssize_t call() override { return coil_sleep(deadline - coil_now()); }
};

/* Neither waits for anything. */
struct Immediate : Operation {
    Immediate() { has_peer = false; }
    void end(ssize_t result) override { ASSERT_TRUE(result == 0 || result == -ECANCELED); }
};

struct Nop : Immediate {
    Nop() { may_drop = true; }
    void start(coil_future *future) override { coil_nop_start(future); }
    ssize_t call() override { return coil_nop(); }
};

struct Yielding : Immediate {
    Yielding() { has_future = false; }
    ssize_t call() override { return coil_yield(); }
};

struct YieldingIfNeeded : Yielding {
    ssize_t call() override { return coil_yield_if_needed(); }
};

constexpr const char *kAtOnce = "the kernel does it while it takes the entry";
constexpr const char *kReady = "who yields waits for nothing: it has its turn in any case";

const CancelRow kRows[] = {
    /* call                 before   in flight racing    after */
    {"coil_poll", REFUSED, STOPPED, EITHER, HAPPENED, "", make<Polling>},
    {"coil_await_until", REFUSED, STOPPED, EITHER, HAPPENED, "", make<AwaitingUntil>},
    {"coil_await_any", REFUSED, STOPPED, EITHER, HAPPENED, "", make<AwaitingOne<coil_await_any>>},
    {"coil_await_next", REFUSED, STOPPED, EITHER, HAPPENED, "", make<AwaitingOne<coil_await_next>>},
    {"coil_await_race", REFUSED, STOPPED, EITHER, HAPPENED, "", make<AwaitingOne<coil_await_race>>},
    {"coil_await_all", REFUSED, STOPPED, EITHER, HAPPENED, "", make<AwaitingAll>},
    {"coil_receiver_next", REFUSED, STOPPED, EITHER, HAPPENED, "", make<Receiving>},
    {"coil_receiver_reply", REFUSED, STOPPED, EITHER, HAPPENED, "", make<Replying>},
    {"coil_sleep_until", REFUSED, STOPPED, EITHER, HAPPENED, "", make<Sleeping>},
    {"coil_sleep", REFUSED, STOPPED, EITHER, HAPPENED, "", make<SleepingSpan>},
    {"coil_nop", REFUSED, HAPPENED, HAPPENED, HAPPENED, kAtOnce, make<Nop>},
    {"coil_yield", REFUSED, HAPPENED, HAPPENED, HAPPENED, kReady, make<Yielding>},
    {"coil_yield_if_needed", REFUSED, HAPPENED, HAPPENED, HAPPENED, kReady, make<YieldingIfNeeded>},
};
INSTANTIATE_TEST_SUITE_P(Wait, CancelledOperation, testing::ValuesIn(kRows), name_of_row);

} // namespace
