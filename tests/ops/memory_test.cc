/* SPDX-License-Identifier: MIT */
/* Memory that the kernel knows: what coil_pread() and coil_pwrite() do there, and when it ends. */
#include <liburing.h>

extern "C" {
#include "ring/ring.h"
}

#include "ops/sockets.h"
#include "support/census.h"
#include "support/misuse.h"
#include "support/process.h"
#include "support/running.h"
#include "support/sandbox.h"

#include <cstring>
#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/resource.h>

using namespace coil_test;

namespace {

constexpr size_t kPage = 4096;

struct Memory : testing::Test {
    TempDir dir;

    Fd make(const std::string &text)
    {
        std::string path = dir.path("file");
        write_file(path, text);
        return Fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
    }
};

/* Opened for its block. */
struct Opened : coil_memory {
    explicit Opened(size_t wanted) { EXPECT_EQ(0, coil_memory_open(this, wanted)); }
    ~Opened() { coil_memory_close(this); }
};

const coil__ring_memory &known(const coil_memory &memory)
{
    return coil__ring_here->memories[memory.number];
}

TEST_F(Memory, IsReadIntoAndWrittenFromInBothSpellings)
{
    EXPECT_EQ(0, run([&] {
                  Fd file = make("0123456789");
                  Opened memory(kPage);
                  EXPECT_EQ(4, coil_pread(file, memory.at + 100, 4, 3));
                  EXPECT_STREQ("3456", memory.at + 100);
                  EXPECT_EQ(2, coil_pread(file, memory.at, kPage, 8));
                  EXPECT_EQ("89", std::string(memory.at, 2));
                  EXPECT_EQ(0, coil_pread(file, memory.at, kPage, 10));
                  EXPECT_EQ(-EBADF, coil_pread(-1, memory.at, kPage, 0));
                  memcpy(memory.at + 100, "3456", 4); /* where the last read might have written */
                  COIL_FUTURE(write);
                  coil_pwrite_start(&write, file, memory.at + 100, 4, 6);
                  EXPECT_EQ(4, coil_await(&write));
                  EXPECT_EQ(10, coil_pread_all(file, memory.at, kPage, 0));
                  EXPECT_EQ("0123453456", std::string(memory.at, 10));
                  EXPECT_EQ(0u, known(memory).in_flight);
                  return 0;
              }));
}

TEST_F(Memory, BeginsAtAPageAndHoldsAtLeastWhatWasAskedFor)
{
    EXPECT_EQ(0, run([] {
                  for (size_t size : {size_t(1), kPage, 3 * kPage + 1}) {
                      Opened memory(size);
                      EXPECT_EQ(0u, uintptr_t(memory.at) % kPage);
                      EXPECT_GE(memory.size, size);
                      EXPECT_LT(memory.size, size + kPage);
                      for (size_t i = 0; i < memory.size; i++)
                          EXPECT_EQ(0, memory.at[i]);
                  }
                  coil_memory none;
                  EXPECT_EQ(-EINVAL, coil_memory_open(&none, 0));
                  EXPECT_EQ(-EINVAL, coil_memory_open(&none, (size_t(1) << 30) + 1));
                  return 0;
              }));
}

/* The kernel would refuse what begins in registered memory and ends elsewhere. */
TEST_F(Memory, MayEndBeforeABufferDoes)
{
    COIL_SKIP_IF_SIMULATED("all of a buffer is scribbled on");
    EXPECT_EQ(0, run([&] {
                  Fd file = make("0123456789");
                  Opened memory(kPage);
                  EXPECT_EQ(10, coil_pread(file, memory.at + kPage / 2, kPage, 0));
                  EXPECT_STREQ("0123456789", memory.at + kPage / 2);
                  return 0;
              }));
}

TEST_F(Memory, OfWhichThereAreManyIsEachFoundByItsAddress)
{
    EXPECT_EQ(0, run([&] {
                  Fd file = make("0123456789");
                  coil_memory memories[COIL_MEMORIES], more;
                  for (coil_memory &memory : memories)
                      EXPECT_EQ(0, coil_memory_open(&memory, 2 * kPage));
                  EXPECT_EQ(-ENOBUFS, coil_memory_open(&more, kPage));
                  for (int round = 0; round < 2; round++) {
                      for (int i = 0; i < COIL_MEMORIES; i++) {
                          char *at = memories[i].at + kPage;
                          EXPECT_EQ(1, coil_pread(file, at, 1, i % 10));
                          EXPECT_EQ('0' + i % 10, *at);
                      }
                      coil_memory_close(&memories[3]);
                      EXPECT_EQ(0, coil_memory_open(&memories[3], 5 * kPage));
                  }
                  for (coil_memory &memory : memories)
                      coil_memory_close(&memory);
                  EXPECT_EQ(0u, coil__ring_here->memory_end);
                  return 0;
              }));
}

/* Writes a file from memory and reads it back, in whatever parts it comes. */
int write_and_read_back(const std::string &path, bool is_kernel)
{
    Opened memory(5 * kPage);
    EXPECT_EQ(is_kernel, known(memory).registered);
    int file = coil_open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0)
        return file;
    char *from = memory.at, *to = memory.at + 3 * kPage;
    const ssize_t size = 2 * kPage - 7;
    for (ssize_t i = 0; i < size; i++)
        from[i] = char('a' + i % 26);
    EXPECT_EQ(size, coil_pwrite_all(file, from, size, 0));
    EXPECT_EQ(size, coil_pread_all(file, to, 2 * kPage, 0));
    EXPECT_EQ(0, memcmp(from, to, size));
    EXPECT_EQ(0u, known(memory).in_flight);
    return coil_close(file);
}

