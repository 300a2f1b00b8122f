/* SPDX-License-Identifier: MIT */
/* Scopes: who is waited for, who is cancelled, and what a scope reports. */
#include "support/running.h"
#include "support/sanitizer.h"

#include <cerrno>
#include <string>
#include <unistd.h>
#include <vector>

using namespace coil_test;

namespace {

constexpr int64_t kSoon = 2 * COIL_MSEC;
constexpr int64_t kMuchLater = 3600 * COIL_SEC;

TEST(Scope, CloseWaitsForEveryChild)
{
    int ended = 0;
    EXPECT_EQ(0, run([&] {
                  Children children;
                  COIL_SCOPE(scope, COIL_FOREVER);
                  for (int i = 0; i < 10; i++) {
                      children.start(scope, [&, i] {
                          give_way(i);
                          ended++;
                          return 0;
                      });
                  }
                  EXPECT_EQ(0, ended) << "a spawned coroutine runs before its spawner waits";
                  int result = coil_scope_close(&scope, 0);
                  EXPECT_EQ(10, ended);
                  return result;
              }));
}

TEST(Scope, WithoutChildrenClosesAtOnceWithItsResult)
{
    run([] {
        for (int result : {0, 1, 4096}) {
            COIL_SCOPE(scope, COIL_FOREVER);
            EXPECT_EQ(result, coil_scope_close(&scope, result));
        }
        COIL_SCOPE(scope, COIL_FOREVER);
        EXPECT_EQ(-EIO, coil_scope_close(&scope, -EIO));
        return 0;
    });
}

TEST(Scope, CanBeOpenedAgainAfterItsClose)
{
    run([] {
        coil_scope scope = COIL_ZERO;
        for (int i = 0; i < 3; i++) {
            coil_scope_open(&scope, COIL_FOREVER);
            coil_scope_cancel(&scope);
            EXPECT_EQ(-ECANCELED, coil_yield());
            EXPECT_EQ(0, coil_scope_close(&scope, -ECANCELED));
            EXPECT_EQ(0, coil_yield());
        }
        return 0;
    });
}

TEST(Scope, ResultsOfZeroOrMoreOfChildrenAreNoFailure)
{
    run([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] { return 7; });
        children.start(scope, [] { return 0; });
        give_way();
        EXPECT_FALSE(coil_scope_cancelled(&scope));
        EXPECT_EQ(3, coil_scope_close(&scope, 3));
        return 0;
    });
}

TEST(Scope, TheFirstFailureOfAChildWinsAndCancelsItsSiblings)
{
    run([] {
        Children children;
        int waited = 0, slept = 0;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] { return waited = wait_for_ever(); });
        children.start(scope, [&] { return slept = coil_sleep(kMuchLater); });
        children.start(scope, [] { return -ENOENT; });
        children.start(scope, [] { return -EIO; });
        EXPECT_EQ(-ENOENT, coil_scope_close(&scope, 0));
        EXPECT_EQ(-ECANCELED, waited);
        EXPECT_EQ(-ECANCELED, slept);
        return 0;
    });
}

TEST(Scope, AFailedChildCancelsTheBody)
{
    run([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] { return -EPIPE; });
        EXPECT_EQ(-ECANCELED, wait_for_ever());
        EXPECT_EQ(-ECANCELED, coil_yield());
        EXPECT_TRUE(coil_scope_cancelled(&scope));
        EXPECT_EQ(-EPIPE, coil_scope_close(&scope, -ECANCELED));
        EXPECT_EQ(0, coil_yield());
        return 0;
    });
}

TEST(Scope, AFailedBodyCancelsTheChildrenAndItsErrorWins)
{
    run([] {
        Children children;
        int waited = 0;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            waited = wait_for_ever();
            return -EIO; /* not the first */
        });
        give_way();
        EXPECT_EQ(-EBADMSG, coil_scope_close(&scope, -EBADMSG));
        EXPECT_EQ(-ECANCELED, waited);
        return 0;
    });
}

/* In a scope that nobody cancelled it is an error like another: say, of an operation that the child
 * itself gave up. */
TEST(Scope, ECanceledOfAChildWithoutACancellationIsAFailure)
{
    run([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] { return -ECANCELED; });
        EXPECT_EQ(-ECANCELED, wait_for_ever());
        EXPECT_EQ(-ECANCELED, coil_scope_close(&scope, 0));
        return 0;
    });
}

TEST(Scope, AnErrorOfACancelledChildIsReportedUnlessItIsECanceled)
{
    run([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] { return wait_for_ever(); });
        children.start(scope, [] { return wait_for_ever() == -ECANCELED ? -EIO : 0; });
        give_way();
        coil_scope_cancel(&scope);
        EXPECT_EQ(-EIO, coil_scope_close(&scope, 0));
        return 0;
    });
}

