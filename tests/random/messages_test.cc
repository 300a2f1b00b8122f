/* SPDX-License-Identifier: MIT */
/*
 * Random programs of which the coroutines have much to say to each other: messages, through ports
 * too, calls, promises, channels, blocking work and signals, on 1, 2, 4 and 8 simulated cores, and
 * cancelled at any time. Each message arrives once and in order, each call ends once, each value is
 * received once, work is done once or not at all, and each core gets the signal that came.
 */
#include "sim/chance.h"
#include "sim/simulate.h"

#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <deque>
#include <liburing.h>
extern "C" {
#include "ring/op.h"
}

using namespace coil_test;

namespace {

constexpr unsigned kCores = 8; /* at most */

int self()
{
    return int(coil_core_self());
}

class Talk {
public:
    int run(int rounds, int depth)
    {
        coil_queue queue;
        EXPECT_EQ(0, coil_queue_create(&queue, "late", 20, 0));
        queues_.push_back(queue);
        EXPECT_EQ(0, coil_queue_create(&queue, "soon", 200, COIL_MSEC / 4));
        queues_.push_back(queue);
        for (int round = 0; round < rounds; round++) {
            do_round(depth);
            EXPECT_EQ(0, coil_sleep(COIL_SEC)); /* letters and cancels that are under way arrive */
            be_quiet();
        }
        return 0;
    }

    uint64_t done() const { return arrived_ + calls_ + promises_ + values_; }

private:
    /* Goes from core to core, and is gone. */
    struct Letter {
        coil_message message; /* first, so that one is found by the other */
        Talk *talk;
        unsigned from, to, hops;
        uint64_t number; /* of those from there to there */
        bool by_port;
    };

    /* What others post through. */
    struct Box {
        coil_port port = COIL_ZERO;
        bool open = false;
        uint64_t posted = 0, arrived = 0;
    };

    std::vector<coil_queue> queues_;
    Box boxes_[kCores];
    uint64_t sent_[kCores][kCores] = {}, seen_[kCores][kCores] = {};
    uint64_t posted_ = 0, arrived_ = 0, calls_ = 0, promises_ = 0, values_ = 0;
    int running_ = 0;