TEST_F(Memory, IsRegisteredWithTheKernelAndWorksWithEveryDriver)
{
    for (const char *ring : {"kernel", "poll", "sim:1", "sim:2", "sim:3"}) {
        coil_options options = cores(1);
        options.ring = ring;
        bool is_kernel = std::string("kernel") == ring;
        /* The simulator has a disk of its own. */
        std::string path = is_kernel || std::string("poll") == ring ? dir.path("made") : "/made";
        EXPECT_EQ(0, run([&] { return write_and_read_back(path, is_kernel); }, options)) << ring;
    }
}

/* Of a pipe the kernel reads as of any file that has no positions. */
TEST_F(Memory, IsTheKernelsUntilACancelledReadHasEnded)
{
    EXPECT_EQ(0, run(
                     [] {
                         int ends[2];
                         EXPECT_EQ(0, pipe2(ends, O_CLOEXEC));
                         Fd out(ends[0]), in(ends[1]);
                         Opened memory(kPage);
                         for (int i = 0; i < 3; i++) {
                             COIL_SCOPE(scope, coil_after(COIL_MSEC));
                             EXPECT_EQ(-ECANCELED, coil_pread(out, memory.at, kPage, 0));
                             EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
                             EXPECT_EQ(0u, known(memory).in_flight);
                         }
                         EXPECT_EQ(3, write(in, "abc", 3));
                         EXPECT_EQ(3, coil_pread(out, memory.at, kPage, 0));
                         EXPECT_STREQ("abc", memory.at);
                         {
                             COIL_FUTURE(dropped);
                             coil_pread_start(&dropped, out, memory.at, kPage, 0);
                             EXPECT_EQ(1u, known(memory).in_flight);
                         }
                         EXPECT_EQ(0u, known(memory).in_flight);
                         return 0;
                     },
                     on_kernel()));
}

/* Blocks of a file, whole, from many coroutines at once. */
TEST_F(Memory, ServesManyReadsAtOnce)
{
    constexpr size_t kBlocks = 64;
    std::string text(kBlocks * kPage, ' ');
    for (size_t i = 0; i < text.size(); i++)
        text[i] = char('a' + (i / kPage + i % 7) % 26);
    EXPECT_EQ(0, run([&] {
                  Fd file = make(text);
                  Opened memory(text.size());
                  Children children;
                  COIL_SCOPE(scope, COIL_FOREVER);
                  for (size_t i = 0; i < text.size(); i += kPage)
                      children.start(scope, [&, i] {
                          return coil_pread(file, memory.at + i, kPage, off_t(i)) == kPage ? 0 : -1;
                      });
                  EXPECT_EQ(0, coil_scope_close(&scope, 0));
                  EXPECT_EQ(0, memcmp(text.data(), memory.at, text.size()));
                  return 0;
              }));
}

