/* SPDX-License-Identifier: MIT */
/* Operations that wait for a byte in a pipe, whoever looks at it for them. */
#ifndef COIL_TESTS_CANCEL_ON_PIPE_H
#define COIL_TESTS_CANCEL_ON_PIPE_H

#include "cancel/operation.h"

namespace coil_test {

/* The byte must still be there afterwards. */
struct OnPipe : Operation {
    Pair pipe = make_pipe();

    OnPipe() { has_future = false; }
    void complete() override { EXPECT_EQ(1, write(pipe.right, "!", 1)); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result >= 0 || result == -ECANCELED);
        end_dropped();
    }
    void end_dropped() override
    {
        char byte;
        ASSERT_EQ(1u, bytes_waiting(pipe.left));
        ASSERT_EQ(1, read(pipe.left, &byte, 1));
    }
};

/* The byte is read by a coroutine or generator that the operation waits for: it is in one place. */
struct ReadElsewhere : OnPipe {
    int taken = 0;

    ReadElsewhere() { has_future = true; }

    /* What the other does. */
    int read_byte()
    {
        char byte;
        int n = int(coil_read(pipe.left, &byte, 1));
        taken += n == 1;
        return n;
    }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 1 || result == -ECANCELED) << result;
        ASSERT_EQ(result == 1 ? 1 : 0, taken);
        end_dropped();
    }
    void end_dropped() override
    {
        ASSERT_EQ(taken == 0 ? 1u : 0u, bytes_waiting(pipe.left));
        if (taken == 0)
            OnPipe::end_dropped();
        taken = 0;
    }
};

} // namespace coil_test

#endif
