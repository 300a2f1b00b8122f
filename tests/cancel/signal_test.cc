/* SPDX-License-Identifier: MIT */
/* Cancelling the wait for a signal. */
#include "cancel/cancel.h"
#include "support/sanitizer.h"

#include <csignal>
#include <unistd.h>

namespace {

using namespace coil_test;

struct WaitingForASignal : Operation {
    coil_signals signals = {};

    WaitingForASignal()
    {
        may_drop = true;
        EXPECT_EQ(0, coil_signals_open(&signals, COIL_SIGNAL(SIGUSR1)));
    }
    ~WaitingForASignal() override { coil_signals_close(&signals); }

    void start(coil_future *future) override { coil_signal_wait_start(future, &signals); }
    ssize_t call() override { return coil_signal_wait(&signals); }
    /* ThreadSanitizer keeps a signal for the coroutine that runs in the thread it came to, and
     * calls the handler when that one goes on: for ever, if it waits for the signal. */
    void complete() override
    {
        EXPECT_EQ(0, kThreadSanitizer ? raise(SIGUSR1) : kill(getpid(), SIGUSR1));
    }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == SIGUSR1 || result == -ECANCELED) << result;
        if (result == -ECANCELED)
            end_dropped();
    }
    void end_dropped() override { ASSERT_EQ(SIGUSR1, coil_signal_wait(&signals)); }
};

const CancelRow kRows[] = {
    /* call             before   in flight racing after */
    {"coil_signal_wait", REFUSED, STOPPED, EITHER, HAPPENED, "", make<WaitingForASignal>},
};
INSTANTIATE_TEST_SUITE_P(Signal, CancelledOperation, testing::ValuesIn(kRows), name_of_row);

} // namespace
