/* SPDX-License-Identifier: MIT */
/* Deadlocks: what is told of them, how they end, and what is none. */
#include "support/pattern.h"
#include "support/running.h"
#include "support/sanitizer.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <netinet/in.h>
#include <string>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace coil_test;

namespace {

constexpr int64_t kSoon = 2 * COIL_MSEC;

std::vector<std::string> lines;

/* Not what every run in a simulated world says. */
void keep_line(const char *line)
{
    if (strncmp(line, "coil: sim seed ", 15) != 0)
        lines.push_back(line);
}

coil_options logging(unsigned core_count)
{
    coil_options options = cores(core_count);
    options.log = keep_line;
    options.spin_ns = COIL_SPIN_OFF;
    options.stall_ns = COIL_STALL_OFF; /* what it says, on a busy machine, is no part of this */
    return options;
}

/* How many lines match, from their beginning to their end. */
long count_lines(const std::string &pattern)
{
    return std::count_if(lines.begin(), lines.end(),
                         [&](const std::string &line) { return matches(line, pattern); });
}

std::string all_lines()
{
    std::string all;
    for (const std::string &line : lines)
        all += line + "\n";
    return all;
}

struct Deadlock : testing::TestWithParam<unsigned> {
    Deadlock() { lines.clear(); }

    static int run(const Body &body) { return coil_test::run(body, logging(GetParam())); }
};

INSTANTIATE_TEST_SUITE_P(OnCores, Deadlock, testing::Values(1u, 2u, 4u));

const char *const kHeadOfOne = "coil: deadlock: nothing can wake any of the 1 coroutine any more";

TEST_P(Deadlock, OfOneThatWaitsForEverIsReportedAndEnds)
{
    int result = 0;
    EXPECT_EQ(-EDEADLK, run([&] { return result = wait_for_ever(); }));
    EXPECT_EQ(-ECANCELED, result) << "it was cancelled";
    EXPECT_EQ(2u, lines.size()) << all_lines();
    EXPECT_EQ(1, count_lines(kHeadOfOne)) << all_lines();
    EXPECT_EQ(
        1, count_lines("coil:   core 0: fn of coil_run\\(\\) has waited \\d+\\.\\d{3} s for sleep"))
        << all_lines();
}

TEST_P(Deadlock, TellsOfEachCoroutineWhatItWaitsFor)
{
    EXPECT_EQ(-EDEADLK, run([] {
        Children children;
        coil_future sleep = {}, other = {};
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] { return wait_for_ever(); });
        children.start(scope, [&] {
            coil_task_rename("picky");
            coil_future *both[] = {&sleep, &other};
            coil_sleep_until_start(&sleep, COIL_FOREVER);
            coil_sleep_until_start(&other, COIL_FOREVER);
            int index = coil_await_any(both, 2);
            coil_future_drop(&sleep);
            coil_future_drop(&other);
            return index;
        });
        children.start(scope, [&] {
            Children own;
            COIL_FUTURE(child);
            Body body = [] { return wait_for_ever(); };
            COIL_SCOPE(inner, COIL_FOREVER);
            coil_spawn_start(&child, &inner, call_body, &body);
            int result = int(coil_await(&child));
            return coil_scope_close(&inner, result);
        });
        children.start(scope,
                       [] { return call(coil_core_count() - 1, [] { return wait_for_ever(); }); });
        return coil_scope_close(&scope, 0);
    }));
    const std::string site = "call_body \\(.*:\\d+\\)";
    const std::string waited = " has waited \\d+\\.\\d{3} s for ";
    const std::string on_0 = "coil:   core 0: ";
    EXPECT_EQ(8u, lines.size()) << all_lines();
    EXPECT_EQ(1, count_lines("coil: deadlock: nothing can wake any of the 7 coroutines any more"));
    EXPECT_EQ(
        1, count_lines(on_0 + "fn of coil_run\\(\\)" + waited + "the 4 coroutines of its scope"));
    EXPECT_EQ(1, count_lines(on_0 + "picky, spawned as " + site + waited + "any of several"));
    EXPECT_EQ(1, count_lines(on_0 + site + waited + "child"));
    EXPECT_EQ(1, count_lines(on_0 + site + waited + "call"));
    EXPECT_EQ(3, count_lines("coil:   core \\d: " + site + waited + "sleep")) << all_lines();
    EXPECT_EQ(GetParam() == 1 ? 0 : 1,
              count_lines("coil:   core [1-9]: " + site + waited + "sleep"));
}

