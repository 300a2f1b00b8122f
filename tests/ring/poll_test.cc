/* SPDX-License-Identifier: MIT */
/* The poll driver alone: what its entries come to, beside what they do under coroutines. */
#include "ring/poll_ring.h"
#include "support/census.h"
#include "support/process.h"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>

using namespace coil_test;

namespace {

using Completion = PollRing::Completion;

TEST(Poll, RefusesWhatItDoesNotKnowAsAnOldKernelWould)
{
    PollRing ring;
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_rw(255, entry, -1, nullptr, 0, 0);
    EXPECT_EQ(-EOPNOTSUPP, ring.result_of(entry));
    entry = ring.sqe();
    io_uring_prep_splice(entry, 0, -1, 1, -1, 1, 0);
    EXPECT_EQ(-EOPNOTSUPP, ring.result_of(entry));
    entry = ring.sqe();
    io_uring_prep_nop(entry);
    entry->flags = IOSQE_IO_LINK;
    EXPECT_EQ(-EOPNOTSUPP, ring.result_of(entry));
    entry = ring.sqe();
    io_uring_prep_nop(entry);
    EXPECT_EQ(0, ring.result_of(entry));
}

TEST(Poll, IsSilentAboutASuccessThatNobodyWantsToKnowOf)
{
    PollRing ring;
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_nop(entry);
    entry->flags = IOSQE_CQE_SKIP_SUCCESS;
    ring.push(entry, 1);
    entry = ring.sqe();
    io_uring_prep_close(entry, -1);
    entry->flags = IOSQE_CQE_SKIP_SUCCESS;
    ring.push(entry, 2);
    auto taken = ring.look();
    ASSERT_EQ(1u, taken.size());
    EXPECT_EQ(2u, taken[0].user_data);
    EXPECT_EQ(-EBADF, taken[0].res);
}

TEST(Poll, ServesThoseWhoWaitForOneFileInTheirOrder)
{
    PollRing ring;
    Pipe pipe;
    char bytes[3];
    for (unsigned i = 0; i < 3; i++)
        ring.read(pipe.ends[0], &bytes[i], i);
    EXPECT_TRUE(ring.look().empty());
    for (unsigned i = 0; i < 3; i++) {
        pipe.give(char('a' + i));
        auto taken = ring.wait();
        ASSERT_EQ(1u, taken.size());
        EXPECT_EQ(i, taken[0].user_data);
        EXPECT_EQ(1, taken[0].res);
        EXPECT_EQ('a' + int(i), bytes[i]);
    }
}

TEST(Poll, LeavesTheFlagsOfAnOpenFileAlone)
{
    PollRing ring;
    Pipe pipe;
    char byte;
    ring.read(pipe.ends[0], &byte, 1);
    EXPECT_TRUE(ring.look().empty());
    EXPECT_EQ(0, fcntl(pipe.ends[0], F_GETFL) & O_NONBLOCK);
    ring.cancel(1, 2);
    EXPECT_EQ(2u, ring.look().size());

    int pair[2];
    ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_recv(entry, pair[0], &byte, 1, 0);
    ring.push(entry, 30);
    EXPECT_TRUE(ring.look().empty());
    EXPECT_EQ(0, fcntl(pair[0], F_GETFL) & O_NONBLOCK);
    close(pair[1]);
    EXPECT_EQ(1u, ring.wait().size());
    close(pair[0]);
}

TEST(Poll, CancelsByUserDataOnceAndSaysWhenThereIsNothing)
{
    PollRing ring;
    Pipe pipe;
    char byte;
    ring.read(pipe.ends[0], &byte, 1);
    ring.cancel(1, 2);
    ring.cancel(1, 30);
    auto taken = ring.look();
    ASSERT_EQ(3u, taken.size());
    EXPECT_EQ(1u, taken[0].user_data);
    EXPECT_EQ(-ECANCELED, taken[0].res);
    EXPECT_EQ(0, taken[1].res);
    EXPECT_EQ(-ENOENT, taken[2].res);
    pipe.give('x');
    ring.read(pipe.ends[0], &byte, 4);
    taken = ring.wait();
    ASSERT_EQ(1u, taken.size()) << "the byte is still there";
    EXPECT_EQ(1, taken[0].res);
}

TEST(Poll, CancelsAllOfADescriptorAndAllThereIs)
{
    PollRing ring;
    Pipe one, other;
    char bytes[3];
    ring.read(one.ends[0], &bytes[0], 1);
    ring.read(one.ends[0], &bytes[1], 2);
    ring.read(other.ends[0], &bytes[2], 30);
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_cancel_fd(entry, one.ends[0], IORING_ASYNC_CANCEL_ALL);
    ring.push(entry, 4);
    auto taken = ring.look();
    ASSERT_EQ(3u, taken.size());
    EXPECT_EQ(1u, taken[0].user_data);
    EXPECT_EQ(2u, taken[1].user_data);
    EXPECT_EQ(2, taken[2].res) << "how many";
    entry = ring.sqe();
    io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_ANY);
    ring.push(entry, 5);
    taken = ring.look();
    ASSERT_EQ(2u, taken.size());
    EXPECT_EQ(30u, taken[0].user_data);
    EXPECT_EQ(-ECANCELED, taken[0].res);
}

