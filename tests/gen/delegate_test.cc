/* SPDX-License-Identifier: MIT */
/* Generators that hand over what others yield. */
#include "gen/generators.h"

#include <cerrno>
#include <list>

using namespace coil_test;

namespace {

using Numbers = std::vector<int>;

TEST(Delegate, HandsOverAllValuesOfOneAndThenAllOfTheNext)
{
    both_ways([] {
        Generator one(count(0, 2)), two(count(10, 13));
        Generator both([&](coil_gen *self) {
            EXPECT_EQ(0, yield(self, 100));
            EXPECT_EQ(0, coil_gen_delegate(self, one.get()));
            EXPECT_EQ(0, yield(self, 101));
            EXPECT_EQ(0, coil_gen_delegate(self, two.get()));
            return yield(self, 102);
        });
        EXPECT_EQ((Numbers{100, 0, 1, 101, 10, 11, 12, 102}), both.rest());
    });
}

TEST(Delegate, ReturnsTheResultOfTheOther)
{
    both_ways([] {
        for (int result : {7, -EIO}) {
            Generator sub(count(0, 2, result));
            Generator gen([&](coil_gen *self) { return coil_gen_delegate(self, sub.get()) * 2; });
            EXPECT_EQ((Numbers{0, 1}), gen.rest());
            EXPECT_EQ(result * 2, gen.result());
            EXPECT_EQ(result, sub.result());
        }
    });
}

TEST(Delegate, ToOneWithoutAValueGoesOnAtOnce)
{
    both_ways([] {
        Generator empty([](coil_gen *) { return 5; });
        Generator gen([&](coil_gen *self) {
            EXPECT_EQ(5, coil_gen_delegate(self, empty.get()));
            return yield(self, 1);
        });
        EXPECT_EQ((Numbers{1}), gen.rest());
    });
}

TEST(Delegate, ToOneThatHasEndedReturnsItsResultAtOnce)
{
    both_ways([] {
        Generator ended(count(0, 1, 5)), closed(count(0, 9));
        ended.rest();
        EXPECT_EQ(0, closed.next());
        EXPECT_EQ(0, closed.close());
        Generator gen([&](coil_gen *self) {
            EXPECT_EQ(5, coil_gen_delegate(self, ended.get()));
            EXPECT_EQ(0, coil_gen_delegate(self, closed.get()));
            return yield(self, 1);
        });
        EXPECT_EQ((Numbers{1}), gen.rest());
    });
}

TEST(Delegate, ToAStartedOneGoesOnWhereThatIsWithNothingSent)
{
    both_ways([] {
        Generator sub([&](coil_gen *self) {
            void *sent = self;
            EXPECT_EQ(0, yield(self, 0, &sent));
            EXPECT_EQ(nullptr, sent);
            EXPECT_EQ(0, yield(self, 1, &sent));
            EXPECT_NE(nullptr, sent);
            return 0;
        });
        EXPECT_EQ(0, sub.next());
        Generator gen([&](coil_gen *self) {
            EXPECT_EQ(0, coil_gen_delegate(self, sub.get()));
            return yield(self, 2);
        });
        EXPECT_EQ(1, gen.next());
        EXPECT_EQ(2, gen.send(&gen));
        EXPECT_EQ(-1, gen.next());
    });
}

/* The chain root > middle > leaf of a generator that is then delegated to, in the middle of it. */
TEST(Delegate, ToOneThatDelegatesItselfTakesItsWholeChainOver)
{
    both_ways([] {
        Generator leaf(count(0, 3, 30));
        Generator middle([&](coil_gen *self) {
            EXPECT_EQ(30, coil_gen_delegate(self, leaf.get()));
            EXPECT_EQ(0, yield(self, 10));
            return 31;
        });
        Generator root([&](coil_gen *self) {
            EXPECT_EQ(31, coil_gen_delegate(self, middle.get()));
            EXPECT_EQ(-EIO, yield(self, 20));
            return 32;
        });
        EXPECT_EQ(0, root.next());
        Generator late([&](coil_gen *self) {
            EXPECT_EQ(32, coil_gen_delegate(self, root.get()));
            return yield(self, 40);
        });
        EXPECT_EQ(1, late.next());
        EXPECT_EQ(2, late.next());
        EXPECT_EQ(10, late.next());
        EXPECT_EQ(20, late.next());
        EXPECT_EQ(40, late.fail(-EIO));
        EXPECT_EQ(0, late.close());
    });
}

TEST(Delegate, IsClosedInATakenOverChainFromTheInsideOut)
{
    both_ways([] {
        Numbers closed;
        auto noting = [&](int number, GenBody body) {
            return [&closed, number, body](coil_gen *self) {
                int result = body(self);
                if (result == -ECANCELED)
                    closed.push_back(number);
                return result;
            };
        };
        Generator leaf(noting(0, count(0, 3)));
        Generator middle(noting(1, delegate_to(&leaf)));
        EXPECT_EQ(0, middle.next());
        Generator root(noting(2, delegate_to(&middle)));
        EXPECT_EQ(1, root.next());
        EXPECT_EQ(0, root.close());
        EXPECT_EQ((Numbers{0, 1, 2}), closed);
    });
}

TEST(Delegate, PassesWhatIsSentToTheInnermost)
{
    both_ways([] {
        std::vector<void *> got;
        Generator leaf([&](coil_gen *self) {
            for (int i = 0; i < 2; i++) {
                void *sent = nullptr;
                EXPECT_EQ(0, yield(self, i, &sent));
                got.push_back(sent);
            }
            return 0;
        });
        Generator middle(delegate_to(&leaf)), root(delegate_to(&middle));
        EXPECT_EQ(0, root.next());
        EXPECT_EQ(1, root.send(&leaf));
        EXPECT_EQ(-1, root.send(&root));
        EXPECT_EQ((std::vector<void *>{&leaf, &root}), got);
    });
}

TEST(Delegate, PassesWhatIsThrownToTheInnermostWhichMayHandleIt)
{
    both_ways([] {
        Generator leaf([](coil_gen *self) {
            EXPECT_EQ(-EIO, yield(self, 1));
            return yield(self, 2);
        });
        Generator middle(delegate_to(&leaf)), root(delegate_to(&middle));
        EXPECT_EQ(1, root.next());
        EXPECT_EQ(2, root.fail(-EIO));
        EXPECT_EQ(-1, root.next());
        EXPECT_EQ(0, root.result());
    });
}

TEST(Delegate, ReturnsTheErrorThatTheInnermostDidNotHandle)
{
    both_ways([] {
        Generator leaf(count(0, 10));
        Generator root([&](coil_gen *self) {
            EXPECT_EQ(-EIO, coil_gen_delegate(self, leaf.get()));
            return yield(self, 50);
        });
        EXPECT_EQ(0, root.next());
        EXPECT_EQ(50, root.fail(-EIO));
        EXPECT_EQ(-1, root.next());
        EXPECT_EQ(0, root.result());
        EXPECT_EQ(-EIO, leaf.result());
    });
}

TEST(Delegate, IsNotInterruptedByASecondErrorAfterTheFirst)
{
    both_ways([] {
        Generator second(count(5, 7));
        EXPECT_EQ(5, second.next());
        Generator leaf(count(0, 10));
        Generator root([&](coil_gen *self) {
            EXPECT_EQ(-EIO, coil_gen_delegate(self, leaf.get()));
            return coil_gen_delegate(self, second.get());
        });
        EXPECT_EQ(0, root.next());
        EXPECT_EQ(6, root.fail(-EIO));
        EXPECT_EQ(-1, root.next());
        EXPECT_EQ(0, root.result());
    });
}

/* Python: GeneratorExit goes on in the delegator, whatever the other generator made of it. */
TEST(Delegate, IsClosedEvenIfTheInnermostReturnsAsIfNothingWere)
{
    both_ways([] {
        Generator leaf([](coil_gen *self) { return yield(self, 1) < 0 ? 5 : 0; });
        int seen = 0;
        Generator root([&](coil_gen *self) {
            seen = coil_gen_delegate(self, leaf.get());
            return seen;
        });
        EXPECT_EQ(1, root.next());
        EXPECT_EQ(0, root.close());
        EXPECT_EQ(-ECANCELED, seen);
        EXPECT_EQ(5, leaf.result());
    });
}

TEST(Delegate, ReturnsTheErrorWithWhichTheInnermostFailedWhileClosing)
{
    both_ways([] {
        Generator leaf([](coil_gen *self) { return yield(self, 1) < 0 ? -EIO : 0; });
        Generator root(delegate_to(&leaf));
        EXPECT_EQ(1, root.next());
        EXPECT_EQ(-EIO, root.close());
    });
}

TEST(Delegate, MayCleanUpByAnotherThatDoesNotYield)
{
    both_ways([] {
        Generator cleanup([](coil_gen *) { return 3; });
        Generator root([&](coil_gen *self) {
            EXPECT_EQ(-ECANCELED, yield(self, 1));
            return coil_gen_delegate(self, cleanup.get());
        });
        EXPECT_EQ(1, root.next());
        EXPECT_EQ(3, root.close());
    });
}

/* Which is not closed by that, and neither is who it delegates to. */
TEST(Delegate, MayCleanUpByOneThatHasStarted)
{
    both_ways([] {
        Generator leaf([](coil_gen *self) { return yield(self, 0) == 0 ? 3 : -EIO; });
        Generator middle(delegate_to(&leaf));
        EXPECT_EQ(0, middle.next());
        Generator root([&](coil_gen *self) {
            EXPECT_EQ(-ECANCELED, yield(self, 1));
            return coil_gen_delegate(self, middle.get());
        });
        EXPECT_EQ(1, root.next());
        EXPECT_EQ(3, root.close());
        EXPECT_EQ(3, middle.result());
    });
}

TEST(Delegate, KeepsOthersAwayFromTheOneItHandsOver)
{
    both_ways([] {
        Generator leaf(count(0, 3)), root(delegate_to(&leaf));
        EXPECT_EQ(0, root.next());
        EXPECT_EQ(-1, leaf.next());
        EXPECT_EQ(-EBUSY, leaf.result());
        EXPECT_EQ(-1, leaf.fail(-EIO));
        EXPECT_EQ(-EBUSY, leaf.close());
        Generator thief([&](coil_gen *self) { return coil_gen_delegate(self, leaf.get()); });
        EXPECT_EQ(-1, thief.next());
        EXPECT_EQ(-EBUSY, thief.result());
        EXPECT_EQ((Numbers{1, 2}), root.rest());
    });
}

TEST(Delegate, ToWhoeverDelegatesToItIsRefused)
{
    both_ways([] {
        Generator *above;
        Generator leaf([&](coil_gen *self) {
            EXPECT_EQ(-EBUSY, coil_gen_delegate(self, above->get()));
            return yield(self, 1);
        });
        Generator root(delegate_to(&leaf));
        above = &root;
        EXPECT_EQ((Numbers{1}), root.rest());
    });
}

TEST(Delegate, MayBeAsDeepAsThereIsMemory)
{
    both_ways([] {
        constexpr int kDepth = 1000;
        std::list<Generator> chain;
        chain.emplace_back(count(0, 5, 0));
        for (int i = 0; i < kDepth; i++) {
            Generator *below = &chain.back();
            chain.emplace_back([below](coil_gen *self) {
                int result = coil_gen_delegate(self, below->get());
                return result < 0 ? result : result + 1;
            });
        }
        EXPECT_EQ((Numbers{0, 1, 2, 3, 4}), chain.back().rest());
        EXPECT_EQ(kDepth, chain.back().result());
    });
}

struct Tree {
    int number;
    const Tree *left, *right;
};

int in_order(coil_gen *gen, void *arg)
{
    const auto *tree = static_cast<const Tree *>(arg);
    if (tree == nullptr)
        return 0;
    COIL_GEN(left, in_order, const_cast<Tree *>(tree->left));
    int number = tree->number;
    int err = coil_gen_delegate(gen, &left);
    if (err == 0)
        err = coil_gen_yield(gen, &number, nullptr);
    if (err < 0)
        return err;
    COIL_GEN(right, in_order, const_cast<Tree *>(tree->right));
    return coil_gen_delegate(gen, &right);
}

TEST(Delegate, WalksATree)
{
    both_ways([] {
        const Tree one = {1, nullptr, nullptr}, three = {3, nullptr, nullptr};
        const Tree two = {2, &one, &three}, five = {5, nullptr, nullptr};
        const Tree four = {4, &two, &five};
        Numbers numbers;
        COIL_GEN(walk, in_order, const_cast<Tree *>(&four));
        COIL_FOREACH(int *, number, &walk)
        numbers.push_back(*number);
        EXPECT_EQ((Numbers{1, 2, 3, 4, 5}), numbers);
    });
}

} // namespace
