/* SPDX-License-Identifier: MIT */
/* The receive buffers of a core: how many of them the kernel is given. */
#include <liburing.h>

extern "C" {
#include "core/buffers.h"
}

#include "support/running.h"

using namespace coil_test;

namespace {

/* Those that the kernel has go round, each of them in its turn: so many are touched. */
TEST(Buffers, OfWhichABurstNeedsManyAreNotAllGivenToTheKernel)
{
    coil_options options = cores(1);
    options.recv_buffer_count = 1024;
    EXPECT_EQ(0, run(
                     [] {
                         coil__buffers *buffers = coil__buffers_of(coil__core_here);
                         coil__buffers_publish(buffers);
                         unsigned first = buffers->published;
                         for (int i = 0; i < 20; i++)
                             coil__buffers_raise_goal(buffers);
                         bool has_ring = buffers->ring != nullptr;
                         EXPECT_EQ(has_ring ? 32u : 0u, first);
                         EXPECT_EQ(has_ring ? 256u : 0u, buffers->published);
                         return 0;
                     },
                     options));
}

TEST(Buffers, AreAllGivenToTheKernelWhereThereAreFew)
{
    coil_options options = cores(1);
    options.recv_buffer_count = 64;
    EXPECT_EQ(0, run(
                     [] {
                         coil__buffers *buffers = coil__buffers_of(coil__core_here);
                         for (int i = 0; i < 20; i++)
                             coil__buffers_raise_goal(buffers);
                         EXPECT_EQ(buffers->ring != nullptr ? 64u : 0u, buffers->published);
                         return 0;
                     },
                     options));
}

} // namespace