TEST(Poll, KeepsWhatAStreamHasMovedWhenTheRestIsCancelled)
{
    PollRing ring;
    int pair[2];
    char bytes[10] = {};
    ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_recv(entry, pair[0], bytes, sizeof(bytes), MSG_WAITALL);
    ring.push(entry, 1);
    EXPECT_TRUE(ring.look().empty());
    ASSERT_EQ(4, send(pair[1], "abcd", 4, 0));
    EXPECT_TRUE(ring.look().empty());
    ring.cancel(1, 2);
    auto taken = ring.look();
    ASSERT_EQ(2u, taken.size());
    EXPECT_EQ(4, taken[0].res);
    EXPECT_STREQ("abcd", bytes);
    close(pair[0]);
    close(pair[1]);
}

TEST(Poll, MovesAMessageOfManyPiecesToItsEnd)
{
    PollRing ring;
    int pair[2];
    ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    constexpr size_t kPieces = 100, kPiece = 10000;
    std::string sent(kPieces * kPiece, ' '), received(kPieces * kPiece, '-');
    iovec out[kPieces], in[kPieces];
    for (size_t i = 0; i < sent.size(); i++)
        sent[i] = char('a' + i * 7 % 26);
    for (size_t i = 0; i < kPieces; i++) {
        out[i] = {&sent[i * kPiece], kPiece};
        in[i] = {&received[i * kPiece], kPiece};
    }
    msghdr to = {}, from = {};
    to.msg_iov = out;
    from.msg_iov = in;
    to.msg_iovlen = from.msg_iovlen = kPieces;
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_sendmsg(entry, pair[0], &to, MSG_WAITALL);
    ring.push(entry, 1);
    entry = ring.sqe();
    io_uring_prep_recvmsg(entry, pair[1], &from, MSG_WAITALL);
    ring.push(entry, 2);
    std::vector<Completion> all;
    while (all.size() < 2) {
        auto some = ring.wait();
        ASSERT_FALSE(some.empty());
        all.insert(all.end(), some.begin(), some.end());
    }
    EXPECT_EQ(int(sent.size()), all[0].res);
    EXPECT_EQ(int(sent.size()), all[1].res);
    EXPECT_TRUE(sent == received);
    close(pair[0]);
    close(pair[1]);
}

TEST(Poll, WaitsForTheSameFileUnderTwoNumbers)
{
    PollRing ring;
    Pipe pipe;
    char bytes[2];
    int twin = dup(pipe.ends[0]);
    ring.read(pipe.ends[0], &bytes[0], 1);
    ring.read(twin, &bytes[1], 2);
    EXPECT_TRUE(ring.look().empty());
    pipe.give('a');
    EXPECT_EQ(1u, ring.wait().size());
    pipe.give('b');
    EXPECT_EQ(1u, ring.wait().size());
    EXPECT_EQ('a' + 'b', bytes[0] + bytes[1]);
    close(twin);
}