TEST(Scope, ItsOwnCancellationIsNoError)
{
    run([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] { return wait_for_ever(); });
        give_way();
        coil_scope_cancel(&scope);
        coil_scope_cancel(&scope); /* idempotent */
        EXPECT_EQ(-ECANCELED, coil_yield());
        EXPECT_EQ(5, coil_scope_close(&scope, 5));
        return 0;
    });
}

TEST(Scope, CancelReachesABodyFromASiblingAndFromAChild)
{
    run([] {
        Children children;
        COIL_SCOPE(around, COIL_FOREVER);
        coil_scope *inner = nullptr;
        children.start(around, [&] {
            COIL_SCOPE(scope, COIL_FOREVER);
            inner = &scope;
            EXPECT_EQ(-ECANCELED, wait_for_ever());
            return coil_scope_close(&scope, -ECANCELED);
        });
        children.start(around, [&] {
            coil_scope_cancel(inner);
            return 0;
        });
        EXPECT_EQ(0, coil_scope_close(&around, 0));

        COIL_SCOPE(own, COIL_FOREVER);
        children.start(own, [&] {
            coil_scope_cancel(&own);
            EXPECT_EQ(-ECANCELED, coil_yield());
            return -ECANCELED;
        });
        EXPECT_EQ(-ECANCELED, wait_for_ever());
        return coil_scope_close(&own, -ECANCELED);
    });
}

TEST(Scope, CancelReachesGrandchildrenAndStopsAtTheScope)
{
    run([] {
        Children children;
        int inside = 0, outside = 1;
        COIL_SCOPE(around, COIL_FOREVER);
        children.start(around, [&] { return outside = coil_sleep(kSoon); });
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            COIL_SCOPE(middle, COIL_FOREVER);
            children.start(middle, [&] { return inside = wait_for_ever(); });
            return coil_scope_close(&middle, 0);
        });
        give_way(3);
        coil_scope_cancel(&scope);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(-ECANCELED, inside);
        EXPECT_EQ(0, coil_scope_close(&around, 0));
        EXPECT_EQ(0, outside);
        return 0;
    });
}

TEST(Scope, ACancelledCloseStillWaitsForItsChildren)
{
    bool cleaned_up = false;
    run([&] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            EXPECT_EQ(-ECANCELED, wait_for_ever());
            COIL_SCOPE(cleanup, coil_after(kMuchLater));
            coil_scope_shield(&cleanup);
            EXPECT_EQ(0, coil_sleep(kSoon));
            cleaned_up = true;
            return coil_scope_close(&cleanup, -ECANCELED);
        });
        give_way();
        coil_scope_cancel(&scope);
        int result = coil_scope_close(&scope, 0);
        EXPECT_TRUE(cleaned_up);
        return result;
    });
    EXPECT_TRUE(cleaned_up);
}

TEST(Scope, IsCancelledAndWaitedForHoweverItsBlockIsLeft)
{
    run([] {
        Children children;
        std::vector<int> results;
        auto child = [&] {
            results.push_back(wait_for_ever());
            return results.back();
        };
        auto by_return = [&] {
            COIL_SCOPE(scope, COIL_FOREVER);
            children.start(scope, child);
            return 0;
        };
        by_return();
        EXPECT_EQ(1u, results.size());

        for (;;) {
            COIL_SCOPE(scope, COIL_FOREVER);
            children.start(scope, child);
            give_way();
            break;
        }
        EXPECT_EQ(2u, results.size());

        {
            COIL_SCOPE(outer, COIL_FOREVER);
            COIL_SCOPE(inner, COIL_FOREVER);
            children.start(outer, child);
            children.start(inner, child);
            give_way();
            goto out;
        }
    out:
        EXPECT_EQ(4u, results.size());
        for (int result : results)
            EXPECT_EQ(-ECANCELED, result);
        EXPECT_EQ(0, coil_yield());
        return 0;
    });
}

TEST(Scope, IsCancelledAndWaitedForWhenAnExceptionLeavesIt)
{
    run([] {
        Children children;
        int waited = 0;
        try {
            COIL_SCOPE(scope, COIL_FOREVER);
            children.start(scope, [&] { return waited = wait_for_ever(); });
            give_way();
            throw std::string("out");
        } catch (const std::string &) {
        }
        EXPECT_EQ(-ECANCELED, waited);
        EXPECT_EQ(0, coil_yield());
        return 0;
    });
}

