/* SPDX-License-Identifier: MIT */
/* The simulated world itself: its clock, its chance, its cores, and what it says. */
#include "sim/simulate.h"

#include <atomic>
#include <csignal>
#include <ctime>
#include <map>
#include <pthread.h>
#include <set>
#include <thread>

using namespace coil_test;

namespace {

/* Nops, sleeps, calls and cancellations on every core. */
int busy(unsigned depth)
{
    Children children;
    COIL_SCOPE(scope, coil_after(coil_sim_random() % 200 * COIL_USEC));
    for (unsigned i = 0; i < 6; i++) {
        children.spawn_on(scope, i % coil_core_count(), [=] {
            for (int round = 0; round < 5; round++) {
                if (coil_nop() < 0 || coil_sleep(int64_t(coil_sim_random() % 50) * COIL_USEC) < 0)
                    return 0;
                if (depth > 0 && round == 2)
                    busy(depth - 1);
            }
            return 0;
        });
    }
    int result = coil_scope_close(&scope, 0);
    return result == -ETIMEDOUT || result == -ECANCELED ? 0 : result;
}

double seconds_of_the_machine()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

} // namespace

TEST(Sim, RepeatsASeedAndNoOther)
{
    std::set<uint64_t> traces;
    for (uint64_t seed = 0; seed < 40; seed++) {
        Simulated first = simulate(
            seed, [] { return busy(1); }, 3);
        Simulated second = simulate(
            seed, [] { return busy(1); }, 3);
        EXPECT_EQ(0, first.result);
        EXPECT_EQ(first.trace, second.trace) << "seed " << seed;
        traces.insert(first.trace);
    }
    EXPECT_EQ(40u, traces.size());
}

/* busy(), beside a thread that looks at the clock and asks for chance as often as it can. */
int be_watched()
{
    std::atomic<unsigned> looks{0};
    std::atomic<bool> ends{false};
    std::thread watcher([&] {
        coil_time last = 0;
        while (!ends) {
            coil_time now = coil_now();
            EXPECT_LT(last, now);
            EXPECT_EQ(0u, coil_sim_random());
            EXPECT_FALSE(COIL_BUGGIFY());
            last = now;
            looks++;
        }
    });
    while (looks < 100) /* ends: the thread looks */
        std::this_thread::yield();
    int result = busy(1);
    ends = true;
    watcher.join();
    return result;
}

TEST(Sim, IsNotChangedByThreadsThatLookAtItsClock)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        Simulated alone = simulate(
            seed, [] { return busy(1); }, 2);
        Simulated watched = simulate(seed, be_watched, 2);
        EXPECT_EQ(0, watched.result);
        EXPECT_EQ(alone.trace, watched.trace) << "seed " << seed;
    }
}

TEST(Sim, EndsWithItsSeedAndItsTrace)
{
    Simulated outcome = simulate(77, [] { return 3; });
    char expected[64];
    snprintf(expected, sizeof(expected), "coil: sim seed 77 trace %016llx",
             static_cast<unsigned long long>(outcome.trace));
    EXPECT_EQ(3, outcome.result);
    EXPECT_EQ(77u, coil_sim_seed());
    ASSERT_EQ(1u, outcome.log.size());
    EXPECT_EQ(expected, outcome.log[0]);
}

TEST(Sim, LetsThirtyIdleDaysPassInUnderASecond)
{
    double begin = seconds_of_the_machine();
    simulate(1, [] {
        constexpr int64_t days = 24 * 3600 * COIL_SEC;
        coil_time start = coil_now();
        EXPECT_EQ(0, coil_sleep(30 * days));
        EXPECT_GE(coil_now(), start + 30 * days);
        EXPECT_LT(coil_now(), start + 30 * days + COIL_SEC);
        return 0;
    });
    EXPECT_LT(seconds_of_the_machine() - begin, 1.0);
}

