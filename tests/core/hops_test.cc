/* SPDX-License-Identifier: MIT */
/*
 * No wake-up is lost. Tokens hop from core to core, with pauses by chance, so that they arrive at
 * every moment of their receiver's going to sleep. The fewer tokens there are the more often a core
 * sleeps; the more, the more hops there are in a second.
 *
 * COIL_TEST_HOPS in the environment says how many hops there are in all.
 */
#include "support/running.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <sched.h>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

using namespace coil_test;

namespace {

constexpr int64_t kHops = 10'000'000;

struct Course {
    const char *name;
    unsigned core_count;
    bool one_cpu; /* all cores share one */
    unsigned tokens;
    int64_t share; /* of all hops, in 1/1000 */
    int64_t spin_ns = COIL_SPIN_OFF;
};

/* What somebody waits for: how often it came, and where it is expected next. */
struct Wait {
    std::atomic<int64_t> left{0}; /* how often it will still come */
    std::atomic<unsigned> core{0};
    int naps = 0; /* of the watchdog's, since it came last */
    int64_t seen = 0;
};

/* Fails when one wait takes two seconds of the watchdog's own time: naps in which the machine had
 * no time for it either do not count. */
class Watchdog {
public:
    Watchdog() : thread_([this] { watch(); }) {}
    ~Watchdog()
    {
        stop_ = true;
        thread_.join();
    }

    /* Until they are watched no more, with {}. */
    void watch_over(std::vector<Wait *> waits)
    {
        std::lock_guard<std::mutex> guard(lock_);
        waits_ = std::move(waits);
    }

private:
    static constexpr int kNaps = kSanitized ? 400 : 40;

    void watch()
    {
        while (!stop_) {
            auto start = std::chrono::steady_clock::now();
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            if (std::chrono::steady_clock::now() - start > std::chrono::milliseconds(100))
                continue;
            std::lock_guard<std::mutex> guard(lock_);
            int longest = 0;
            for (Wait *wait : waits_)
                longest = std::max(longest, look_at(*wait));
            if (longest >= kNaps)
                tell();
        }
    }

    static int look_at(Wait &wait)
    {
        int64_t left = wait.left.load(std::memory_order_relaxed);
        wait.naps = left != 0 && left == wait.seen ? wait.naps + 1 : 0;
        wait.seen = left;
        return wait.naps;
    }

    [[noreturn]] void tell()
    {
        fprintf(stderr, "a wake-up was lost:\n");
        for (const Wait *wait : waits_) {
            if (wait->left != 0)
                fprintf(stderr, "  core %u expects a token since %d ms, %lld hops before its end\n",
                        wait->core.load(), wait->naps * 50, (long long)wait->left.load());
        }
        abort();
    }

    std::mutex lock_;
    std::vector<Wait *> waits_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

/* What the tokens of one course share. */
struct Race {
    std::atomic<unsigned> left{0}; /* tokens that still have hops before them */
    coil_promise done;
};

struct Token {
    coil_message message;
    Race *race;
    uint64_t random;
    Wait wait;

