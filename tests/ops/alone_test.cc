/* SPDX-License-Identifier: MIT */
/* An operation that is alone in its turn, and done as it is submitted: nobody is switched to. */
#include <liburing.h>

extern "C" {
#include "core/core.h"
}

#include "ops/sockets.h"
#include "support/process.h"
#include "support/running.h"

#include <atomic>
#include <vector>

using namespace coil_test;

namespace {

/* One resume of the budget is spent on who reads. */
constexpr unsigned kInARow = (COIL__TURN_BUDGET - 1) / COIL__SUBMIT_COST;
constexpr unsigned kRest = 16; /* as in ring/ring.c */

/* How often the loop ran while `body` did. */
template <typename Body> uint32_t loops_while(const Body &body)
{
    uint32_t before = coil__sched->bursts;
    body();
    return coil__sched->bursts - before;
}

/* Where the loop sleeps at once, nobody else takes a turn in its place. */
coil_options on_kernel_without_spin()
{
    coil_options options = on_kernel();
    options.spin_ns = COIL_SPIN_OFF;
    return options;
}

/* A file of 128 KiB in the page cache. */
struct Cached {
    TempDir dir;
    Fd file;
    std::vector<char> bytes = std::vector<char>(128 * 1024);

    Cached() : file(open(dir.path("file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600))
    {
        EXPECT_EQ(ssize_t(bytes.size()), pwrite(file, bytes.data(), bytes.size(), 0));
    }

    /* How often the loop ran while that many reads of `len` bytes were done. */
    uint32_t loops_of(unsigned reads, size_t len)
    {
        return loops_while([&] {
            for (unsigned i = 0; i < reads; i++)
                EXPECT_EQ(ssize_t(len), coil_pread(file, bytes.data(), len, 0));
        });
    }
};

TEST(Alone, IsDoneInPlaceOfTheLoopButNotForEver)
{
    EXPECT_EQ(0, run(
                     [] {
                         Cached cached;
                         EXPECT_EQ(0, coil_sleep(1));
                         EXPECT_EQ(0u, cached.loops_of(kInARow, 4096));
                         EXPECT_FALSE(coil__sched->loop_due); /* so that others need none either */
                         EXPECT_EQ(1u, cached.loops_of(1, 4096));
                         EXPECT_EQ(10u, cached.loops_of(10 * (kInARow + 1), 1));
                         return 0;
                     },
                     on_kernel_without_spin()));
}

TEST(Alone, MayBeWhatASocketOrAPipeHasRoomForOrANop)
{
    EXPECT_EQ(0, run(
                     [] {
                         Pair sockets = make_socketpair(), pipe = make_pipe();
                         EXPECT_EQ(0, coil_sleep(1)); /* a budget for all of them */
                         EXPECT_EQ(0u, loops_while([&] {
                                       EXPECT_EQ(0, coil_nop());
                                       EXPECT_EQ(1, coil_send(sockets.left, "x", 1, 0));
                                       EXPECT_EQ(2, coil_send_all(sockets.left, "xy", 2, 0));
                                       EXPECT_EQ(3, coil_write(pipe.right, "xyz", 3));
                                   }));
                         EXPECT_EQ(3u, bytes_waiting(sockets.right));
                         EXPECT_EQ(3u, bytes_waiting(pipe.left));
                         return 0;
                     },
                     on_kernel()));
}

TEST(Alone, IsLeftToTheLoopWhenItIsLong)
{
    EXPECT_EQ(0, run(
                     [] {
                         Cached cached;
                         EXPECT_EQ(5u, cached.loops_of(5, 16 * 1024 + 1));
                         return 0;
                     },
                     on_kernel_without_spin()));
}

TEST(Alone, IsLeftToTheLoopWhereSomebodyIsReady)
{
    EXPECT_EQ(0, run(
                     [] {
                         Cached cached;
                         bool ran = false;
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         children.start(scope, [&] {
                             ran = true;
                             return 0;
                         });
                         EXPECT_EQ(1, coil_pread(cached.file, cached.bytes.data(), 1, 0));
                         EXPECT_TRUE(ran);
                         return coil_scope_close(&scope, 0);
                     },
                     on_kernel_without_spin()));
}

/* A completion that the kernel has is not kept waiting. */
TEST(Alone, IsLeftToTheLoopWhereTheKernelHasNews)
{
    EXPECT_EQ(0, run(
                     [] {
                         Pair pipe = make_pipe();
                         COIL_FUTURE(read);
                         char byte = 0;
                         coil_read_start(&read, pipe.left, &byte, 1);
                         EXPECT_EQ(0, coil_sleep(1)); /* it waits in the kernel */
                         EXPECT_EQ(0u, loops_while([] { EXPECT_EQ(0, coil_nop()); }));
                         EXPECT_EQ(1, write(pipe.right, "x", 1));
                         EXPECT_EQ(1u, loops_while([] { EXPECT_EQ(0, coil_nop()); }));
                         EXPECT_TRUE(coil_future_done(&read));
                         return coil_await(&read) == 1 && byte == 'x' ? 0 : -EIO;
                     },
                     on_kernel_without_spin()));
}

/* Messages of this turn go at its end. */
TEST(Alone, IsLeftToTheLoopWhereMessagesWaitToGo)
{
    EXPECT_EQ(0, run(
                     [] {
                         std::atomic<bool> came{false};
                         struct Letter {
                             coil_message message;
                             std::atomic<bool> *came;
                         } letter = {{nullptr,
                                      [](coil_message *message) {
                                          *reinterpret_cast<Letter *>(message)->came = true;
                                      }},
                                     &came};
                         EXPECT_EQ(0, coil_sleep(1));
                         EXPECT_EQ(0, coil_post_core(1, &letter.message));
                         EXPECT_EQ(1u, loops_while([] { EXPECT_EQ(0, coil_nop()); }));
                         wait_until([&] { return came.load(); });
                         return 0;
                     },
                     on_kernel(cores(2))));
}

/* What was begun before and has not been submitted goes with it, in its turn. */
TEST(Alone, IsNoneThatComesBehindOthers)
{
    EXPECT_EQ(0, run(
                     [] {
                         Cached cached;
                         COIL_FUTURE(nop);
                         coil_nop_start(&nop);
                         EXPECT_EQ(1u, cached.loops_of(1, 1));
                         EXPECT_TRUE(coil_future_done(&nop));
                         return (int)coil_await(&nop);
                     },
                     on_kernel_without_spin()));
}

/* An empty pipe is as slow as a device. */
TEST(Alone, ThatIsNotDoneAtOnceIsWaitedForAndSoAreSomeAfterIt)
{
    EXPECT_EQ(0, run(
                     [] {
                         Cached cached;
                         Pair pipe = make_pipe();
                         char byte = 0;
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         children.start(scope, [&] {
                             EXPECT_EQ(0, coil_sleep(1)); /* until the loop has its turn */
                             return write(pipe.right, "x", 1) == 1 ? 0 : -EIO;
                         });
                         give_way();
                         EXPECT_EQ(1, coil_pread(pipe.left, &byte, 1, 0));
                         EXPECT_EQ('x', byte);
                         EXPECT_EQ(0, coil_scope_close(&scope, 0));
                         EXPECT_EQ(kRest, cached.loops_of(kRest, 1));
                         EXPECT_EQ(0u, cached.loops_of(1, 1));
                         return 0;
                     },
                     on_kernel_without_spin()));
}

TEST(Alone, HoldsUpNoTimerAndNoCompletionOfOthers)
{
    EXPECT_EQ(0, run(
                     [] {
                         Cached cached;
                         Pair pipe = make_pipe();
                         bool slept = false, heard = false;
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         children.start(scope, [&] {
                             slept = coil_sleep(COIL_MSEC) == 0;
                             return coil_write(pipe.right, "x", 1) == 1 ? 0 : -EIO;
                         });
                         children.start(scope, [&] {
                             char byte;
                             heard = coil_read(pipe.left, &byte, 1) == 1;
                             return 0;
                         });
                         while (!heard) /* ends: they get their turn */
                             cached.loops_of(1, 1);
                         EXPECT_TRUE(slept);
                         return coil_scope_close(&scope, 0);
                     },
                     on_kernel_without_spin()));
}

/* A driver that executes its entries at once, and whose bell rings then: to hear it takes another.
 */
void execute_and_ring(coil__ring *ring, unsigned entries)
{
    EXPECT_LE(0, ring->driver->enter(ring, entries, 0, COIL_FOREVER));
    const io_uring_cq &cq = ring->uring.cq;
    io_uring_cqe &cqe = cq.cqes[*cq.ktail & cq.ring_mask];
    cqe.user_data = COIL__TAG_BELL;
    cqe.res = 0;
    cqe.flags = 0;
    ++*cq.ktail;
}

void hear_it_by_an_entry(coil__ring *ring)
{
    io_uring_sqe *sqe = coil__ring_sqe(ring);
    io_uring_prep_nop(sqe);
    coil__ring_push(ring, sqe, COIL__TAG_IGNORE);
}

/* The entry of a completion that came with its own is not left until the budget is spent. */
TEST(Alone, EndsTheTurnForAnEntryThatACompletionHasLedTo)
{
    coil_options options = cores(1);
    options.ring = "poll"; /* so that the queues are memory like any other */
    EXPECT_EQ(0, run(
                     [] {
                         coil__ring *ring = coil__ring_here;
                         const coil__ring_driver *poll = ring->driver;
                         coil__ring_driver ringing = *poll;
                         ringing.submit = execute_and_ring;
                         ringing.arm_bell = hear_it_by_an_entry;
                         ring->driver = &ringing;
                         ring->has_bell = true;
                         EXPECT_EQ(0u, loops_while([] { EXPECT_EQ(0, coil_nop()); }));
                         EXPECT_EQ(1u, coil__ring_unsubmitted(ring));
                         EXPECT_TRUE(coil__sched->loop_due);
                         ring->driver = poll;
                         poll->close_bell(ring);
                         return 0;
                     },
                     options));
}

TEST(Alone, IsRefusedOnceItsScopeIsCancelled)
{
    EXPECT_EQ(0, run(
                     [] {
                         Cached cached;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         coil_scope_cancel(&scope);
                         EXPECT_EQ(-ECANCELED, coil_pread(cached.file, cached.bytes.data(), 1, 0));
                         EXPECT_EQ(0, coil_scope_close(&scope, 0));
                         EXPECT_EQ(1, coil_pread(cached.file, cached.bytes.data(), 1, 0));
                         return 0;
                     },
                     on_kernel_without_spin()));
}

} // namespace
