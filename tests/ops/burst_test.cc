/* SPDX-License-Identifier: MIT */
/* More operations in one turn than the ring has room for. */
#include "ops/sockets.h"
#include "support/running.h"

#include <coil/fd.h>
#include <vector>

namespace {

using namespace coil_test;

constexpr unsigned kSizes[] = {1, 2, 16}; /* of a ring */

coil_options with_ring_of(unsigned entries)
{
    coil_options options = cores(1);
    options.ring_entries = entries;
    return options;
}

TEST(Burst, OfTenTimesTheRingRunsInOrderAndLosesNothing)
{
    COIL_SKIP_IF_SIMULATED("what is in flight at once is done in any order");
    auto body = [] {
        constexpr int kCount = 160;
        Pair pipe = make_pipe(1 << 20);
        std::string bytes = pattern(0, kCount * 4096), got(kCount * 4096, '\0');
        std::vector<coil_future> writes(kCount);
        for (int i = 0; i < kCount; i++)
            coil_write_start(&writes[size_t(i)], pipe.right, &bytes[size_t(i) * 4096], 4096);
        for (coil_future &write : writes)
            EXPECT_EQ(4096, coil_await(&write));
        EXPECT_EQ(kCount * 4096, coil_read_all(pipe.left, got.data(), got.size()));
        EXPECT_TRUE(bytes == got);
        return 0;
    };
    for (unsigned size : kSizes)
        EXPECT_EQ(0, run(body, with_ring_of(size))) << size;
}

TEST(Burst, BeyondTheCompletionQueueLosesNothing)
{
    auto body = [] {
        std::vector<coil_future> nops(5000);
        std::vector<coil_future *> all;
        for (coil_future &nop : nops) {
            coil_nop_start(&nop);
            all.push_back(&nop);
        }
        EXPECT_EQ(0, coil_await_all(all.data(), all.size()));
        for (coil_future &nop : nops)
            EXPECT_EQ(0, coil_await(&nop));
        return 0;
    };
    for (unsigned size : kSizes)
        EXPECT_EQ(0, run(body, with_ring_of(size))) << size;
}

/* All cancels at once need more room than there is, too. */
TEST(Burst, OfCancellationsFreesEverybody)
{
    auto body = [] {
        Pair pipe = make_pipe();
        std::vector<coil_future> polls(1000);
        for (coil_future &poll : polls)
            coil_poll_start(&poll, pipe.left, POLLIN);
        for (coil_future &poll : polls)
            coil_future_cancel(&poll);
        for (coil_future &poll : polls)
            EXPECT_EQ(-ECANCELED, coil_await(&poll));
        return 0;
    };
    for (unsigned size : kSizes)
        EXPECT_EQ(0, run(body, with_ring_of(size))) << size;
}

TEST(Burst, OfCoroutinesThatAllAreCancelledFreesThem)
{
    auto body = [] {
        Pair pipe = make_pipe();
        int cancelled = 0;
        const Body wait = [&] {
            cancelled += coil_poll(pipe.left, POLLIN) == -ECANCELED;
            return 0;
        };
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 500; i++)
            spawn(&scope, wait);
        turn();
        coil_scope_cancel(&scope);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(500, cancelled);
        return 0;
    };
    coil_options options = with_ring_of(16);
    options.stack_size = 128 << 10;
    EXPECT_EQ(0, run(body, options));
}

} // namespace