    uint64_t next()
    {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return random;
    }
};

/* Usually none, else up to some microseconds: what a core needs to fall asleep. */
void pause_by_chance(uint64_t chance)
{
    if (chance % 16 != 0)
        return;
    for (volatile unsigned spin = unsigned(chance >> 8) % 4000; spin > 0; spin = spin - 1) {
    }
}

void hop(coil_message *message)
{
    auto *token = reinterpret_cast<Token *>(message);
    Race *race = token->race;
    uint64_t chance = token->next();
    int64_t left = token->wait.left.load(std::memory_order_relaxed) - 1;
    token->wait.left.store(left, std::memory_order_relaxed);
    if (left == 0) {
        int err = --race->left == 0 ? coil_promise_set(&race->done, 0) : 0;
        EXPECT_EQ(0, err);
        return;
    }
    unsigned cores = coil_core_count(),
             other = cores > 1 ? unsigned(chance >> 32) % (cores - 1) : 0;
    unsigned next = (coil_core_self() + 1 + other) % cores;
    pause_by_chance(chance);
    token->wait.core.store(next, std::memory_order_relaxed);
    EXPECT_EQ(0, coil_post_core(next, message));
}

int64_t hops_of(const Course &course)
{
    const char *text = getenv("COIL_TEST_HOPS");
    return (text != nullptr ? atoll(text) : kHops) * course.share / 1000;
}

std::string two_cpus()
{
    cpu_set_t allowed;
    EXPECT_EQ(0, sched_getaffinity(0, sizeof(allowed), &allowed));
    std::string list;
    int found = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        list += (found++ > 0 ? "," : "") + std::to_string(cpu);
    }
    return list;
}

coil_options options_of(const Course &course, const std::string &cpus)
{
    coil_options options = cores(course.core_count);
    options.cpus = cpus.c_str();
    options.spin_ns = course.spin_ns;
    return options;
}

std::string cpus_of(const Course &course)
{
    std::string cpus = two_cpus();
    return course.one_cpu ? cpus.substr(0, cpus.find(',')) : cpus;
}

void PrintTo(const Course &course, std::ostream *out)
{
    *out << course.name;
}

struct Hops : testing::TestWithParam<Course> {};

TEST_P(Hops, LoseNoWakeUp)
{
    const Course &course = GetParam();
    std::string cpus = cpus_of(course);
    Race race;
    Watchdog watchdog;
    rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    EXPECT_EQ(0, run(
                     [&] {
                         coil_promise_init(&race.done);
                         std::deque<Token> tokens(course.tokens);
                         std::vector<Wait *> waits;
                         race.left = course.tokens;
                         uint64_t seed = 12345;
                         for (Token &token : tokens) {
                             token.message = {nullptr, hop};
                             token.race = &race;
                             token.random = seed += 7919;
                             token.wait.left = hops_of(course) / course.tokens + 1;
                             waits.push_back(&token.wait);
                         }
                         watchdog.watch_over(waits);
                         for (Token &token : tokens)
                             EXPECT_EQ(0, coil_post_core(0, &token.message));
                         EXPECT_EQ(0, coil_promise_wait(&race.done));
                         watchdog.watch_over({});
                         coil_promise_drop(&race.done);
                         return 0;
                     },
                     options_of(course, cpus)));
    getrusage(RUSAGE_SELF, &after);
    RecordProperty("sleeps", int(after.ru_nvcsw - before.ru_nvcsw));
}

/* 10 million in all. */
const Course kCourses[] = {
    {"OneTokenOnTwoCpus", 2, false, 1, 4},
    {"OneTokenOnOneCpu", 2, true, 1, 12},
    {"OneTokenWithSpinning", 2, false, 1, 20, COIL_SPIN_ADAPTIVE},
    {"FewTokensOnTwoCpus", 2, false, 3, 8},
    {"FewTokensOnOneCpu", 2, true, 3, 40},
    {"SomeTokensOnTwoCpus", 2, false, 16, 40},
    {"SomeTokensOnOneCpu", 2, true, 16, 100},
    {"ManyTokensOnTwoCpus", 2, false, 500, 326},
    {"ManyTokensOnOneCpu", 2, true, 500, 300},
    {"OneCore", 1, false, 4, 50},
    {"FourCores", 4, false, 20, 40},
    {"EightCores", 8, false, 40, 30},
    {"EightCoresManyTokens", 8, false, 500, 30},
};

std::string name_of(const testing::TestParamInfo<Course> &info)
{
    return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(OverCores, Hops, testing::ValuesIn(kCourses), name_of);

/* Through the bell, and back by a flag. */
TEST(Hops, FromAPlainThreadLoseNoWakeUp)
{
    const int64_t hops = std::min<int64_t>(hops_of({"", 1, false, 1, 1}), 10'000);
    Wait wait;
    wait.left = hops;
    Watchdog watchdog;
    watchdog.watch_over({&wait});
    struct Ball {
        coil_message message;
        std::atomic<bool> there;
    } ball = {
        {nullptr, [](coil_message *message) { reinterpret_cast<Ball *>(message)->there = true; }},
        {false}};
    coil_options options = cores(1);
    options.spin_ns = COIL_SPIN_OFF;
    EXPECT_EQ(0, run(
                     [&] {
                         COIL_PROMISE(done);
                         COIL_PORT(port);
                         EXPECT_EQ(0, coil_port_open(&port));
                         std::thread thread([&] {
                             Token random = {};
                             random.random = 12345;
                             for (int64_t i = 0; i < hops; i++) {
                                 ball.there = false;
                                 EXPECT_EQ(0, coil_post(&port, &ball.message));
                                 while (!ball.there)
                                     sched_yield();
                                 wait.left--;
                                 pause_by_chance(random.next() << 4);
                             }
                             EXPECT_EQ(0, coil_promise_set(&done, 0));
                         });
                         EXPECT_EQ(0, coil_promise_wait(&done));
                         thread.join();
                         return 0;
                     },
                     options));
}

TEST(HopCourses, HaveAllHopsBetweenThem)
{
    int64_t shares = 0;
    for (const Course &course : kCourses)
        shares += course.share;
    EXPECT_EQ(1000, shares);
}

} // namespace