TEST(Scope, RefusesToSpawnOnceCancelled)
{
    run([] {
        Children children;
        int started = 0;
        COIL_SCOPE(scope, COIL_FOREVER);
        auto child = [&] {
            started++;
            return wait_for_ever();
        };
        children.start(scope, child); /* starts, since it was spawned before the cancel */
        coil_scope_cancel(&scope);
        EXPECT_EQ(-ECANCELED, children.spawn(scope, child));
        {
            COIL_SCOPE(inner, COIL_FOREVER);
            EXPECT_EQ(-ECANCELED, children.spawn(inner, child));
            EXPECT_EQ(-ECANCELED, coil_scope_close(&inner, -ECANCELED));
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(1, started);
        return 0;
    });
}

TEST(Scope, ChildrenMayBeSpawnedIntoAnOuterScopeAndIntoThatOfAnotherCoroutine)
{
    run([] {
        Children children;
        std::vector<std::string> ended;
        COIL_SCOPE(outer, COIL_FOREVER);
        {
            COIL_SCOPE(inner, COIL_FOREVER);
            children.start(outer, [&] {
                give_way(5);
                ended.push_back("outer's");
                return 0;
            });
            children.start(inner, [&] {
                children.start(outer, [&] {
                    give_way(9);
                    ended.push_back("outer's, by a child of inner");
                    return 0;
                });
                ended.push_back("inner's");
                return 0;
            });
            EXPECT_EQ(0, coil_scope_close(&inner, 0));
            EXPECT_EQ((std::vector<std::string>{"inner's"}), ended);
        }
        EXPECT_EQ(0, coil_scope_close(&outer, 0));
        EXPECT_EQ(3u, ended.size());
        return 0;
    });
}

TEST(Scope, AChildMayStillSpawnSiblingsWhileTheOwnerCloses)
{
    run([] {
        Children children;
        int ended = 0;
        COIL_SCOPE(scope, COIL_FOREVER);
        Body child = [&] {
            give_way();
            if (++ended < 100)
                children.start(scope, [&] { return child(); });
            return 0;
        };
        children.start(scope, [&] { return child(); });
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(100, ended);
        return 0;
    });
}

TEST(Scope, ASiblingMaySpawnAfterTheLastChildEndedAndBeforeTheOwnerRuns)
{
    run([] {
        Children children;
        bool late_ended = false;
        COIL_SCOPE(around, COIL_FOREVER);
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] { return 0; }); /* its end readies the owner */
        children.start(around, [&] {
            children.start(scope, [&] {
                give_way(3);
                late_ended = true;
                return 0;
            });
            return 0;
        });
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_TRUE(late_ended);
        return coil_scope_close(&around, 0);
    });
}

TEST(Scope, AChildOfTheOuterScopeOutlivesACancelledInnerOne)
{
    run([] {
        Children children;
        int slept = 1;
        COIL_SCOPE(outer, COIL_FOREVER);
        COIL_SCOPE(inner, COIL_FOREVER);
        children.start(outer, [&] { return slept = coil_sleep(kSoon); });
        give_way();
        coil_scope_cancel(&inner);
        EXPECT_EQ(-ECANCELED, coil_yield());
        EXPECT_EQ(0, coil_scope_close(&inner, -ECANCELED));
        EXPECT_EQ(0, coil_scope_close(&outer, 0));
        EXPECT_EQ(0, slept);
        return 0;
    });
}

TEST(Scope, ADeadlineIsReportedAsATimeout)
{
    run([] {
        coil_time deadline = coil_after(kSoon);
        COIL_SCOPE(scope, deadline);
        EXPECT_EQ(-ECANCELED, wait_for_ever());
        EXPECT_GE(coil_now(), deadline);
        EXPECT_EQ(-ECANCELED, coil_yield());
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, -ECANCELED));
        EXPECT_EQ(0, coil_yield());
        return 0;
    });
}

TEST(Scope, ADeadlineHoldsWhileTheScopeCloses)
{
    run([] {
        Children children;
        int waited = 0;
        COIL_SCOPE(scope, coil_after(kSoon));
        children.start(scope, [&] { return waited = wait_for_ever(); });
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
        EXPECT_EQ(-ECANCELED, waited);
        return 0;
    });
}

TEST(Scope, ADeadlineThatStoppedNothingIsNotReported)
{
    run([] {
        Children children;
        COIL_SCOPE(scope, coil_after(0));
        children.start(scope, [] {
            coil_time passed = coil_after(kSoon);
            while (coil_now() < passed) {
            }
            return 0;
        });
        EXPECT_EQ(9, coil_scope_close(&scope, 9));
        return 0;
    });
}

TEST(Scope, ADeadlineThatStoppedAChildIsReportedAlsoWhenTheChildHidesIt)
{
    run([] {
        Children children;
        COIL_SCOPE(scope, coil_after(kSoon));
        children.start(scope, [] { return wait_for_ever() < 0 ? 0 : 1; });
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 9));

        COIL_SCOPE(other, coil_after(kSoon));
        children.start(other, [&] {
            COIL_SCOPE(deeper, COIL_FOREVER);
            children.start(deeper, [] { return wait_for_ever() < 0 ? 0 : 1; });
            return coil_scope_close(&deeper, 0) == -ECANCELED ? 0 : -EIO;
        });
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&other, 9));
        return 0;
    });
}

