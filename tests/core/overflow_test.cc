/* SPDX-License-Identifier: MIT */
/* A stack that overflows on a core says so, whatever the program does with its signals. */
#include "coro/coroutines.h"
#include "support/running.h"

#include <csignal>
#include <unistd.h>

using namespace coil_test;

namespace {

/* As programs do that leave their signals to one thread. */
void block_all_signals()
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

struct OverflowDeathTest : testing::Test {
    OverflowDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

TEST_F(OverflowDeathTest, IsReportedThoughTheProgramHasBlockedAllSignals)
{
    COIL_SKIP_IF_SIMULATED("all cores are on the caller's thread");
    auto overflow = [] {
        take_default_action();
        block_all_signals();
        _exit(run([] { return recurse(1 << 30); }));
    };
    EXPECT_EXIT(overflow(), testing::KilledBySignal(SIGSEGV),
                "^coil: stack overflow in coroutine 'fn of coil_run\\(\\)'");
}

} // namespace
