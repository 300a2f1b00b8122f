/* SPDX-License-Identifier: MIT */
/* Work queues of a run: made once for all cores, inherited, chosen, and read. */
#include "support/running.h"

#include <cerrno>
#include <mutex>
#include <set>
#include <string>
#include <vector>

using namespace coil_test;

namespace {

/* Runs `body`, which has to succeed. */
void run_well(const Body &body, const coil_options &options = cores(1))
{
    EXPECT_EQ(0, run(body, options));
}

coil_queue create(const char *name, unsigned shares = 100, int64_t latency_goal = 0)
{
    coil_queue queue = {};
    EXPECT_EQ(0, coil_queue_create(&queue, name, shares, latency_goal));
    return queue;
}

std::string name_of(coil_queue queue)
{
    coil_queue_stats stats;
    coil_queue_read(queue, &stats);
    return stats.name;
}

std::string queue_here()
{
    return name_of(coil_queue_self());
}

/* Runs `body` in that queue, and waits for it. */
int in_queue(coil_queue queue, Body body)
{
    COIL_SCOPE(scope, COIL_FOREVER);
    EXPECT_EQ(0, coil_spawn_in(&scope, queue, call_body, &body));
    return coil_scope_close(&scope, 0);
}

TEST(WorkQueue, IsTheDefaultOneWhereNobodyChooses)
{
    run_well(
        [] {
            EXPECT_EQ("default", queue_here());
            EXPECT_EQ("default", name_of(coil_queue{}));
            EXPECT_EQ(0, call(1, [] {
                          EXPECT_EQ("default", queue_here());
                          return 0;
                      }));
            return in_queue(create("other"), [] {
                return in_queue(coil_queue{}, [] {
                    EXPECT_EQ("default", queue_here());
                    return 0;
                });
            });
        },
        cores(2));
}

TEST(WorkQueue, IsInheritedByWhatACoroutineSpawnsAndCalls)
{
    auto expect_batch = [] {
        EXPECT_EQ("batch", queue_here());
        give_way();
        EXPECT_EQ(0, coil_sleep(1));
        EXPECT_EQ("batch", queue_here());
        return 0;
    };
    auto in_batch = [=] {
        expect_batch();
        Children children;
        Body body = expect_batch;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, expect_batch);
        EXPECT_EQ(0, coil_spawn_copy(&scope, call_body, &body, 0));
        EXPECT_EQ(0, children.spawn_on(scope, 1, expect_batch));
        COIL_FUTURE(child);
        coil_spawn_start(&child, &scope, call_body, &body);
        EXPECT_EQ(0, coil_await(&child));
        EXPECT_EQ(0, call(1, [=] { return call(0, expect_batch); }));
        return coil_scope_close(&scope, 0);
    };
    run_well(
        [=] {
            coil_queue batch = create("batch");
            EXPECT_EQ(0, in_queue(batch, in_batch));
            EXPECT_EQ("default", queue_here());
            return 0;
        },
        cores(2));
}

TEST(WorkQueue, IsKnownOnEveryCore)
{
    run_well(
        [] {
            coil_queue queue = create("everywhere", 42, 7);
            for (unsigned core = 0; core < 2; core++) {
                EXPECT_EQ(0, call(core, [=] {
                              EXPECT_EQ(0, in_queue(queue, [] {
                                            EXPECT_EQ("everywhere", queue_here());
                                            return 0;
                                        }));
                              coil_queue_stats stats;
                              coil_queue_read(queue, &stats);
                              EXPECT_EQ(42u, stats.shares);
                              EXPECT_EQ(7, stats.latency_goal);
                              EXPECT_EQ(0u, stats.length);
                              return 0;
                          }));
            }
            return 0;
        },
        cores(2));
}

TEST(WorkQueue, IsRefusedWithSharesOrAGoalOutOfRange)
{
    run_well([] {
        coil_queue queue = {};
        EXPECT_EQ(-EINVAL, coil_queue_create(&queue, "none", 0, 0));
        EXPECT_EQ(-EINVAL, coil_queue_create(&queue, "much", COIL_SHARES_MAX + 1, 0));
        EXPECT_EQ(-EINVAL, coil_queue_create(&queue, "past", 1, -1));
        EXPECT_EQ("default", name_of(queue)) << "a refusal changes nothing";
        create("least", 1);
        create("most", COIL_SHARES_MAX, COIL_FOREVER);
        return 0;
    });
}

