/* SPDX-License-Identifier: MIT */
/* Waiting for signals: who gets one, when, and what it means before and afterwards. */
#include "support/misuse.h"
#include "support/running.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <liburing.h>
#include <random>
#include <thread>
#include <unistd.h>

extern "C" {
#include "core/core.h"
}

using namespace coil_test;

namespace {

void send_to_process(int signal)
{
    EXPECT_EQ(0, kill(getpid(), signal));
}

void open_set(coil_signals *signals, uint64_t set)
{
    EXPECT_EQ(0, coil_signals_open(signals, set));
}

TEST(Signal, EndsTheWait)
{
    EXPECT_EQ(0, run([] {
                  COIL_SIGNALS(signals);
                  open_set(&signals, COIL_SIGNAL(SIGUSR1) | COIL_SIGNAL(SIGUSR2));
                  for (int signal : {SIGUSR1, SIGUSR2, SIGUSR1}) {
                      std::thread sender([=] { send_to_process(signal); });
                      EXPECT_EQ(signal, coil_signal_wait(&signals));
                      sender.join();
                  }
                  return 0;
              }));
}

TEST(Signal, IsNotedWhileNobodyWaits)
{
    EXPECT_EQ(0, run([] {
                  COIL_SIGNALS(signals);
                  open_set(&signals, COIL_SIGNAL(SIGTERM) | COIL_SIGNAL(SIGINT));
                  send_to_process(SIGTERM);
                  send_to_process(SIGINT);
                  EXPECT_EQ(0, coil_sleep(COIL_MSEC));
                  int first = coil_signal_wait(&signals), second = coil_signal_wait(&signals);
                  EXPECT_EQ(SIGINT + SIGTERM, first + second) << "in whichever order";
                  EXPECT_NE(first, second);
                  return 0;
              }));
}

TEST(Signal, IsNotedByEverySetOfEveryCore)
{
    EXPECT_EQ(0, run(
                     [] {
                         std::atomic<unsigned> open{0};
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         for (unsigned i = 0; i < 6; i++) {
                             EXPECT_EQ(0, children.spawn_on(scope, i % 3, [&] {
                                 COIL_SIGNALS(signals);
                                 open_set(&signals, COIL_SIGNAL(SIGUSR1));
                                 open++;
                                 EXPECT_EQ(SIGUSR1, coil_signal_wait(&signals));
                                 return 0;
                             }));
                         }
                         wait_until([&] { return open == 6; });
                         send_to_process(SIGUSR1);
                         return coil_scope_close(&scope, 0);
                     },
                     cores(3)));
}

TEST(Signal, GoesToWhoWaitsLongestForTheSameSet)
{
    EXPECT_EQ(0, run([] {
                  COIL_SIGNALS(signals);
                  coil_future first = {}, second = {};
                  open_set(&signals, COIL_SIGNAL(SIGUSR1));
                  coil_signal_wait_start(&first, &signals);
                  coil_signal_wait_start(&second, &signals);
                  send_to_process(SIGUSR1);
                  EXPECT_EQ(SIGUSR1, coil_await(&first));
                  EXPECT_FALSE(coil_future_done(&second));
                  coil_future_drop(&second);
                  return 0;
              }));
}

TEST(Signal, ThatADroppedFutureGotGoesToTheNext)
{
    EXPECT_EQ(0, run([] {
                  COIL_SIGNALS(signals);
                  coil_future first = {}, second = {};
                  open_set(&signals, COIL_SIGNAL(SIGUSR1));
                  coil_signal_wait_start(&first, &signals);
                  coil_signal_wait_start(&second, &signals);
                  send_to_process(SIGUSR1);
                  EXPECT_TRUE(turn_until([&] { return coil_future_done(&first); }));
                  coil_future_drop(&first);
                  EXPECT_EQ(SIGUSR1, coil_await(&second));
                  return 0;
              }));
}

TEST(Signal, ThatIsBlockedInTheWholeProgramComesAllTheSame)
{
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &blocked, &before));
    EXPECT_EQ(0, run(
                     [] {
                         COIL_SIGNALS(signals);
                         open_set(&signals, COIL_SIGNAL(SIGUSR1));
                         send_to_process(SIGUSR1);
                         EXPECT_EQ(SIGUSR1, coil_signal_wait(&signals));
                         return 0;
                     },
                     cores(2)));
    ASSERT_EQ(0, pthread_sigmask(SIG_SETMASK, &before, nullptr));
}

std::atomic<int> handled{0};

