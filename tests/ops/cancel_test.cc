/* SPDX-License-Identifier: MIT */
/* Cancelling what neither moves a stream nor makes a descriptor. */
#include "ops/race.h"

#include <coil/fd.h>
#include <coil/file.h>
#include <coil/net.h>
#include <coil/receiver.h>
#include <support/process.h>
#include <sys/stat.h>

namespace {

using namespace coil_test;

constexpr int kRounds = 2000;

template <typename R> void expect_race_passes()
{
    EXPECT_EQ(0, run([] {
                  R race;
                  run_race(race, rounds(kRounds));
                  return 0;
              }));
}

struct Polling : Race {
    Pair pipe = make_pipe();

    Polling() { may_drop = true; }
    void start(coil_future *future) override { coil_poll_start(future, pipe.left, POLLIN); }
    ssize_t call() override { return coil_poll(pipe.left, POLLIN); }
    void complete() override { EXPECT_EQ(1, write(pipe.right, "!", 1)); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == POLLIN || result == -ECANCELED);
        end_dropped();
    }
    void end_dropped() override
    {
        char byte;
        ASSERT_EQ(1, read(pipe.left, &byte, 1));
    }
};

TEST(CancelledPoll, TakesNothing)
{
    expect_race_passes<Polling>();
}

/* What a cancelled receiver had received comes with its next call. */
struct Receiving : Race {
    Pair pair = make_tcp_pair();
    coil_receiver receiver = {};
    uint64_t sent = 0, received = 0;
    size_t sending = 0;

    Receiving()
    {
        has_future = false;
        coil_receiver_open(&receiver, pair.left);
    }
    ~Receiving() override { coil_receiver_close(&receiver); }

    void begin() override { sending = 1 + pick(64); }
    void start(coil_future *) override {}
    ssize_t call() override
    {
        void *data;
        ssize_t n = coil_receiver_next(&receiver, &data);
        if (n > 0)
            take(data, size_t(n));
        return n;
    }
    void complete() override
    {
        std::string bytes = pattern(sent, sending);
        EXPECT_EQ(ssize_t(sending), write(pair.right, bytes.data(), bytes.size()));
        sent += sending;
    }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result > 0 || result == -ECANCELED);
        while (received < sent) /* each call brings bytes */
            ASSERT_GT(call(), 0);
    }
    void take(void *data, size_t n)
    {
        EXPECT_EQ(pattern(received, n), std::string(static_cast<char *>(data), n));
        received += n;
        coil_buffer_release(data);
    }
};

TEST(CancelledReceiver, LosesNoByte)
{
    expect_race_passes<Receiving>();
}

struct Sleeping : Race {
    coil_time deadline = 0;

    Sleeping()
    {
        may_drop = true;
        has_peer = false;
    }
    void begin() override { deadline = coil_now() + int64_t(pick(300)) * COIL_USEC; }
    void start(coil_future *future) override { coil_sleep_until_start(future, deadline); }
    ssize_t call() override { return coil_sleep_until(deadline); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED);
        ASSERT_TRUE(result < 0 || coil_now() >= deadline) << "woken early";
    }
};

TEST(CancelledSleep, IsOverEarlyOrNot)
{
    expect_race_passes<Sleeping>();
}

struct Nop : Race {
    Nop()
    {
        may_drop = true;
        has_peer = false;
        may_be_cancelled = false; /* the kernel has done it at once */
        span_ns = 5 * COIL_USEC;
    }
    void start(coil_future *future) override { coil_nop_start(future); }
    ssize_t call() override { return coil_nop(); }
    void end(ssize_t result) override { ASSERT_TRUE(result == 0 || result == -ECANCELED); }
};

TEST(CancelledNop, CompletesOnce)
{
    expect_race_passes<Nop>();
}

/* A file with others' operations ahead in the queue of the kernel's workers. */
struct OnFile : Race {
    TempDir folder;
    std::string path = folder.path("file");
    Fd file{open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)};
    std::string content = pattern(0, kSize);
    Guarded buffer{4096};
    size_t offset = 0, len = 0;

    static constexpr size_t kSize = 64 << 10;

    OnFile()
    {
        has_peer = false;
        span_ns = 100 * COIL_USEC;
        EXPECT_EQ(ssize_t(kSize), pwrite(file, content.data(), kSize, 0));
    }
    void begin() override
    {
        offset = pick(kSize - buffer.size());
        len = 1 + pick(buffer.size());
        buffer.wipe();
    }
};

struct Preading : OnFile {
    Preading() { may_be_cancelled = false; /* from the cache it is done at once */ }
    void start(coil_future *future) override
    {
        coil_pread_start(future, file, buffer.data(), len, off_t(offset));
    }
    ssize_t call() override { return coil_pread(file, buffer.data(), len, off_t(offset)); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == ssize_t(len) || result == -ECANCELED);
        ASSERT_TRUE(buffer.untouched_but(result < 0 ? 0 : len));
        ASSERT_TRUE(result < 0 || content.substr(offset, len) == buffer.text(len));
    }
};

TEST(CancelledPread, FillsTheBufferOrLeavesItAlone)
{
    expect_race_passes<Preading>();
}

