/* SPDX-License-Identifier: MIT */
/* Generators whose bodies wait, as a part of the coroutine that consumes them. */
#include "gen/generators.h"
#include "support/running.h"

#include <coil/fd.h>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <unistd.h>

using namespace coil_test;

namespace {

using Numbers = std::vector<int>;

/* Runs the test as fn of coil_run(), both ways. */
void both_ways_in_a_core(const Callable<void> &test)
{
    both_ways([&] {
        EXPECT_EQ(0, run([&] {
                      test();
                      return 0;
                  }));
    });
}

/* A body that gives way before each number. */
GenBody count_slowly(int first, int end)
{
    return [=](coil_gen *gen) {
        for (int i = first; i < end; i++) {
            int err = coil_yield();
            if (err == 0)
                err = yield(gen, i);
            if (err < 0)
                return err;
        }
        return 0;
    };
}

struct Pipe {
    Pipe() { EXPECT_EQ(0, pipe2(ends, O_CLOEXEC)); }
    ~Pipe()
    {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    int ends[2];
};

TEST(AsyncGen, WaitsWithItsConsumerWhileOthersRun)
{
    both_ways_in_a_core([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        std::string order;
        children.start(scope, [&] {
            Generator gen(count_slowly(0, 3));
            for (int number; (number = gen.next()) >= 0;)
                order += "g" + std::to_string(number);
            return gen.result();
        });
        children.start(scope, [&] {
            for (int i = 0; i < 4; i++) {
                order += "o";
                give_way();
            }
            return 0;
        });
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ("og0og1og2o", order);
    });
}

TEST(AsyncGen, YieldsWhatItReadsFromAPipe)
{
    both_ways_in_a_core([] {
        Pipe pipe;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        std::string got;
        children.start(scope, [&] {
            Generator bytes([&](coil_gen *gen) {
                char byte;
                ssize_t n;
                while ((n = coil_read(pipe.ends[0], &byte, 1)) > 0) {
                    int err = coil_gen_yield(gen, &byte, nullptr);
                    if (err < 0)
                        return err;
                }
                return int(n);
            });
            while (void *byte = coil_gen_next(bytes.get())) {
                got += *static_cast<char *>(byte);
                if (got.size() == 5)
                    break;
            }
            return bytes.close();
        });
        for (char byte : {'h', 'e', 'l', 'l', 'o'}) {
            give_way(2);
            EXPECT_EQ(1, coil_write(pipe.ends[1], &byte, 1));
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ("hello", got);
    });
}

TEST(AsyncGen, DelegatesAcrossWaits)
{
    both_ways_in_a_core([] {
        Generator leaf(count_slowly(0, 3)), root(delegate_to(&leaf));
        EXPECT_EQ((Numbers{0, 1, 2}), root.rest());
        EXPECT_EQ(0, root.result());
    });
}

TEST(AsyncGen, IsReachedByTheCancellationOfItsConsumer)
{
    both_ways_in_a_core([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        int seen = 0, result = 0;
        children.start(scope, [&] {
            Generator gen([&](coil_gen *) { return seen = wait_for_ever(); });
            EXPECT_EQ(-1, gen.next());
            return result = gen.result();
        });
        give_way();
        coil_scope_cancel(&scope);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(-ECANCELED, seen);
        EXPECT_EQ(-ECANCELED, result);
    });
}

TEST(AsyncGen, IsReachedThroughADelegation)
{
    both_ways_in_a_core([] {
        Generator leaf([](coil_gen *) { return wait_for_ever(); });
        Generator root([&](coil_gen *self) {
            EXPECT_EQ(-ECANCELED, coil_gen_delegate(self, leaf.get()));
            return yield(self, 5); /* it is a yield, not a wait: nothing refuses it */
        });
        COIL_SCOPE(scope, coil_now());
        EXPECT_EQ(5, root.next());
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
        EXPECT_EQ(-1, root.next());
    });
}

TEST(AsyncGen, ObeysTheDeadlineOfWhoeverResumesIt)
{
    both_ways_in_a_core([] {
        Numbers results;
        Generator gen([&](coil_gen *self) {
            for (int i = 0; i < 2; i++) {
                results.push_back(coil_sleep(i == 0 ? 60 * COIL_SEC : 0));
                EXPECT_EQ(0, yield(self, i));
            }
            return 0;
        });
        {
            COIL_SCOPE(hasty, coil_after(COIL_MSEC));
            EXPECT_EQ(0, gen.next());
            EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&hasty, 0));
        }
        EXPECT_EQ(1, gen.next());
        EXPECT_EQ(-1, gen.next());
        EXPECT_EQ((Numbers{-ECANCELED, 0}), results);
    });
}

TEST(AsyncGen, IsBusyForOthersWhileItWaits)
{
    both_ways_in_a_core([] {
        Generator gen(count_slowly(0, 2));
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            EXPECT_EQ(0, gen.next());
            return 0;
        });
        give_way();
        EXPECT_EQ(-1, gen.next());
        EXPECT_EQ(-EBUSY, gen.result());
        EXPECT_EQ(-EBUSY, gen.close());
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(1, gen.next());
    });
}