/* In a child: whose limit is enough for a ring and too little for the memory. */
int work_with_little_to_lock(const std::string &path)
{
    become_nobody(4 << 20);
    bool registered = true;
    ssize_t n = 0;
    int result = run(
        [&] {
            Opened memory(16 << 20);
            registered = known(memory).registered;
            Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
            n = coil_pread(file, memory.at + kPage, 100, 0);
            return memcmp(memory.at + kPage, "0123456789", 10) == 0 ? 0 : -EBADMSG;
        },
        on_kernel());
    return result == -ENOMEM || result == -EPERM || result == -ENOSYS ? 99
           : registered                                               ? 98
                                                                      : result != 0 || n != 10;
}

TEST_F(Memory, WorksWhereTheKernelMayNotLockIt)
{
    if (!is_root())
        GTEST_SKIP() << "needs root, to become a user with a limit";
    Fd file = make("0123456789");
    std::string path = dir.path("file");
    EXPECT_EQ(0, chmod(dir.path().c_str(), 0755));
    EXPECT_EQ(0, chmod(path.c_str(), 0644));
    ChildOutcome outcome = run_in_child([=] { return work_with_little_to_lock(path); });
    if (outcome.result == 99)
        GTEST_SKIP() << "no ring can be had here as nobody";
    if (outcome.result == 98)
        GTEST_SKIP() << "this kernel does not count it as locked memory";
    EXPECT_EQ(0, outcome.result);
}

TEST_F(Memory, OpenedAndClosedLeavesNothingBehind)
{
    EXPECT_EQ(0, run([&] {
                  Fd file = make("0123456789");
                  for (int i = 0; i < 300; i++) {
                      Opened memory(256 * kPage);
                      EXPECT_EQ(0u, memory.number);
                      EXPECT_EQ(10, coil_pread(file, memory.at, kPage, 0));
                  }
                  return 0;
              }));
}

/* Of a coroutine that closes the memory under a read. */
coil_memory left_memory;

int pipe_of(int end)
{
    int ends[2];
    EXPECT_EQ(0, pipe2(ends, O_CLOEXEC));
    return ends[end];
}

const Misuse kMemories[] = {
    {"CloseWithAReadInFlight", "ops/memory.c",
     "coil_memory_close: an operation to or from it is in flight", kFirst,
     [] {
         coil_memory memory;
         EXPECT_EQ(0, coil_memory_open(&memory, kPage));
         COIL_FUTURE(read);
         coil_pread_start(&read, pipe_of(0), memory.at, kPage, 0);
         coil_memory_close(&memory);
         return 0;
     }},
    {"CloseTwice", "ops/memory.c", "coil_memory_close: it is not open, or another core opened it",
     kFirst,
     [] {
         coil_memory memory;
         EXPECT_EQ(0, coil_memory_open(&memory, kPage));
         coil_memory_close(&memory);
         coil_memory_close(&memory);
         return 0;
     }},
    {"CloseOnAnotherCore", "ops/memory.c",
     "coil_memory_close: it is not open, or another core opened it", kChild,
     [] {
         EXPECT_EQ(0, coil_memory_open(&left_memory, kPage));
         return call(1, [] { return coil_memory_close(&left_memory), 0; });
     },
     2},
    {"LeaveItOpen", "core/core.c", "coil_run: a coil_memory was left open", "",
     [] { return run([] { return coil_memory_open(&left_memory, kPage); }); }},
};

INSTANTIATE_TEST_SUITE_P(Memory, MisuseDeathTest, testing::ValuesIn(kMemories), name_of_misuse);

} // namespace