/* The operation has its result when the deadline passes; only its coroutine has yet to run. */
TEST(Scope, ADeadlineInTheTurnOfACompletionIsNotReported)
{
    run([] {
        coil_time tie = coil_after(kSoon);
        COIL_FUTURE(sleep);
        coil_sleep_until_start(&sleep, tie);
        COIL_SCOPE(scope, tie);
        EXPECT_EQ(0, coil_await(&sleep));
        EXPECT_EQ(1, coil_scope_close(&scope, 1));
        return 0;
    });
}

TEST(Scope, ACancellationThatAnOperationWithstoodIsNotReported)
{
    run([] {
        Children children;
        int ends[2];
        EXPECT_EQ(0, pipe(ends));
        COIL_SCOPE(outer, COIL_FOREVER);
        COIL_SCOPE(inner, COIL_FOREVER);
        children.start(outer, [&] {
            coil_scope_cancel(&outer);
            return 0;
        });
        COIL_FUTURE(close); /* the one operation that can't be cancelled */
        coil_close_start(&close, ends[0]);
        EXPECT_EQ(0, coil_await(&close));
        EXPECT_TRUE(coil_scope_cancelled(&inner));
        EXPECT_EQ(1, coil_scope_close(&inner, 1));
        EXPECT_EQ(0, coil_close(ends[1]));
        return coil_scope_close(&outer, 0);
    });
}

TEST(Scope, ACancellationIsReportedWhenItEndsAnOperationBegunBefore)
{
    run([] {
        COIL_SCOPE(outer, COIL_FOREVER);
        COIL_SCOPE(inner, COIL_FOREVER);
        COIL_FUTURE(sleep);
        coil_sleep_until_start(&sleep, COIL_FOREVER);
        coil_scope_cancel(&outer);
        EXPECT_EQ(-ECANCELED, coil_await(&sleep));
        EXPECT_EQ(-ECANCELED, coil_scope_close(&inner, 1));
        return coil_scope_close(&outer, 0);
    });
}

TEST(Scope, APassedDeadlineCancelsAtTheNextTurn)
{
    run([] {
        for (coil_time deadline : {INT64_MIN, INT64_C(-1), INT64_C(0), coil_now()}) {
            COIL_SCOPE(scope, deadline);
            EXPECT_FALSE(coil_scope_cancelled(&scope));
            EXPECT_EQ(-ECANCELED, coil_sleep(kMuchLater));
            EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, -ECANCELED));
        }
        return 0;
    });
}

TEST(Scope, TheNearestDeadlineWinsAndEachReportsItsOwn)
{
    run([] {
        {
            COIL_SCOPE(outer, coil_after(kMuchLater));
            COIL_SCOPE(inner, coil_after(kSoon));
            EXPECT_EQ(-ECANCELED, wait_for_ever());
            EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&inner, -ECANCELED));
            EXPECT_EQ(0, coil_yield());
            EXPECT_EQ(2, coil_scope_close(&outer, 2));
        }
        {
            COIL_SCOPE(outer, coil_after(kSoon));
            COIL_SCOPE(inner, coil_after(kMuchLater));
            EXPECT_EQ(-ECANCELED, wait_for_ever());
            EXPECT_EQ(-ECANCELED, coil_scope_close(&inner, -ECANCELED));
            EXPECT_EQ(-ECANCELED, coil_yield());
            EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&outer, -ECANCELED));
        }
        EXPECT_EQ(0, coil_yield());
        return 0;
    });
}

TEST(Scope, AnInnerCancellationLeavesTheOuterOneItsCause)
{
    run([] {
        COIL_SCOPE(outer, coil_after(kSoon));
        COIL_SCOPE(inner, COIL_FOREVER);
        coil_scope_cancel(&inner);
        EXPECT_EQ(-ECANCELED, wait_for_ever());
        EXPECT_EQ(0, coil_scope_close(&inner, -ECANCELED));
        EXPECT_EQ(-ECANCELED, wait_for_ever()); /* until outer's deadline */
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&outer, 0));
        return 0;
    });
}

TEST(Scope, ADeadlineCanBeMovedBothWaysAndTakenAway)
{
    run([] {
        COIL_SCOPE(scope, coil_after(kMuchLater));
        coil_scope_deadline(&scope, coil_after(kSoon));
        EXPECT_EQ(-ECANCELED, wait_for_ever());
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, -ECANCELED));

        COIL_SCOPE(later, coil_after(kSoon));
        coil_scope_deadline(&later, coil_after(kMuchLater));
        EXPECT_EQ(0, coil_sleep(2 * kSoon));
        coil_scope_deadline(&later, COIL_FOREVER);
        EXPECT_EQ(0, coil_sleep(kSoon));
        coil_scope_deadline(&later, coil_now());
        EXPECT_EQ(-ECANCELED, wait_for_ever());
        coil_scope_deadline(&later, COIL_FOREVER); /* too late */
        EXPECT_EQ(-ECANCELED, coil_yield());
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&later, -ECANCELED));
        return 0;
    });
}

