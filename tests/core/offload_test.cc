/* SPDX-License-Identifier: MIT */
/* Blocking work: where it runs, who holds up whom, and what the end of a run does. */
#include "support/census.h"
#include "support/misuse.h"
#include "support/running.h"
#include "support/sandbox.h"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <random>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

using namespace coil_test;

namespace {

using Work = std::function<ssize_t()>;

ssize_t do_work(void *work)
{
    return (*static_cast<Work *>(work))();
}

/* coil_offload() for lambdas that capture. */
ssize_t offload(coil_pool *pool, Work work)
{
    return coil_offload(pool, do_work, &work);
}

/* Work that blocks its thread until it is let go. */
class Blocked {
public:
    Blocked() { EXPECT_EQ(0, pipe2(ends_, O_CLOEXEC)); }
    ~Blocked()
    {
        let_go();
        close(ends_[0]);
    }
    void start(coil_future *future, coil_pool *pool)
    {
        coil_offload_start(future, pool, do_work, &work_);
    }
    void let_go()
    {
        if (ends_[1] >= 0)
            close(ends_[1]);
        ends_[1] = -1;
    }
    unsigned running() const { return running_; }

private:
    int ends_[2];
    std::atomic<unsigned> running_{0};
    Work work_ = [this] {
        char byte;
        running_++;
        return read(ends_[0], &byte, 1);
    };
};

coil_pool one = COIL_POOL("one", 1);
coil_pool two = COIL_POOL("two", 2);

TEST(Offload, GivesTheResultWhateverNumberItIs)
{
    EXPECT_EQ(0, run([] {
                  for (ssize_t value :
                       {ssize_t(0), ssize_t(-EIO), ssize_t(INT64_MAX), ssize_t(INT64_MIN)})
                      EXPECT_EQ(value, offload(nullptr, [=] { return value; }));
                  return 0;
              }));
}

TEST(Offload, RunsOnAnotherThreadWhichMayUseAllCpus)
{
    COIL_SKIP_IF_SIMULATED("work has no thread of its own");
    EXPECT_EQ(0, run([] {
                  cpu_set_t all, its;
                  EXPECT_EQ(0, sched_getaffinity(getpid(), sizeof(all), &all));
                  pid_t core = gettid();
                  EXPECT_NE(core, offload(nullptr, [&] {
                                sched_getaffinity(0, sizeof(its), &its);
                                return gettid();
                            }));
                  EXPECT_TRUE(CPU_EQUAL(&all, &its));
                  return 0;
              }));
}

TEST(Offload, LetsOthersRunAndIsNoDeadlock)
{
    COIL_SKIP_IF_SIMULATED("work may not wait for what a coroutine does");
    EXPECT_EQ(0, run([] {
                  Blocked blocked;
                  COIL_FUTURE(future);
                  blocked.start(&future, nullptr);
                  EXPECT_EQ(0, coil_sleep(5 * COIL_MSEC));
                  EXPECT_FALSE(coil_future_done(&future));
                  std::thread later([&] {
                      std::this_thread::sleep_for(std::chrono::milliseconds(20));
                      blocked.let_go();
                  });
                  EXPECT_EQ(0, coil_await(&future)); /* nothing else would wake this core */
                  later.join();
                  return 0;
              }));
}

TEST(Offload, OfOnePoolDoesNotHoldUpAnother)
{
    COIL_SKIP_IF_SIMULATED("work may not wait for what a coroutine does");
    EXPECT_EQ(0, run([] {
                  Blocked blocked;
                  coil_future futures[10] = {};
                  for (coil_future &future : futures)
                      blocked.start(&future, &one);
                  EXPECT_EQ(7, offload(&two, [] { return 7; }));
                  EXPECT_EQ(8, offload(nullptr, [] { return 8; }));
                  EXPECT_TRUE(turn_until([&] { return blocked.running() > 0; }));
                  EXPECT_EQ(1u, blocked.running());
                  blocked.let_go();
                  for (coil_future &future : futures)
                      EXPECT_EQ(0, coil_await(&future));
                  return 0;
              }));
}

/* All cores together have no more threads than one pool. */
TEST(Offload, FromAllCoresKeepsTheLimit)
{
    EXPECT_EQ(0, run(
                     [] {
                         std::atomic<int> now{0}, most{0};
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         for (unsigned i = 0; i < 40; i++) {
                             EXPECT_EQ(0, children.spawn_on(scope, i % 4, [&] {
                                 return int(offload(&two, [&] {
                                     int running = ++now;
                                     for (int seen = most; seen < running;)
                                         most.compare_exchange_weak(seen, running);
                                     usleep(500);
                                     now--;
                                     return 0;
                                 }));
                             }));
                         }
                         EXPECT_EQ(0, coil_scope_close(&scope, 0));
                         EXPECT_LE(most, 2);
                         return 0;
                     },
                     cores(4)));
}

TEST(Offload, TakesTheLimitOfTheOptionsWhereThePoolHasNone)
{
    COIL_SKIP_IF_SIMULATED("work may not wait for what a coroutine does");
    coil_options options = cores(1);
    options.blocking_threads = 3;
    EXPECT_EQ(0, run(
                     [] {
                         Blocked blocked;
                         coil_future futures[5] = {};
                         for (coil_future &future : futures)
                             blocked.start(&future, nullptr);
                         EXPECT_TRUE(turn_until([&] { return blocked.running() == 3; }));
                         EXPECT_EQ(0, coil_sleep(5 * COIL_MSEC));
                         EXPECT_EQ(3u, blocked.running());
                         blocked.let_go();
                         for (coil_future &future : futures)
                             EXPECT_EQ(0, coil_await(&future));
                         return 0;
                     },
                     options));
}

/* What runs is waited for; what waits in line is never begun. */
TEST(Offload, IsEndedWithTheRun)
{
    COIL_SKIP_IF_SIMULATED("work may not wait for what a coroutine does");
    Census before = take_census();
    std::atomic<int> ended{0}, begun{0};
    std::atomic<bool> leaving{false};
    Work running = [&] {
        begun++;
        while (!leaving)
            usleep(1000);
        usleep(20000);
        ended++;
        return 0;
    };
    Work waiting = [&] {
        begun++;
        return 0;
    };
    EXPECT_EQ(0, run(
                     [&] {
                         static Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         for (unsigned i = 0; i < 10; i++) {
                             Work *work = i == 0 ? &running : &waiting;
                             EXPECT_EQ(0, children.spawn_on(scope, i % 2, [=] {
                                 return int(coil_offload(&one, do_work, work));
                             }));
                             EXPECT_TRUE(turn_until([&] { return begun > 0; }));
                         }
                         EXPECT_EQ(0, coil_sleep(COIL_MSEC)); /* so that all have arrived */
                         leaving = true;
                         return 0;
                     },
                     cores(2)));
    EXPECT_EQ(1, ended);
    EXPECT_EQ(1, begun);
    EXPECT_EQ("", compare_census(before));
}

TEST(Offload, RunAfterRunLeavesNothingBehind)
{
    const Body body = [] {
        COIL_SCOPE(scope, COIL_FOREVER);
        for (coil_pool *pool : {&one, &two, static_cast<coil_pool *>(nullptr)}) {
            for (int i = 0; i < 3; i++)
                EXPECT_EQ(i, offload(pool, [=] { return i; }));
        }
        return coil_scope_close(&scope, 0);
    };
    EXPECT_EQ(0, run(body));
    Census before = take_census();
    for (int i = 0; i < rounds(20); i++)
        EXPECT_EQ(0, run(body, cores(1 + unsigned(i) % 2)));
    EXPECT_EQ("", compare_census(before));
}

/* Ends come at every moment of a core's falling asleep; a lost one would hang the test. */
TEST(Offload, NoEndIsLostOnACoreThatFallsAsleep)
{
    auto hop = [](unsigned seed) {
        std::mt19937 random(seed);
        for (int i = 0; i < rounds(5000); i++) {
            int64_t pause = random() % 4 == 0 ? random() % 60 : 0;
            EXPECT_EQ(i, offload(&two, [=] {
                          coil_time end = coil_now() + pause * COIL_USEC;
                          while (coil_now() < end) { /* ends at that instant */
                          }
                          return i;
                      }));
        }
        return 0;
    };
    for (int64_t spin : {COIL_SPIN_OFF, COIL_SPIN_ADAPTIVE}) {
        coil_options options = cores(2);
        options.spin_ns = spin;
        EXPECT_EQ(0, run(
                         [&] {
                             Children children;
                             COIL_SCOPE(scope, COIL_FOREVER);
                             for (unsigned core : {0u, 1u, 1u})
                                 EXPECT_EQ(0, children.spawn_on(scope, core, [&, core] {
                                     return hop(core + 1);
                                 }));
                             return coil_scope_close(&scope, 0);
                         },
                         options));
    }
}

TEST(Offload, SaysThatThereIsNoThread)
{
    COIL_SKIP_IF_SIMULATED("work has no thread of its own");
    ChildOutcome outcome = run_in_child([] {
        return run([] {
            if (!deny_system_call(SYS_clone3, ENOSYS) || !deny_system_call(SYS_clone, EAGAIN))
                return 1;
            return int(offload(nullptr, [] { return 0; }));
        });
    });
    EXPECT_EQ(-EAGAIN, outcome.result);
}

TEST(Offload, SaysThatItsCoreCanNotBeWoken)
{
    auto body = [] {
        rlimit limit, none;
        EXPECT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
        none = {0, limit.rlim_max};
        EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
        EXPECT_EQ(-EMFILE, offload(nullptr, [] { return 0; }));
        EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
        EXPECT_EQ(1, offload(nullptr, [] { return 1; }));
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel()));
}

ssize_t sleep_there(void *)
{
    return coil_sleep(1);
}

const Misuse kOffloads[] = {
    {"WaitOnAThreadOfAPool", "coro/task.h", kOutside, "",
     [] { return int(coil_offload(nullptr, sleep_there, nullptr)); }},
    {"ReturnWithAnOffloadInFlight", kOrigin, in_flight("offload"), kFirst,
     [] {
         static coil_future future;
         coil_offload_start(
             &future, nullptr, [](void *) { return ssize_t(0); }, nullptr);
         return 0;
     }},
    {"OffloadOutsideACoroutine", "coro/task.h", kOutside, "",
     [] {
         int result = 0;
         std::thread([&] { result = int(offload(nullptr, [] { return 0; })); }).join();
         return result;
     }},
};
INSTANTIATE_TEST_SUITE_P(Offload, MisuseDeathTest, testing::ValuesIn(kOffloads), name_of_misuse);

} // namespace
