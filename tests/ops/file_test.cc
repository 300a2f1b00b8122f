/* SPDX-License-Identifier: MIT */
/* file.h in both spellings, on real files. */
#include "ops/sockets.h"
#include "support/process.h"
#include "support/running.h"

#include <coil/fd.h>
#include <coil/file.h>
#include <csignal>
#include <limits>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

namespace {

using namespace coil_test;

struct File : testing::Test {
    TempDir dir;
    std::string path = dir.path("file");

    Fd make(const std::string &text = "")
    {
        write_file(path, text);
        return Fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
    }
};

TEST_F(File, IsOpenedInBothSpellingsAndClosedOnExec)
{
    COIL_SKIP_IF_SIMULATED("the system knows nothing of its descriptors");
    EXPECT_EQ(0, run([&] {
                  Fd made(coil_open(path.c_str(), O_CREAT | O_EXCL | O_RDWR, 0640));
                  EXPECT_EQ(FD_CLOEXEC, fcntl(made, F_GETFD));
                  struct stat status;
                  EXPECT_EQ(0, fstat(made, &status));
                  EXPECT_EQ(0640u, status.st_mode & 0777 & ~unsigned(022));
                  COIL_FUTURE(open);
                  coil_open_start(&open, path.c_str(), O_RDONLY, 0);
                  Fd again(int(coil_await(&open)));
                  EXPECT_EQ(FD_CLOEXEC, fcntl(again, F_GETFD));
                  return 0;
              }));
}

TEST_F(File, IsNotOpenedForTheReasonsOfTheSystemCall)
{
    EXPECT_EQ(0, run([&] {
                  EXPECT_EQ(-ENOENT, coil_open(path.c_str(), O_RDONLY, 0));
                  Fd file = make();
                  EXPECT_EQ(-EEXIST, coil_open(path.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600));
                  EXPECT_EQ(-ENOTDIR, coil_open((path + "/x").c_str(), O_RDONLY, 0));
                  EXPECT_EQ(-EISDIR, coil_open(dir.path().c_str(), O_WRONLY, 0));
                  EXPECT_EQ(-EFAULT, coil_open(nullptr, O_RDONLY, 0));
                  EXPECT_EQ(-ENAMETOOLONG, coil_open(std::string(5000, 'x').c_str(), O_RDONLY, 0));
                  return 0;
              }));
}

TEST_F(File, OpenedAndDroppedLeavesNoDescriptor)
{
    EXPECT_EQ(0, run([&] {
                  Fd file = make();
                  int before = open_descriptors();
                  for (int i = 0; i < 10; i++) {
                      COIL_FUTURE(open);
                      coil_open_start(&open, path.c_str(), O_RDONLY, 0);
                      EXPECT_TRUE(turn_until([&] { return i < 5 || coil_future_done(&open); }));
                  }
                  EXPECT_EQ(before, open_descriptors());
                  return 0;
              }));
}

/* To the kernel's ring -1 is the file's own position; to pread(2) it is nonsense as any other. */
TEST_F(File, HasNoOffsetsBelowZero)
{
    EXPECT_EQ(0, run([&] {
                  Fd file = make("0123456789");
                  char bytes[4] = {};
                  iovec iov = {bytes, sizeof(bytes)};
                  for (off_t offset : {off_t(-1), off_t(-2), std::numeric_limits<off_t>::min()}) {
                      EXPECT_EQ(-EINVAL, coil_pread(file, bytes, 4, offset)) << offset;
                      EXPECT_EQ(-EINVAL, coil_pwrite(file, bytes, 4, offset)) << offset;
                      EXPECT_EQ(-EINVAL, coil_preadv(file, &iov, 1, offset)) << offset;
                      EXPECT_EQ(-EINVAL, coil_pwritev(file, &iov, 1, offset)) << offset;
                      EXPECT_EQ(-EINVAL, coil_pread_all(file, bytes, 4, offset)) << offset;
                      EXPECT_EQ(-EINVAL, coil_pwrite_all(file, bytes, 4, offset)) << offset;
                  }
                  EXPECT_EQ(4, coil_read(file, bytes, 4)); /* nothing has moved */
                  EXPECT_EQ("0123", std::string(bytes, 4));
                  return 0;
              }));
}

TEST_F(File, IsReadAndWrittenAtOffsetsInBothSpellings)
{
    EXPECT_EQ(0, run([&] {
                  Fd file = make("0123456789");
                  char bytes[4], more[4];
                  iovec iov[3] = {{bytes, 2}, {more, 2}, {nullptr, 0}};
                  EXPECT_EQ(4, coil_pread(file, bytes, 4, 3));
                  EXPECT_EQ("3456", std::string(bytes, 4));
                  EXPECT_EQ(2, coil_pwrite(file, "AB", 2, 4));
                  EXPECT_EQ(4, coil_preadv(file, iov, 2, 4));
                  EXPECT_EQ("AB", std::string(bytes, 2));
                  EXPECT_EQ("67", std::string(more, 2));
                  EXPECT_EQ(4, coil_pwritev(file, iov, 3, 0));

                  COIL_FUTURE(one);
                  COIL_FUTURE(two);
                  coil_pwrite_start(&one, file, "xy", 2, 8);
                  EXPECT_EQ(2, coil_await(&one));
                  coil_pread_start(&one, file, bytes, 2, 8);
                  coil_preadv_start(&two, file, iov + 1, 1, 0);
                  EXPECT_EQ(2, coil_await(&one));
                  EXPECT_EQ(2, coil_await(&two));
                  EXPECT_EQ("xy", std::string(bytes, 2));
                  EXPECT_EQ("AB", std::string(more, 2));
                  coil_pwritev_start(&two, file, iov, 2, 6);
                  EXPECT_EQ(4, coil_await(&two));
                  EXPECT_EQ("AB67ABxyAB", read_file(path));
                  return 0;
              }));
}

TEST_F(File, IsReadAndWrittenAtItsOwnPosition)
{
    EXPECT_EQ(0, run([&] {
                  Fd file = make("abcdef");
                  char bytes[3];
                  EXPECT_EQ(3, coil_read(file, bytes, 3));
                  EXPECT_EQ(1, coil_write(file, "X", 1));
                  EXPECT_EQ(2, coil_read(file, bytes, 3));
                  EXPECT_EQ("ef", std::string(bytes, 2));
                  EXPECT_EQ(0, coil_read(file, bytes, 3));
                  EXPECT_EQ("abcXef", read_file(path));
                  return 0;
              }));
}

TEST_F(File, GivesTheErrorsOfTheSystemCalls)
{
    EXPECT_EQ(0, run([&] {
                  Fd file = make("text");
                  Fd folder(open(dir.path().c_str(), O_RDONLY | O_CLOEXEC));
                  Pair pipe = make_pipe();
                  char byte = 0;
                  EXPECT_EQ(-EBADF, coil_pread(-1, &byte, 1, 0));
                  EXPECT_EQ(-EBADF, coil_fsync(-1));
                  EXPECT_EQ(-EBADF, coil_fdatasync(-1));
                  EXPECT_EQ(-EINVAL, coil_fsync(pipe.left));
                  EXPECT_EQ(-EINVAL, coil_pread(file, &byte, 1, -5));
                  EXPECT_EQ(-EISDIR, coil_pread(folder, &byte, 1, 0));
                  EXPECT_EQ(0, coil_pread(file, &byte, 0, 0));
                  EXPECT_EQ(0, coil_pread(file, &byte, 1, 1 << 20)) << "behind the end";
                  return 0;
              }));
}

/* RLIMIT_FSIZE cuts the first write short and refuses the second. */
TEST_F(File, TellsTheErrorThatStoppedAWriteOfAll)
{
    rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(0, run([&] {
                  Fd file = make();
                  rlimit limit = {10'000, before.rlim_max};
                  EXPECT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
                  std::string bytes(20'000, 'x');
                  EXPECT_EQ(10'000, coil_pwrite(file, bytes.data(), bytes.size(), 0));
                  EXPECT_EQ(-EFBIG, coil_pwrite_all(file, bytes.data(), bytes.size(), 0));
                  return 0;
              }));
    setrlimit(RLIMIT_FSIZE, &before);
}

TEST_F(File, IsReadAndWrittenWhole)
{
    EXPECT_EQ(0, run([&] {
                  Fd file = make();
                  std::string bytes = pattern(0, 3 << 20), got(4 << 20, '\0');
                  EXPECT_EQ(3 << 20, coil_pwrite_all(file, bytes.data(), bytes.size(), 100));
                  EXPECT_EQ(3 << 20, coil_pread_all(file, got.data(), got.size(), 100));
                  EXPECT_EQ(100, coil_pread_all(file, got.data() + (3 << 20), 100, 0));
                  got.resize(bytes.size());
                  EXPECT_TRUE(bytes == got);
                  EXPECT_EQ(0, coil_pread_all(file, got.data(), 1, 4 << 20));
                  EXPECT_EQ(0, coil_pwrite_all(file, got.data(), 0, 0));
                  return 0;
              }));
}

TEST_F(File, IsMadeDurableInBothSpellings)
{
    EXPECT_EQ(0, run([&] {
                  Fd file = make("text");
                  EXPECT_EQ(0, coil_fsync(file));
                  EXPECT_EQ(0, coil_fdatasync(file));
                  COIL_FUTURE(all);
                  COIL_FUTURE(data);
                  coil_fsync_start(&all, file);
                  coil_fdatasync_start(&data, file);
                  EXPECT_EQ(0, coil_await(&all));
                  EXPECT_EQ(0, coil_await(&data));
                  return 0;
              }));
}

TEST_F(File, TellsItsStatusInBothSpellings)
{
    EXPECT_EQ(0, run([&] {
                  Fd file = make("five!");
                  struct statx status = {};
                  EXPECT_EQ(0, coil_statx(AT_FDCWD, path.c_str(), 0, STATX_SIZE, &status));
                  EXPECT_EQ(5u, status.stx_size);
                  status = {};
                  COIL_FUTURE(statx);
                  coil_statx_start(&statx, file, "", AT_EMPTY_PATH, STATX_SIZE, &status);
                  EXPECT_EQ(0, coil_await(&statx));
                  EXPECT_EQ(5u, status.stx_size);
                  EXPECT_EQ(-ENOENT, coil_statx(AT_FDCWD, "/nowhere", 0, STATX_SIZE, &status));
                  EXPECT_EQ(-EBADF, coil_statx(-1, "relative", 0, STATX_SIZE, &status));
                  return 0;
              }));
}

} // namespace
