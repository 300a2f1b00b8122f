/* SPDX-License-Identifier: MIT */
/* The own position of a file, which moves by what was read or written there, and by no more. */
#include "ops/sockets.h"
#include "support/pattern.h"
#include "support/process.h"
#include "support/running.h"

#include <coil/fd.h>
#include <coil/file.h>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <sys/resource.h>
#include <sys/uio.h>

namespace {

using namespace coil_test;

constexpr size_t kBlock = 4096;
constexpr size_t kBlocks = 16;

using Transfer = ssize_t(int fd, char *buf, size_t len);

struct Spelling {
    const char *name;
    Transfer *read, *write;
};

ssize_t read_started(int fd, char *buf, size_t len)
{
    COIL_FUTURE(read);
    coil_read_start(&read, fd, buf, len);
    return coil_await(&read);
}

ssize_t write_started(int fd, char *buf, size_t len)
{
    COIL_FUTURE(write);
    coil_write_start(&write, fd, buf, len);
    return coil_await(&write);
}

const Spelling kSpellings[] = {
    {"waiting", [](int fd, char *buf, size_t len) { return coil_read(fd, buf, len); },
     [](int fd, char *buf, size_t len) { return coil_write(fd, buf, len); }},
    {"started", read_started, write_started},
    {"vector",
     [](int fd, char *buf, size_t len) {
         iovec iov = {buf, len};
         return coil_readv(fd, &iov, 1);
     },
     [](int fd, char *buf, size_t len) {
         iovec iov = {buf, len};
         return coil_writev(fd, &iov, 1);
     }},
};

struct Position : testing::Test {
    TempDir dir;
    std::string path = dir.path("file");
    std::string bytes = pattern(1, kBlocks *kBlock);
    std::unique_ptr<char, decltype(&free)> block{
        static_cast<char *>(aligned_alloc(kBlock, kBlocks *kBlock)), free};
};

TEST_F(Position, MovesByWhatADeviceTransfers)
{
    COIL_SKIP_IF_SIMULATED("there are no direct transfers");
    write_file(path, bytes);
    Fd file(open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
    if (file < 0)
        GTEST_SKIP() << "the file system has no direct transfers";
    uint64_t from = 1;
    EXPECT_EQ(0, run([&] {
                  for (const Spelling &spelling : kSpellings) {
                      SCOPED_TRACE(spelling.name);
                      EXPECT_EQ(0, lseek(file, 0, SEEK_SET));
                      for (size_t i = 0; i < kBlocks; i++) {
                          EXPECT_EQ(ssize_t(kBlock), spelling.read(file, block.get(), kBlock));
                          EXPECT_TRUE(bytes.compare(i * kBlock, kBlock, block.get(), kBlock) == 0);
                      }
                      EXPECT_EQ(0, spelling.read(file, block.get(), kBlock)) << "the end";
                      bytes = pattern(++from, bytes.size());
                      EXPECT_EQ(0, lseek(file, 0, SEEK_SET));
                      for (size_t i = 0; i < kBlocks; i++) {
                          memcpy(block.get(), &bytes[i * kBlock], kBlock);
                          EXPECT_EQ(ssize_t(kBlock), spelling.write(file, block.get(), kBlock));
                      }
                      EXPECT_TRUE(read_file(path) == bytes);
                  }
                  EXPECT_EQ(0, lseek(file, 0, SEEK_SET));
                  EXPECT_EQ(ssize_t(bytes.size()),
                            coil_read_all(file, block.get(), kBlocks * kBlock));
                  EXPECT_TRUE(bytes.compare(0, bytes.size(), block.get(), bytes.size()) == 0);
                  EXPECT_EQ(0, coil_read_all(file, block.get(), kBlocks * kBlock));
                  return 0;
              }));
}

/* While it lives, no file grows over that many bytes. */
class FileLimit {
public:
    explicit FileLimit(rlim_t limit)
    {
        getrlimit(RLIMIT_FSIZE, &before_);
        rlimit now = {limit, before_.rlim_max};
        EXPECT_EQ(0, setrlimit(RLIMIT_FSIZE, &now));
    }
    ~FileLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

private:
    rlimit before_;
};

TEST_F(Position, MovesByTheWrittenPartOfAWriteWhoseRestHasFailed)
{
    COIL_SKIP_IF_SIMULATED("files have no limit");
    constexpr size_t kLimit = 10000, kRecord = 768;
    FileLimit limit(kLimit);
    EXPECT_EQ(0, run([&] {
                  for (const Spelling &spelling : kSpellings)
                      for (int flags : {0, O_APPEND}) {
                          SCOPED_TRACE(spelling.name + std::string(flags != 0 ? ", append" : ""));
                          Fd file(open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC | flags,
                                       0600));
                          size_t written = 0;
                          ssize_t n;
                          while ((n = spelling.write(file, &bytes[written], kRecord)) > 0)
                              written += size_t(n); /* ends: by the limit */
                          EXPECT_EQ(-EFBIG, n);
                          EXPECT_EQ(kLimit, written);
                          EXPECT_EQ(off_t(kLimit), lseek(file, 0, SEEK_CUR));
                          EXPECT_TRUE(read_file(path) == bytes.substr(0, kLimit));
                      }
                  return 0;
              }));
}

TEST_F(Position, OfANumberThatWasASocketsIsTheNextFiles)
{
    COIL_SKIP_IF_SIMULATED("files have no limit");
    constexpr size_t kLimit = 1000;
    FileLimit limit(kLimit);
    EXPECT_EQ(0, run([&] {
                  for (bool by_coil : {false, true}) {
                      int socket = coil_socket(AF_UNIX, SOCK_STREAM, 0);
                      EXPECT_LE(0, socket);
                      EXPECT_EQ(0, by_coil ? close(socket) : coil_close(socket));
                      int flags = O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC;
                      Fd file(by_coil ? coil_open(path.c_str(), flags, 0600)
                                      : open(path.c_str(), flags, 0600));
                      EXPECT_EQ(socket, file);
                      EXPECT_EQ(ssize_t(kLimit), coil_write(file, &bytes[0], kLimit + 1));
                      EXPECT_EQ(-EFBIG, coil_write(file, &bytes[kLimit], 1));
                      EXPECT_TRUE(read_file(path) == bytes.substr(0, kLimit));
                  }
                  return 0;
              }));
}

/* Whoever has it moved it: that is no part of a write which the kernel has forgotten. */
TEST_F(Position, ThatSomebodyElseHasMovedStays)
{
    COIL_SKIP_IF_SIMULATED("the system knows nothing of its descriptors");
    write_file(path, bytes);
    Fd file(open(path.c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_EQ(0, run([&] {
                  COIL_FUTURE(read);
                  coil_read_start(&read, file, block.get(), kBlock);
                  EXPECT_TRUE(turn_until([&] { return lseek(file, 0, SEEK_CUR) != 0; }));
                  EXPECT_EQ(100, lseek(file, 100, SEEK_SET));
                  EXPECT_EQ(ssize_t(kBlock), coil_await(&read));
                  EXPECT_EQ(100, lseek(file, 0, SEEK_CUR));
                  return 0;
              }));
}

} // namespace
