/* SPDX-License-Identifier: MIT */
/* One generator and its consumer, in a plain thread. */
#include "gen/generators.h"
#include "support/sandbox.h"
#include "support/sanitizer.h"

#include <cerrno>
#include <memory>
#include <pthread.h>
#include <set>
#include <sys/resource.h>
#include <thread>

using namespace coil_test;

namespace {

using Numbers = std::vector<int>;

TEST(Gen, RunsNothingOfItsBodyBeforeTheFirstValueIsAskedFor)
{
    both_ways([] {
        bool ran = false;
        Generator gen([&](coil_gen *self) {
            ran = true;
            return yield(self, 1);
        });
        EXPECT_FALSE(ran);
        EXPECT_EQ(1, gen.next());
        EXPECT_TRUE(ran);
    });
}

TEST(Gen, HandsOverItsValuesInOrderAndThenNothingForEver)
{
    both_ways([] {
        Generator gen(count(0, 3));
        EXPECT_EQ((Numbers{0, 1, 2}), gen.rest());
        EXPECT_EQ(-1, gen.next());
        EXPECT_EQ(-1, gen.send(&gen));
        EXPECT_EQ(0, gen.result());
    });
}

TEST(Gen, GivesTheVeryPointerThatWasYielded)
{
    both_ways([] {
        int item = 0;
        Generator gen([&](coil_gen *self) { return coil_gen_yield(self, &item, nullptr); });
        EXPECT_EQ(&item, coil_gen_next(gen.get()));
    });
}

TEST(Gen, HasTheResultOfItsBody)
{
    both_ways([] {
        for (int result : {0, 42, -EIO}) {
            Generator gen(count(0, 2, result));
            EXPECT_EQ(2u, gen.rest().size());
            EXPECT_EQ(result, gen.result());
            EXPECT_EQ(result, gen.close());
        }
    });
}

TEST(Gen, MayEndWithoutAValue)
{
    both_ways([] {
        Generator gen([](coil_gen *) { return 7; });
        EXPECT_EQ(-1, gen.next());
        EXPECT_EQ(7, gen.close());
    });
}

TEST(Gen, ThatWasNeverOpenedHasNothingToGive)
{
    coil_gen gen = COIL_ZERO;
    EXPECT_EQ(nullptr, coil_gen_next(&gen));
    EXPECT_EQ(0, coil_gen_close(&gen));
    coil_gen_drop(&gen);
}

TEST(Gen, KeepsItsVariablesBetweenValues)
{
    both_ways([] {
        Generator fibonacci([](coil_gen *self) {
            for (int now = 0, next = 1;;) {
                int err = yield(self, now);
                if (err < 0)
                    return err;
                next += now;
                now = next - now;
            }
        });
        for (int number : {0, 1, 1, 2, 3, 5, 8, 13})
            EXPECT_EQ(number, fibonacci.next());
    });
}

TEST(Gen, RunsBesideManyOthers)
{
    both_ways([] {
        std::vector<std::unique_ptr<Generator>> gens;
        for (int i = 0; i < 200; i++)
            gens.push_back(std::make_unique<Generator>(count(i, i + 3)));
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 200; i++)
                EXPECT_EQ(i + round, gens[size_t(i)]->next());
        }
    });
}

TEST(Gen, MayConsumeAnother)
{
    both_ways([] {
        Generator numbers(count(0, 6));
        Generator even([&](coil_gen *self) {
            for (int number; (number = numbers.next()) >= 0;) {
                int err = number % 2 == 0 ? yield(self, number) : 0;
                if (err < 0)
                    return err;
            }
            return 0;
        });
        Generator squares([&](coil_gen *self) {
            for (int number; (number = even.next()) >= 0;) {
                int err = yield(self, number * number);
                if (err < 0)
                    return err;
            }
            return 0;
        });
        EXPECT_EQ((Numbers{0, 4, 16}), squares.rest());
    });
}

TEST(Gen, MayConsumeOneThatItsConsumerConsumesToo)
{
    both_ways([] {
        Generator numbers(count(0, 4));
        Generator every_other([&](coil_gen *self) {
            for (int number; (number = numbers.next()) >= 0;) {
                int err = yield(self, number);
                if (err < 0)
                    return err;
            }
            return 0;
        });
        EXPECT_EQ(0, every_other.next());
        EXPECT_EQ(1, numbers.next());
        EXPECT_EQ(2, every_other.next());
        EXPECT_EQ(3, numbers.next());
        EXPECT_EQ(-1, every_other.next());
    });
}

