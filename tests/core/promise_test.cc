/* SPDX-License-Identifier: MIT */
/* Futures set by hand: at home, from other cores, and from threads that are none. */
#include "support/running.h"
#include "support/sanitizer.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace coil_test;

namespace {

constexpr int64_t kSoon = 2 * COIL_MSEC;

int set(coil_promise *promise, ssize_t value)
{
    return coil_promise_set(promise, value);
}

TEST(Promise, GivesItsValueToAllWhoWaitInTheirOrder)
{
    run([] {
        Children children;
        std::vector<int> order;
        COIL_PROMISE(promise);
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 5; i++) {
            children.start(scope, [&, i] {
                EXPECT_EQ(42, coil_promise_wait(&promise));
                order.push_back(i);
                return 0;
            });
        }
        give_way();
        EXPECT_EQ(0, set(&promise, 42));
        EXPECT_TRUE(order.empty()) << "who sets it goes on";
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ((std::vector<int>{0, 1, 2, 3, 4}), order);
        EXPECT_EQ(42, coil_promise_wait(&promise)) << "also later, without waiting";
        return 0;
    });
}

TEST(Promise, ItsValueMayBeAnyNumberOrAnError)
{
    run([] {
        for (ssize_t value : {ssize_t(0), ssize_t(-EIO), ssize_t(INT64_MAX), ssize_t(INT64_MIN)}) {
            COIL_PROMISE(promise);
            EXPECT_EQ(0, set(&promise, value));
            EXPECT_EQ(value, coil_promise_wait(&promise));
        }
        return 0;
    });
}

TEST(Promise, IsSetOnce)
{
    run(
        [] {
            COIL_PROMISE(promise);
            EXPECT_EQ(0, set(&promise, 1));
            EXPECT_EQ(-EALREADY, set(&promise, 2));
            EXPECT_EQ(-EALREADY, call(1, [&] { return set(&promise, 3); }));
            int elsewhere = 0;
            std::thread([&] { elsewhere = set(&promise, 4); }).join();
            EXPECT_EQ(-EALREADY, elsewhere);
            EXPECT_EQ(1, coil_promise_wait(&promise));
            coil_promise_drop(&promise);
            EXPECT_EQ(-EALREADY, set(&promise, 5));
            return 0;
        },
        cores(2));
}

TEST(Promise, MayBeSetFromAnotherCore)
{
    run(
        [] {
            COIL_PROMISE(promise);
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            EXPECT_EQ(0, children.spawn_on(scope, 1, [&] {
                EXPECT_EQ(0, coil_sleep(kSoon));
                return set(&promise, 7);
            }));
            EXPECT_EQ(7, coil_promise_wait(&promise));
            return coil_scope_close(&scope, 0);
        },
        cores(2));
}

/* Its home has nothing else to do: only the bell wakes it. */
TEST(Promise, MayBeSetFromAPlainThreadWhileItsHomeSleeps)
{
    for (int64_t spin_ns : {COIL_SPIN_OFF, COIL_SPIN_ADAPTIVE, 20 * COIL_MSEC}) {
        coil_options options = cores(2);
        options.spin_ns = spin_ns;
        for (int round = 0; round < 20; round++) {
            run(
                [&] {
                    COIL_PROMISE(promise);
                    std::thread thread([&] {
                        if (round % 2 == 1)
                            usleep(1000); /* most likely it sleeps by then */
                        EXPECT_EQ(0, set(&promise, 7));
                    });
                    EXPECT_EQ(7, coil_promise_wait(&promise));
                    thread.join();
                    return 0;
                },
                options);
        }
    }
}

TEST(Promise, WhatWasDoneBeforeItWasSetIsSeenByWhoGetsIt)
{
    run([] {
        for (int i = 0; i < 100; i++) {
            COIL_PROMISE(promise);
            int plain = 0; /* no atomic: ThreadSanitizer watches */
            std::thread thread([&] {
                plain = i;
                EXPECT_EQ(0, set(&promise, 0));
            });
            EXPECT_EQ(0, coil_promise_wait(&promise));
            EXPECT_EQ(i, plain);
            thread.join();
        }
        return 0;
    });
}

TEST(Promise, AWaitIsAFutureLikeAnyOther)
{
    run([] {
        COIL_PROMISE(promise);
        COIL_FUTURE(wait);
        COIL_FUTURE(sleep);
        coil_future *both[] = {&wait, &sleep};
        coil_promise_wait_start(&wait, &promise);
        coil_sleep_start(&sleep, kSoon);
        EXPECT_EQ(1, coil_await_any(both, 2));
        EXPECT_EQ(0, coil_await(&sleep));
        EXPECT_EQ(-ETIMEDOUT, coil_await_until(&wait, coil_after(kSoon)));
        EXPECT_EQ(0, set(&promise, 3));
        coil_promise_wait_start(&wait, &promise);
        EXPECT_TRUE(coil_future_done(&wait));
        EXPECT_EQ(3, coil_await(&wait));
        return 0;
    });
}

TEST(Promise, ACancelledWaitLeavesTheOthersAndThePromise)
{
    run([] {
        Children children;
        COIL_PROMISE(promise);
        COIL_SCOPE(scope, COIL_FOREVER);
        int64_t got[3] = {};
        for (int i = 0; i < 3; i++) {
            children.start(scope, [&, i] {
                COIL_SCOPE(inner, i == 1 ? coil_after(kSoon) : COIL_FOREVER);
                got[i] = coil_promise_wait(&promise);
                int closed = coil_scope_close(&inner, 0);
                EXPECT_EQ(i == 1 ? -ETIMEDOUT : 0, closed);
                return 0;
            });
        }
        EXPECT_EQ(0, coil_sleep(5 * kSoon));
        EXPECT_EQ(-ECANCELED, got[1]);
        EXPECT_EQ(0, set(&promise, 9));
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(9, got[0]);
        EXPECT_EQ(9, got[2]);
        return 0;
    });
}

