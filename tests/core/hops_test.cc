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
#include <sched.h>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

using namespace coil_test;

namespace {

constexpr int64_t kHops = kThreadSanitizer ? 200'000 : kAddressSanitizer ? 1'000'000 : 10'000'000;

struct Course {
    const char *name;
    unsigned core_count;
    bool one_cpu; /* all cores share one */
    unsigned tokens;
    int64_t share; /* of all hops, in 1/1000 */
    int64_t spin_ns = COIL_SPIN_OFF;
};

/* Fails when nothing has moved for two seconds of its own time: naps in which the machine had no
 * time for us either do not count. */
class Watchdog {
public:
    explicit Watchdog(const std::atomic<uint64_t> *moves)
        : moves_(moves), thread_([this] { watch(); })
    {}
    ~Watchdog()
    {
        stop_ = true;
        thread_.join();
    }

private:
    static constexpr int kNaps = kSanitized ? 400 : 40;

    void watch()
    {
        uint64_t seen = 0;
        for (int naps = 0; naps < kNaps && !stop_;) {
            auto start = std::chrono::steady_clock::now();
            std::this_thread::sleep_for(std::chrono::milliseconds(stop_ ? 0 : 50));
            if (std::chrono::steady_clock::now() - start > std::chrono::milliseconds(100))
                continue;
            uint64_t now = moves_->load();
            naps = now == seen ? naps + 1 : 0;
            seen = now;
        }
        if (stop_)
            return;
        fprintf(stderr, "a wake-up was lost: no token has moved for two seconds\n");
        abort();
    }

    const std::atomic<uint64_t> *moves_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

/* What the tokens of one course share. */
struct Race {
    std::atomic<uint64_t> moves{0}; /* of the watchdog; counted now and then */
    std::atomic<unsigned> left{0};  /* tokens that still have hops before them */
    coil_promise done;
};

struct Token {
    coil_message message;
    Race *race;
    uint64_t random;
    int64_t hops;

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
    token->hops--;
    if (chance % 64 == 0 || race->left < 64)
        race->moves.fetch_add(1, std::memory_order_relaxed);
    if (token->hops <= 0) {
        int err = --race->left == 0 ? coil_promise_set(&race->done, 0) : 0;
        EXPECT_EQ(0, err);
        return;
    }
    unsigned cores = coil_core_count(),
             other = cores > 1 ? unsigned(chance >> 32) % (cores - 1) : 0;
    pause_by_chance(chance);
    EXPECT_EQ(0, coil_post_core((coil_core_self() + 1 + other) % cores, message));
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
    Watchdog watchdog(&race.moves);
    rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    EXPECT_EQ(0, run(
                     [&] {
                         coil_promise_init(&race.done);
                         std::deque<Token> tokens(course.tokens);
                         race.left = course.tokens;
                         uint64_t seed = 12345;
                         for (Token &token : tokens) {
                             token = {{nullptr, hop},
                                      &race,
                                      seed += 7919,
                                      hops_of(course) / course.tokens + 1};
                             EXPECT_EQ(0, coil_post_core(0, &token.message));
                         }
                         EXPECT_EQ(0, coil_promise_wait(&race.done));
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
    Race race;
    Watchdog watchdog(&race.moves);
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
                             Token random = {{}, nullptr, 12345, 0};
                             for (int64_t i = 0; i < hops; i++) {
                                 ball.there = false;
                                 EXPECT_EQ(0, coil_post(&port, &ball.message));
                                 while (!ball.there)
                                     sched_yield();
                                 race.moves++;
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
