/* SPDX-License-Identifier: MIT */
/* Children as futures: their own results, and cancelling one of them. */
#include "support/running.h"

#include <cerrno>

using namespace coil_test;

namespace {

constexpr int64_t kSoon = 2 * COIL_MSEC;
constexpr int64_t kMuchLater = 3600 * COIL_SEC;

/* A child with its body and its future. */
struct Child {
    coil_future future = {};
    Body body;

    Child(coil_scope &scope, Body given) : body(std::move(given))
    {
        coil_spawn_start(&future, &scope, call_body, &body);
    }
    ~Child() { coil_future_drop(&future); }
    Child(const Child &) = delete;
    Child &operator=(const Child &) = delete;

    int await() { return int(coil_await(&future)); }
};

TEST(Child, AwaitGivesWhatItReturned)
{
    run([] {
        COIL_SCOPE(scope, COIL_FOREVER);
        Child quick(scope, [] { return 42; });
        Child slow(scope, [] { return coil_sleep(kSoon) == 0 ? 43 : -1; });
        EXPECT_EQ(43, slow.await());
        EXPECT_EQ(42, quick.await());
        return coil_scope_close(&scope, 0);
    });
}

TEST(Child, AnErrorGoesToWhoAwaitsAndDoesNotFailTheScope)
{
    run([] {
        Children children;
        int slept = -1;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] { return slept = coil_sleep(kSoon); });
        Child child(scope, [] { return -EIO; });
        EXPECT_EQ(-EIO, child.await());
        EXPECT_FALSE(coil_scope_cancelled(&scope));
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(0, slept) << "its siblings go on";
        return 0;
    });
}

TEST(Child, CloseWaitsForItAndItsResultIsStillThere)
{
    run([] {
        COIL_SCOPE(scope, COIL_FOREVER);
        Child child(scope, [] { return coil_sleep(kSoon) == 0 ? 5 : -1; });
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_TRUE(coil_future_done(&child.future));
        EXPECT_EQ(5, child.await());
        return 0;
    });
}

TEST(Child, CancellingTheFutureCancelsThatChildAloneAndAllBelowIt)
{
    run([] {
        Children children;
        int below = 0, sibling = -1;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] { return sibling = coil_sleep(kSoon); });
        Child child(scope, [&] {
            COIL_SCOPE(inner, COIL_FOREVER);
            children.start(inner, [&] { return below = wait_for_ever(); });
            return coil_scope_close(&inner, wait_for_ever());
        });
        give_way(3);
        coil_future_cancel(&child.future);
        EXPECT_EQ(-ECANCELED, child.await());
        EXPECT_EQ(-ECANCELED, below);
        EXPECT_FALSE(coil_scope_cancelled(&scope));
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(0, sibling);
        return 0;
    });
}

TEST(Child, ThatIsCancelledKeepsWhatItBroughtAbout)
{
    run([] {
        COIL_SCOPE(scope, COIL_FOREVER);
        Child child(scope, [] { return wait_for_ever() == -ECANCELED ? 9 : -1; });
        give_way();
        coil_future_cancel(&child.future);
        EXPECT_FALSE(coil_future_done(&child.future)) << "it has yet to end";
        EXPECT_EQ(9, child.await());
        return coil_scope_close(&scope, 0);
    });
}

TEST(Child, CancelledBeforeItRanNeverRuns)
{
    run([] {
        bool ran = false;
        auto note = [&] {
            ran = true;
            return 0;
        };
        COIL_SCOPE(scope, COIL_FOREVER);
        Child first(scope, note);
        coil_future_cancel(&first.future);
        EXPECT_EQ(-ECANCELED, first.await());
        Child second(scope, note);
        coil_scope_cancel(&scope);
        EXPECT_EQ(-ECANCELED, second.await());
        Child third(scope, note);
        EXPECT_TRUE(coil_future_done(&third.future)) << "refused at once";
        EXPECT_EQ(-ECANCELED, third.await());
        EXPECT_FALSE(ran);
        return coil_scope_close(&scope, 0);
    });
}

