/* SPDX-License-Identifier: MIT */
/* What sanitizers and valgrind must not say about coroutines, and what they must still see. */
#include "coro/coroutines.h"
#include "support/process.h"
#include "support/sanitizer.h"
#include "support/sanitizer_calls.h"

#include <cstdlib>
#include <cstring>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

using namespace coil_test;

namespace {

/* Frames on many stacks at once, stacks that are reused, trimmed, and used again. */
void switch_on_many_stacks()
{
    Coroutines coroutines;
    int sum = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20; i++) {
            coroutines.spawn([&sum, i] {
                sum += recurse(i);
                Coroutines::yield();
                sum -= recurse(i);
            });
        }
        coroutines.run();
        coil__stacks_trim(coroutines.stacks(), 5);
    }
    EXPECT_EQ(0, sum);
}

TEST(Hooks, AreSilentAboutSwitches)
{
    switch_on_many_stacks();
}

/* The second task starts below room for a copy, on a stack that was used down to there and whose
 * context lies higher. */
TEST(Hooks, AreSilentAboutANewContextOnAUsedStack)
{
    constexpr size_t kCopySize = 4096;
    Coroutines coroutines;
    coil_task *first = coroutines.spawn([] { recurse(100); });
    coroutines.run();
    coroutines.empty_quarantine();
    coil_task *second = coil__task_start(
        coil__sched, 0, [](coil_task *) { recurse(100); }, kCopySize);
    EXPECT_EQ(first, second);
    memset(reinterpret_cast<char *>(second) - kCopySize, 1, kCopySize);
    coroutines.run();
}

TEST(Hooks, LeaveNothingBehindInMemoryThatWasAStack)
{
    Coroutines coroutines;
    coil_task *task = coroutines.spawn([] { recurse(10); });
    coroutines.run();
    coroutines.empty_quarantine();
    coil__stacks_trim(coroutines.stacks(), 0);
    ASSERT_EQ(1u, coil__stacks_trim(coroutines.stacks(), 1));
    memset(coil__stack_bottom(coroutines.stacks(), task), 0,
           coil__stack_size(coroutines.stacks(), task));
}

TEST(Hooks, KeepAThreadsOwnStackKnownAfterItRanCoroutines)
{
    std::string said;
    for (int round = 0; round < 2; round++) {
        switch_on_many_stacks();
        try {
            throw std::runtime_error("thrown on the thread's stack");
        } catch (const std::exception &error) {
            said = error.what();
        }
    }
    EXPECT_EQ("thrown on the thread's stack", said);
}

void throw_in_coroutines()
{
    Coroutines coroutines;
    size_t caught = 0;
    for (int i = 0; i < 2; i++) {
        coroutines.spawn([&caught] {
            try {
                std::string local(100, 'x');
                Coroutines::yield();
                throw std::runtime_error(local);
            } catch (const std::exception &error) {
                caught += strlen(error.what());
            }
            /* On the redzones that the unwound frames left behind, if any. */
            char again[2000];
            memset(again, 1, sizeof(again));
        });
    }
    coroutines.run();
    _exit(caught == 200 ? 0 : 1);
}

TEST(Hooks, LetAnExceptionUnwindACoroutineWithoutAWarning)
{
    EXPECT_EXIT(throw_in_coroutines(), testing::ExitedWithCode(0), "^$");
}

/* Coroutines of one thread never run at the same time: what they share needs no lock. */
TEST(Hooks, AreSilentAboutWhatCoroutinesOfAThreadShare)
{
    Coroutines coroutines;
    long shared = 0;
    for (int i = 0; i < 10; i++) {
        coroutines.spawn([&shared] {
            for (int j = 0; j < 10; j++) {
                shared++;
                Coroutines::yield();
            }
        });
    }
    coroutines.run();
    EXPECT_EQ(100, shared);
}

void write_past_a_local(size_t length)
{
    leave_no_core();
    Coroutines coroutines;
    coroutines.spawn([length] {
        char local[16];
        Coroutines::yield();
        memset(local, 1, length);
        asm volatile("" : : "r"(local) : "memory");
    });
    coroutines.run();
    _exit(0);
}

TEST(Hooks, LetAddressSanitizerSeeABufferOverflowInACoroutine)
{
    if (!kAddressSanitizer)
        GTEST_SKIP() << "not built with AddressSanitizer";
    EXPECT_DEATH(write_past_a_local(17), "stack-buffer-overflow");
}

