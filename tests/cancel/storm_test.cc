/* SPDX-License-Identifier: MIT */
/* Very many coroutines that wait for all sorts of things, and are cancelled at once. bench/cancel
 * measures the same with ten times as many. */
#include "ops/sockets.h"
#include "support/running.h"

#include <coil/fd.h>
#include <coil/net.h>

namespace {

using namespace coil_test;

/* ThreadSanitizer can't have more. */
constexpr int kCount = kThreadSanitizer ? 2000 : 10000;

/* What they wait for. Each kind shares its descriptors: there are fewer of those than coroutines.
 */
struct Storm {
    Pair pipe = make_pipe(), pair = make_socketpair();
    Fd listener = make_listener();
    int begun = 0, cancelled = 0;

    int wait(int kind)
    {
        char byte;
        switch (kind) {
        case 0:
            return int(coil_read(pipe.left, &byte, 1));
        case 1:
            return int(coil_recv(pair.left, &byte, 1, 0));
        case 2:
            return coil_accept(listener, nullptr, nullptr, 0);
        case 3:
            return coil_poll(pipe.left, POLLIN);
        default:
            return coil_sleep_until(COIL_FOREVER);
        }
    }

    static constexpr int kKinds = 5;

    static int one(void *arg)
    {
        Storm *storm = static_cast<Storm *>(arg);
        int result = storm->wait(storm->begun++ % kKinds);
        storm->cancelled += result == -ECANCELED;
        return 0;
    }

    void rage()
    {
        begun = cancelled = 0;
        int descriptors = open_descriptors();
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < kCount; i++)
            ASSERT_EQ(0, coil_spawn(&scope, one, this));
        ASSERT_TRUE(turn_until([this] { return begun == kCount; }));
        turn();
        EXPECT_EQ(0, cancelled);
        coil_scope_cancel(&scope);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(kCount, cancelled);
        EXPECT_EQ(descriptors, open_descriptors());
    }
};

/* The second has nothing but what the first gave back; what both leave behind, every test is asked
 * in the end. */
TEST(Storm, OfManyCancelledAtOnceEndsAllAndLeavesNothing)
{
    coil_options options = {};
    options.core_count = 1;
    EXPECT_EQ(0, run(
                     [] {
                         Storm storm;
                         storm.rage();
                         storm.rage();
                         EXPECT_EQ(1, write(storm.pipe.right, "!", 1));
                         turn();
                         EXPECT_EQ(1u, bytes_waiting(storm.pipe.left)) << "somebody still reads";
                         return 0;
                     },
                     options));
}

} // namespace
