/* SPDX-License-Identifier: MIT */
/* coil_stop(): who hears of it, what may go on, and what happens to who does not end. */
#include "ops/sockets.h"
#include "support/census.h"
#include "support/misuse.h"
#include "support/running.h"

#include <atomic>
#include <cerrno>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace {

using namespace coil_test;

constexpr int64_t kLong = 600 * COIL_SEC; /* a test that waits for it fails by its timeout */

/* A socket that listens on the loopback. */
class Listener {
public:
    Listener()
    {
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(0, bind(fd_, reinterpret_cast<sockaddr *>(&address), sizeof(address)));
        EXPECT_EQ(0, listen(fd_, 1024));
        socklen_t len = sizeof(address_);
        EXPECT_EQ(0, getsockname(fd_, reinterpret_cast<sockaddr *>(&address_), &len));
    }
    operator int() const { return fd_; }
    int connect() const
    {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr *address = reinterpret_cast<const sockaddr *>(&address_);
        EXPECT_EQ(0, ::connect(fd, address, sizeof(address_)));
        return fd;
    }

private:
    Fd fd_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address_ = {};
};

int accept_plainly(int listener)
{
    return coil_accept(listener, nullptr, nullptr, 0);
}

int accept_by_acceptor(int listener)
{
    coil_acceptor acceptor = {};
    coil_acceptor_open(&acceptor, listener, 0);
    int result = coil_acceptor_next(&acceptor);
    coil_acceptor_close(&acceptor);
    return result;
}

/* Beside another future, so that nobody waits for the accept alone. */
int accept_among_others(int listener)
{
    COIL_FUTURE(accept);
    COIL_FUTURE(sleep);
    coil_accept_start(&accept, listener, nullptr, nullptr, 0);
    coil_sleep_start(&sleep, kLong);
    coil_future *const futures[] = {&sleep, &accept};
    EXPECT_EQ(1, coil_await_any(futures, 2));
    return int(coil_await(&accept));
}

using Accept = int (*)(int);
struct StopAccepting : testing::TestWithParam<Accept> {};

TEST_P(StopAccepting, WakesWhoWaitsOnEveryCore)
{
    EXPECT_EQ(0, run(
                     [] {
                         Listener listener;
                         std::atomic<unsigned> waiting{0};
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         for (unsigned i = 0; i < 9; i++) {
                             EXPECT_EQ(0, children.spawn_on(scope, i % 3, [&] {
                                 waiting++;
                                 EXPECT_EQ(-ESHUTDOWN, GetParam()(listener));
                                 return 0;
                             }));
                         }
                         wait_until([&] { return waiting == 9; });
                         coil_stop(kLong);
                         return coil_scope_close(&scope, 0);
                     },
                     cores(3)));
}

TEST_P(StopAccepting, TakesWhoIsConnectedAndWaitsForNobodyElse)
{
    EXPECT_EQ(0, run([] {
                  Listener listener;
                  Fd client(listener.connect());
                  coil_stop(kLong);
                  Fd conn(GetParam()(listener));
                  EXPECT_GE(conn, 0);
                  EXPECT_EQ(-ESHUTDOWN, GetParam()(listener));
                  return 0;
              }));
}

TEST_P(StopAccepting, IsNoCancellation)
{
    EXPECT_EQ(0, run([] {
                  Listener listener;
                  Children children;
                  COIL_SCOPE(scope, COIL_FOREVER);
                  children.start(scope, [&] {
                      COIL_SCOPE(inner, COIL_FOREVER);
                      EXPECT_EQ(-ESHUTDOWN, GetParam()(listener));
                      EXPECT_FALSE(coil_scope_cancelled(&inner));
                      EXPECT_EQ(0, coil_sleep(COIL_USEC));
                      return coil_scope_close(&inner, 5) == 5 ? 0 : -EPROTO;
                  });
                  give_way();
                  coil_stop(kLong);
                  return coil_scope_close(&scope, 0);
              }));
}

std::string name_of_spelling(const testing::TestParamInfo<Accept> &info)
{
    static const char *const names[] = {"Plain", "Acceptor", "Future"};
    return names[info.index];
}

INSTANTIATE_TEST_SUITE_P(Spellings, StopAccepting,
                         testing::Values(accept_plainly, accept_by_acceptor, accept_among_others),
                         name_of_spelling);

TEST(Stop, LosesNoConnectionThatAnAcceptorHasTaken)
{
    EXPECT_EQ(0, run([] {
                  Listener listener;
                  coil_acceptor acceptor = {};
                  std::vector<Fd> clients;
                  coil_acceptor_open(&acceptor, listener, 0);
                  for (int i = 0; i < 5; i++)
                      clients.emplace_back(listener.connect());
                  EXPECT_EQ(0, coil_close(coil_acceptor_next(&acceptor)));
                  turn(); /* by now all of them are in its hands */
                  coil_stop(kLong);
                  turn();
                  for (int i = 1; i < 5; i++) {
                      int conn = coil_acceptor_next(&acceptor);
                      EXPECT_GE(conn, 0);
                      EXPECT_EQ(0, coil_close(conn));
                  }
                  EXPECT_EQ(-ESHUTDOWN, coil_acceptor_next(&acceptor));
                  EXPECT_EQ(-ESHUTDOWN, coil_acceptor_next(&acceptor));
                  coil_acceptor_close(&acceptor);
                  return 0;
              }));
}

