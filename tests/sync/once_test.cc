/* SPDX-License-Identifier: MIT */
/* Doing something once: who runs it, who waits, and what a failure does. */
#include "support/running.h"

#include <array>
#include <cerrno>

using namespace coil_test;

namespace {

int run_once(coil_once &once, Body body)
{
    return coil_once_run(&once, call_body, &body);
}

TEST(Once, RunsItsFunctionOnceAndTheOthersWaitForIt)
{
    run([] {
        struct coil_once once = COIL_ZERO;
        int runs = 0, ended = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 5; i++) {
            children.start(scope, [&] {
                EXPECT_EQ(0, run_once(once, [&] {
                              runs++;
                              give_way(5);
                              EXPECT_EQ(0, ended) << "one did not wait";
                              return 7;
                          }));
                ended++;
                return 0;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(1, runs);
        EXPECT_EQ(5, ended);
        EXPECT_EQ(0, run_once(once, [] { return -EIO; })) << "it was done before";
        coil_once_destroy(&once);
        EXPECT_EQ(-EIO, run_once(once, [] { return -EIO; })) << "it is new";
        return 0;
    });
}

TEST(Once, AFailureIsItsRunnersAndTheNextOneTries)
{
    run([] {
        struct coil_once once = COIL_ZERO;
        std::array<int, 4> results;
        int runs = 0;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int &result : results) {
            children.start(scope, [&] {
                result = run_once(once, [&] {
                    runs++;
                    give_way(3);
                    return runs < 3 ? -EIO - runs : 0;
                });
                return 0;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ((std::array<int, 4>{-EIO - 1, -EIO - 2, 0, 0}), results);
        EXPECT_EQ(3, runs);
        return 0;
    });
}

/* One coroutine in a scope that can be cancelled from outside. */
struct Runner {
    coil_scope scope = COIL_ZERO;
    bool began = false;
    int result = 1;

    int live(coil_once &once)
    {
        coil_scope_open(&scope, COIL_FOREVER);
        result = run_once(once, [&] {
            began = true;
            return coil_sleep(3600 * COIL_SEC);
        });
        return coil_scope_close(&scope, result);
    }
};

TEST(Once, ACancelledRunnerPassesItsTurnOnAndACancelledWaiterTakesNone)
{
    run([] {
        struct coil_once once = COIL_ZERO;
        Runner first, waiter;
        bool done = false;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] { return first.live(once); });
        children.start(scope, [&] { return waiter.live(once); });
        children.start(scope, [&] {
            return run_once(once, [&] {
                done = true;
                return coil_yield();
            });
        });
        give_way(2);
        coil_scope_cancel(&waiter.scope);
        give_way(2);
        EXPECT_EQ(-ECANCELED, waiter.result);
        EXPECT_FALSE(waiter.began);
        coil_scope_cancel(&first.scope);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(-ECANCELED, first.result);
        EXPECT_TRUE(done) << "the turn was lost";
        return 0;
    });
}

/* It got its turn before it was cancelled: its function finds itself cancelled, and the turn goes
 * on to the next. */
TEST(Once, AWaiterThatIsCancelledWithItsTurnPassesItOn)
{
    run([] {
        struct coil_once once = COIL_ZERO;
        Runner first, second;
        bool done = false;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] { return first.live(once); });
        children.start(scope, [&] { return second.live(once); });
        children.start(scope, [&] {
            return run_once(once, [&] {
                done = true;
                return 0;
            });
        });
        give_way(2);
        coil_scope_cancel(&first.scope);
        give_way();
        EXPECT_EQ(-ECANCELED, first.result);
        EXPECT_FALSE(second.began);
        coil_scope_cancel(&second.scope);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(-ECANCELED, second.result);
        EXPECT_TRUE(second.began);
        EXPECT_TRUE(done);
        return 0;
    });
}

TEST(Once, IsRefusedInACancelledScopeAlsoWhenItIsDone)
{
    run([] {
        struct coil_once once = COIL_ZERO;
        bool ran = false;
        auto body = [&] {
            ran = true;
            return 0;
        };
        {
            COIL_SCOPE(scope, COIL_FOREVER);
            coil_scope_cancel(&scope);
            EXPECT_EQ(-ECANCELED, run_once(once, body));
        }
        EXPECT_FALSE(ran);
        EXPECT_EQ(0, run_once(once, body));
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_scope_cancel(&scope);
        EXPECT_EQ(-ECANCELED, run_once(once, body));
        return coil_scope_close(&scope, 0);
    });
}

} // namespace
