/* SPDX-License-Identifier: MIT */
/* What all waits of sync/ have in common: order, cancellation, and that nothing granted is lost. */
#include "sync/waits.h"

using namespace coil_test;

namespace {

template <class W> std::unique_ptr<Wait> make()
{
    return std::make_unique<W>();
}

const Waits kWaits = {
    {"mutex", make<MutexWait>},
    {"reader behind a writer", make<RwlockWait<false, true>>},
    {"writer behind a reader", make<RwlockWait<true, false>>},
    {"writer behind a writer", make<RwlockWait<true, true>>},
    {"semaphore", make<SemWait>},
    {"condition", make<CondWait>},
    {"event", make<EventWait>},
    {"barrier", make<BarrierWait>},
    {"wait group", make<WaitGroupWait>},
};

TEST(SyncWaits, EndAtTheirDeadline)
{
    expect_own_deadlines(kWaits);
}

TEST(SyncWaits, AreServedInTheOrderOfTheirComing)
{
    expect_first_come_first_served(kWaits);
}

TEST(SyncWaits, PassOnAGrantThatIsDropped)
{
    expect_dropped_grants_are_passed_on(kWaits);
}

TEST(SyncWaits, CanBeCancelledAsFuturesUntilTheyAreGranted)
{
    expect_futures_can_be_cancelled(kWaits);
}

TEST(SyncWaits, CanBeSelectedFromAmongTimers)
{
    expect_selection(kWaits);
}

} // namespace