TEST(Sim, BeginsAtOneSecondAndHasNoChanceOutside)
{
    EXPECT_EQ(0u, coil_sim_random());
    simulate(7, [] {
        EXPECT_GE(coil_now(), COIL_SEC);
        EXPECT_LT(coil_now(), COIL_SEC + COIL_MSEC);
        EXPECT_NE(coil_sim_random(), coil_sim_random());
        return 0;
    });
    EXPECT_EQ(0u, coil_sim_random());
}

TEST(Sim, LetsAnInstantComeForWhoLooksAtTheClock)
{
    simulate(2, [] {
        coil_time instant = coil_after(COIL_MSEC);
        while (coil_now() < instant) { /* ends: looking takes time */
        }
        return 0;
    });
}

TEST(Sim, EndsOperationsInTheOrderOfItsSeed)
{
    std::set<std::vector<int>> orders;
    for (uint64_t seed = 0; seed < 10; seed++) {
        std::vector<int> order;
        simulate(seed, [&] {
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            for (int i = 0; i < 20; i++) {
                children.start(scope, [&, i] {
                    EXPECT_EQ(0, coil_nop());
                    order.push_back(i);
                    return 0;
                });
            }
            return coil_scope_close(&scope, 0);
        });
        EXPECT_EQ(20u, order.size());
        orders.insert(order);
    }
    EXPECT_EQ(10u, orders.size());
}

TEST(Sim, RunsAllCoresOnOneThread)
{
    simulate(
        3,
        [] {
            pthread_t here = pthread_self();
            std::set<unsigned> seen;
            for (unsigned core = 0; core < coil_core_count(); core++) {
                EXPECT_EQ(0, call(core, [&] {
                              EXPECT_TRUE(pthread_equal(here, pthread_self()));
                              EXPECT_TRUE(coil_sim_running());
                              seen.insert(coil_core_self());
                              return 0;
                          }));
            }
            EXPECT_EQ(5u, seen.size());
            return 0;
        },
        5);
    EXPECT_FALSE(coil_sim_running());
}

TEST(Sim, LetsOthersOnWhileACoreIsBusy)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        int result = simulate(
                         seed,
                         [] {
                             bool done = false;
                             Children children;
                             COIL_SCOPE(scope, COIL_FOREVER);
                             children.spawn_on(scope, 1, [&] {
                                 for (int i = 0; i < 100; i++)
                                     EXPECT_EQ(0, coil_nop());
                                 done = true;
                                 return 0;
                             });
                             while (!done) /* ends: the other core gets its turns */
                                 EXPECT_EQ(0, coil_yield());
                             return coil_scope_close(&scope, 0);
                         },
                         2)
                         .result;
        EXPECT_EQ(0, result);
    }
}

TEST(Sim, HearsAThreadOfTheProgram)
{
    simulate(4, [] {
        coil_promise promise;
        coil_promise_init(&promise);
        std::thread thread([&] { EXPECT_EQ(0, coil_promise_set(&promise, 42)); });
        EXPECT_EQ(42, coil_promise_wait(&promise));
        thread.join();
        coil_promise_drop(&promise);
        return 0;
    });
}

/* A handler may interrupt the world anywhere; if it waited for what it interrupts, the test would
 * hang. */
TEST(Sim, HearsSignalsThatInterruptIt)
{
    Simulated outcome = simulate(6, [] {
        Children children;
        COIL_SIGNALS(signals);
        EXPECT_EQ(0, coil_signals_open(&signals, COIL_SIGNAL(SIGUSR1)));
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] {
            while (coil_sleep(COIL_USEC) == 0) { /* ends when it is cancelled */
            }
            return 0;
        });
        std::atomic<bool> enough{false};
        std::thread sender([&, world = pthread_self()] {
            while (!enough)
                EXPECT_EQ(0, pthread_kill(world, SIGUSR1));
        });
        for (int i = 0; i < rounds(500); i++)
            EXPECT_EQ(SIGUSR1, coil_signal_wait(&signals));
        enough = true;
        sender.join();
        coil_scope_cancel(&scope);
        return coil_scope_close(&scope, 0);
    });
    EXPECT_EQ(0, outcome.result);
}

