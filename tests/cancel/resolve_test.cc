/* SPDX-License-Identifier: MIT */
/* Cancelling the lookup of a name. */
#include "cancel/cancel.h"

#include <netdb.h>

namespace {

using namespace coil_test;

/* One that ends by itself; see ops/resolve_test.cc for those that do not. */
struct LookingUp : Operation {
    addrinfo *found = nullptr;
    addrinfo hints = {}; /* without which the C library also asks for the machine's addresses */

    LookingUp()
    {
        has_peer = false;
        may_drop = true;
        lingers = true;
        EXPECT_EQ(0, call()); /* which opens the core's bell */
        end(0);
    }
    void start(coil_future *future) override
    {
        coil_getaddrinfo_start(future, "192.0.2.7", "1", &hints, &found);
    }
    ssize_t call() override { return coil_getaddrinfo("192.0.2.7", "1", &hints, &found); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED) << result;
        if (result == 0)
            freeaddrinfo(found);
    }
};

const CancelRow kRows[] = {
    /* call             before   in flight racing  after */
    {"coil_getaddrinfo", REFUSED, EITHER, EITHER, HAPPENED, "", make<LookingUp>},
};
INSTANTIATE_TEST_SUITE_P(Resolve, CancelledOperation, testing::ValuesIn(kRows), name_of_row);

} // namespace