TEST_P(Deadlock, TellsOfThoseThatAreAlikeAtOnce)
{
    EXPECT_EQ(-EDEADLK, run([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 1000; i++) {
            children.start(scope, [i] {
                if (i == 999)
                    coil_task_rename("another");
                return wait_for_ever();
            });
        }
        return coil_scope_close(&scope, 0);
    }));
    const std::string site = "call_body \\(.*:\\d+\\)", on_0 = "coil:   core 0: ";
    EXPECT_EQ(4u, lines.size()) << all_lines();
    EXPECT_EQ(1, count_lines(on_0 + "999 of " + site + " have waited up to .* s for sleep"));
    EXPECT_EQ(1, count_lines(on_0 + "another, spawned as " + site + " has waited .* s for sleep"));
}

TEST_P(Deadlock, TellsOfNotTooManyKinds)
{
    EXPECT_EQ(-EDEADLK, run([] {
        Children children;
        static char names[100][16];
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 100; i++) {
            children.start(scope, [i] {
                snprintf(names[i], sizeof(names[i]), "number %d", i);
                coil_task_rename(names[i]);
                return wait_for_ever();
            });
        }
        return coil_scope_close(&scope, 0);
    }));
    EXPECT_EQ(1u + 32 + 1, lines.size()) << "its head, fn and 31 more, the rest";
    EXPECT_EQ(1, count_lines("coil:   core 0: 69 more, each unlike these")) << all_lines();
}

TEST_P(Deadlock, TellsForHowLong)
{
    EXPECT_EQ(-EDEADLK, run([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] { return coil_sleep(60 * COIL_MSEC) == 0 ? wait_for_ever() : 0; });
        return coil_scope_close(&scope, 0);
    }));
    EXPECT_EQ(3u, lines.size()) << all_lines();
    auto waits = find_all(all_lines(), "waited (\\d+)\\.(\\d{3}) s for (.*)");
    EXPECT_EQ(2u, waits.size()) << all_lines();
    for (const auto &match : waits) {
        int msec = std::stoi(match[1]) * 1000 + std::stoi(match[2]);
        bool is_first = match[3] != "sleep";
        EXPECT_TRUE(is_first ? msec >= 60 : msec >= 0) << match[0];
    }
}

TEST_P(Deadlock, EndsWithEDeadlkWhateverTheFunctionReturns)
{
    for (int result : {0, 5, -EIO}) {
        EXPECT_EQ(-EDEADLK, run([&] {
            EXPECT_EQ(-ECANCELED, wait_for_ever());
            return result;
        }));
    }
}

TEST_P(Deadlock, CleanupMayWaitForWhatDoesHappen)
{
    int slept = -1;
    EXPECT_EQ(-EDEADLK, run([&] {
        EXPECT_EQ(-ECANCELED, wait_for_ever());
        COIL_SCOPE(shield, COIL_FOREVER);
        coil_scope_shield(&shield);
        slept = coil_sleep(kSoon);
        return coil_scope_close(&shield, 0);
    }));
    EXPECT_EQ(0, slept);
    EXPECT_EQ(2u, lines.size()) << all_lines();
}

TEST_P(Deadlock, ComesToLightAfterIdleStacksWereGivenBack)
{
    EXPECT_EQ(-EDEADLK, run([&] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 200; i++)
            children.start(scope, [] { return coil_yield(); });
        int result = coil_scope_close(&scope, 0);
        return result < 0 ? result : wait_for_ever();
    }));
}

TEST_P(Deadlock, TheNextRunStartsAfresh)
{
    EXPECT_EQ(-EDEADLK, run([] { return wait_for_ever(); }));
    lines.clear();
    EXPECT_EQ(3, run([] { return coil_sleep(kSoon) == 0 ? 3 : -1; }));
    EXPECT_EQ("", all_lines());
}

/* Two cores that wait for each other's calls. */
TEST(DeadlockOfCores, ThatCallEachOtherInACircleIsFound)
{
    lines.clear();
    auto here = [] { return wait_for_ever(); };
    auto there = [&] { return call(0, here); };
    EXPECT_EQ(-EDEADLK, run([&] { return call(1, there); }, logging(2)));
    EXPECT_EQ(1, count_lines("coil: deadlock: nothing can wake any of the 3 coroutines any more"));
    EXPECT_EQ(1, count_lines("coil:   core 1: call_body .* for call")) << all_lines();
    EXPECT_EQ(1, count_lines("coil:   core 0: call_body .* for sleep")) << all_lines();
}