TEST(Signal, MeansAfterTheRunWhatItMeantBefore)
{
    struct sigaction own = {}, before = {};
    own.sa_handler = [](int) { handled++; };
    ASSERT_EQ(0, sigaction(SIGUSR1, &own, &before));
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(0, run([] {
                      COIL_SIGNALS(signals);
                      open_set(&signals, COIL_SIGNAL(SIGUSR1));
                      send_to_process(SIGUSR1);
                      EXPECT_EQ(SIGUSR1, coil_signal_wait(&signals));
                      return 0;
                  }));
        EXPECT_EQ(i, handled);
        send_to_process(SIGUSR1);
        EXPECT_EQ(i + 1, handled);
    }
    ASSERT_EQ(0, sigaction(SIGUSR1, &before, nullptr));
}

/* Also after its set was closed: a second SIGTERM must not kill a program that is about to end. */
TEST(Signal, DoesNotKillAnyMoreOnceItWasWaitedFor)
{
    EXPECT_EQ(0, run([] {
                  COIL_SIGNALS(signals);
                  open_set(&signals, COIL_SIGNAL(SIGTERM));
                  coil_signals_close(&signals);
                  send_to_process(SIGTERM);
                  EXPECT_EQ(0, coil_sleep(COIL_MSEC));
                  open_set(&signals, COIL_SIGNAL(SIGTERM));
                  send_to_process(SIGTERM);
                  EXPECT_EQ(SIGTERM, coil_signal_wait(&signals));
                  return 0;
              }));
}

TEST(Signal, ThatCanNotBeCaughtIsRefused)
{
    EXPECT_EQ(0, run([] {
                  COIL_SIGNALS(signals);
                  EXPECT_EQ(-EINVAL, coil_signals_open(&signals, 0));
                  for (int signal : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE})
                      EXPECT_EQ(-EINVAL, coil_signals_open(&signals, COIL_SIGNAL(signal)))
                          << signal;
                  return 0;
              }));
}

TEST(Signal, OfASetThatIsRefusedMeansWhatItMeantBefore)
{
    struct sigaction own = {}, before = {};
    own.sa_handler = [](int) { handled++; };
    ASSERT_EQ(0, sigaction(SIGHUP, &own, &before));
    EXPECT_EQ(0, run([] {
                  COIL_SIGNALS(signals);
                  for (int other : {SIGKILL, SIGSTOP, 32, 33}) {
                      uint64_t set = COIL_SIGNAL(SIGHUP) | COIL_SIGNAL(other);
                      EXPECT_EQ(-EINVAL, coil_signals_open(&signals, set)) << other;
                      int handled_so_far = handled;
                      EXPECT_EQ(0, raise(SIGHUP));
                      EXPECT_EQ(handled_so_far + 1, handled) << other;
                  }
                  return 0;
              }));
    ASSERT_EQ(0, sigaction(SIGHUP, &before, nullptr));
}

/* The first tells where a core stalls, the second interrupts the workers of the poll driver. */
constexpr int kCoilsOwn[] = {SIGURG, SIGSTKFLT};

TEST(Signal, ThatCoilHasTakenIsRefused)
{
    coil_options options = cores(1);
    options.ring = "poll";
    options.stall_ns = COIL_SEC;
    EXPECT_EQ(0, run(
                     [] {
                         COIL_SIGNALS(signals);
                         for (int signal : kCoilsOwn) {
                             uint64_t set = COIL_SIGNAL(SIGUSR1) | COIL_SIGNAL(signal);
                             EXPECT_EQ(-EBUSY, coil_signals_open(&signals, set)) << signal;
                         }
                         return 0;
                     },
                     options));
    for (int signal : kCoilsOwn) {
        struct sigaction after = {};
        ASSERT_EQ(0, sigaction(signal, nullptr, &after));
        EXPECT_EQ(SIG_DFL, after.sa_handler) << signal;
    }
}

TEST(Signal, ThatCoilHasLeftIsAsEveryOther)
{
    coil_options options = cores(1);
    options.ring = "sim:1"; /* no workers there, and no stalls */
    EXPECT_EQ(0, run(
                     [] {
                         for (int signal : kCoilsOwn) {
                             COIL_SIGNALS(signals);
                             open_set(&signals, COIL_SIGNAL(signal));
                             send_to_process(signal);
                             EXPECT_EQ(signal, coil_signal_wait(&signals));
                         }
                         return 0;
                     },
                     options));
}

/* Raises it with so much left of the stack above `bottom` as raise() needs, but no handler. */
__attribute__((noinline)) void raise_far_down(char *bottom, int signal)
{
    size_t left = size_t(static_cast<char *>(__builtin_frame_address(0)) - bottom);
    auto *hole = static_cast<volatile char *>(__builtin_alloca(left - 1024));
    hole[0] = 1;
    EXPECT_EQ(0, raise(signal));
    hole[0] = 0;
}