TEST(AsyncGen, MayGoFromOneCoroutineToAnother)
{
    both_ways_in_a_core([] {
        Generator gen(count_slowly(0, 40));
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        Numbers numbers;
        bool busy = false;
        for (int i = 0; i < 4; i++) {
            children.start(scope, [&] {
                for (int taken = 0; taken < 10;) {
                    if (!busy) {
                        busy = true;
                        numbers.push_back(gen.next());
                        busy = false;
                        taken++;
                    }
                    give_way();
                }
                return 0;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        ASSERT_EQ(40u, numbers.size());
        for (int i = 0; i < 40; i++)
            EXPECT_EQ(i, numbers[size_t(i)]);
    });
}

TEST(AsyncGen, MayCleanUpByWaitingWhenItIsClosed)
{
    both_ways_in_a_core([] {
        int cleaned = -1;
        Generator gen([&](coil_gen *self) {
            int err = yield(self, 1);
            cleaned = coil_sleep(COIL_MSEC);
            return err;
        });
        EXPECT_EQ(1, gen.next());
        EXPECT_EQ(0, gen.close());
        EXPECT_EQ(0, cleaned);
    });
}

TEST(AsyncGen, DropsItsOperationInFlightWhenItIsClosed)
{
    both_ways_in_a_core([] {
        Pipe pipe;
        char byte = 0;
        {
            Generator gen([&](coil_gen *self) {
                COIL_FUTURE(read);
                coil_read_start(&read, pipe.ends[0], &byte, 1);
                return yield(self, 1);
            });
            EXPECT_EQ(1, gen.next());
            give_way();
        }
        char then = byte;
        EXPECT_EQ(1, coil_write(pipe.ends[1], "x", 1));
        char later = 0;
        EXPECT_EQ(1, coil_read(pipe.ends[0], &later, 1));
        EXPECT_EQ('x', later);
        EXPECT_EQ(then, byte);
    });
}

TEST(AsyncGen, MayHaveAnOperationInFlightOverAYield)
{
    both_ways_in_a_core([] {
        Pipe pipe;
        Generator gen([&](coil_gen *self) {
            char byte = 0;
            COIL_FUTURE(read);
            coil_read_start(&read, pipe.ends[0], &byte, 1);
            int err = yield(self, 1);
            ssize_t n = coil_await(&read);
            EXPECT_EQ(1, n);
            return err < 0 ? err : byte;
        });
        EXPECT_EQ(1, gen.next());
        EXPECT_EQ(1, coil_write(pipe.ends[1], "x", 1));
        EXPECT_EQ(-1, gen.next());
        EXPECT_EQ('x', gen.result());
    });
}

TEST(AsyncGen, MayHaveAScopeWithChildrenBetweenItsYields)
{
    both_ways_in_a_core([] {
        Generator gen([](coil_gen *self) {
            for (int i = 0; i < 3; i++) {
                Children children;
                int sum = 0;
                COIL_SCOPE(scope, COIL_FOREVER);
                for (int child = 0; child < 3; child++)
                    children.start(scope, [&] { return sum++, coil_yield(); });
                int err = coil_scope_close(&scope, 0);
                if (err == 0)
                    err = yield(self, sum + i);
                if (err < 0)
                    return err;
            }
            return 0;
        });
        EXPECT_EQ((Numbers{3, 4, 5}), gen.rest());
    });
}

TEST(AsyncGen, MayBeConsumedInAScopeThatItsConsumerOpensAndCloses)
{
    both_ways_in_a_core([] {
        Generator inner(count_slowly(0, 3));
        Generator outer([&](coil_gen *self) {
            for (;;) {
                COIL_SCOPE(scope, coil_after(COIL_SEC));
                int number = inner.next();
                int err = coil_scope_close(&scope, 0);
                if (err == 0 && number >= 0)
                    err = yield(self, number);
                if (err < 0 || number < 0)
                    return err;
            }
        });
        COIL_SCOPE(around, coil_after(60 * COIL_SEC));
        EXPECT_EQ((Numbers{0, 1, 2}), outer.rest());
        EXPECT_EQ(0, coil_scope_close(&around, 0));
    });
}

TEST(AsyncGen, SharesTheStacksOfItsCoreWithCoroutines)
{
    both_ways_in_a_core([] {
        for (int round = 0; round < 20; round++) {
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            for (int i = 0; i < 10; i++) {
                children.start(scope, [i] {
                    Generator gen(count_slowly(0, i));
                    EXPECT_EQ(size_t(i), gen.rest().size());
                    return 0;
                });
            }
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
        }
    });
}

/* Many coroutines, each with a chain of generators that wait at every depth, in an order that
 * chance decides: whoever goes on must find his own stack. */
TEST(AsyncGen, FindsItsStackAgainHoweverCoroutinesAndGeneratorsAreNested)
{
    both_ways_in_a_core([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        std::minstd_rand random(1);
        for (int task = 0; task < 20; task++) {
            children.start(scope, [task, &random] {
                Generator leaf([&](coil_gen *self) {
                    for (int i = 0; i < 50; i++) {
                        give_way(int(random() % 3));
                        int err = yield(self, task * 1000 + i);
                        if (err < 0)
                            return err;
                    }
                    return 0;
                });
                Generator middle(delegate_to(&leaf));
                Generator root([&](coil_gen *self) {
                    for (int number; (number = middle.next()) >= 0;) {
                        give_way(int(random() % 3));
                        int err = yield(self, number);
                        if (err < 0)
                            return err;
                    }
                    return 0;
                });
                for (int i = 0; i < 50; i++) {
                    EXPECT_EQ(task * 1000 + i, root.next());
                    give_way(int(random() % 3));
                }
                return root.next() == -1 ? 0 : -EIO;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
    });
}

/* Exceptions, which only one of the ways keeps apart. */

std::string caught_again()
{
    try {
        throw;
    } catch (const std::exception &error) {
        return error.what();
    }
}

TEST(GenExceptions, ThatAreCaughtBelongToWhoeverCaughtThem)
{
    Generator gen([](coil_gen *self) {
        try {
            throw std::runtime_error("of the body");
        } catch (...) {
            EXPECT_EQ(0, yield(self, 1));
            EXPECT_EQ("of the body", caught_again());
        }
        return 0;
    });
    try {
        throw std::runtime_error("of the consumer");
    } catch (...) {
        EXPECT_EQ(1, gen.next());
        EXPECT_EQ("of the consumer", caught_again());
        EXPECT_EQ(-1, gen.next());
        EXPECT_EQ("of the consumer", caught_again());
    }
}

TEST(GenExceptions, ThatAreCaughtBelongToTheGeneratorThroughDelegationsAndWaits)
{
    auto body = [](const char *what, Generator *sub) {
        return [=](coil_gen *self) {
            try {
                throw std::runtime_error(what);
            } catch (...) {
                give_way();
                EXPECT_EQ(0, sub != nullptr ? coil_gen_delegate(self, sub->get()) : yield(self, 1));
                give_way();
                EXPECT_EQ(what, caught_again());
            }
            return 0;
        };
    };
    EXPECT_EQ(0, run([&] {
                  Children children;
                  COIL_SCOPE(scope, COIL_FOREVER);
                  for (int i = 0; i < 3; i++) {
                      children.start(scope, [&] {
                          Generator leaf(body("of the leaf", nullptr));
                          Generator root(body("of the root", &leaf));
                          EXPECT_EQ((Numbers{1}), root.rest());
                          return 0;
                      });
                  }
                  return coil_scope_close(&scope, 0);
              }));
}

TEST(GenExceptions, ThatAreOnTheirWayAreTheConsumersOwn)
{
    Generator gen([](coil_gen *self) {
        EXPECT_EQ(0, std::uncaught_exceptions());
        return yield(self, std::uncaught_exceptions());
    });
    struct AtUnwinding {
        Generator *gen;
        ~AtUnwinding() { EXPECT_EQ(0, gen->next()); }
    };
    try {
        AtUnwinding consumer = {&gen};
        throw std::runtime_error("on its way");
    } catch (const std::exception &) {
        EXPECT_EQ(-1, gen.next());
    }
}

} // namespace
