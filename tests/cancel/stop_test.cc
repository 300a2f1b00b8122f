/* SPDX-License-Identifier: MIT */
/* Cancelling the wait for coil_stop(). */
#include "cancel/cancel.h"

#include <liburing.h>

extern "C" {
#include "core/core.h"
}

namespace {

using namespace coil_test;

struct WaitingForTheStop : Operation {
    WaitingForTheStop()
    {
        may_drop = is_local = true;
        lead_ns = 8 * COIL_USEC;
    }

    /* As if nobody had called it yet. */
    void begin() override { coil__core_here->ending.phase = ENDING_SERVING; }
    void start(coil_future *future) override { coil_stop_wait_start(future); }
    ssize_t call() override { return coil_stop_wait(); }
    void complete() override { coil_stop(COIL_FOREVER); }
    void end(ssize_t result) override { ASSERT_TRUE(result == 0 || result == -ECANCELED); }
};

const CancelRow kRows[] = {
    /* call           before   in flight racing after */
    {"coil_stop_wait", REFUSED, STOPPED, FIRST, HAPPENED, "", make<WaitingForTheStop>},
};
INSTANTIATE_TEST_SUITE_P(Stop, CancelledOperation, testing::ValuesIn(kRows), name_of_row);

} // namespace