TEST(Gen, LeavesItsStackToTheNextOne)
{
    both_ways([] {
        std::set<void *> stacks;
        for (int i = 0; i < 100; i++) {
            Generator gen([&](coil_gen *self) {
                stacks.insert(__builtin_frame_address(0));
                return yield(self, i);
            });
            EXPECT_EQ(i, gen.next());
            if (i % 2 == 0)
                gen.rest();
        }
        EXPECT_EQ(1u, stacks.size());
    });
}

TEST(Gen, WithoutAddressSpaceEndsWithENOMEM)
{
    if (kSanitized)
        GTEST_SKIP() << "sanitizers need address space themselves";
    ChildOutcome outcome = run_in_child([] {
        int result = 0;
        std::thread([&] { /* which has no stacks yet */
                          rlimit none = {1 << 20, 1 << 20};
                          Generator gen(count(0, 3));
                          setrlimit(RLIMIT_AS, &none);
                          result = gen.next() == -1 && gen.result() == -ENOMEM ? gen.close() : 0;
        })
            .join();
        return result;
    });
    EXPECT_EQ(-ENOMEM, outcome.result);
}

TEST(Gen, WorksInEveryThreadAndLeavesNothingBehindWhenItEnds)
{
    both_ways([] {
        for (int round = 0; round < 20; round++) {
            std::thread other([] {
                Generator gen(count(0, 1000));
                EXPECT_EQ(1000u, gen.rest().size());
            });
            Generator gen(count(0, 1000));
            EXPECT_EQ(1000u, gen.rest().size());
            other.join();
        }
    });
}

/* Sending. */

TEST(GenSend, GivesTheYieldItsValueAndNextGivesNull)
{
    both_ways([] {
        std::vector<void *> got;
        Generator gen([&](coil_gen *self) {
            for (int i = 0; i < 3; i++) {
                void *sent = &got;
                int err = yield(self, i, &sent);
                if (err < 0)
                    return err;
                got.push_back(sent);
            }
            return 0;
        });
        int value;
        EXPECT_EQ(0, gen.send(nullptr));
        EXPECT_EQ(1, gen.send(&value));
        EXPECT_EQ(2, gen.next());
        EXPECT_EQ(-1, gen.send(&gen));
        EXPECT_EQ((std::vector<void *>{&value, nullptr, &gen}), got);
    });
}

TEST(GenSend, OfAValueBeforeTheStartIsRefusedAndTheStartIsStillToCome)
{
    both_ways([] {
        Generator gen(count(5, 7));
        EXPECT_EQ(-1, gen.send(&gen));
        EXPECT_EQ(-EINVAL, gen.result());
        EXPECT_EQ((Numbers{5, 6}), gen.rest());
        EXPECT_EQ(0, gen.result());
    });
}

TEST(GenSend, ThatWasRefusedIsWhatCloseReportsIfNothingFollowed)
{
    Generator gen(count(5, 7));
    EXPECT_EQ(-1, gen.send(&gen));
    EXPECT_EQ(-EINVAL, gen.close());
}

/* Throwing. */

TEST(GenThrow, MayBeHandledByABodyThatThenYieldsAgain)
{
    both_ways([] {
        Generator gen([](coil_gen *self) {
            void *sent = self;
            EXPECT_EQ(-EIO, yield(self, 1, &sent));
            EXPECT_EQ(nullptr, sent);
            EXPECT_EQ(0, yield(self, 2));
            EXPECT_EQ(-EPIPE, yield(self, 3));
            return 4;
        });
        EXPECT_EQ(1, gen.next());
        EXPECT_EQ(2, gen.fail(-EIO));
        EXPECT_EQ(3, gen.next());
        EXPECT_EQ(-1, gen.fail(-EPIPE));
        EXPECT_EQ(4, gen.result());
    });
}

TEST(GenThrow, ThatIsNotHandledEndsTheGeneratorWithThatError)
{
    both_ways([] {
        Generator gen(count(0, 10));
        EXPECT_EQ(0, gen.next());
        EXPECT_EQ(-1, gen.fail(-EIO));
        EXPECT_EQ(-EIO, gen.result());
        EXPECT_EQ(-1, gen.next());
        EXPECT_EQ(-EIO, gen.close());
    });
}

TEST(GenThrow, BeforeTheStartEndsTheGeneratorWithoutRunningItsBody)
{
    bool ran = false;
    Generator gen([&](coil_gen *) {
        ran = true;
        return 0;
    });
    EXPECT_EQ(-1, gen.fail(-EIO));
    EXPECT_EQ(-EIO, gen.result());
    EXPECT_EQ(-1, gen.next());
    EXPECT_EQ(-EIO, gen.close());
    EXPECT_FALSE(ran);
}