/* More than an acceptor takes ahead. */
TEST(Stop, LosesNoConnectionThatTheKernelHasQueued)
{
    COIL_SKIP_IF_SIMULATED("the process's descriptors end at 1000, and this takes more");
    EXPECT_EQ(0, run([] {
                  constexpr int kConnections = 600;
                  Listener listener;
                  std::vector<Fd> clients, conns;
                  for (int i = 0; i < kConnections; i++)
                      clients.emplace_back(listener.connect());
                  coil_stop(kLong);
                  coil_acceptor acceptor = {};
                  coil_acceptor_open(&acceptor, listener, 0);
                  int conn;
                  while ((conn = coil_acceptor_next(&acceptor)) >= 0)
                      conns.emplace_back(conn);
                  EXPECT_EQ(-ESHUTDOWN, conn);
                  EXPECT_EQ(size_t(kConnections), conns.size());
                  coil_acceptor_close(&acceptor);
                  return 0;
              }));
}

/* It does not mean that there is nobody left. */
TEST(Stop, WaitsForDescriptorsForThoseWhoAreQueued)
{
    EXPECT_EQ(0, run([] {
                  Listener listener;
                  Fd client(listener.connect());
                  coil_stop(kLong);
                  Children children;
                  COIL_SCOPE(scope, COIL_FOREVER);
                  FewDescriptors none(0);
                  children.start(scope, [&] {
                      EXPECT_EQ(0, coil_sleep(15 * COIL_MSEC));
                      none.lift();
                      return 0;
                  });
                  coil_acceptor acceptor = {};
                  coil_acceptor_open(&acceptor, listener, 0);
                  Fd conn(coil_acceptor_next(&acceptor));
                  EXPECT_GE(conn, 0);
                  EXPECT_EQ(-ESHUTDOWN, coil_acceptor_next(&acceptor));
                  coil_acceptor_close(&acceptor);
                  return coil_scope_close(&scope, 0);
              }));
}

TEST(Stop, LetsWhatIsUnderWayFinish)
{
    EXPECT_EQ(7, run(
                     [] {
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         for (unsigned core = 0; core < 2; core++) {
                             EXPECT_EQ(0, children.spawn_on(scope, core, [] {
                                 EXPECT_EQ(0, coil_stop_wait());
                                 for (int i = 0; i < 20; i++)
                                     EXPECT_EQ(0, coil_sleep(COIL_MSEC));
                                 return 0;
                             }));
                         }
                         EXPECT_FALSE(coil_stopping());
                         coil_stop(kLong);
                         EXPECT_TRUE(coil_stopping());
                         return coil_scope_close(&scope, 7);
                     },
                     cores(2)));
}

TEST(Stop, CancelsWhatIsLeftWhenTheGraceIsOver)
{
    std::atomic<int> cancelled{0};
    EXPECT_EQ(-ECANCELED, run(
                              [&] {
                                  Children children;
                                  COIL_SCOPE(scope, COIL_FOREVER);
                                  for (unsigned i = 0; i < 30; i++) {
                                      EXPECT_EQ(0, children.spawn_on(scope, i % 3, [&] {
                                          int result = wait_for_ever();
                                          cancelled += result == -ECANCELED;
                                          return result;
                                      }));
                                  }
                                  turn();
                                  coil_time begin = coil_now();
                                  coil_stop(20 * COIL_MSEC);
                                  int result = coil_scope_close(&scope, 0);
                                  EXPECT_GE(coil_now(), begin + 20 * COIL_MSEC);
                                  return result;
                              },
                              cores(3)));
    EXPECT_GT(cancelled, 0);
}

TEST(Stop, TheEarliestEndOfTheGraceCounts)
{
    EXPECT_EQ(-ECANCELED, run(
                              [] {
                                  coil_stop(COIL_FOREVER);
                                  EXPECT_EQ(0, coil_sleep(COIL_MSEC));
                                  EXPECT_EQ(0, call(1, [] {
                                                coil_stop(0);
                                                coil_stop(kLong); /* too late for that */
                                                return 0;
                                            }));
                                  return wait_for_ever();
                              },
                              cores(2)));
}

TEST(Stop, MayComeFromAnyCoreAndBeforeAnythingElse)
{
    for (unsigned core = 0; core < 3; core++) {
        EXPECT_EQ(-ECANCELED, run(
                                  [=] {
                                      int err = call(core, [] {
                                          coil_stop(0);
                                          return 0;
                                      });
                                      return err < 0 ? err : wait_for_ever();
                                  },
                                  cores(3)));
    }
}