struct Pwriting : OnFile {
    std::string bytes;

    void begin() override
    {
        OnFile::begin();
        bytes = pattern(random(), len);
    }
    void start(coil_future *future) override
    {
        coil_pwrite_start(future, file, bytes.data(), len, off_t(offset));
    }
    ssize_t call() override { return coil_pwrite(file, bytes.data(), len, off_t(offset)); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == ssize_t(len) || result == -ECANCELED);
        if (result > 0)
            content.replace(offset, len, bytes);
        std::string now(kSize, '\0');
        ASSERT_EQ(ssize_t(kSize), pread(file, now.data(), kSize, 0));
        ASSERT_TRUE(content == now) << "the file is not what the result says";
    }
};

TEST(CancelledPwrite, HasWrittenWhatItsResultSays)
{
    expect_race_passes<Pwriting>();
}

struct Fsyncing : OnFile {
    Fsyncing() { may_drop = true; }
    void begin() override { EXPECT_EQ(1, pwrite(file, "!", 1, off_t(pick(kSize)))); }
    void start(coil_future *future) override { coil_fdatasync_start(future, file); }
    ssize_t call() override { return coil_fdatasync(file); }
    void end(ssize_t result) override { ASSERT_TRUE(result == 0 || result == -ECANCELED); }
};

TEST(CancelledFsync, IsDoneOrNot)
{
    EXPECT_EQ(0, run([] {
                  Fsyncing race;
                  run_race(race, rounds(kRounds / 2)); /* as slow as the disk */
                  return 0;
              }));
}

struct Statxing : OnFile {
    struct statx out;

    void begin() override { memset(&out, 0xA5, sizeof(out)); }
    void start(coil_future *future) override
    {
        coil_statx_start(future, AT_FDCWD, path.c_str(), 0, STATX_SIZE, &out);
    }
    ssize_t call() override { return coil_statx(AT_FDCWD, path.c_str(), 0, STATX_SIZE, &out); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED);
        ASSERT_EQ(result == 0 ? kSize : 0xA5A5A5A5A5A5A5A5u, out.stx_size);
    }
};

TEST(CancelledStatx, FillsItsBufferOrLeavesItAlone)
{
    expect_race_passes<Statxing>();
}

/* What may happen in one and the same turn. */

TEST(Cancel, OfAFinishedOperationChangesNothing)
{
    EXPECT_EQ(0, run([] {
                  COIL_FUTURE(nop);
                  coil_nop_start(&nop);
                  EXPECT_TRUE(turn_until([&] { return coil_future_done(&nop); }));
                  coil_future_cancel(&nop);
                  coil_future_cancel(&nop);
                  EXPECT_EQ(0, coil_await(&nop));
                  return 0;
              }));
}

TEST(Cancel, OfAnOperationThatTheKernelHasNotSeenYetEndsIt)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  Guarded buffer(16);
                  COIL_FUTURE(read);
                  coil_read_start(&read, pipe.left, buffer.data(), 16);
                  coil_future_cancel(&read);
                  coil_future_cancel(&read);
                  EXPECT_EQ(-ECANCELED, coil_await(&read));
                  EXPECT_EQ(1, write(pipe.right, "!", 1));
                  turn();
                  EXPECT_TRUE(buffer.untouched_but(0));
                  EXPECT_EQ(1, coil_read(pipe.left, buffer.data(), 16));
                  return 0;
              }));
}

TEST(Cancel, OfAScopeRefusesOperationsBeforeTheKernelSeesThem)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  char byte;
                  EXPECT_EQ(1, write(pipe.right, "!", 1));
                  COIL_SCOPE(scope, COIL_FOREVER);
                  coil_scope_cancel(&scope);
                  EXPECT_EQ(-ECANCELED, coil_read(pipe.left, &byte, 1));
                  EXPECT_EQ(-ECANCELED, coil_socket(AF_INET, SOCK_STREAM, 0));
                  EXPECT_EQ(0, coil_scope_close(&scope, 0));
                  EXPECT_EQ(1, coil_read(pipe.left, &byte, 1));
                  return 0;
              }));
}

/* The bytes are there and the deadline has passed before the loop looks at either. */
TEST(Cancel, ByADeadlineInTheTurnOfTheCompletionGivesTheResult)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  char bytes[4];
                  for (int i = 0; i < 100; i++) {
                      COIL_FUTURE(read);
                      coil_read_start(&read, pipe.left, bytes, sizeof(bytes));
                      EXPECT_EQ(4, write(pipe.right, "four", 4));
                      EXPECT_EQ(4, coil_await_until(&read, coil_now()));
                  }
                  return 0;
              }));
}

TEST(Cancel, ByADeadlineLongPastStillWaitsForTheKernel)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  Guarded buffer(16);
                  COIL_FUTURE(read);
                  coil_read_start(&read, pipe.left, buffer.data(), 16);
                  EXPECT_EQ(-ETIMEDOUT, coil_await_until(&read, 1));
                  EXPECT_EQ(1, write(pipe.right, "!", 1));
                  turn();
                  EXPECT_TRUE(buffer.untouched_but(0));
                  return 0;
              }));
}

} // namespace