/* close(2) behind the driver's back: epoll forgets the file, and the number gets another. */
TEST(Poll, FindsTheNewFileBehindANumberThatWasClosed)
{
    PollRing ring;
    auto before = std::make_unique<Pipe>();
    int number = before->ends[0];
    char bytes[2];
    ring.read(number, &bytes[0], 1);
    EXPECT_TRUE(ring.look().empty());
    before.reset();
    Pipe after;
    ASSERT_EQ(number, after.ends[0]);
    ring.read(number, &bytes[1], 2);
    auto taken = ring.look();
    ASSERT_EQ(1u, taken.size()) << "who waits for what is gone may not be served by another";
    EXPECT_EQ(1u, taken[0].user_data);
    EXPECT_EQ(-ECANCELED, taken[0].res);
    after.give('x');
    taken = ring.wait();
    ASSERT_EQ(1u, taken.size());
    EXPECT_EQ(2u, taken[0].user_data);
    EXPECT_EQ('x', bytes[1]);
}

/* The file lives on under another number, so that epoll goes on reporting it under the first. */
TEST(Poll, LaysTheGhostOfANumber)
{
    PollRing ring;
    Pipe old;
    char byte;
    int number = old.ends[0];
    ring.read(number, &byte, 1);
    EXPECT_TRUE(ring.look().empty());
    int twin = dup(number);
    Pipe other;
    ASSERT_EQ(number, dup2(other.ends[0], number));
    ring.read(number, &byte, 2);
    EXPECT_EQ(1u, ring.look().size()) << "the first read is over";
    old.give('o'); /* is reported under the number until the ghost is laid */
    for (int i = 0; i < 3; i++)
        EXPECT_TRUE(ring.look().empty());
    epoll_event event;
    auto poll = static_cast<coil__poll *>(ring.ring.own);
    EXPECT_EQ(0, epoll_wait(poll->epoll_fd, &event, 1, 0)) << "it would keep the core awake";
    other.give('x');
    auto taken = ring.wait();
    ASSERT_EQ(1u, taken.size());
    EXPECT_EQ(2u, taken[0].user_data);
    EXPECT_EQ('x', byte);
    close(twin);
}

TEST(Poll, KeepsCompletionsForWhichTheQueueHasNoRoom)
{
    PollRing ring(4);
    constexpr unsigned kMany = 200; /* of 32 that fit */
    for (unsigned i = 0; i < kMany; i++) {
        io_uring_sqe *entry = ring.sqe();
        io_uring_prep_nop(entry);
        entry->user_data = 100 + i;
        ring.ring.uring.sq.sqe_tail++;
        EXPECT_EQ(0, ring.enter());
    }
    EXPECT_TRUE(coil__ring_wants_enter(&ring.ring));
    unsigned next = 0;
    while (next < kMany) {
        auto taken = ring.look();
        ASSERT_FALSE(taken.empty());
        for (const Completion &one : taken)
            EXPECT_EQ(100 + next++, one.user_data);
    }
    EXPECT_EQ(kMany, next);
    EXPECT_FALSE(coil__ring_wants_enter(&ring.ring));
}

TEST(Poll, TimesOutInOrderAndNotEarly)
{
    PollRing ring;
    __kernel_timespec spans[3] = {{0, 20 * COIL_MSEC}, {0, 5 * COIL_MSEC}, {3600, 0}};
    coil_time start = ring.ring.driver->now();
    for (unsigned i = 0; i < 3; i++) {
        io_uring_sqe *entry = ring.sqe();
        io_uring_prep_timeout(entry, &spans[i], 0, 0);
        ring.push(entry, i);
    }
    auto first = ring.wait();
    ASSERT_EQ(1u, first.size());
    EXPECT_EQ(1u, first[0].user_data);
    EXPECT_EQ(-ETIME, first[0].res);
    EXPECT_GE(ring.ring.driver->now() - start, 5 * COIL_MSEC);
    auto second = ring.wait();
    ASSERT_EQ(1u, second.size());
    EXPECT_EQ(0u, second[0].user_data);
    EXPECT_GE(ring.ring.driver->now() - start, 20 * COIL_MSEC);
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_timeout_remove(entry, 2, 0);
    ring.push(entry, 9);
    auto removed = ring.look();
    ASSERT_EQ(2u, removed.size());
    EXPECT_EQ(-ECANCELED, removed[0].res);
    EXPECT_EQ(0, removed[1].res);
    entry = ring.sqe();
    io_uring_prep_timeout_remove(entry, 2, 0);
    EXPECT_EQ(-ENOENT, ring.result_of(entry));
    __kernel_timespec wrong = {0, COIL_SEC};
    entry = ring.sqe();
    io_uring_prep_timeout(entry, &wrong, 0, 0);
    EXPECT_EQ(-EINVAL, ring.result_of(entry));
}

