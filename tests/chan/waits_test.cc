/* SPDX-License-Identifier: MIT */
/* What sending and receiving have in common with all waits; and that each value sent arrives. */
#include "chan/waits.h"

using namespace coil_test;

namespace {

template <class W> std::unique_ptr<Wait> make()
{
    return std::make_unique<W>();
}

const Waits kWaits = {
    {"send to a full channel", make<SendWait<1>>},
    {"send without slots", make<SendWait<0>>},
    {"receive from an empty channel", make<RecvWait<1>>},
    {"receive without slots", make<RecvWait<0>>},
    {"receive the latest", make<RecvLatestWait>},
    {"send to a full channel between cores", make<SendWait<1, AcrossCores>>},
    {"send without slots between cores", make<SendWait<0, AcrossCores>>},
    {"receive from an empty channel between cores", make<RecvWait<1, AcrossCores>>},
    {"receive without slots between cores", make<RecvWait<0, AcrossCores>>},
};

TEST(ChanWaits, EndAtTheirDeadline)
{
    expect_own_deadlines(kWaits);
}

TEST(ChanWaits, AreServedInTheOrderOfTheirComing)
{
    expect_first_come_first_served(kWaits);
}

TEST(ChanWaits, PassOnAGrantThatIsDropped)
{
    expect_dropped_grants_are_passed_on(kWaits);
}

TEST(ChanWaits, CanBeCancelledAsFuturesUntilTheyAreGranted)
{
    expect_futures_can_be_cancelled(kWaits);
}

TEST(ChanWaits, CanBeSelectedFromAmongTimers)
{
    expect_selection(kWaits);
}

} // namespace