TEST(Sim, ReportsWhoWaitsForEachOther)
{
    Simulated outcome = simulate(
        5, [] { return wait_for_ever(); }, 2);
    EXPECT_EQ(-EDEADLK, outcome.result);
    ASSERT_EQ(3u, outcome.log.size());
    EXPECT_EQ("coil: deadlock: nothing can wake any of the 1 coroutine any more", outcome.log[0]);
}

TEST(Sim, RefusesKnobsThatItDoesNotHave)
{
    struct Case {
        const char *knobs, *wrong_part;
    };
    for (const auto &[wrong, wrong_part] : {
             Case{"", ""},
             Case{"x", "x"},
             Case{"1x", "x"},
             Case{"-1", "-1"},
             Case{"1,", ""},
             Case{"1,faults", "faults"},
             Case{"1,faults=bad", "bad"},
             Case{"1,faults=offside", "side"},
             Case{"1,cheap=1", "cheap=1"},
             Case{"1,descriptors=0,power=3", "0,power=3"},
             Case{"1,descriptors=x", "x"},
             Case{"1,power=", ""},
             Case{"1,silence=-1", "-1"},
             Case{"1,partition=2000000000", "2000000000"},
             Case{"99999999999999999999,faults=off", "99999999999999999999,faults=off"},
         }) {
        std::vector<std::string> log;
        std::string ring = std::string("sim:") + wrong;
        coil_options options = cores(1);
        options.ring = ring.c_str();
        simulation_log() = &log;
        options.log = [](const char *line) { simulation_log()->push_back(line); };
        EXPECT_EQ(-EINVAL, run([] { return 0; }, options)) << wrong;
        ASSERT_EQ(1u, log.size()) << wrong;
        std::string told = "; wrong from \"" + std::string(wrong_part) + "\" on";
        EXPECT_EQ(log[0].size() - told.size(), log[0].rfind(told)) << log[0];
    }
    EXPECT_EQ(9, simulate(
                     1, [] { return 9; }, 1, ",faults=harsh,descriptors=7")
                     .result);
}

TEST(Sim, TakesSeedsOfTenDigitsOrOfSixteen)
{
    for (const auto &[text, seed] : {std::pair("sim:010", 10u), std::pair("sim:0", 0u),
                                     std::pair("sim:08", 8u), std::pair("sim:0x10", 16u)}) {
        coil_options options = cores(1);
        options.ring = text;
        EXPECT_EQ(9, run([] { return 9; }, options)) << text;
        EXPECT_EQ(seed, coil_sim_seed()) << text;
    }
}

TEST(Sim, RunsTwoCoresUnlessToldOtherwise)
{
    unsigned count = 0;
    simulate(
        1, [&] { return int(count = coil_core_count()); }, 0);
    EXPECT_EQ(2u, count);
}

TEST(Buggify, IsOnInSomeSeedsOnlyAndNeverOutside)
{
    EXPECT_FALSE(COIL_BUGGIFY());
    int seeds = 0, kind = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        int hits = 0;
        auto ask = [&] {
            for (int i = 0; i < 100; i++)
                hits += COIL_BUGGIFY() ? 1 : 0;
            return 0;
        };
        simulate(seed, ask, 1, ",faults=off");
        kind += hits;
        hits = 0;
        simulate(seed, ask);
        seeds += hits > 0 ? 1 : 0;
        EXPECT_LT(hits, 60);
    }
    EXPECT_EQ(0, kind);
    EXPECT_GT(seeds, 20);
    EXPECT_LT(seeds, 80);
}

TEST(SimTrace, IsPrintedForWhoAsks)
{
    setenv("COIL_SIM_TRACE", "1", 1);
    testing::internal::CaptureStderr();
    simulate(6, [] { return coil_nop(); });
    std::string lines = testing::internal::GetCapturedStderr();
    unsetenv("COIL_SIM_TRACE");
    EXPECT_NE(std::string::npos, lines.find("core 0: begin of #1 nop")) << lines;
    EXPECT_NE(std::string::npos, lines.find("core 0: end of #1 nop 0")) << lines;
}