TEST(Poll, WaitsUntilItsDeadlineAndNotLonger)
{
    PollRing ring;
    coil_time deadline = ring.ring.driver->now() + 5 * COIL_MSEC;
    EXPECT_EQ(0, ring.enter(1, deadline));
    EXPECT_GE(ring.ring.driver->now(), deadline);
    EXPECT_TRUE(ring.take().empty());
    EXPECT_EQ(0, ring.enter(1, 1)) << "long past";
}

TEST(Poll, IsWokenByThreads)
{
    PollRing ring;
    for (int i = 0; i < 20; i++) {
        std::thread ringer([&] { coil__ring_poll.ring_bell(&ring.ring); });
        EXPECT_EQ(0, ring.enter(1, ring.ring.driver->now() + 10 * COIL_SEC));
        ringer.join();
        ring.take();
        EXPECT_EQ(unsigned(i) + 1, ring.wakes);
    }
}

TEST(Poll, ReadsWhatNobodyCanWaitForByAWorker)
{
    PollRing ring;
    char text[64] = {};
    int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    ring.read(fd, text, 1, sizeof(text));
    auto taken = ring.wait();
    ASSERT_FALSE(taken.empty());
    EXPECT_GT(taken[0].res, 0);
    EXPECT_EQ('\n', text[taken[0].res - 1]);
    close(fd);
}

/* By which a worker is interrupted. */
TEST(Poll, TakesASignalThatTheProgramIgnoresAndGivesItBack)
{
    auto *before = signal(SIGSTKFLT, SIG_IGN);
    struct sigaction now;
    {
        PollRing poll;
        EXPECT_EQ(0, sigaction(SIGSTKFLT, nullptr, &now));
        EXPECT_NE(SIG_IGN, now.sa_handler);
    }
    EXPECT_EQ(SIG_IGN, signal(SIGSTKFLT, before));
}

/* More opens that wait for ever than there are workers for them: files are not held up. */
TEST(Poll, LetsNoFileWaitForThoseWhoWaitForEver)
{
    PollRing ring;
    TempDir folder;
    std::string fifo = folder.path("fifo");
    ASSERT_EQ(0, mkfifo(fifo.c_str(), 0600));
    constexpr uint64_t kOpens = 20;
    for (uint64_t i = 0; i < kOpens; i++) {
        io_uring_sqe *entry = ring.sqe();
        io_uring_prep_openat(entry, AT_FDCWD, fifo.c_str(), O_RDONLY | O_CLOEXEC, 0);
        ring.push(entry, 100 + i);
    }
    struct statx out;
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_statx(entry, AT_FDCWD, fifo.c_str(), 0, STATX_TYPE, &out);
    ring.push(entry, 1);
    std::vector<Completion> taken;
    while (taken.empty() || taken[0].user_data != 1) {
        taken = ring.wait();
        ASSERT_FALSE(taken.empty());
    }
    EXPECT_EQ(0, taken[0].res);

    for (uint64_t i = 0; i < kOpens; i++)
        ring.cancel(100 + i, 7);
    unsigned ended = 0;
    while (ended < kOpens) {
        taken = ring.wait();
        ASSERT_FALSE(taken.empty());
        for (const Completion &one : taken) {
            if (one.user_data < 100)
                continue;
            EXPECT_TRUE(one.res == -ECANCELED || one.res == -EINTR) << one.res;
            ended++;
        }
    }
}

} // namespace