/* Many times, after messages in all directions: the count must come out each time. */
TEST(DeadlockOfCores, IsFoundAfterAnyExchangeOfMessagesSlow)
{
    for (int round = 0; round < (kSanitized ? 30 : 300); round++) {
        lines.clear();
        EXPECT_EQ(-EDEADLK, run(
                                [&] {
                                    Children children;
                                    COIL_SCOPE(scope, COIL_FOREVER);
                                    for (unsigned core = 0; core < 4; core++) {
                                        children.spawn_on(scope, core, [&, core] {
                                            for (unsigned i = 0; i < 5; i++)
                                                EXPECT_EQ(0,
                                                          call((core + i) % 4, [] { return 0; }));
                                            return wait_for_ever();
                                        });
                                    }
                                    return coil_scope_close(&scope, 0);
                                },
                                logging(4)));
        EXPECT_EQ(7u, lines.size()) << all_lines();
        EXPECT_EQ(1, count_lines("coil:   core 0: 4 of call_body .* for call")) << all_lines();
    }
}

/* What is none. Each has idle cores, and waits long enough for a wrong report to come. */
struct NoDeadlock : Deadlock {
    ~NoDeadlock() override { EXPECT_EQ("", all_lines()); }
};

INSTANTIATE_TEST_SUITE_P(OnCores, NoDeadlock, testing::Values(1u, 2u, 4u));

TEST_P(NoDeadlock, WhileSomebodySleeps)
{
    EXPECT_EQ(0, run([] { return coil_sleep(10 * kSoon); }));
}

TEST_P(NoDeadlock, WhileADeadlineWillCome)
{
    EXPECT_EQ(-ETIMEDOUT, run([] {
        COIL_SCOPE(scope, coil_after(10 * kSoon));
        return coil_scope_close(&scope, wait_for_ever());
    }));
}

TEST_P(NoDeadlock, WhileAServerAccepts)
{
    COIL_SKIP_IF_SIMULATED("nobody outside can connect");
    EXPECT_EQ(0, run([] {
                  sockaddr_in address = {};
                  address.sin_family = AF_INET;
                  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                  int listener =
                      coil_tcp_listen(reinterpret_cast<sockaddr *>(&address), sizeof(address), 5);
                  EXPECT_GE(listener, 0);
                  socklen_t len = sizeof(address);
                  EXPECT_EQ(0, getsockname(listener, reinterpret_cast<sockaddr *>(&address), &len));
                  std::thread client([&] {
                      usleep(20000);
                      int fd = socket(AF_INET, SOCK_STREAM, 0);
                      EXPECT_EQ(0, connect(fd, reinterpret_cast<sockaddr *>(&address), len));
                      close(fd);
                  });
                  coil_acceptor acceptor = {};
                  coil_acceptor_open(&acceptor, listener, 0);
                  int conn = coil_acceptor_next(&acceptor);
                  EXPECT_GE(conn, 0);
                  client.join();
                  coil_acceptor_close(&acceptor);
                  EXPECT_EQ(0, coil_close(conn));
                  return coil_close(listener);
              }));
}

TEST_P(NoDeadlock, WhileASignalMayCome)
{
    sigset_t usr1, before;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &usr1, &before));
    EXPECT_EQ(0, run([&] {
                  int fd = signalfd(-1, &usr1, SFD_CLOEXEC);
                  std::thread sender([] {
                      usleep(20000);
                      kill(getpid(), SIGUSR1);
                  });
                  signalfd_siginfo info;
                  EXPECT_EQ(ssize_t(sizeof(info)), coil_read(fd, &info, sizeof(info)));
                  sender.join();
                  return coil_close(fd);
              }));
    ASSERT_EQ(0, pthread_sigmask(SIG_SETMASK, &before, nullptr));
}

TEST_P(NoDeadlock, WhileSomebodyWaitsForAPromise)
{
    EXPECT_EQ(0, run([] {
                  COIL_PROMISE(promise);
                  std::thread thread([&] {
                      usleep(20000);
                      EXPECT_EQ(0, coil_promise_set(&promise, 0));
                  });
                  ssize_t result = coil_promise_wait(&promise);
                  thread.join();
                  return int(result);
              }));
}