TEST(Stop, EndsAtOnceWhenAllIsDone)
{
    EXPECT_EQ(3, run(
                     [] {
                         coil_stop(kLong);
                         return 3;
                     },
                     cores(3)));
}

TEST(Stop, HoldsOffTheCancellationForAShield)
{
    EXPECT_EQ(-ECANCELED, run([] {
        coil_stop(0);
        int result = wait_for_ever();
        COIL_SCOPE(cleanup, COIL_FOREVER);
        coil_scope_shield(&cleanup);
        EXPECT_EQ(0, coil_sleep(COIL_MSEC));
        EXPECT_EQ(0, coil_scope_close(&cleanup, 0));
        return result;
    }));
}

/* The log's lines, and a thread of a pool that is let go by the one which names its work. */
struct {
    std::mutex mutex;
    std::vector<std::string> lines;
    std::atomic<bool> begun{false}, named{false};
} told;

void note_line(const char *line)
{
    std::lock_guard<std::mutex> lock(told.mutex);
    told.lines.emplace_back(line);
    if (std::string(line).find("for offload, cancelled") != std::string::npos)
        told.named = true;
}

ssize_t block_until_named(void *)
{
    told.begun = true;
    while (!told.named)
        usleep(1000);
    return 0;
}

TEST(Stop, NamesWhoDoesNotEnd)
{
    COIL_SKIP_IF_SIMULATED("work may not wait for what a coroutine does");
    coil_options options = cores(2);
    options.log = note_line;
    EXPECT_EQ(0, run(
                     [] {
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         EXPECT_EQ(0, children.spawn_on(scope, 1, [] {
                             coil_task_rename("a stubborn one");
                             return int(coil_offload(nullptr, block_until_named, nullptr));
                         }));
                         wait_until([] { return told.begun.load(); });
                         coil_stop(0);
                         return coil_scope_close(&scope, 0);
                     },
                     options));
    std::string all;
    for (const std::string &line : told.lines)
        all += line + "\n";
    EXPECT_NE(std::string::npos,
              all.find("coil: stop: core 1: 1 coroutine and 1 piece of work on other threads have "
                       "not ended though they were cancelled 100 ms ago\n"))
        << all;
    EXPECT_NE(std::string::npos, all.find("core 1: a stubborn one, spawned as ")) << all;
}

/* At any moment, from several cores at once, with connections coming in. */
TEST(Stop, AtAnyMomentEndsAllAndLeavesNothing)
{
    std::minstd_rand random(11);
    Census before = take_census();
    for (int round = 0; round < rounds(40); round++) {
        Listener listener;
        std::atomic<bool> over{false};
        std::thread clients([&] {
            for (int i = 0; i < 500 && !over; i++) { /* its backlog has room for them */
                Fd client(listener.connect());
                usleep(50);
            }
        });
        int64_t delays[2] = {int64_t(random() % 3000), int64_t(random() % 3000)};
        int64_t grace = int64_t(random() % 2000) * COIL_USEC;
        run(
            [&] {
                Children children;
                COIL_SCOPE(scope, COIL_FOREVER);
                for (unsigned core = 0; core < 3; core++) {
                    EXPECT_EQ(0, children.spawn_on(scope, core, [&, core] {
                        int conn;
                        while ((conn = core == 2 ? accept_plainly(listener)
                                                 : accept_by_acceptor(listener)) >= 0)
                            coil_close(conn);
                        EXPECT_TRUE(conn == -ESHUTDOWN || conn == -ECANCELED) << conn;
                        return 0;
                    }));
                }
                for (unsigned core = 0; core < 2; core++) {
                    EXPECT_EQ(0, children.spawn_on(scope, core, [&, core] {
                        int err = coil_sleep(delays[core] * COIL_USEC);
                        coil_stop(grace);
                        return err == -ECANCELED ? err : wait_for_ever();
                    }));
                }
                return coil_scope_close(&scope, 0);
            },
            cores(3));
        over = true;
        clients.join();
    }
    EXPECT_EQ("", compare_census(before));
}

const Misuse kMisuses[] = {
    {"StopOutsideACoroutine", "coro/task.h", kOutside, "",
     [] {
         coil_stop(0);
         return 0;
     }},
    {"AskWhetherItStopsOutsideOfARun", "core/ending.c",
     "coil_stopping: called outside coil_run\\(\\)", "", [] { return int(coil_stopping()); }},
    {"ReturnWithAWaitForTheStopInFlight", kOrigin, in_flight("stop"), kFirst,
     [] {
         static coil_future wait;
         coil_stop_wait_start(&wait);
         return 0;
     }},
};
INSTANTIATE_TEST_SUITE_P(Stop, MisuseDeathTest, testing::ValuesIn(kMisuses), name_of_misuse);

} // namespace
