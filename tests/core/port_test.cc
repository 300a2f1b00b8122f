/* SPDX-License-Identifier: MIT */
/* Messages to cores: from other cores, and through ports from any thread. */
#include "support/running.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <random>
#include <sys/resource.h>
#include <thread>
#include <vector>

using namespace coil_test;

namespace {

/* A message that calls a function where it is delivered. */
struct Letter {
    coil_message message = {nullptr, deliver}; /* first, so that one is found by the other */
    Callable<void> read;

    explicit Letter(Callable<void> function) : read(std::move(function)) {}
    static void deliver(coil_message *message) { reinterpret_cast<Letter *>(message)->read(); }
};

int self()
{
    return int(coil_core_self());
}

TEST(Post, ArrivesOnItsCoreInTheOrderOfPosting)
{
    run(
        [] {
            for (unsigned core = 0; core < 3; core++) {
                std::vector<int> order;
                std::atomic<bool> done{false};
                std::deque<Letter> letters;
                for (int i = 0; i < 10; i++) {
                    letters.emplace_back([&, i, core] {
                        EXPECT_EQ(int(core), self());
                        order.push_back(i);
                        done = i == 9;
                    });
                    EXPECT_EQ(0, coil_post_core(core, &letters.back().message));
                }
                bool waits = core != 0 || order.empty(); /* only here it may be read by now */
                EXPECT_TRUE(waits) << "a delivery waits for its turn";
                wait_until([&] { return done.load(); });
                EXPECT_EQ((std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), order);
            }
            return 0;
        },
        cores(3));
}

/* Messages of a turn are gathered for the core they go to; those through a port are not. */
TEST(Post, KeepsItsOrderAmongCoresAndPortsHoweverManyATurnPosts)
{
    run(
        [] {
            std::mt19937 random(11);
            std::array<std::vector<int>, 3> order;
            std::atomic<int> arrived{0};
            std::deque<Letter> letters;
            std::array<coil_port, 3> ports = {};
            for (unsigned core = 1; core < 3; core++)
                EXPECT_EQ(0, call(core, [&, core] { return coil_port_open(&ports[core]); }));
            constexpr int kLetters = 500;
            for (int i = 0; i < kLetters; i++) {
                unsigned core = 1 + random() % 2;
                letters.emplace_back([&, i, core] {
                    EXPECT_EQ(int(core), self());
                    order[core].push_back(i);
                    arrived++;
                });
                coil_message *message = &letters.back().message;
                EXPECT_EQ(0, random() % 8 == 0 ? coil_post(&ports[core], message)
                                               : coil_post_core(core, message));
                if (random() % 64 == 0)
                    give_way();
            }
            wait_until([&] { return arrived == kLetters; });
            for (unsigned core = 1; core < 3; core++) {
                EXPECT_TRUE(std::is_sorted(order[core].begin(), order[core].end()));
                EXPECT_EQ(0, call(core, [&, core] {
                              coil_port_close(&ports[core]);
                              return 0;
                          }));
            }
            return 0;
        },
        cores(3));
}

/* More than can be gathered, since nothing that has left was unpacked yet. */
TEST(Post, KeepsItsOrderToACoreThatDoesNotReadItsMailForLong)
{
    COIL_SKIP_IF_SIMULATED("no core goes on while another computes");
    constexpr int kLetters = 1000;
    for (int gathered : {1, 2, 5, 29, 30, kLetters}) {
        run(
            [=] {
                std::atomic<bool> reads{false}, busy{false};
                std::atomic<int> arrived{0};
                std::vector<int> order;
                std::deque<Letter> letters;
                COIL_FUTURE(called);
                Body keep_busy = [&] {
                    busy = true;
                    while (!reads) /* and nothing else runs there */
                        std::this_thread::yield();
                    return 0;
                };
                coil_call_start(&called, 1, call_body, &keep_busy);
                wait_until([&] { return busy.load(); });
                for (int i = 0; i < kLetters; i++) {
                    letters.emplace_back([&, i] {
                        order.push_back(i);
                        arrived++;
                    });
                    EXPECT_EQ(0, coil_post_core(1, &letters.back().message));
                    if ((i + 1) % gathered == 0)
                        turn();
                }
                EXPECT_EQ(0, arrived);
                reads = true;
                EXPECT_EQ(0, coil_await(&called));
                wait_until([&] { return arrived == kLetters; });
                EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
                EXPECT_EQ(size_t(kLetters), order.size());
                return 0;
            },
            cores(2));
    }
}

TEST(Post, ToACoreThatIsNoneIsRefused)
{
    run([] {
        Letter letter([] { ADD_FAILURE(); });
        EXPECT_EQ(-EINVAL, coil_post_core(1, &letter.message));
        EXPECT_EQ(-EINVAL, coil_post_core(~0u, &letter.message));
        turn();
        return 0;
    });
}

TEST(Post, ADeliveryMaySpawnSetAPromiseAndPost)
{
    run(
        [] {
            Children children;
            std::atomic<int> stage{0};
            COIL_PROMISE(answer);
            EXPECT_EQ(0, call(1, [&] {
                          COIL_SCOPE(scope, COIL_FOREVER);
                          Letter second([&] {
                              children.start(scope, [&] {
                                  EXPECT_EQ(0, coil_sleep(COIL_USEC));
                                  return coil_promise_set(&answer, ++stage);
                              });
                          });
                          Letter first([&] {
                              stage++;
                              EXPECT_EQ(0, coil_post_core(1, &second.message));
                          });
                          EXPECT_EQ(0, coil_post_core(1, &first.message));
                          wait_until([&] { return stage == 2; });
                          return coil_scope_close(&scope, 0);
                      }));
            EXPECT_EQ(2, coil_promise_wait(&answer));
            return 0;
        },
        cores(2));
}

/* What is on its way when the last coroutine ends still arrives, and goes no further. */
TEST(Post, ThatOutlivesAllCoroutinesArrivesAndIsThenRefused)
{
    for (int i = 0; i < rounds(100); i++) {
        std::atomic<int> posted{0}, arrived{0};
        std::deque<Letter> letters;
        for (unsigned n = 0; n < 4; n++) {
            letters.emplace_back([&, n] {
                arrived++;
                unsigned next = (coil_core_self() + 1 + n % 2) % 3;
                posted += coil_post_core(next, &letters[n].message) == 0;
            });
        }
        run(
            [&] {
                for (Letter &letter : letters)
                    posted += coil_post_core(1, &letter.message) == 0;
                return 0;
            },
            cores(3));
        EXPECT_EQ(posted, arrived);
        EXPECT_GE(posted, 4);
    }
}

TEST(Port, IsRefusedBeforeItIsOpenedAndAfterItIsClosed)
{
    static coil_port port;
    Letter letter([] { ADD_FAILURE(); });
    EXPECT_EQ(-ESHUTDOWN, coil_post(&port, &letter.message));
    run([&] {
        EXPECT_EQ(-ESHUTDOWN, coil_post(&port, &letter.message));
        EXPECT_EQ(0, coil_port_open(&port));
        coil_port_close(&port);
        coil_port_close(&port);
        EXPECT_EQ(-ESHUTDOWN, coil_post(&port, &letter.message));
        return 0;
    });
    EXPECT_EQ(-ESHUTDOWN, coil_post(&port, &letter.message));
}

TEST(Port, MayBeOpenedAgainByALaterRun)
{
    static coil_port port;
    for (int i = 0; i < 3; i++) {
        bool arrived = false;
        Letter letter([&] { arrived = true; });
        run([&] {
            EXPECT_EQ(0, coil_port_open(&port));
            std::thread([&] { EXPECT_EQ(0, coil_post(&port, &letter.message)); }).join();
            coil_port_close(&port);
            return 0;
        });
        EXPECT_TRUE(arrived);
    }
}

/* Nothing else would wake the core: it has no timer, and its port keeps it from giving up. */
TEST(Port, WakesACoreThatSleepsAndIsNoDeadlock)
{
    for (int64_t spin_ns : {COIL_SPIN_OFF, COIL_SPIN_ADAPTIVE}) {
        coil_options options = cores(1);
        options.spin_ns = spin_ns;
        EXPECT_EQ(0, run(
                         [] {
                             coil_event event = COIL_ZERO;
                             Children children;
                             COIL_SCOPE(scope, COIL_FOREVER);
                             COIL_PORT(port);
                             EXPECT_EQ(0, coil_port_open(&port));
                             Letter letter([&] {
                                 children.start(scope, [&] {
                                     coil_event_set(&event);
                                     return 0;
                                 });
                             });
                             std::thread poster([&] {
                                 std::this_thread::sleep_for(std::chrono::milliseconds(5));
                                 EXPECT_EQ(0, coil_post(&port, &letter.message));
                             });
                             EXPECT_EQ(0, coil_event_wait(&event));
                             poster.join();
                             coil_port_close(&port);
                             return coil_scope_close(&scope, 0);
                         },
                         options));
    }
}

TEST(Port, ServesOtherCores)
{
    run(
        [] {
            std::atomic<int> arrived{0};
            std::deque<Letter> letters;
            COIL_PORT(port);
            EXPECT_EQ(0, coil_port_open(&port));
            for (unsigned core = 0; core < 3; core++) {
                letters.emplace_back([&] {
                    EXPECT_EQ(0, self());
                    arrived++;
                });
                EXPECT_EQ(0, call(core, [&] { return coil_post(&port, &letters.back().message); }));
            }
            coil_port_close(&port);
            EXPECT_EQ(3, arrived) << "closing waits for what was posted";
            return 0;
        },
        cores(3));
}

TEST(Port, OpenFailsWithoutADescriptorForItsBell)
{
    auto body = [] {
        rlimit before, none;
        EXPECT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
        none = before;
        none.rlim_cur = rlim_t(dup(0));
        close(int(none.rlim_cur));
        EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
        coil_port port = COIL_ZERO;
        int err = coil_port_open(&port);
        EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
        EXPECT_EQ(-EMFILE, err);
        coil_port_close(&port);
        EXPECT_EQ(0, coil_port_open(&port));
        coil_port_close(&port);
        return 0;
    };
    EXPECT_EQ(0, run(body, on_kernel()));
}

/* Threads post until they are refused; what was accepted has arrived when the close returns. */
TEST(Port, ClosesWhileThreadsPostAndLosesNothing)
{
    constexpr int kThreads = 3, kLetters = 50;
    static coil_port port;
    for (int round = 0; round < rounds(40); round++) {
        std::atomic<int> accepted{0}, refused{0}, open{0};
        int arrived = 0; /* by the core only */
        std::deque<Letter> letters;
        for (int i = 0; i < kThreads * kLetters; i++)
            letters.emplace_back([&] { arrived++; });
        std::vector<std::thread> threads;
        run([&] {
            EXPECT_EQ(0, coil_port_open(&port));
            for (int t = 0; t < kThreads; t++) {
                threads.emplace_back([&, t] {
                    open++;
                    for (int i = 0; i < kLetters; i++) {
                        bool ok = coil_post(&port, &letters[size_t(t * kLetters + i)].message) == 0;
                        (ok ? accepted : refused)++;
                    }
                });
            }
            wait_until([&] { return open > 0; });
            coil_port_close(&port);
            int now = arrived;
            turn();
            EXPECT_EQ(now, arrived) << "nothing comes after the close";
            return 0;
        });
        for (std::thread &thread : threads)
            thread.join();
        EXPECT_EQ(accepted, arrived);
        EXPECT_EQ(kThreads * kLetters, accepted + refused);
    }
}

} // namespace