TEST(Scope, AShieldHoldsACancellationOffThatComesLater)
{
    run([] {
        Children children;
        COIL_SCOPE(outer, COIL_FOREVER);
        {
            COIL_SCOPE(cleanup, coil_after(kMuchLater));
            coil_scope_shield(&cleanup);
            coil_scope_cancel(&outer);
            EXPECT_FALSE(coil_scope_cancelled(&cleanup));
            EXPECT_EQ(0, coil_sleep(kSoon));
            children.start(cleanup, [] { return coil_sleep(kSoon); });
            COIL_SCOPE(within, COIL_FOREVER);
            EXPECT_EQ(0, coil_yield());
            EXPECT_EQ(3, coil_scope_close(&within, 3));
            EXPECT_EQ(4, coil_scope_close(&cleanup, 4));
        }
        EXPECT_EQ(-ECANCELED, coil_yield());
        EXPECT_EQ(0, coil_scope_close(&outer, -ECANCELED));
        return 0;
    });
}

TEST(Scope, AShieldHoldsACancellationOffThatCameBefore)
{
    run([] {
        Children children;
        COIL_SCOPE(outer, COIL_FOREVER);
        COIL_SCOPE(open_before, COIL_FOREVER);
        coil_scope_cancel(&outer);
        EXPECT_EQ(-ECANCELED, coil_yield());
        coil_scope_shield(&open_before);
        EXPECT_EQ(0, coil_yield());
        children.start(open_before, [] { return coil_sleep(kSoon); });
        EXPECT_EQ(4, coil_scope_close(&open_before, 4));

        EXPECT_EQ(-ECANCELED, coil_yield());
        COIL_SCOPE(opened_after, coil_after(kMuchLater));
        EXPECT_EQ(-ECANCELED, coil_yield());
        coil_scope_shield(&opened_after);
        EXPECT_EQ(0, coil_sleep(kSoon));
        EXPECT_EQ(5, coil_scope_close(&opened_after, 5));

        EXPECT_EQ(0, coil_scope_close(&outer, -ECANCELED));
        return 0;
    });
}

TEST(Scope, AShieldIsBoundedByItsOwnDeadlineAlsoWhenTheCancellationCameBefore)
{
    run([] {
        Children children;
        COIL_SCOPE(outer, COIL_FOREVER);
        COIL_SCOPE(open_before, coil_after(kSoon));
        coil_scope_cancel(&outer);
        {
            COIL_SCOPE(opened_after, coil_after(kSoon));
            coil_scope_shield(&opened_after);
            EXPECT_EQ(-ECANCELED, coil_sleep(kMuchLater));
            EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&opened_after, -ECANCELED));
        }
        coil_scope_shield(&open_before);
        EXPECT_EQ(-ECANCELED, coil_sleep(COIL_SEC)) << "its deadline was forgotten";
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&open_before, -ECANCELED));
        EXPECT_EQ(0, coil_scope_close(&outer, -ECANCELED));
        return 0;
    });
}

TEST(Scope, ADeadlineMovedInACancelledScopeBoundsItsShield)
{
    run([] {
        COIL_SCOPE(outer, COIL_FOREVER);
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_scope_cancel(&outer);
        coil_scope_deadline(&scope, coil_after(kSoon));
        coil_scope_shield(&scope);
        EXPECT_EQ(-ECANCELED, coil_sleep(COIL_SEC));
        EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, -ECANCELED));
        EXPECT_EQ(0, coil_scope_close(&outer, -ECANCELED));
        return 0;
    });
}

TEST(Scope, AShieldDoesNotHoldOffTheScopesOwnCancellation)
{
    run([] {
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_scope_shield(&scope);
        coil_scope_cancel(&scope);
        EXPECT_EQ(-ECANCELED, coil_yield());
        coil_scope_shield(&scope); /* too late */
        EXPECT_EQ(-ECANCELED, coil_yield());
        EXPECT_EQ(0, coil_scope_close(&scope, -ECANCELED));
        return 0;
    });
}

TEST(Scope, AShieldDoesNotUndoTheScopesOwnCancellationAfterThatOfTheScopesAround)
{
    run([] {
        COIL_SCOPE(outer, COIL_FOREVER);
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_scope_cancel(&outer);
        coil_scope_cancel(&scope);
        coil_scope_shield(&scope);
        EXPECT_TRUE(coil_scope_cancelled(&scope));
        EXPECT_EQ(-ECANCELED, coil_yield());
        EXPECT_EQ(0, coil_scope_close(&scope, -ECANCELED));
        EXPECT_EQ(0, coil_scope_close(&outer, -ECANCELED));
        return 0;
    });
}