    void do_round(int depth)
    {
        Children keepers, children;
        COIL_SCOPE(boxes, COIL_FOREVER);
        COIL_SCOPE(scope, COIL_FOREVER);
        for (unsigned core = 0; core < coil_core_count(); core++) {
            /* The first ones are cancelled by nobody, so that there always is a talk. */
            for (int i = 0; i < 2; i++) {
                EXPECT_EQ(0, children.spawn_on(scope, core, [this, depth] { return live(depth); }));
            }
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        coil_scope_cancel(&boxes);
        EXPECT_EQ(0, coil_scope_close(&boxes, 0));
    }

    /* A quiescent point: nobody but us runs. */
    void be_quiet()
    {
        EXPECT_EQ(0, running_);
        EXPECT_EQ(posted_, arrived_);
        for (unsigned core = 0; core < coil_core_count(); core++) {
            EXPECT_EQ(0, call(core, [] { return int(coil__ring_here->in_flight); }));
            for (unsigned to = 0; to < coil_core_count(); to++)
                EXPECT_EQ(sent_[core][to], seen_[core][to]) << core << " to " << to;
        }
    }

    /* A coroutine, until it is cancelled or has done enough. */
    int live(int depth)
    {
        running_++;
        for (uint64_t left = 2 + below(8); left > 0 && step(depth) != -ECANCELED; left--) {
        }
        running_--;
        return 0;
    }

    ssize_t step(int depth)
    {
        switch (below(11)) {
        case 0:
            return note(coil_sleep(moment()));
        case 1:
            return write_letters();
        case 2:
            return write_to_box();
        case 3:
            return keep_box();
        case 4:
            return ask_one();
        case 5:
            return ask_many();
        case 6:
            return promise();
        case 7:
            return Trade(*this).hold();
        case 8:
            return work();
        case 9:
            return get_signal();
        default:
            if (depth > 0)
                return grow(depth);
            return note(coil_yield_if_needed());
        }
    }

    ssize_t note(ssize_t result)
    {
        EXPECT_TRUE(result >= 0 || result == -ECANCELED || result == -ETIMEDOUT) << result;
        return result;
    }

    /* A deadline that half of them reach. */
    static coil_time some_time() { return one_in(3) ? coil_after(2 * moment()) : COIL_FOREVER; }

    ssize_t grow(int depth)
    {
        Children children;
        COIL_SCOPE(scope, some_time());
        for (uint64_t left = 1 + below(4); left > 0; left--) {
            int err = children.spawn_on(scope, any_core(), [=] { return live(depth - 1); });
            EXPECT_TRUE(err == 0 || err == -ECANCELED) << err;
        }
        std::deque<Body> here;
        for (coil_queue queue : queues_) {
            here.push_back([=] { return live(0); });
            int err = coil_spawn_in(&scope, queue, call_body, &here.back());
            EXPECT_TRUE(err == 0 || err == -ECANCELED) << err;
        }
        if (one_in(4)) {
            note(coil_sleep(moment()));
            coil_scope_cancel(&scope);
        }
        note(coil_scope_close(&scope, 0));
        return coil_yield();
    }

    /* ---- letters ---- */

    static void deliver(coil_message *message)
    {
        auto *letter = reinterpret_cast<Letter *>(message);
        letter->talk->read(letter);
    }

    void read(Letter *letter)
    {
        EXPECT_EQ(int(letter->to), self());
        EXPECT_EQ(letter->number, ++seen_[letter->from][letter->to]);
        arrived_++;
        boxes_[letter->to].arrived += letter->by_port ? 1 : 0;
        if (letter->hops == 0) {
            delete letter;
            return;
        }
        letter->hops--;
        post(letter, any_core());
    }

    void post(Letter *letter, unsigned to)
    {
        letter->from = coil_core_self();
        letter->to = to;
        letter->number = ++sent_[letter->from][to];
        letter->by_port = boxes_[to].open && one_in(4);
        posted_++;
        boxes_[to].posted += letter->by_port ? 1 : 0;
        EXPECT_EQ(0, letter->by_port ? coil_post(&boxes_[to].port, &letter->message)
                                     : coil_post_core(to, &letter->message));
    }

    Letter *letter_of(unsigned hops)
    {
        return new Letter{{nullptr, deliver}, this, 0, 0, hops, 0, false};
    }

    /* A few, or more than a core hands over at once. */
    ssize_t write_letters()
    {
        for (uint64_t left = one_in(8) ? 40 : 1 + below(4); left > 0; left--)
            post(letter_of(unsigned(below(6))), any_core());
        return one_in(2) ? note(coil_yield()) : 0;
    }

    ssize_t write_to_box()
    {
        Box &box = boxes_[any_core()];
        if (!box.open) {
            Letter *letter = letter_of(0);
            EXPECT_EQ(-ESHUTDOWN, coil_post(&box.port, &letter->message));
            delete letter;
        }
        return note(coil_yield());
    }

    /* One coroutine of a core has it open. */
    ssize_t keep_box()
    {
        Box &box = boxes_[self()];
        if (box.port.core != nullptr)
            return 0;
        EXPECT_EQ(0, coil_port_open(&box.port));
        box.open = true;
        ssize_t err = note(coil_sleep(moment()));
        box.open = false;
        coil_port_close(&box.port);
        EXPECT_EQ(box.posted, box.arrived) << "what came before the close has arrived";
        return err;
    }

    /* ---- calls ---- */

    /* One call, and how far it came. */
    struct Call {
        coil_future future = COIL_ZERO;
        Body body;
        int begun = 0, ended = 0;
        bool in_vain = false; /* ends when it is cancelled only */
    };

    void start(Call &call)
    {
        unsigned core = any_core();
        call.body = [this, core, &call] {
            call.begun++;
            EXPECT_EQ(int(core), self());
            ssize_t err = call.in_vain ? wait_for_ever()
                          : one_in(3)  ? note(coil_sleep(moment()))
                                       : note(coil_yield());
            call.ended++;
            return err < 0 ? int(err) : 7;
        };
        coil_call_start(&call.future, core, call_body, &call.body);
    }

    void expect_ended(const Call &call, ssize_t result)
    {
        EXPECT_EQ(call.begun, call.ended);
        EXPECT_LE(call.begun, 1);
        if (result >= 0) {
            EXPECT_EQ(1, call.begun);
            EXPECT_EQ(7, result);
        }
        calls_++;
    }

    ssize_t ask_one()
    {
        Call call;
        call.in_vain = one_in(4);
        start(call);
        ssize_t result = -ECANCELED;
        if (one_in(3))
            note(coil_sleep(moment() / 8));
        if (call.in_vain || one_in(4))
            coil_future_cancel(&call.future);
        if (one_in(4))
            coil_future_drop(&call.future);
        else
            result = note(coil_await_until(&call.future, some_time()));
        expect_ended(call, result);
        return one_in(2) ? note(coil_yield()) : 0;
    }

    ssize_t ask_many()
    {
        constexpr int kCount = 8;
        Call calls[kCount];
        coil_future *futures[kCount];
        for (int i = 0; i < kCount; i++) {
            start(calls[i]);
            futures[i] = &calls[i].future;
        }
        if (one_in(2)) {
            int first = coil_await_race(futures, kCount);
            ssize_t result = first >= 0 ? coil_await(futures[first]) : note(first);
            EXPECT_TRUE(first < 0 || result >= 0 || coil_yield() == -ECANCELED) << result;
            for (int i = 0; i < kCount; i++)
                expect_ended(calls[i], i == first ? result : -ECANCELED);
            return first;
        }
        for (int i = 0; i < kCount; i++) {
            if (one_in(3))
                coil_future_cancel(futures[below(kCount)]);
        }
        for (int i = 0; i < kCount; i++)
            expect_ended(calls[i], note(coil_await(futures[i])));
        return note(coil_yield());
    }

    /* ---- blocking work, and signals ---- */

    struct Work {
        coil_future future = COIL_ZERO;
        ssize_t result = -ECANCELED;
        int times_done = 0;
    };

    static ssize_t do_work(void *work) { return ++static_cast<Work *>(work)->times_done; }

    ssize_t work()
    {
        static coil_pool narrow = COIL_POOL("narrow", 1);
        Work works[4];
        for (Work &work : works)
            coil_offload_start(&work.future, one_in(2) ? &narrow : nullptr, do_work, &work);
        if (one_in(3))
            note(coil_sleep(moment()));
        if (one_in(2))
            coil_future_cancel(&works[below(4)].future);
        for (Work &work : works) {
            bool is_known = !one_in(8);
            if (is_known)
                work.result = note(coil_await_until(&work.future, some_time()));
            else
                coil_future_drop(&work.future);
            EXPECT_LE(work.times_done, 1);
            EXPECT_TRUE(!is_known || (work.result == 1) == (work.times_done == 1)) << work.result;
        }
        return note(coil_yield());
    }

    /* One that does nothing to who does not wait for it. */
    ssize_t get_signal()
    {
        COIL_SIGNALS(signals);
        EXPECT_EQ(0, coil_signals_open(&signals, COIL_SIGNAL(SIGURG)));
        if (one_in(2)) {
            EXPECT_EQ(0, raise(SIGURG));
        }
        coil_future future;
        coil_signal_wait_start(&future, &signals);
        EXPECT_EQ(0, raise(SIGURG));
        if (one_in(4)) {
            ssize_t err = note(coil_sleep(moment()));
            coil_future_drop(&future);
            return err;
        }
        ssize_t signal = note(coil_await(&future));
        EXPECT_TRUE(signal == SIGURG || signal == -ECANCELED) << signal;
        return signal < 0 ? signal : note(coil_yield());
    }

    /* ---- promises ---- */

    ssize_t promise()
    {
        COIL_PROMISE(promise);
        Children children;
        int64_t value = -1;
        COIL_SCOPE(scope, some_time());
        for (uint64_t left = 1 + below(3); left > 0; left--) {
            spawn_or_not(children, scope, coil_core_self(), [&] {
                ssize_t got = note(coil_promise_wait(&promise));
                EXPECT_TRUE(got < 0 || got == value) << got;
                return 0;
            });
        }
        for (uint64_t left = 1 + below(3); left > 0; left--) {
            spawn_or_not(children, scope, any_core(), [&, left] {
                note(coil_sleep(moment()));
                bool first = value < 0;
                EXPECT_EQ(first ? 0 : -EALREADY, coil_promise_set(&promise, ssize_t(left)));
                value = first ? int64_t(left) : value;
                promises_ += first ? 1 : 0;
                return 0;
            });
        }
        if (one_in(4)) {
            note(coil_sleep(moment()));
            coil_scope_cancel(&scope);
        }
        if (value < 0 && one_in(8)) /* nobody who sets it may be left to wait for */
            coil_scope_cancel(&scope);
        note(coil_scope_close(&scope, 0));
        return coil_yield();
    }

    static void spawn_or_not(Children &children, coil_scope &scope, unsigned core, Body body)
    {
        int err = children.spawn_on(scope, core, std::move(body));
        EXPECT_TRUE(err == 0 || err == -ECANCELED) << err;
    }

    /* ---- channels ---- */

    /* Some who send, some who receive, anywhere, and one who has enough of it. */
    class Trade {
    public:
        explicit Trade(Talk &talk) : talk_(talk)
        {
            size_t slots = below(3);
            coil_xchan_init(&chan_, slots_, sizeof(Value), slots * slots);
            coil_xchan_dispose_by(&chan_, dispose);
        }

        ssize_t hold()
        {
            Children children;
            COIL_SCOPE(scope, some_time());
            for (unsigned i = 0; i < kEnds; i++) {
                spawn_or_not(children, scope, any_core(), [this, i] { return send(i); });
                spawn_or_not(children, scope, any_core(), [this] { return receive(); });
            }
            talk_.note(coil_sleep(4 * moment()));
            one_in(3) ? coil_xchan_close_now(&chan_) : coil_xchan_close(&chan_);
            talk_.note(coil_scope_close(&scope, 0));
            coil_xchan_destroy(&chan_);
            EXPECT_EQ(sent_, received_ + disposed_);
            talk_.values_ += received_;
            return coil_yield();
        }

    private:
        static constexpr unsigned kEnds = 3;
        struct Value {
            Trade *trade;
            unsigned sender;
            uint64_t number;
        };

        Talk &talk_;
        bool drops_ = one_in(2); /* which returns values, late */
        coil_xchan chan_;
        Value slots_[4];
        uint64_t sent_ = 0, received_ = 0, disposed_ = 0;

        static void dispose(void *value) { static_cast<Value *>(value)->trade->disposed_++; }

        int send(unsigned sender)
        {
            ssize_t err = 0;
            for (uint64_t number = 1; err == 0 || err == -ETIMEDOUT; number++) {
                /* ends when the channel is closed, or it is cancelled */
                Value value = {this, sender, number};
                coil_future future;
                coil_xchan_send_start(&future, &chan_, &value);
                err = coil_await_until(&future, some_time());
                sent_ += err == 0 ? 1 : 0;
                if (one_in(4) && coil_sleep(moment()) < 0)
                    break;
            }
            EXPECT_TRUE(err == -EPIPE || talk_.note(err) <= 0) << err;
            return 0;
        }

        int receive()
        {
            uint64_t seen[kEnds] = {};
            ssize_t err = 0;
            while (err == 0 || err == -ETIMEDOUT) { /* ends as above */
                Value value;
                coil_future future;
                coil_xchan_recv_start(&future, &chan_, &value);
                if (drops_ && one_in(8)) {
                    err = coil_yield();
                    coil_future_drop(&future);
                    continue;
                }
                err = coil_await_until(&future, some_time());
                if (err < 0)
                    continue;
                received_++;
                EXPECT_TRUE(drops_ || value.number > seen[value.sender]) << value.number;
                seen[value.sender] = value.number;
            }
            EXPECT_TRUE(err == -ECANCELED || err == -EPIPE) << err;
            return 0;
        }
    };
};

struct Outcome {
    uint64_t trace, done;
};

Outcome talk(uint64_t seed, int rounds, int depth)
{
    Talk talk;
    unsigned core_count = 1u << seed % 4;
    Simulated outcome = simulate(
        seed, [&] { return talk.run(rounds, depth); }, core_count);
    EXPECT_EQ(0, outcome.result);
    for (const std::string &line : outcome.log)
        EXPECT_EQ(0u, line.find("coil: sim seed ")) << line;
    return {outcome.trace, talk.done()};
}

} // namespace

TEST(RandomTalk, ArrivesOnceAndInOrderHoweverManyCoresThereAre)
{
    uint64_t done = 0;
    const Seeds seeds = choose_seeds(COIL_TEST_INSTRUMENTED ? 16 : 240);
    ASSERT_NO_FATAL_FAILURE(
        for_each_seed(seeds, [&](uint64_t seed) { done += talk(seed, 1, 2).done; }));
    printf("%" PRIu64 " messages, calls, promises and values\n", done);
    if (seeds.count >= 16) { /* one alone may be short */
        EXPECT_GT(done, seeds.count * 100);
    }
}

TEST(RandomTalk, IsTheSameAgain)
{
    for (uint64_t seed = 1000; seed < 1012; seed++)
        EXPECT_EQ(talk(seed, 1, 2).trace, talk(seed, 1, 2).trace) << seed;
}
