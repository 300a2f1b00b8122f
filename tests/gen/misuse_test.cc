/* SPDX-License-Identifier: MIT */
/* What a wrong program reads when it is stopped. */
#include "gen/generators.h"
#include "coro/coroutines.h"
#include "support/running.h"

#include <cerrno>
#include <csignal>
#include <thread>

using namespace coil_test;

namespace {

/* As a generator is named: its body's function and the line that opened it. */
#define NAME "call_gen_body \\(tests/gen/generators\\.h:[0-9]+\\)"
#define COIL "coil: runtime/gen/gen\\.c:[0-9]+: "

/* All that is read of it, in a run. */
std::string only(const char *line)
{
    return std::string("^") + line + "\n" + replay_line() + "$";
}

class GenDeathTest : public testing::TestWithParam<bool> {
protected:
    GenDeathTest()
    {
        testing::GTEST_FLAG(death_test_style) = "threadsafe";
        coil__gen_ignore_exceptions = GetParam();
    }
    ~GenDeathTest() override { coil__gen_ignore_exceptions = false; }

    /* In a coroutine of the child. */
    static void misuse(const Body &body)
    {
        leave_no_core();
        _exit(run(body));
    }
};

INSTANTIATE_TEST_SUITE_P(BothWays, GenDeathTest, testing::Bool());

TEST_P(GenDeathTest, StopsABodyThatYieldsAgainWhenItIsClosed)
{
    Generator gen([](coil_gen *self) {
        while (yield(self, 1) != 1) {
        }
        return 0;
    });
    EXPECT_EQ(1, gen.next());
    EXPECT_DEATH(gen.close(), "^" COIL "coil_gen_close: the body yielded when it was told to end: "
                              "" NAME "\n$");
    EXPECT_EXIT((gen.fail(-EIO), _exit(3)), testing::ExitedWithCode(3), "");
    gen.get()->state = COIL__GEN_DONE; /* it cannot be ended in any other way */
}

TEST_P(GenDeathTest, StopsADelegateThatYieldsAgainWhenItIsClosed)
{
    auto stubborn = [] {
        Generator leaf([](coil_gen *self) { return yield(self, 1) < 0 ? yield(self, 2) : 0; });
        Generator root(delegate_to(&leaf));
        EXPECT_EQ(1, root.next());
        root.close();
    };
    EXPECT_DEATH(stubborn(),
                 "^" COIL "coil_gen_close: the body yielded when it was told to end: " NAME "\n$");
}

TEST_P(GenDeathTest, StopsAYieldOfNull)
{
    Generator gen([](coil_gen *self) { return coil_gen_yield(self, nullptr, nullptr); });
    EXPECT_DEATH(gen.next(), "^" COIL "coil_gen_yield: a value may not be NULL: " NAME "\n$");
}

TEST_P(GenDeathTest, StopsAYieldByTheConsumer)
{
    Generator gen(count(0, 2));
    const char *sentence = "^" COIL "coil_gen_yield: called from outside the body: " NAME "\n$";
    EXPECT_DEATH(yield(gen.get(), 1), sentence) << "before the start";
    EXPECT_EQ(0, gen.next());
    EXPECT_DEATH(yield(gen.get(), 1), sentence) << "while it is suspended";
    gen.rest();
    EXPECT_DEATH(yield(gen.get(), 1), sentence) << "after the end";
}

TEST_P(GenDeathTest, StopsAYieldOfOneThatWasNeverOpened)
{
    coil_gen gen = COIL_ZERO;
    EXPECT_DEATH(yield(&gen, 1), "^" COIL "coil_gen_yield: called from outside the body: "
                                 "it was never opened\n$");
}

TEST_P(GenDeathTest, StopsAYieldByAGeneratorThatTheBodyConsumes)
{
    auto nested = [] {
        Generator outer([](coil_gen *self) {
            Generator inner([self](coil_gen *) { return yield(self, 1); });
            return inner.next();
        });
        return outer.next();
    };
    EXPECT_DEATH(nested(), "^" COIL "coil_gen_yield: called from outside the body: " NAME "\n$");
}

TEST_P(GenDeathTest, StopsAYieldByAChildOfTheBody)
{
    EXPECT_DEATH(misuse([] {
                     Generator gen([](coil_gen *self) {
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         children.start(scope, [self] { return yield(self, 1); });
                         return coil_scope_close(&scope, 0);
                     });
                     return gen.next();
                 }),
                 only(COIL "coil_gen_yield: called from outside the body: " NAME
                           "; in coroutine call_body \\(.*tests/support/running\\.h:[0-9]+\\)"));
}

TEST_P(GenDeathTest, StopsAYieldWithAScopeOpen)
{
    EXPECT_DEATH(misuse([] {
                     Generator gen([](coil_gen *self) {
                         COIL_SCOPE(scope, COIL_FOREVER);
                         return coil_scope_close(&scope, yield(self, 1));
                     });
                     return gen.next();
                 }),
                 only(COIL "coil_gen_yield: the body has a scope open: " NAME
                           "; in coroutine fn of coil_run\\(\\)"));
}

TEST_P(GenDeathTest, StopsABodyThatReturnsWithAScopeOpen)
{
    EXPECT_DEATH(misuse([] {
                     static coil_scope left;
                     Generator gen([](coil_gen *) {
                         coil_scope_open(&left, COIL_FOREVER);
                         return 0;
                     });
                     return gen.next();
                 }),
                 only(COIL "a generator's body returned with a scope open: " NAME
                           "; in coroutine fn of coil_run\\(\\)"));
}

TEST_P(GenDeathTest, StopsADelegationWithAScopeOpen)
{
    EXPECT_DEATH(misuse([] {
                     Generator sub(count(0, 1));
                     Generator gen([&](coil_gen *self) {
                         COIL_SCOPE(scope, COIL_FOREVER);
                         return coil_scope_close(&scope, coil_gen_delegate(self, sub.get()));
                     });
                     return gen.next();
                 }),
                 only(COIL "coil_gen_delegate: the body has a scope open: " NAME
                           "; in coroutine fn of coil_run\\(\\)"));
}

TEST_P(GenDeathTest, StopsADelegationByTheConsumer)
{
    Generator gen(count(0, 2)), sub(count(0, 2));
    EXPECT_EQ(0, gen.next());
    int result = 0;
    EXPECT_DEATH(result = coil_gen_delegate(gen.get(), sub.get()),
                 "^" COIL "coil_gen_delegate: called from outside the body: " NAME "\n$");
    EXPECT_EQ(0, result);
}

TEST_P(GenDeathTest, StopsAThrowOfNoError)
{
    Generator gen(count(0, 2));
    EXPECT_DEATH(gen.fail(EIO), "^" COIL "coil_gen_throw: an error is negative, a -errno\n$");
    EXPECT_DEATH(gen.fail(0), "^" COIL "coil_gen_throw: an error is negative, a -errno\n$");
}

TEST_P(GenDeathTest, StopsWhoLeavesARunningBodyBehind)
{
    auto drop_itself = [] {
        Generator gen([](coil_gen *self) {
            coil_gen_drop(self);
            return 0;
        });
        return gen.next();
    };
    EXPECT_DEATH(drop_itself(), "^" COIL "coil_gen_drop: the body is running: " NAME "\n$");
}

TEST_P(GenDeathTest, StopsAMoveToAnotherThread)
{
    Generator gen(count(0, 3));
    EXPECT_EQ(0, gen.next());
    auto close_elsewhere = [&] {
        leave_no_core();
        std::thread([&] { gen.close(); }).join();
    };
    EXPECT_DEATH(close_elsewhere(),
                 "^" COIL "a generator may not move to another thread, core or run: " NAME "\n$");
}

TEST_P(GenDeathTest, StopsAMoveOfTheSameThreadIntoARun)
{
    Generator gen(count(0, 3));
    EXPECT_EQ(0, gen.next());
    auto close_inside = [&] {
        leave_no_core();
        Body body = [&] { return gen.close(); };
        _exit(coil_run_attached(nullptr, call_body, &body));
    };
    EXPECT_DEATH(close_inside(), only(COIL "a generator may not move to another thread, core or "
                                           "run: " NAME "; in coroutine fn of coil_run\\(\\)"));
}

TEST_P(GenDeathTest, StopsAThreadThatEndsWithoutClosingIt)
{
    auto forget = [] {
        leave_no_core();
        std::thread([] {
            static GenBody body = count(0, 3);
            static coil_gen gen;
            coil_gen_open(&gen, call_gen_body, &body);
            EXPECT_NE(nullptr, coil_gen_next(&gen));
        }).join();
    };
    EXPECT_DEATH(forget(), "^coil: runtime/coro/thread\\.c:[0-9]+: a thread ended with a generator "
                           "that was never closed: coil_gen_close\\(\\)\n$");
}

TEST_P(GenDeathTest, StopsACoreThatEndsWithoutClosingIt)
{
    EXPECT_DEATH(misuse([] {
                     static GenBody body = count(0, 3);
                     static coil_gen gen;
                     coil_gen_open(&gen, call_gen_body, &body);
                     return coil_gen_next(&gen) != nullptr ? 0 : 1;
                 }),
                 only("coil: runtime/coro/task\\.c:[0-9]+: a generator was never closed: "
                      "coil_gen_close\\(\\)"));
}

/* Overflows. */

int overflow(coil_gen *, void *)
{
    return recurse(1 << 30);
}

TEST_P(GenDeathTest, NamesTheGeneratorAndItsConsumerWhenItsStackOverflows)
{
    auto in_a_core = [] {
        take_default_action();
        run([] {
            COIL_GEN(deep, overflow, nullptr);
            return coil_gen_next(&deep) != nullptr ? 1 : 0;
        });
    };
    EXPECT_EXIT(
        in_a_core(), testing::KilledBySignal(SIGSEGV),
        std::string("^") + replay_line() +
            "coil: stack overflow in generator 'overflow \\(tests/gen/misuse_test\\.cc:[0-9]+"
            "\\)': address 0x[0-9a-f]+, guard 0x[0-9a-f]+000-0x[0-9a-f]+000: raise "
            "coil_options\\.stack_size \\(now 131072\\); running: 'fn of coil_run\\(\\)'\n$");
}

TEST_P(GenDeathTest, NamesTheGeneratorWhoseStackOverflowsInAPlainThread)
{
    auto in_a_thread = [] {
        take_default_action();
        std::thread([] {
            COIL_GEN(deep, overflow, nullptr);
            EXPECT_NE(nullptr, coil_gen_next(&deep));
        }).join();
    };
    EXPECT_EXIT(in_a_thread(), testing::KilledBySignal(SIGSEGV),
                "^coil: stack overflow in generator 'overflow \\(tests/gen/misuse_test\\.cc:[0-9]+"
                "\\)': address 0x[0-9a-f]+, guard 0x[0-9a-f]+000-0x[0-9a-f]+000: too deep for a "
                "stack outside coil_run\\(\\) \\(131072 bytes\\)\n$");
}

} // namespace