TEST(Scope, AShieldDoesNotUndoTheFailureOfAChild)
{
    run([] {
        Children children;
        COIL_SCOPE(outer, COIL_FOREVER);
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] { return wait_for_ever() == -ECANCELED ? -EIO : 0; });
        give_way();
        coil_scope_cancel(&outer);
        {
            COIL_SCOPE(shielded, COIL_FOREVER);
            coil_scope_shield(&shielded);
            EXPECT_EQ(0, coil_sleep(kSoon));
            EXPECT_EQ(0, coil_scope_close(&shielded, 0));
        }
        coil_scope_shield(&scope);
        EXPECT_EQ(-ECANCELED, coil_yield());
        EXPECT_EQ(-EIO, coil_scope_close(&scope, -ECANCELED));
        EXPECT_EQ(0, coil_scope_close(&outer, -ECANCELED));
        return 0;
    });
}

/* They were told to end, and do so; that is no failure of theirs. */
TEST(Scope, ChildrenCancelledBeforeAShieldDoNotEndIt)
{
    run([] {
        Children children;
        COIL_SCOPE(outer, COIL_FOREVER);
        COIL_SCOPE(scope, coil_after(kMuchLater));
        int waited = 0;
        children.start(scope, [&] { return waited = wait_for_ever(); });
        give_way();
        coil_scope_cancel(&outer);
        coil_scope_shield(&scope);
        EXPECT_EQ(0, coil_sleep(kSoon));
        EXPECT_EQ(-ECANCELED, waited);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(0, coil_scope_close(&outer, -ECANCELED));
        return 0;
    });
}

/* Also when they have closed the scopes in which they heard of it. */
TEST(Scope, ChildrenCancelledBeforeAShieldStayCancelled)
{
    run([] {
        Children children;
        COIL_SCOPE(outer, COIL_FOREVER);
        COIL_SCOPE(scope, coil_after(kMuchLater));
        int waited = 0;
        children.start(scope, [&] {
            COIL_SCOPE(within, COIL_FOREVER);
            EXPECT_EQ(-ECANCELED, coil_scope_close(&within, wait_for_ever()));
            return waited = coil_sleep(kSoon);
        });
        give_way();
        coil_scope_cancel(&outer);
        coil_scope_shield(&scope);
        EXPECT_EQ(0, coil_sleep(kSoon));
        EXPECT_EQ(-ECANCELED, waited);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(0, coil_scope_close(&outer, -ECANCELED));
        return 0;
    });
}

TEST(Scope, WhatLiesOutsideAShieldIsCancelledThroughIt)
{
    run([] {
        Children children;
        int sibling = 0;
        COIL_SCOPE(outer, COIL_FOREVER);
        children.start(outer, [&] {
            COIL_SCOPE(middle, COIL_FOREVER);
            children.start(middle, [&] { return sibling = wait_for_ever(); });
            {
                COIL_SCOPE(shielded, coil_after(kMuchLater));
                coil_scope_shield(&shielded);
                wait_until([&] { return sibling != 0; });
                EXPECT_EQ(-ECANCELED, sibling);
                EXPECT_EQ(0, coil_scope_close(&shielded, 0));
            }
            EXPECT_TRUE(coil_scope_cancelled(&middle));
            EXPECT_EQ(-ECANCELED, coil_yield());
            return coil_scope_close(&middle, -ECANCELED);
        });
        EXPECT_EQ(0, coil_sleep(kSoon));
        coil_scope_cancel(&outer);
        EXPECT_EQ(0, coil_scope_close(&outer, 0));
        return 0;
    });
}

/* ThreadSanitizer keeps two mappings for each coroutine that there ever was. */
constexpr int kDeep = kThreadSanitizer ? 200 : kAddressSanitizer ? 10000 : 100000;

TEST(Scope, CancelGoesDownALineOfNestedScopes)
{
    run([] {
        std::vector<coil_scope> scopes(kDeep);
        for (coil_scope &scope : scopes)
            coil_scope_open(&scope, COIL_FOREVER);
        Children children;
        children.start(scopes.back(), [&] {
            coil_scope_cancel(&scopes.front());
            return 0;
        });
        EXPECT_EQ(-ECANCELED, wait_for_ever());
        for (int i = kDeep - 1; i > 0; i--)
            EXPECT_EQ(-ECANCELED, coil_scope_close(&scopes[size_t(i)], -ECANCELED));
        EXPECT_EQ(0, coil_scope_close(&scopes.front(), -ECANCELED));
        return 0;
    });
}

struct Chain {
    int length = 0;
    int depth = 0;
    int cancelled = 0;
    coil_scope *top = nullptr;
};