TEST(Child, IsRefusedByACancelledScopeOfAnother)
{
    run([] {
        Children children;
        COIL_SCOPE(outer, COIL_FOREVER);
        children.start(outer, [] {
            COIL_SCOPE(scope, COIL_FOREVER);
            return coil_scope_close(&scope, wait_for_ever());
        });
        COIL_SCOPE(cancelled, COIL_FOREVER);
        coil_scope_cancel(&cancelled);
        {
            COIL_SCOPE(shield, COIL_FOREVER);
            coil_scope_shield(&shield);
            Child child(cancelled, [] { return 1; });
            EXPECT_EQ(-ECANCELED, child.await());
            EXPECT_EQ(0, coil_scope_close(&shield, 0));
        }
        EXPECT_EQ(0, coil_scope_close(&cancelled, 0));
        coil_scope_cancel(&outer);
        return coil_scope_close(&outer, 0);
    });
}

TEST(Child, IsCancelledWithWhoAwaitsIt)
{
    run([] {
        COIL_SCOPE(scope, COIL_FOREVER);
        int waited = 0;
        Child child(scope, [&] { return waited = wait_for_ever(); });
        {
            COIL_SCOPE(inner, coil_after(kSoon));
            EXPECT_EQ(-ECANCELED, child.await());
            EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&inner, 0));
        }
        EXPECT_EQ(-ECANCELED, waited);
        EXPECT_FALSE(coil_scope_cancelled(&scope));
        return coil_scope_close(&scope, 0);
    });
}

TEST(Child, DropCancelsItWaitsForItAndForgetsItsResult)
{
    run([] {
        bool ended = false;
        COIL_SCOPE(scope, COIL_FOREVER);
        {
            Child child(scope, [&] {
                EXPECT_EQ(-ECANCELED, wait_for_ever());
                COIL_SCOPE(shield, COIL_FOREVER);
                coil_scope_shield(&shield);
                EXPECT_EQ(0, coil_sleep(kSoon));
                ended = true;
                return coil_scope_close(&shield, -EIO);
            });
            give_way();
        }
        EXPECT_TRUE(ended);
        EXPECT_EQ(0, coil_scope_close(&scope, 0)) << "its error is forgotten too";
        return 0;
    });
}

TEST(Child, MayBeAwaitedUntilADeadline)
{
    run([] {
        COIL_SCOPE(scope, COIL_FOREVER);
        Child child(scope, [] { return wait_for_ever(); });
        EXPECT_EQ(-ETIMEDOUT, coil_await_until(&child.future, coil_after(kSoon)));
        return coil_scope_close(&scope, 0);
    });
}

TEST(Child, ADeadlineOfItsScopeIsReportedByTheScope)
{
    run([] {
        COIL_SCOPE(scope, coil_after(kSoon));
        Child child(scope, [] { return wait_for_ever(); });
        EXPECT_EQ(-ECANCELED, child.await());
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
        return 0;
    });
}

struct ChildDeathTest : testing::Test {
    ChildDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

TEST_F(ChildDeathTest, StopsASpawnIntoAClosedScope)
{
    EXPECT_DEATH(run([] {
                     COIL_SCOPE(scope, COIL_FOREVER);
                     EXPECT_EQ(0, coil_scope_close(&scope, 0));
                     Child child(scope, [] { return 0; });
                     return child.await();
                 }),
                 "coil_spawn: the scope is not open; in coroutine fn of coil_run");
}

TEST_F(ChildDeathTest, StopsAChildThatReturnsWithAScopeOpen)
{
    EXPECT_DEATH(run([] {
                     COIL_SCOPE(scope, COIL_FOREVER);
                     Child child(scope, [] {
                         static coil_scope left;
                         coil_scope_open(&left, coil_after(kMuchLater));
                         return 0;
                     });
                     return child.await();
                 }),
                 "a coroutine returned with a scope open; in coroutine "
                 "call_body \\(.*child_test.cc:");
}

TEST_F(ChildDeathTest, StopsWhoLeavesAChildBehind)
{
    EXPECT_DEATH(run([] {
                     Children children;
                     static coil_future left;
                     static Body body = [] { return wait_for_ever(); };
                     COIL_SCOPE(scope, COIL_FOREVER);
                     children.start(scope, [&] {
                         coil_spawn_start(&left, &scope, call_body, &body);
                         return 0;
                     });
                     return coil_scope_close(&scope, 0);
                 }),
                 "a coroutine returned with an operation in flight");
}

} // namespace