TEST(Hooks, LetThreadSanitizerSeeARaceOfACoroutineWithAThread)
{
    if (!kThreadSanitizer)
        GTEST_SKIP() << "not built with ThreadSanitizer";
    auto race = [] {
        leave_no_core();
        Coroutines coroutines;
        static volatile long shared; /* is only written */
        std::thread other([] { shared = shared + 1; });
        coroutines.spawn([] { shared = shared + 1; });
        coroutines.run();
        other.join();
        exit(0); /* not _exit(): this is where ThreadSanitizer decides on the status */
    };
    EXPECT_DEATH(race(), "data race");
}

TEST(Hooks, TellThreadSanitizerWhichCoroutineRuns)
{
    if (!kThreadSanitizer)
        GTEST_SKIP() << "not built with ThreadSanitizer";
    Coroutines coroutines;
    std::set<void *> fibers = {__tsan_get_current_fiber()};
    for (int i = 0; i < 2; i++) {
        coroutines.spawn([&fibers] {
            void *fiber = __tsan_get_current_fiber();
            fibers.insert(fiber);
            Coroutines::yield();
            EXPECT_EQ(fiber, __tsan_get_current_fiber());
        });
    }
    coroutines.run();
    EXPECT_EQ(3u, fibers.size());
    EXPECT_EQ(1u, fibers.count(__tsan_get_current_fiber()));
}

/* Owns memory by a variable on its stack while it calls `body`. On its real stack: ASan may keep
 * the variables of functions that it instruments elsewhere. */
__attribute__((noinline, no_sanitize("address"))) void call_as_owner(void (*body)())
{
    char *volatile owned = static_cast<char *>(malloc(1000));
    body();
    free(owned);
}

/* Makes memory that nobody owns. */
__attribute__((noinline)) void leak()
{
    *static_cast<volatile char *>(malloc(1000)) = 1;
}

int leak_count;

void count_leaks()
{
    leak_count = __lsan_do_recoverable_leak_check();
}

TEST(Hooks, TellLeakSanitizerWhatAParkedCoroutineOwns)
{
    if (!kAddressSanitizer)
        GTEST_SKIP() << "not built with LeakSanitizer";
    Coroutines coroutines;
    coil_task *task = coroutines.spawn([] { call_as_owner(Coroutines::park); });
    coroutines.run();
    EXPECT_EQ(0, __lsan_do_recoverable_leak_check());
    coil__task_wake(task);
    coroutines.run();
}

TEST(Hooks, TellLeakSanitizerWhatTheThreadOwnsWhileACoroutineRuns)
{
    if (!kAddressSanitizer)
        GTEST_SKIP() << "not built with LeakSanitizer";
    leak_count = -1;
    call_as_owner([] {
        Coroutines coroutines;
        coroutines.spawn(count_leaks);
        coroutines.run();
    });
    EXPECT_EQ(0, leak_count);
}

TEST(Hooks, LetLeakSanitizerSeeWhatAnEndedCoroutineForgot)
{
    if (!kAddressSanitizer)
        GTEST_SKIP() << "not built with LeakSanitizer";
    auto forget = [] {
        leave_no_core();
        {
            Coroutines coroutines;
            coroutines.spawn(leak);
            coroutines.run();
        }
        count_leaks();
        _exit(leak_count != 0 ? 3 : 0);
    };
    EXPECT_EXIT(forget(), testing::ExitedWithCode(3), "1000 byte");
}

TEST(Hooks, TellValgrindAboutStacks)
{
    if (kSanitized)
        GTEST_SKIP() << "valgrind does not run sanitizers";
    if (run_shell("valgrind --version").status != 0)
        GTEST_SKIP() << "there is no valgrind";
    std::string self = "/proc/" + std::to_string(getpid()) + "/exe";
    Outcome outcome = run_shell("valgrind --error-exitcode=99 --leak-check=no " + self +
                                " --gtest_filter='Hooks.AreSilent*'");
    if (outcome.output.find("debuginfo reader") != std::string::npos)
        GTEST_SKIP() << "this valgrind cannot read what this compiler wrote for debuggers";
    EXPECT_EQ(0, outcome.status) << outcome.output;
    EXPECT_EQ(std::string::npos, outcome.output.find("client switching stacks")) << outcome.output;
    EXPECT_NE(std::string::npos, outcome.output.find("ERROR SUMMARY: 0 errors")) << outcome.output;
}

} // namespace