TEST(GenThrow, AfterTheEndComesBackToTheThrower)
{
    both_ways([] {
        Generator gen(count(0, 0, 5));
        EXPECT_EQ(-1, gen.next());
        EXPECT_EQ(5, gen.result());
        EXPECT_EQ(-1, gen.fail(-EIO));
        EXPECT_EQ(-EIO, gen.result());
    });
}

/* Closing. */

TEST(GenClose, StopsTheYieldAndIsNoFailureIfTheBodyObeys)
{
    both_ways([] {
        bool cleaned = false;
        Generator gen([&](coil_gen *self) {
            int err = yield(self, 1);
            EXPECT_EQ(-ECANCELED, err);
            cleaned = true;
            return err;
        });
        EXPECT_EQ(1, gen.next());
        EXPECT_EQ(0, gen.close());
        EXPECT_TRUE(cleaned);
        EXPECT_EQ(-1, gen.next());
        EXPECT_EQ(0, gen.close());
    });
}

TEST(GenClose, ReturnsWhatTheBodyMakesOfIt)
{
    both_ways([] {
        for (int result : {9, -EIO}) {
            Generator gen([=](coil_gen *self) { return yield(self, 1) < 0 ? result : 0; });
            EXPECT_EQ(1, gen.next());
            EXPECT_EQ(result, gen.close());
            EXPECT_EQ(result, gen.close());
        }
    });
}

TEST(GenClose, BeforeTheStartRunsNothing)
{
    bool ran = false;
    Generator gen([&](coil_gen *) {
        ran = true;
        return 3;
    });
    EXPECT_EQ(0, gen.close());
    EXPECT_EQ(-1, gen.next());
    EXPECT_EQ(0, gen.close());
    EXPECT_FALSE(ran);
}

TEST(GenClose, HappensHoweverTheBlockOfTheGeneratorIsLeft)
{
    both_ways([] {
        int closed = 0;
        GenBody body = [&](coil_gen *self) {
            int err = yield(self, 1);
            closed += err == -ECANCELED;
            return err;
        };
        auto leave_by_return = [&] {
            COIL_GEN(gen, call_gen_body, &body);
            return *static_cast<int *>(coil_gen_next(&gen));
        };
        EXPECT_EQ(1, leave_by_return());
        EXPECT_EQ(1, closed);
        {
            COIL_GEN(gen, call_gen_body, &body);
            EXPECT_NE(nullptr, coil_gen_next(&gen));
        }
        EXPECT_EQ(2, closed);
    });
}

/* Calls from within. */

TEST(Gen, RefusesEveryCallWhileItsBodyRuns)
{
    both_ways([] {
        Generator *self_as_consumer;
        Generator gen([&](coil_gen *self) {
            EXPECT_EQ(-1, self_as_consumer->next());
            EXPECT_EQ(-EBUSY, self_as_consumer->result());
            EXPECT_EQ(-1, self_as_consumer->send(self));
            EXPECT_EQ(-EBUSY, self_as_consumer->result());
            EXPECT_EQ(-1, self_as_consumer->fail(-EIO));
            EXPECT_EQ(-EBUSY, self_as_consumer->result());
            EXPECT_EQ(-EBUSY, self_as_consumer->close());
            EXPECT_EQ(0, yield(self, 1));
            EXPECT_EQ(-EBUSY, coil_gen_delegate(self, self));
            return 2;
        });
        self_as_consumer = &gen;
        EXPECT_EQ(1, gen.next());
        EXPECT_EQ(-1, gen.next());
        EXPECT_EQ(2, gen.result());
    });
}

TEST(Gen, RefusesACallOfAGeneratorThatItsBodyConsumes)
{
    both_ways([] {
        Generator *outermost;
        Generator inner([&](coil_gen *self) {
            EXPECT_EQ(-1, outermost->next());
            EXPECT_EQ(-EBUSY, outermost->result());
            return yield(self, 1);
        });
        Generator outer([&](coil_gen *self) { return yield(self, inner.next()); });
        outermost = &outer;
        EXPECT_EQ(1, outer.next());
    });
}

/* The loop. */

class Foreach : public testing::Test {
protected:
    Foreach()
    {
        body_ = [this](coil_gen *self) {
            for (int i = 0; i < 5; i++) {
                int err = yield(self, i);
                if (err < 0) {
                    closed_++;
                    return err;
                }
            }
            return 50;
        };
    }