/* Whichever is first: the value, or -ECANCELED and the promise is still good for who waits next. */
TEST(Promise, SetAndCancelRaceWithOneResultSlow)
{
    const int rounds = kSanitized ? 500 : 5000;
    int values = 0, cancelled = 0;
    run([&] {
        std::atomic<coil_promise *> next{nullptr};
        std::atomic<bool> end{false};
        std::thread setter([&] {
            while (!end) {
                coil_promise *promise = next.exchange(nullptr);
                if (promise == nullptr) {
                    usleep(1); /* so that the core gets on, also on the same CPU */
                    continue;
                }
                EXPECT_EQ(0, set(promise, 5));
            }
        });
        for (int i = 0; i < rounds; i++) {
            COIL_PROMISE(promise);
            COIL_FUTURE(wait);
            coil_promise_wait_start(&wait, &promise);
            next = &promise;
            while (i % 4 != 0 && next != nullptr) /* the setter has yet to see it */
                EXPECT_EQ(0, coil_sleep(COIL_USEC));
            give_way(i % 30);
            coil_future_cancel(&wait);
            ssize_t result = coil_await(&wait);
            values += result == 5;
            cancelled += result == -ECANCELED;
            EXPECT_EQ(5, coil_promise_wait(&promise));
        }
        end = true;
        setter.join();
        return 0;
    });
    EXPECT_EQ(rounds, values + cancelled);
    EXPECT_GT(values, 0);
    EXPECT_GT(cancelled, 0);
}

/* Each is set by a thread or by another core, whichever is first. */
TEST(Promise, AStormFromPlainThreadsAndCoresLosesNoneSlow)
{
    constexpr size_t kThreads = 4, kEach = kSanitized ? 500 : 5000, kAll = kThreads * kEach;
    std::atomic<size_t> won{0}, late{0};
    run(
        [&] {
            std::vector<coil_promise> promises(kAll);
            for (coil_promise &promise : promises)
                coil_promise_init(&promise);
            auto set_some = [&](size_t first, size_t last) {
                for (size_t i = first; i < last; i++) {
                    int result = set(&promises[i], ssize_t(i));
                    EXPECT_TRUE(result == 0 || result == -EALREADY) << result;
                    (result == 0 ? won : late)++;
                }
            };
            std::vector<std::thread> threads;
            for (size_t t = 0; t < kThreads; t++)
                threads.emplace_back(set_some, t * kEach, (t + 1) * kEach);
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            EXPECT_EQ(0, children.spawn_on(scope, 1, [&] {
                set_some(0, kAll);
                return 0;
            }));
            for (size_t i = 0; i < kAll; i++)
                EXPECT_EQ(ssize_t(i), coil_promise_wait(&promises[i]));
            for (std::thread &thread : threads)
                thread.join();
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
            for (coil_promise &promise : promises)
                coil_promise_drop(&promise);
            return 0;
        },
        cores(2));
    EXPECT_EQ(kAll, won);
    EXPECT_EQ(kAll, late);
}

/* The thread may still be on its way out of coil_promise_set() when the run is over. */
TEST(Promise, TheRunWaitsForAThreadThatIsJustSetting)
{
    for (int i = 0; i < (kSanitized ? 50 : 500); i++) {
        coil_promise promise;
        std::thread thread;
        EXPECT_EQ(1, run([&] {
                      coil_promise_init(&promise);
                      thread = std::thread([&] { EXPECT_EQ(0, set(&promise, 1)); });
                      return int(coil_promise_wait(&promise));
                  }));
        thread.join();
    }
}

TEST(Promise, SetAfterItsRunHasReturnedIsRefused)
{
    coil_promise promise;
    run([&] {
        coil_promise_init(&promise);
        return 0;
    });
    EXPECT_EQ(-ESHUTDOWN, set(&promise, 1)) << "from a plain thread";
    run([&] {
        EXPECT_EQ(-ESHUTDOWN, set(&promise, 1)) << "from a later run";
        return 0;
    });
}

TEST(Promise, DropWaitsForASetThatIsUnderWay)
{
    run([] {
        for (int i = 0; i < 100; i++) {
            coil_promise promise;
            coil_promise_init(&promise);
            std::thread([&] { EXPECT_EQ(0, set(&promise, 1)); }).join();
            coil_promise_drop(&promise); /* its message lies in the mailbox of this core */
            memset(&promise, 0x5a, sizeof(promise));
            give_way(20);
        }
        return 0;
    });
}

TEST(Promise, DropIgnoresCancellationAndIsIdempotent)
{
    run([] {
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_promise promise;
        coil_promise_init(&promise);
        coil_scope_cancel(&scope);
        std::thread([&] { EXPECT_EQ(0, set(&promise, 1)); }).join();
        coil_promise_drop(&promise);
        coil_promise_drop(&promise);
        memset(&promise, 0x5a, sizeof(promise));
        return coil_scope_close(&scope, 0);
    });
}

TEST(Promise, AWaitWithoutADescriptorForTheBellSaysSo)
{
    auto body = [] {
        COIL_PROMISE(promise);
        rlimit before;
        EXPECT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
        int lowest = dup(0); /* the first that is free */
        close(lowest);
        rlimit none = {rlim_t(lowest), before.rlim_max};
        EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
        EXPECT_EQ(-EMFILE, coil_promise_wait(&promise));
        EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
        std::thread([&] { EXPECT_EQ(0, set(&promise, 6)); }).join();
        EXPECT_EQ(6, coil_promise_wait(&promise)) << "a later one works";
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel()));
}

} // namespace