/* Whether this is the last one of the chain, which cancels all of it. */
bool ends(Chain *chain)
{
    if (++chain->depth < chain->length)
        return false;
    coil_scope_cancel(chain->top);
    chain->cancelled += coil_yield() == -ECANCELED;
    return true;
}

void cancel_chain(coil_fn *link, int length)
{
    run([=] {
        Chain chain;
        chain.length = length;
        COIL_SCOPE(scope, COIL_FOREVER);
        chain.top = &scope;
        EXPECT_EQ(0, coil_spawn(&scope, link, &chain));
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(length, chain.depth);
        EXPECT_EQ(length, chain.cancelled);
        return 0;
    });
}

/* Each coroutine of the chain is the child of a scope of the one before; a second one waits. */
int be_link(void *arg)
{
    auto *chain = static_cast<Chain *>(arg);
    if (ends(chain))
        return -ECANCELED;
    COIL_SCOPE(scope, COIL_FOREVER);
    auto wait = [](void *other) {
        int result = wait_for_ever();
        static_cast<Chain *>(other)->cancelled += result == -ECANCELED;
        return result;
    };
    EXPECT_EQ(0, coil_spawn(&scope, wait, chain));
    EXPECT_EQ(0, coil_spawn(&scope, be_link, chain));
    int result = coil_scope_close(&scope, 0);
    EXPECT_EQ(-ECANCELED, result);
    return result;
}

TEST(Scope, CancelGoesDownALineOfNestedCoroutines)
{
    cancel_chain(be_link, kDeep);
}

/* As above, but each coroutine awaits the next one, and so hears of the cancellation twice. */
int be_awaited_link(void *arg)
{
    auto *chain = static_cast<Chain *>(arg);
    if (ends(chain))
        return -ECANCELED;
    COIL_SCOPE(scope, COIL_FOREVER);
    COIL_FUTURE(next);
    coil_spawn_start(&next, &scope, be_awaited_link, chain);
    int result = int(coil_await(&next));
    chain->cancelled += result == -ECANCELED;
    return coil_scope_close(&scope, result);
}

TEST(Scope, CancelGoesDownALineOfAwaitedCoroutines)
{
    cancel_chain(be_awaited_link, kDeep / 10);
}

TEST(Scope, CancelOfAHundredThousandChildrenReachesEachOnce)
{
    run([] {
        static int cancelled;
        cancelled = 0;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < kDeep; i++) {
            auto wait = [](void *) {
                int result = wait_for_ever();
                cancelled += result == -ECANCELED;
                return result;
            };
            EXPECT_EQ(0, coil_spawn(&scope, wait, nullptr));
        }
        give_way();
        coil_scope_cancel(&scope);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(kDeep, cancelled);
        return 0;
    });
}

struct Failure {
    std::string name, site;
    int error;
};

std::vector<Failure> failures;

coil_options noting_failures(unsigned core_count)
{
    coil_options options = cores(core_count);
    failures.clear();
    options.on_failure = [](const char *name, const char *site, int error) {
        failures.push_back({name, site, error});
    };
    return options;
}

TEST(Scope, TheChildWhoseFailureItReportsIsNamedToTheHook)
{
    const std::string here = "call_body (";
    run(
        [&] {
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            children.start(scope, [] { return wait_for_ever(); });
            children.start(scope, [] {
                coil_task_rename("the guilty one");
                return -EBADMSG;
            });
            children.start(scope, [] { return -EIO; });
            EXPECT_EQ(-EBADMSG, coil_scope_close(&scope, 0));
            return 0;
        },
        noting_failures(1));
    ASSERT_EQ(1u, failures.size()) << "neither the second failure nor who obeyed";
    EXPECT_EQ("the guilty one", failures[0].name);
    EXPECT_EQ(here, failures[0].site.substr(0, here.size()));
    EXPECT_NE(std::string::npos, failures[0].site.find("running.h:"));
    EXPECT_EQ(-EBADMSG, failures[0].error);
}

TEST(Scope, AFailureThatPassesThroughScopesIsToldForEachOfThem)
{
    run(
        [] {
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            children.start(scope, [&] {
                coil_task_rename("outer");
                COIL_SCOPE(inner, COIL_FOREVER);
                children.start(inner, [] {
                    coil_task_rename("inner");
                    return -EPIPE;
                });
                return coil_scope_close(&inner, 0);
            });
            EXPECT_EQ(-EPIPE, coil_scope_close(&scope, 0));
            return 0;
        },
        noting_failures(1));
    ASSERT_EQ(2u, failures.size());
    EXPECT_EQ("inner", failures[0].name);
    EXPECT_EQ("outer", failures[1].name);
}

