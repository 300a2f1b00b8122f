/* SPDX-License-Identifier: MIT */
/* Cancelling the wait for what others do: children, calls, generators, and who sets a promise. */
#include "cancel/cancel.h"
#include "cancel/on_pipe.h"

namespace {

using namespace coil_test;

/* A coroutine of `kCore` reads the byte. */
template <unsigned kCore> struct Calling : ReadElsewhere {
    Calling() { may_drop = true; }

    static int read(void *self) { return static_cast<Calling *>(self)->read_byte(); }
    void start(coil_future *future) override { coil_call_start(future, kCore, read, this); }
    ssize_t call() override { return coil_call(kCore, read, this); }
};

/* The scope of the child is none of those that are cancelled. */
struct AwaitingChild : ReadElsewhere {
    coil_scope nursery = {};

    AwaitingChild() { may_drop = true; }

    static int read(void *self) { return static_cast<AwaitingChild *>(self)->read_byte(); }
    void begin() override { coil_scope_open(&nursery, COIL_FOREVER); }
    void start(coil_future *future) override { coil_spawn_start(future, &nursery, read, this); }
    ssize_t call() override
    {
        COIL_FUTURE(child);
        start(&child);
        return coil_await(&child);
    }
    void end_dropped() override
    {
        EXPECT_EQ(0, coil_scope_close(&nursery, 0));
        ReadElsewhere::end_dropped();
    }
};

/* Its own child, in a scope that is cancelled with it. */
struct AwaitingOwnChild : AwaitingChild {
    AwaitingOwnChild() { has_future = false; }

    ssize_t call() override
    {
        COIL_FUTURE(child);
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_spawn_start(&child, &scope, read, this);
        ssize_t result = coil_await(&child);
        EXPECT_EQ(result == -ECANCELED ? result : 0,
                  coil_scope_close(&scope, result < 0 ? int(result) : 0));
        return result;
    }
};

/* A generator reads the byte for its consumer, and either ends when that is cancelled, or tells and
 * goes on. */
struct Consuming : ReadElsewhere {
    coil_gen reader = {};
    int read_result = 0, number = 0, last_sent = 0;
    bool tells = false;

    Consuming() { has_future = false; }
    ~Consuming() override { coil_gen_drop(&reader); }

    static int body(coil_gen *gen, void *self)
    {
        return static_cast<Consuming *>(self)->generate(gen);
    }

    /* The first yield is for the number that is sent with the next resume. */
    int generate(coil_gen *gen)
    {
        for (int *result = &number;; result = &read_result) { /* ends with its consumer */
            void *sent = nullptr;
            int err = coil_gen_yield(gen, result, &sent);
            if (err < 0)
                return err;
            last_sent = sent != nullptr ? *static_cast<int *>(sent) : 0;
            read_result = read_byte();
            if (read_result < 0 && !tells)
                return read_result;
        }
    }

    virtual coil_gen *generator() { return &reader; }
    virtual void open() { coil_gen_open(&reader, body, this); }

    void begin() override
    {
        tells = pick(2) == 0;
        if (number != 0)
            return;
        open();
        EXPECT_EQ(&number, coil_gen_next(generator()));
        number = 1;
    }

    ssize_t result_of(void *value)
    {
        return value != nullptr ? *static_cast<int *>(value) : coil_gen_result(generator());
    }
    ssize_t call() override { return result_of(coil_gen_next(generator())); }

    void end(ssize_t result) override
    {
        ReadElsewhere::end(result);
        if (result < 0 && !tells) {
            ASSERT_EQ(-ECANCELED, coil_gen_close(generator()));
            number = 0; /* a new one next time */
        }
    }
};

struct Sending : Consuming {
    ssize_t call() override
    {
        number++;
        return result_of(coil_gen_send(generator(), &number));
    }
    void end(ssize_t result) override
    {
        ASSERT_EQ(number, last_sent) << "what was sent arrived, whatever came then";
        Consuming::end(result);
    }
};

/* The consumer's own delegates to it. */
struct ConsumingADelegate : Sending {
    coil_gen delegator = {};

    ~ConsumingADelegate() override { coil_gen_drop(&delegator); }

    static int delegate(coil_gen *gen, void *self)
    {
        return coil_gen_delegate(gen, &static_cast<ConsumingADelegate *>(self)->reader);
    }
    coil_gen *generator() override { return &delegator; }
    void open() override
    {
        coil_gen_open(&reader, body, this);
        coil_gen_open(&delegator, delegate, this);
    }
};

/* Any thread sets it. Who waits for it afterwards gets the value too. */
struct AwaitingPromise : Operation {
    coil_promise promise = {};
    int64_t value = 0;

    AwaitingPromise()
    {
        may_drop = true;
        COIL_FUTURE(first); /* of this core, which is given a descriptor by it */
        COIL_PROMISE(other);
        coil_promise_wait_start(&first, &other);
        coil_future_drop(&first);
    }

    void begin() override
    {
        coil_promise_init(&promise);
        value = int64_t(pick(1 << 30));
    }
    void start(coil_future *future) override { coil_promise_wait_start(future, &promise); }
    ssize_t call() override { return coil_promise_wait(&promise); }
    void complete() override { EXPECT_EQ(0, coil_promise_set(&promise, value)); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == value || result == -ECANCELED) << result;
        end_dropped();
    }
    void end_dropped() override
    {
        ASSERT_EQ(value, coil_promise_wait(&promise));
        coil_promise_drop(&promise);
    }
};

const CancelRow kRows[] = {
    /* call         before   in flight racing after */
    {"coil_call", REFUSED, STOPPED, EITHER, HAPPENED, "", make<Calling<0>>},
    {"coil_call_of_another_core", REFUSED, STOPPED, EITHER, HAPPENED, "", make<Calling<1>>},
    {"coil_spawn_start", REFUSED, STOPPED, EITHER, HAPPENED, "", make<AwaitingChild>},
    {"coil_spawn_start_within", REFUSED, STOPPED, EITHER, HAPPENED, "", make<AwaitingOwnChild>},
    {"coil_gen_next", REFUSED, STOPPED, EITHER, HAPPENED, "", make<Consuming>},
    {"coil_gen_send", REFUSED, STOPPED, EITHER, HAPPENED, "", make<Sending>},
    {"coil_gen_send_to_a_delegate", REFUSED, STOPPED, EITHER, HAPPENED, "",
     make<ConsumingADelegate>},
    {"coil_promise_wait", REFUSED, STOPPED, EITHER, HAPPENED, "", make<AwaitingPromise>},
};
INSTANTIATE_TEST_SUITE_P(Coroutine, CancelledOperation, testing::ValuesIn(kRows), name_of_row);

} // namespace