    int return_at(int last)
    {
        COIL_GEN(gen, call_gen_body, &body_);
        COIL_FOREACH(int *, number, &gen)
        {
            if (*number == last)
                return *number;
        }
        return -1;
    }

    GenBody body_;
    int closed_ = 0;
};

TEST_F(Foreach, GoesOverAllValuesAndKeepsTheResult)
{
    both_ways([this] {
        Numbers numbers;
        COIL_GEN(gen, call_gen_body, &body_);
        COIL_FOREACH(int *, number, &gen)
        {
            if (*number == 2)
                continue;
            numbers.push_back(*number);
        }
        EXPECT_EQ((Numbers{0, 1, 3, 4}), numbers);
        EXPECT_EQ(50, coil_gen_close(&gen));
        EXPECT_EQ(0, closed_);
    });
}

TEST_F(Foreach, ClosesWhenItIsLeftByBreak)
{
    both_ways([this] {
        closed_ = 0;
        COIL_GEN(gen, call_gen_body, &body_);
        COIL_FOREACH(int *, number, &gen)
        {
            if (*number == 2)
                break;
        }
        EXPECT_EQ(1, closed_);
        EXPECT_EQ(0, coil_gen_close(&gen));
    });
}

TEST_F(Foreach, ClosesWhenItIsLeftByReturn)
{
    both_ways([this] {
        closed_ = 0;
        EXPECT_EQ(3, return_at(3));
        EXPECT_EQ(1, closed_);
    });
}

TEST_F(Foreach, ClosesWhenItIsLeftByGoto)
{
    both_ways([this] {
        closed_ = 0;
        COIL_GEN(gen, call_gen_body, &body_);
        COIL_FOREACH(int *, number, &gen)
        {
            if (*number == 1)
                goto out;
        }
    out:
        EXPECT_EQ(1, closed_);
    });
}

TEST_F(Foreach, NestsAndABreakLeavesTheInnerOne)
{
    both_ways([this] {
        closed_ = 0;
        Numbers numbers;
        COIL_GEN(outer, call_gen_body, &body_);
        COIL_FOREACH(int *, left, &outer)
        {
            COIL_GEN(inner, call_gen_body, &body_);
            COIL_FOREACH(int *, right, &inner)
            {
                if (*right > *left)
                    break;
                numbers.push_back(*left * 10 + *right);
            }
        }
        EXPECT_EQ((Numbers{0, 10, 11, 20, 21, 22, 30, 31, 32, 33, 40, 41, 42, 43, 44}), numbers);
        EXPECT_EQ(4, closed_);
    });
}

TEST_F(Foreach, OverAnEndedGeneratorDoesNothing)
{
    COIL_GEN(gen, call_gen_body, &body_);
    EXPECT_EQ(0, coil_gen_close(&gen));
    COIL_FOREACH(int *, number, &gen)
    ADD_FAILURE() << *number;
}

TEST_F(Foreach, IsClosedWithTheBodyItIsIn)
{
    both_ways([this] {
        closed_ = 0;
        Generator outer([this](coil_gen *self) {
            COIL_GEN(gen, call_gen_body, &body_);
            COIL_FOREACH(int *, number, &gen)
            {
                int err = coil_gen_yield(self, number, nullptr);
                if (err < 0)
                    return err;
            }
            return coil_gen_close(&gen);
        });
        EXPECT_EQ(0, outer.next());
        EXPECT_EQ(1, outer.next());
        EXPECT_EQ(0, outer.close());
        EXPECT_EQ(1, closed_);
    });
}

/* The program may have taken all keys for values of threads, and may give one back. */
TEST(Gen, WorksInAThreadAsSoonAsThereIsAKeyForIt)
{
    enum { WORKS, WORKED_TOO_EARLY, NEVER_WORKS };
    ChildOutcome outcome = run_in_child([] {
        int result = NEVER_WORKS;
        std::thread([&] { /* which has no stacks yet */
                          std::vector<pthread_key_t> keys;
                          pthread_key_t key;
                          while (pthread_key_create(&key, nullptr) == 0) /* ends: there are 1024 */
                              keys.push_back(key);
                          Generator early(count(0, 1)), late(count(0, 1));
                          bool worked = early.next() == 0;
                          for (pthread_key_t taken : keys)
                              pthread_key_delete(taken);
                          if (late.next() == 0)
                              result = worked ? WORKED_TOO_EARLY : WORKS;
        })
            .join();
        return result;
    });
    if (outcome.result == WORKED_TOO_EARLY)
        GTEST_SKIP() << "a test before this one in the same process has made the key";
    EXPECT_EQ(WORKS, outcome.result);
}

} // namespace