TEST(Scope, NobodyIsNamedWithoutAFailureOfAChild)
{
    run(
        [] {
            Children children;
            COIL_SCOPE(scope, coil_after(kSoon));
            children.start(scope, [] { return wait_for_ever(); });
            children.start(scope, [] { return 0; });
            EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
            COIL_SCOPE(failed, COIL_FOREVER);
            EXPECT_EQ(-EIO, coil_scope_close(&failed, -EIO)) << "that is the body's own";
            COIL_SCOPE(awaited, COIL_FOREVER);
            Body body = [] { return -EIO; };
            COIL_FUTURE(child);
            coil_spawn_start(&child, &awaited, call_body, &body);
            EXPECT_EQ(-EIO, coil_await(&child)) << "nor one that somebody awaits";
            return coil_scope_close(&awaited, 0);
        },
        noting_failures(1));
    EXPECT_TRUE(failures.empty());
}

int cancel_scope(void *scope)
{
    coil_scope_cancel(static_cast<coil_scope *>(scope));
    return 0;
}

/* As the header says it is done. */
TEST(Scope, MayBeCancelledFromAnotherCoreByACall)
{
    run(
        [] {
            Children children;
            COIL_SCOPE(around, COIL_FOREVER);
            coil_scope *target = nullptr;
            children.start(around, [&] {
                COIL_SCOPE(scope, COIL_FOREVER);
                target = &scope;
                EXPECT_EQ(-ECANCELED, wait_for_ever());
                EXPECT_EQ(0, coil_scope_close(&scope, -ECANCELED));
                return coil_yield();
            });
            give_way();
            EXPECT_EQ(0, call(1, [&] { return coil_call(0, cancel_scope, target); }));
            return coil_scope_close(&around, 0);
        },
        cores(2));
}

struct ScopeDeathTest : testing::Test {
    ScopeDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }

    /* The lambda as fn of a coil_run() in the child. */
    static void misuse(const Body &body) { _exit(run(body)); }
};

TEST_F(ScopeDeathTest, StopsAnOpenOfAnOpenScope)
{
    EXPECT_DEATH(misuse([] {
                     COIL_SCOPE(scope, COIL_FOREVER);
                     coil_scope_open(&scope, COIL_FOREVER);
                     return 0;
                 }),
                 "coil_scope_open: it is open already; in coroutine fn of coil_run");
}

TEST_F(ScopeDeathTest, StopsAnOpenOutsideACoroutine)
{
    coil_scope scope = COIL_ZERO;
    EXPECT_DEATH(coil_scope_open(&scope, COIL_FOREVER), "called outside a coroutine: only fn of");
}

TEST_F(ScopeDeathTest, StopsACloseThatIsNotTheInnermost)
{
    EXPECT_DEATH(misuse([] {
                     COIL_SCOPE(outer, COIL_FOREVER);
                     COIL_SCOPE(inner, COIL_FOREVER);
                     return coil_scope_close(&outer, 0);
                 }),
                 "coil_scope_close: not the innermost scope that the caller opened");
}

TEST_F(ScopeDeathTest, StopsACloseOfTheScopeOfAnother)
{
    EXPECT_DEATH(misuse([] {
                     Children children;
                     COIL_SCOPE(scope, COIL_FOREVER);
                     children.start(scope, [&] { return coil_scope_close(&scope, 0); });
                     return coil_scope_close(&scope, 0);
                 }),
                 "coil_scope_close: not the innermost.*in coroutine call_body");
}

TEST_F(ScopeDeathTest, StopsTheUseOfAClosedScope)
{
    auto with_closed = [](void (*use)(coil_scope *)) {
        misuse([=] {
            COIL_SCOPE(scope, COIL_FOREVER);
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            use(&scope);
            return 0;
        });
    };
    EXPECT_DEATH(with_closed([](coil_scope *scope) { coil_scope_cancel(scope); }),
                 "coil_scope_cancel: the scope is not open");
    EXPECT_DEATH(with_closed([](coil_scope *scope) { coil_scope_deadline(scope, 0); }),
                 "coil_scope_deadline: the scope is not open");
    EXPECT_DEATH(with_closed([](coil_scope *scope) { coil_scope_shield(scope); }),
                 "coil_scope_shield: not the caller's innermost scope");
    EXPECT_DEATH(with_closed([](coil_scope *scope) { (void)!coil_scope_close(scope, 0); }),
                 "coil_scope_close: not the innermost");
    EXPECT_DEATH(
        with_closed([](coil_scope *scope) { (void)!coil_spawn(scope, call_body, nullptr); }),
        "coil_spawn: the scope is not open");
}

TEST_F(ScopeDeathTest, StopsACoroutineThatReturnsWithAScopeOpen)
{
    EXPECT_DEATH(misuse([] {
                     static coil_scope left;
                     coil_scope_open(&left, COIL_FOREVER);
                     return 0;
                 }),
                 "a coroutine returned with a scope open; in coroutine fn of coil_run");
}

} // namespace
