/* SPDX-License-Identifier: MIT */
/* Calls to other cores: results, cancellation, and the races between the two. */
#include "support/running.h"
#include "support/sanitizer.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <random>
#include <string>
#include <sys/resource.h>
#include <vector>

using namespace coil_test;

namespace {

constexpr int64_t kSoon = 2 * COIL_MSEC;

int self()
{
    return int(coil_core_self());
}

/* Cores that never sleep, and those that always do, get a call in another way. */
constexpr int64_t kSpins[] = {COIL_SPIN_OFF, 20 * COIL_MSEC};

coil_options two_cores(int64_t spin_ns)
{
    coil_options options = cores(2);
    options.spin_ns = spin_ns;
    return options;
}

TEST(Call, RunsOnTheOtherCoreAndReturnsItsResult)
{
    run(
        [] {
            for (unsigned core = 0; core < 4; core++)
                EXPECT_EQ(100 + int(core), call(core, [] { return 100 + self(); }));
            EXPECT_EQ(-EIO, call(1, [] { return -EIO; }));
            EXPECT_EQ(0, coil_yield()) << "an error is a result, no cancellation";
            EXPECT_EQ(3, call(1, [] { return 3; })) << "nor one of the other core";
            return 0;
        },
        cores(4));
}

TEST(Call, OfACoreThatDoesNotExistIsRefused)
{
    run(
        [] {
            Children children;
            bool ran = false;
            auto run_it = [&] {
                ran = true;
                return 0;
            };
            Body body = run_it;
            for (unsigned core : {2u, 1000u, 65536u, UINT32_MAX}) {
                EXPECT_EQ(-EINVAL, call(core, body));
                COIL_FUTURE(called);
                coil_call_start(&called, core, call_body, &body);
                EXPECT_EQ(-EINVAL, coil_await(&called));
                COIL_SCOPE(scope, COIL_FOREVER);
                EXPECT_EQ(-EINVAL, children.spawn_on(scope, core, run_it));
                EXPECT_EQ(0, coil_scope_close(&scope, 0));
            }
            EXPECT_FALSE(ran);
            return 0;
        },
        cores(2));
}

TEST(Call, MayGoThereAndBackAgain)
{
    EXPECT_EQ(0, run(
                     [] {
                         Body nested = [] { return -1; };
                         int depth = 0;
                         nested = [&] {
                             EXPECT_EQ(depth % 3, self());
                             if (++depth == 30)
                                 return 0;
                             int result = call(unsigned(depth) % 3, nested);
                             return result < 0 ? result : result + 1;
                         };
                         EXPECT_EQ(29, nested());
                         return 0;
                     },
                     cores(3)));
}

TEST(Call, ManyAtATimeAllComeBack)
{
    constexpr int kMany = kSanitized ? 200 : 2000;
    struct One {
        coil_future future = {};
        int number = 0;
    };
    auto square = [](void *arg) {
        int number = static_cast<One *>(arg)->number;
        int result = number % 3 == 0 ? coil_sleep(1) : number % 3 == 1 ? coil_yield() : 0;
        return result < 0 ? result : number * number;
    };
    run(
        [&] {
            std::vector<One> calls(kMany);
            for (int i = 0; i < kMany; i++) {
                calls[size_t(i)].number = i;
                coil_call_start(&calls[size_t(i)].future, unsigned(i) % 4, square,
                                &calls[size_t(i)]);
            }
            for (int i = 0; i < kMany; i++)
                EXPECT_EQ(i * i, coil_await(&calls[size_t(i)].future));
            return 0;
        },
        cores(4));
}

TEST(Call, AllCoresCallEachOtherAtOnce)
{
    constexpr int kRounds = kSanitized ? 100 : 1000;
    run(
        [] {
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            std::atomic<int> arrived{0};
            for (unsigned core = 0; core < 4; core++) {
                EXPECT_EQ(0, children.spawn_on(scope, core, [&, core] {
                    for (unsigned i = 0; i < kRounds; i++) {
                        EXPECT_EQ(0, call((core + i) % 4, [&] {
                                      arrived++;
                                      return 0;
                                  }));
                    }
                    return 0;
                }));
            }
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            EXPECT_EQ(4 * kRounds, arrived);
            return 0;
        },
        cores(4));
}

/* A message that counts where it is delivered. */
struct Counted {
    coil_message message = {nullptr, deliver}; /* first, so that one is found by the other */
    int *count = nullptr;
    static void deliver(coil_message *message) { (*reinterpret_cast<Counted *>(message)->count)++; }
};

/* Posts up to `most` messages to `core`. Returns how many. */
int post_some(unsigned core, std::array<Counted, 4> &messages, int *count, std::mt19937 &random)
{
    size_t some = random() % (messages.size() + 1);
    for (size_t i = 0; i < some; i++) {
        messages[i].count = count;
        EXPECT_EQ(0, coil_post_core(core, &messages[i].message));
    }
    return int(some);
}

/* A call and its reply travel by value where they can; the messages beside do not. */
TEST(Call, ComesAfterWhatWasPostedBeforeAndItsReplyToo)
{
    const int rounds = kSanitized ? 300 : 1500;
    for (int64_t spin_ns : kSpins) {
        run(
            [&] {
                std::mt19937 here(5), there(6);
                std::array<Counted, 4> out, back;
                int posted_out = 0, posted_back = 0, arrived_out = 0, arrived_back = 0;
                for (int round = 0; round < rounds; round++) {
                    posted_out += post_some(1, out, &arrived_out, here);
                    EXPECT_EQ(5, call(1, [&] {
                                  EXPECT_EQ(posted_out, arrived_out);
                                  int result = there() % 8 == 0 ? coil_yield() : 0;
                                  posted_back += post_some(0, back, &arrived_back, there);
                                  return result + 5;
                              }));
                    EXPECT_EQ(posted_back, arrived_back);
                }
                return 0;
            },
            two_cores(spin_ns));
    }
}

/* Who is called runs at once if nobody else is ready, and is a coroutine like every other. */
TEST(Call, RunsInACoroutineOfItsOwn)
{
    for (int64_t spin_ns : kSpins) {
        run(
            [] {
                static coil_local key = {};
                std::string names;
                for (int i = 0; i < 3; i++) {
                    EXPECT_EQ(0, call(1, [&] {
                                  names += coil_task_name();
                                  EXPECT_EQ(nullptr, coil_local_get(&key));
                                  coil_local_set(&key, &names);
                                  coil_task_rename("renamed");
                                  EXPECT_EQ(0, coil_sleep(1));
                                  EXPECT_EQ(&names, coil_local_get(&key));
                                  EXPECT_STREQ("renamed", coil_task_name());
                                  return 0;
                              }));
                }
                EXPECT_EQ(std::string::npos, names.find("renamed"));
                return 0;
            },
            two_cores(spin_ns));
    }
}

/* The core has nothing else to do, and no timer that would wake it. */
TEST(Call, WakesACoreThatSleeps)
{
    for (int64_t spin_ns : {COIL_SPIN_OFF, COIL_SPIN_ADAPTIVE, 20 * COIL_MSEC}) {
        coil_options options = cores(2);
        options.spin_ns = spin_ns;
        run(
            [] {
                for (int i = 0; i < 20; i++) {
                    EXPECT_EQ(0, coil_sleep(i % 2 == 0 ? 5 * COIL_MSEC : 0));
                    EXPECT_EQ(1, call(1, self));
                }
                return 0;
            },
            options);
    }
}

/* Calls `body` of `core` and cancels the call as soon as `started` says that it arrived. */
int call_and_cancel(unsigned core, const std::atomic<int> &started, int enough, const Body &body)
{
    Children children;
    COIL_SCOPE(around, COIL_FOREVER);
    COIL_SCOPE(scope, COIL_FOREVER);
    children.start(around, [&] {
        wait_until([&] { return started >= enough; });
        coil_scope_cancel(&scope);
        return 0;
    });
    int result = call(core, body);
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
    EXPECT_EQ(0, coil_scope_close(&around, 0));
    return result;
}

TEST(Call, IsCancelledWithTheScopeOfTheCaller)
{
    for (int64_t spin_ns : kSpins) {
        run(
            [] {
                for (unsigned core : {0u, 1u}) {
                    std::atomic<int> started{0};
                    int there = 0, again = 0;
                    EXPECT_EQ(-ECANCELED, call_and_cancel(core, started, 1, [&] {
                        started++;
                        there = wait_for_ever();
                        COIL_SCOPE(scope, COIL_FOREVER);
                        EXPECT_EQ(-ECANCELED, coil_scope_close(&scope, coil_nop()));
                        return again = coil_nop();
                    }));
                    EXPECT_EQ(-ECANCELED, there);
                    EXPECT_EQ(-ECANCELED, again) << "until the end";
                    EXPECT_EQ(7, call(core, [] { return 7; })) << "the core itself goes on";
                }
                return 0;
            },
            two_cores(spin_ns));
    }
}

std::atomic<int> leaving;
std::atomic<bool> told;

/* The function has returned, but its coroutine has not ended. */
TEST(Call, ThatIsCancelledTooLateKeepsItsResult)
{
    static coil_local slow = {};
    slow.destroy = [](void *) {
        leaving = 1;
        wait_until([] { return told.load(); });
        EXPECT_EQ(0, coil_sleep(kSoon)); /* in which the cancel arrives, and stops nothing */
    };
    for (int64_t spin_ns : kSpins) {
        leaving = 0;
        told = false;
        run(
            [] {
                Body body = [] {
                    coil_local_set(&slow, &leaving);
                    return 6;
                };
                COIL_FUTURE(called);
                coil_call_start(&called, 1, call_body, &body);
                wait_until([] { return leaving == 1; });
                coil_future_cancel(&called);
                told = true;
                EXPECT_EQ(6, coil_await(&called));
                return 0;
            },
            two_cores(spin_ns));
    }
}

TEST(Call, CancelReachesWhoIsInScopesOfItsOwn)
{
    for (int64_t spin_ns : kSpins) {
        run(
            [] {
                std::atomic<int> started{0};
                EXPECT_EQ(-ECANCELED, call_and_cancel(1, started, 1, [&] {
                    COIL_SCOPE(outer, COIL_FOREVER);
                    COIL_SCOPE(inner, coil_after(COIL_SEC * 1000));
                    started++;
                    int result = coil_scope_close(&inner, wait_for_ever());
                    EXPECT_TRUE(coil_scope_cancelled(&outer));
                    return coil_scope_close(&outer, result);
                }));
                return 0;
            },
            two_cores(spin_ns));
    }
}

TEST(Call, ThatIsCancelledWaitsForTheCoroutineAndTakesItsResult)
{
    run(
        [] {
            std::atomic<int> started{0};
            bool cleaned_up = false;
            Body slow_to_end = [&] {
                started++;
                EXPECT_EQ(-ECANCELED, wait_for_ever());
                COIL_SCOPE(cleanup, COIL_FOREVER);
                coil_scope_shield(&cleanup);
                EXPECT_EQ(0, coil_sleep(kSoon));
                cleaned_up = true;
                return coil_scope_close(&cleanup, 8);
            };
            EXPECT_EQ(8, call_and_cancel(1, started, 1, slow_to_end));
            EXPECT_TRUE(cleaned_up);
            return 0;
        },
        cores(2));
}

TEST(Call, CancelReachesTheChildrenOfTheCalled)
{
    run(
        [] {
            std::atomic<int> started{0};
            int cancelled = 0;
            EXPECT_EQ(-ECANCELED, call_and_cancel(1, started, 3, [&] {
                Children children;
                COIL_SCOPE(there, COIL_FOREVER);
                for (int i = 0; i < 3; i++) {
                    children.start(there, [&] {
                        started++;
                        int result = wait_for_ever();
                        cancelled += result == -ECANCELED;
                        return result;
                    });
                }
                return coil_scope_close(&there, 0);
            }));
            EXPECT_EQ(3, cancelled);
            return 0;
        },
        cores(2));
}

TEST(Call, CancelledBeforeItArrivesNeverRuns)
{
    run([] {
        bool ran = false;
        Body body = [&] {
            ran = true;
            return 0;
        };
        COIL_FUTURE(called);
        coil_call_start(&called, 0, call_body, &body); /* this core reads its mail after us */
        coil_future_cancel(&called);
        coil_future_cancel(&called);
        EXPECT_EQ(-ECANCELED, coil_await(&called));
        EXPECT_FALSE(ran);
        return 0;
    });
}

/* One call of the race, and what became of it. */
struct Raced {
    coil_future future = {};
    int pause = 0;
    std::atomic<bool> started{false}, ended{false};
};

int be_raced(void *arg)
{
    auto *raced = static_cast<Raced *>(arg);
    raced->started = true;
    int result = 0;
    for (int i = 0; i < raced->pause && result == 0; i++)
        result = i % 2 == 0 ? coil_sleep(1) : coil_yield();
    raced->ended = true;
    return result < 0 ? result : 7;
}

TEST(Call, CancelAndEndRaceWithOneResultSlow)
{
    constexpr int kRounds = kSanitized ? 2000 : 20000;
    constexpr size_t kAtATime = 5;
    int revoked = 0, stopped = 0, finished = 0;
    run(
        [&] {
            std::mt19937 random(12345);
            for (int round = 0; round < kRounds; round += int(kAtATime)) {
                std::array<Raced, kAtATime> raced;
                for (Raced &one : raced) {
                    one.pause = int(random() % 12);
                    coil_call_start(&one.future, unsigned(random() % 3), be_raced, &one);
                }
                int wait = int(random() % 8);
                for (int i = 0; i < wait; i++)
                    EXPECT_EQ(0, i % 2 == 0 ? coil_yield() : coil_nop());
                for (volatile int spin = int(random() % 20000); spin > 0; spin = spin - 1) {
                }
                for (Raced &one : raced)
                    coil_future_cancel(&one.future);
                for (Raced &one : raced) {
                    ssize_t result = coil_await(&one.future);
                    EXPECT_EQ(one.started, one.ended) << "its memory was still in use";
                    if (result == 7)
                        finished++;
                    else
                        one.started ? stopped++ : revoked++;
                    EXPECT_TRUE(result == 7 || result == -ECANCELED) << result;
                }
            }
            return 0;
        },
        cores(3));
    EXPECT_EQ(kRounds, revoked + stopped + finished);
    EXPECT_GT(revoked, 0);
    EXPECT_GT(stopped, 0);
    EXPECT_GT(finished, 0);
}

TEST(SpawnOn, RunsInAScopeOfThisCore)
{
    run(
        [] {
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            std::array<std::atomic<int>, 4> where = {};
            for (unsigned core = 0; core < 4; core++) {
                EXPECT_EQ(0, children.spawn_on(scope, core, [&, core] {
                    where[core] = self() + 1;
                    return 0;
                }));
            }
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            for (unsigned core = 0; core < 4; core++)
                EXPECT_EQ(int(core) + 1, where[core]);
            return 0;
        },
        cores(4));
}

TEST(SpawnOn, AFailureCancelsTheSiblingsOnEveryCore)
{
    run(
        [] {
            Children children;
            std::atomic<int> started{0}, cancelled{0};
            COIL_SCOPE(scope, COIL_FOREVER);
            for (unsigned i = 0; i < 6; i++) {
                EXPECT_EQ(0, children.spawn_on(scope, i % 3, [&] {
                    started++;
                    int result = wait_for_ever();
                    cancelled += result == -ECANCELED;
                    return result;
                }));
            }
            EXPECT_EQ(0, children.spawn_on(scope, 1, [&] {
                wait_until([&] { return started == 6; });
                return -ENOSPC;
            }));
            EXPECT_EQ(-ENOSPC, coil_scope_close(&scope, 0));
            EXPECT_EQ(6, cancelled);
            return 0;
        },
        cores(3));
}

TEST(SpawnOn, IsRefusedInACancelledScope)
{
    run(
        [] {
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            coil_scope_cancel(&scope);
            EXPECT_EQ(-ECANCELED, children.spawn_on(scope, 1, [] { return 0; }));
            return coil_scope_close(&scope, 0);
        },
        cores(2));
}

/* Of whatever a call finds: not arrived, waiting, just ended. */
TEST(SpawnOn, LeavingTheRunWithCallsUnderWayEndsThemAll)
{
    const int rounds = kSanitized ? 20 : 200;
    std::mt19937 random(99);
    for (int i = 0; i < rounds; i++) {
        std::atomic<int> started{0}, ended{0};
        Body child = [&] {
            started++;
            int result = coil_sleep(1);
            if (result >= 0)
                result = wait_for_ever();
            ended++;
            return result;
        };
        auto pause = unsigned(random() % 4);
        EXPECT_EQ(9, run(
                         [&] {
                             COIL_SCOPE(scope, COIL_FOREVER);
                             for (unsigned c = 0; c < 9; c++)
                                 EXPECT_EQ(0, coil_spawn_on(&scope, c % 3, call_body, &child));
                             for (unsigned p = 0; p < pause; p++)
                                 EXPECT_EQ(0, p == 2 ? coil_sleep(100 * COIL_USEC) : coil_yield());
                             return 9;
                         },
                         cores(3)));
        EXPECT_EQ(started, ended);
    }
}

} // namespace