TEST(Signal, TakesNothingOfTheStackThatItInterrupts)
{
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer's raise() takes more of a stack itself";
    EXPECT_EQ(0, run([] {
                  COIL_SIGNALS(signals);
                  open_set(&signals, COIL_SIGNAL(SIGUSR1));
                  EXPECT_EQ(0, raise(SIGUSR1)); /* from now on the linker knows it */
                  EXPECT_EQ(SIGUSR1, coil_signal_wait(&signals));
                  void *bottom = coil__stack_bottom(&coil__sched->stacks, coil__self());
                  raise_far_down(static_cast<char *>(bottom), SIGUSR1);
                  return coil_signal_wait(&signals) == SIGUSR1 ? 0 : -EIO;
              }));
}

/* One after another, at every moment of a core's falling asleep; a lost one would hang the test. */
TEST(Signal, NoneIsLostOnCoresThatFallAsleep)
{
    constexpr unsigned kCores = 2;
    const unsigned count = unsigned(rounds(2000));
    std::atomic<unsigned> noted{0}, open{0};
    const auto note = [&] {
        COIL_SIGNALS(signals);
        open_set(&signals, COIL_SIGNAL(SIGUSR1));
        open++;
        for (unsigned i = 0; i < count; i++) {
            EXPECT_EQ(SIGUSR1, coil_signal_wait(&signals));
            noted++;
        }
        return 0;
    };
    std::thread sender([&] {
        std::minstd_rand random(7);
        while (open != kCores)
            std::this_thread::yield();
        for (unsigned i = 1; i <= count; i++) {
            send_to_process(SIGUSR1);
            while (noted != i * kCores)
                std::this_thread::yield();
            for (unsigned pause = unsigned(random() % 2000); pause > 0; pause--)
                std::atomic_signal_fence(std::memory_order_seq_cst);
        }
    });
    EXPECT_EQ(0, run(
                     [&] {
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         for (unsigned core = 0; core < kCores; core++)
                             EXPECT_EQ(0, children.spawn_on(scope, core, note));
                         return coil_scope_close(&scope, 0);
                     },
                     cores(kCores)));
    sender.join();
}

/* As a handler does that was entered before the last run ended: it finds that there is no run. */
TEST(Gate, LetsNobodyInWhoKnowsOfNoRun)
{
    EXPECT_FALSE(coil__gate_enter(0)) << "between two runs";
    EXPECT_EQ(0, run([] {
                  EXPECT_FALSE(coil__gate_enter(0)) << "in a run";
                  return 0;
              }));
}

constexpr const char *kSignals = "core/signals.c";
constexpr const char *kNotOpen = "coil_signal_wait: it is not open on this core";

const Misuse kMisuses[] = {
    {"WaitForAClosedSet", kSignals, kNotOpen, kFirst,
     [] {
         COIL_SIGNALS(signals);
         return coil_signal_wait(&signals);
     }},
    {"WaitForASetOfAnotherCore", kSignals, kNotOpen, kChild,
     [] {
         COIL_SIGNALS(signals);
         open_set(&signals, COIL_SIGNAL(SIGUSR1));
         return call(1, [&] { return coil_signal_wait(&signals); });
     },
     2},
    {"OpenASetTwice", kSignals, "coil_signals_open: it is open already", kFirst,
     [] {
         COIL_SIGNALS(signals);
         open_set(&signals, COIL_SIGNAL(SIGUSR1));
         return coil_signals_open(&signals, COIL_SIGNAL(SIGUSR1));
     }},
    {"CloseASetThatSomebodyWaitsFor", kSignals, "coil_signals_close: coroutines wait for it",
     kFirst,
     [] {
         COIL_SIGNALS(signals);
         coil_future wait;
         open_set(&signals, COIL_SIGNAL(SIGUSR1));
         coil_signal_wait_start(&wait, &signals);
         return 0;
     }},
    {"ReturnWithAWaitForASignalInFlight", kOrigin, in_flight("signal"), kFirst,
     [] {
         static coil_signals signals;
         static coil_future wait;
         open_set(&signals, COIL_SIGNAL(SIGUSR1));
         coil_signal_wait_start(&wait, &signals);
         return 0;
     }},
};
INSTANTIATE_TEST_SUITE_P(Signal, MisuseDeathTest, testing::ValuesIn(kMisuses), name_of_misuse);

} // namespace