TEST(WorkQueue, WithTheFarthestGoalGoesAfterOneWithANearerGoal)
{
    run_well([] {
        coil_queue far = create("far", 100, COIL_FOREVER), near = create("near", 100, COIL_MSEC);
        Children children;
        std::string order;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (coil_queue queue : {far, near}) {
            EXPECT_EQ(0, children.spawn_in(scope, queue, [&] {
                order += queue_here() + " ";
                return 0;
            }));
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ("near far ", order);
        return 0;
    });
}

TEST(WorkQueue, IsOneOfSixteenInEachRun)
{
    for (int i = 0; i < 3; i++) {
        run_well([] {
            coil_queue queue;
            for (int count = 1; count < COIL_QUEUES; count++)
                EXPECT_EQ(0, in_queue(create("one"), [] { return 0; }));
            EXPECT_EQ(-ENOSPC, coil_queue_create(&queue, "one more", 1, 0));
            return 0;
        });
    }
}

TEST(WorkQueue, MayBeCreatedByAllCoresAtOnce)
{
    for (int i = 0; i < rounds(20); i++) {
        std::mutex lock;
        std::set<uint32_t> numbers;
        run_well(
            [&] {
                Children children;
                COIL_SCOPE(scope, COIL_FOREVER);
                for (unsigned core = 0; core < 4; core++) {
                    EXPECT_EQ(0, children.spawn_on(scope, core, [&] {
                        coil_queue queue;
                        while (coil_queue_create(&queue, "one", 1, 0) == 0) {
                            std::lock_guard<std::mutex> guard(lock);
                            EXPECT_TRUE(numbers.insert(queue.number).second);
                        }
                        return 0;
                    }));
                }
                return coil_scope_close(&scope, 0);
            },
            cores(4));
        EXPECT_EQ(size_t(COIL_QUEUES) - 1, numbers.size());
    }
}

/* Each of them would keep the core for itself if it were not made to give way. */
TEST(WorkQueue, LetsCompletionsTimersAndMailBeSeenWhileOthersAreBusy)
{
    for (int64_t goal : {INT64_C(0), COIL_MSEC}) {
        SCOPED_TRACE(goal);
        run_well(
            [=] {
                Children children;
                bool done = false;
                Body busy = [&] {
                    while (!done)
                        give_way();
                    return 0;
                };
                COIL_SCOPE(scope, COIL_FOREVER);
                for (coil_queue queue : {create("one", 1000), create("other", 1000)}) {
                    for (int i = 0; i < 100; i++)
                        EXPECT_EQ(0, coil_spawn_in(&scope, queue, call_body, &busy));
                }
                EXPECT_EQ(0, in_queue(create("small", 1, goal), [] {
                              for (int i = 0; i < 5; i++) {
                                  EXPECT_EQ(0, coil_nop());
                                  EXPECT_EQ(0, coil_sleep(100 * COIL_USEC));
                                  EXPECT_EQ(1, call(1, [] { return call(0, [] { return 1; }); }));
                              }
                              return 0;
                          }));
                done = true;
                return coil_scope_close(&scope, 0);
            },
            cores(2));
    }
}

TEST(WorkQueue, IsReadOnTheCoreThatAsks)
{
    run_well([] {
        Children children;
        coil_queue queue = create("counted");
        Body body = [] {
            give_way(3);
            return 0;
        };
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_queue_stats before, after;
        coil_queue_read(queue, &before);
        EXPECT_EQ(0, before.run_ns);
        EXPECT_EQ(0, before.wait_ns);
        for (int i = 0; i < 5; i++)
            EXPECT_EQ(0, coil_spawn_in(&scope, queue, call_body, &body));
        coil_queue_read(queue, &before);
        EXPECT_EQ(5u, before.length);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        coil_queue_read(queue, &after);
        EXPECT_EQ(0u, after.length);
        EXPECT_GT(after.run_ns, 0);
        EXPECT_GE(after.wait_ns, 0);
        return 0;
    });
}

TEST(WorkQueue, IsLeftByCancellationLikeAnyOther)
{
    run_well([] {
        Children children;
        Body body = [] { return wait_for_ever(); };
        COIL_SCOPE(scope, COIL_FOREVER);
        for (coil_queue queue : {create("one"), create("hurried", 1, COIL_MSEC)}) {
            for (int i = 0; i < 10; i++)
                EXPECT_EQ(0, coil_spawn_in(&scope, queue, call_body, &body));
        }
        give_way();
        coil_scope_cancel(&scope);
        EXPECT_EQ(-ECANCELED, coil_spawn_in(&scope, create("late"), call_body, &body));
        return coil_scope_close(&scope, 0);
    });
}

} // namespace