TEST_P(NoDeadlock, WhileAnotherCoreIsBusyOrWaitsForSomething)
{
    EXPECT_EQ(0, run([] {
                  unsigned last = coil_core_count() - 1;
                  EXPECT_EQ(0, call(last, [] {
                                coil_time end = coil_after(5 * kSoon);
                                while (coil_now() < end) /* without a pause */
                                    continue;
                                return 0;
                            }));
                  return call(last, [] { return coil_sleep(5 * kSoon); });
              }));
}

/* A signal ends the sleep of a quiet core, which then goes to sleep again. */
TEST_P(NoDeadlock, IsCountedRightWhenSignalsInterruptTheSleep)
{
    struct sigaction action = {}, before;
    action.sa_handler = [](int) {};
    ASSERT_EQ(0, sigaction(SIGUSR1, &action, &before));
    EXPECT_EQ(0, run([] {
                  COIL_PROMISE(promise);
                  std::thread thread([&] {
                      for (int i = 0; i < 200; i++) {
                          kill(getpid(), SIGUSR1);
                          usleep(100);
                      }
                      EXPECT_EQ(0, coil_promise_set(&promise, 0));
                  });
                  ssize_t result = coil_promise_wait(&promise);
                  thread.join();
                  return int(result);
              }));
    ASSERT_EQ(0, sigaction(SIGUSR1, &before, nullptr));
}

/* All cores go to sleep and wake each other all the time. */
TEST_P(NoDeadlock, AmongCallsBetweenCoresThatFallAsleepSlow)
{
    EXPECT_EQ(0, run([] {
                  Children children;
                  COIL_SCOPE(scope, COIL_FOREVER);
                  unsigned count = coil_core_count();
                  for (unsigned core = 0; core < count; core++) {
                      EXPECT_EQ(0, children.spawn_on(scope, core, [=] {
                          for (unsigned i = 0; i < (kSanitized ? 300 : 3000); i++)
                              EXPECT_EQ(0, call((core + 1) % count, [] { return 0; }));
                          return 0;
                      }));
                  }
                  return coil_scope_close(&scope, 0);
              }));
}

/* A thread that sets a promise for which nobody waits can't wake its core: the message waits there,
 * and must not hide a deadlock. */
TEST_P(Deadlock, IsNotHiddenByAMessageThatNobodyWaitsFor)
{
    EXPECT_EQ(-EDEADLK, run([] {
        coil_promise promise;
        coil_promise_init(&promise);
        std::thread thread([&] {
            usleep(10000);
            int result = coil_promise_set(&promise, 0);
            EXPECT_TRUE(result == 0 || result == -EALREADY) << result;
        });
        int result = wait_for_ever();
        thread.join();
        coil_promise_drop(&promise);
        return result;
    }));
}

struct DeadlockDeathTest : testing::Test {
    DeadlockDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

constexpr const char *kHeadOfTwo = "coil: deadlock: nothing can wake any of the 1 coroutine any "
                                   "more.*core 0: fn of coil_run\\(\\) has waited .* for sleep";

int wait_in_a_shield()
{
    COIL_SCOPE(shield, COIL_FOREVER);
    coil_scope_shield(&shield);
    int result = wait_for_ever();
    return coil_scope_close(&shield, result);
}

TEST_F(DeadlockDeathTest, ReportsAndStopsWhoWaitsOnInAShield)
{
    EXPECT_DEATH(run([] { return wait_in_a_shield(); }), kHeadOfTwo);
    EXPECT_DEATH(run([] { return wait_in_a_shield(); }),
                 "deadlock: coroutines stay parked although they were cancelled");
}

TEST_F(DeadlockDeathTest, StopsWhoWaitsOnAfterTheEndOfTheFunction)
{
    EXPECT_DEATH(run(
                     [] {
                         static coil_promise running;
                         static Body body = [] {
                             EXPECT_EQ(0, coil_promise_set(&running, 0));
                             return wait_in_a_shield();
                         };
                         coil_promise_init(&running);
                         COIL_SCOPE(scope, COIL_FOREVER);
                         static coil_future left;
                         coil_call_start(&left, 1, call_body, &body);
                         /* A call that is cancelled before it has begun never does. */
                         EXPECT_EQ(0, coil_promise_wait(&running));
                         coil_future_cancel(&left);
                         return int(coil_await(&left));
                     },
                     cores(2)),
                 "core 1: call_body .* for sleep.*although they were cancelled");
}

} // namespace
