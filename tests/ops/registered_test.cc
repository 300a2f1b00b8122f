/* SPDX-License-Identifier: MIT */
/* Registered files: what is done with them is done as ever, and each is let go of in time. */
#include <liburing.h>

extern "C" {
#include "ring/registered.h"
}

#include "ops/sockets.h"
#include "support/misuse.h"
#include "support/process.h"
#include "support/running.h"
#include "support/sandbox.h"

#include <climits>
#include <csignal>
#include <fcntl.h>
#include <random>
#include <string>
#include <sys/uio.h>

using namespace coil_test;

namespace {

const char kNotSimulated[] = "descriptors of the process are looked up again and again";

struct Registered : testing::Test {
    TempDir dir;

    void SetUp() override { COIL_SKIP_IF_SIMULATED(kNotSimulated); }

    std::string path(const std::string &name, const std::string &text) const
    {
        std::string path = dir.path(name);
        write_file(path, text);
        return path;
    }

    Fd make(const std::string &name, const std::string &text) const
    {
        return Fd(open(path(name, text).c_str(), O_RDWR | O_CLOEXEC));
    }
};

bool has_place(int fd)
{
    return coil__registered_place(coil__ring_here, fd) > 0;
}

std::string read_at(int fd, off_t offset, size_t len = 10)
{
    std::string text(len, '\0');
    ssize_t n = coil_pread(fd, &text[0], len, offset);
    return n < 0 ? std::to_string(n) : text.substr(0, size_t(n));
}

/* Writes 0123456789 over the file in every way, and reads it in every way. */
void use_in_every_way(int file)
{
    char digits[] = "0123456789", found[11] = {};
    iovec out[] = {{digits, 3}, {digits + 3, 3}}, in[] = {{found, 1}, {found + 1, 9}};
    EXPECT_EQ(10, coil_pwrite_all(file, "..........", 10, 0));
    EXPECT_EQ(6, coil_pwritev(file, out, 2, 0));
    EXPECT_EQ(4, coil_pwrite(file, digits + 6, 4, 6));
    EXPECT_EQ(0, coil_fsync(file));
    EXPECT_EQ(0, coil_fdatasync(file));
    EXPECT_EQ(10, coil_preadv(file, in, 2, 0));
    EXPECT_STREQ(digits, found);
    EXPECT_EQ("456", read_at(file, 4, 3));
    EXPECT_EQ(10, coil_pread_all(file, found, 10, 0));
    EXPECT_STREQ(digits, found);
    COIL_FUTURE(read);
    coil_pread_start(&read, file, found, 2, 8);
    EXPECT_EQ(2, coil_await(&read));
    EXPECT_EQ('8', found[0]);
    coil_memory memory;
    EXPECT_EQ(0, coil_memory_open(&memory, 4096));
    EXPECT_EQ(2, coil_pread(file, memory.at, 4096, 8));
    EXPECT_EQ("89", std::string(memory.at, 2));
    coil_memory_close(&memory);
}

int use_before_while_and_after(const std::string &path)
{
    int file = coil_open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0)
        return file;
    use_in_every_way(file);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(0, coil_file_register(file));
        use_in_every_way(file);
    }
    coil_file_unregister(file);
    use_in_every_way(file);
    EXPECT_EQ(0, coil_file_register(file));
    EXPECT_EQ(0, coil_close(file));
    EXPECT_FALSE(has_place(file));
    EXPECT_EQ("-9", read_at(file, 0));
    EXPECT_EQ(-EBADF, coil_file_register(file));
    return 0;
}

TEST_F(Registered, IsUsedInEveryWayWithEveryDriver)
{
    for (const char *ring : {"kernel", "poll", "sim:1,faults=off"}) {
        coil_options options = cores(1);
        options.ring = ring;
        /* The simulator has a disk of its own. */
        std::string path = std::string(ring).rfind("sim", 0) == 0 ? "/made" : dir.path("made");
        EXPECT_EQ(0, run([&] { return use_before_while_and_after(path); }, options)) << ring;
    }
}

/* What the number says the kernel need not look up: so it finds the file behind a closed one. */
TEST_F(Registered, IsNotLookedUpByTheKernelUntilItIsUnregistered)
{
    EXPECT_EQ(0, run(
                     [&] {
                         Fd file = make("file", "0123456789");
                         EXPECT_EQ(0, coil_file_register(file));
                         int number = file;
                         file.reset(-1);
                         EXPECT_EQ("0123456789", read_at(number, 0));
                         coil_file_unregister(number);
                         EXPECT_EQ("-9", read_at(number, 0));
                         return 0;
                     },
                     on_kernel()));
}

TEST_F(Registered, HasToBeAFile)
{
    EXPECT_EQ(0, run([&] {
                  Fd file = make("file", "0123456789");
                  Fd name(open(dir.path("file").c_str(), O_PATH | O_CLOEXEC));
                  int closed = dup(file);
                  close(closed);
                  for (int wrong : {-1, -100, INT_MIN, INT_MAX, closed, int(name)}) {
                      EXPECT_EQ(-EBADF, coil_file_register(wrong)) << wrong;
                      coil_file_unregister(wrong);
                  }
                  coil_file_unregister(file); /* was never registered */
                  EXPECT_EQ(0, coil_file_register(file));
                  coil_file_unregister(file);
                  coil_file_unregister(file);
                  EXPECT_EQ("0123456789", read_at(file, 0));
                  return 0;
              }));
}

/* Opens as many as may be registered and one more, and registers them. */
void fill_table(const std::string &path)
{
    std::vector<int> files;
    for (size_t i = 0; i < COIL_FILES + 1; i++) {
        files.push_back(coil_open(path.c_str(), O_RDWR | O_CREAT, 0600));
        EXPECT_LE(0, files.back());
        EXPECT_EQ(i < COIL_FILES ? 0 : -ENOBUFS, coil_file_register(files[i]));
    }
    EXPECT_EQ(1, coil_pwrite(files.back(), "x", 1, 0));
    EXPECT_EQ(0, coil_file_register(files[7])); /* again */
    EXPECT_EQ(0, coil_close(files[100]));
    coil_file_unregister(files[200]);
    EXPECT_EQ(0, coil_file_register(files.back()));
    EXPECT_EQ(0, coil_file_register(files[200]));
    for (size_t i = 0; i < COIL_FILES + 1; i++) {
        if (i == 100)
            continue;
        EXPECT_EQ("x", read_at(files[i], 0));
        EXPECT_EQ(0, coil_close(files[i]));
    }
}

TEST_F(Registered, MayBeSoManyAtOnce)
{
    rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < COIL_FILES + 100)
        GTEST_SKIP() << "RLIMIT_NOFILE allows too few descriptors";
    for (const char *ring : {"kernel", "poll", "sim:1,faults=off"}) {
        coil_options options = cores(1);
        options.ring = ring;
        std::string path = std::string(ring).rfind("sim", 0) == 0 ? "/made" : dir.path("made");
        EXPECT_EQ(0, run([&] { return fill_table(path), 0; }, options)) << ring;
    }
}

/* The kernel's table is no larger than that limit. */
TEST_F(Registered, MayBeMoreThanTheKernelHasRoomFor)
{
    EXPECT_EQ(0, run(
                     [&] {
                         std::vector<Fd> files;
                         {
                             FewDescriptors few(12);
                             files.push_back(make("first", "first"));
                             EXPECT_EQ(0, coil_file_register(files[0]));
                         }
                         for (int i = 0; i < 40; i++) {
                             std::string name = "file" + std::to_string(i);
                             files.push_back(make(name, name));
                             EXPECT_EQ(0, coil_file_register(files.back()));
                             EXPECT_EQ(name, read_at(files.back(), 0));
                         }
                         EXPECT_EQ("first", read_at(files[0], 0));
                         for (Fd &file : files)
                             coil_file_unregister(file);
                         return 0;
                     },
                     on_kernel()));
}

/* An entry that empties a place is queued with all others, while a place is given at once. */
TEST_F(Registered, ThatIsClosedLeavesItsPlaceInOrder)
{
    EXPECT_EQ(0, run([&] {
                  int first = make("first", "first").release();
                  Fd second = make("second", "second");
                  char found[6] = {};
                  for (int i = 0; i < 2; i++) {
                      EXPECT_EQ(0, coil_file_register(first));
                      unsigned place = coil__registered_place(coil__ring_here, first);
                      COIL_FUTURE(read);
                      coil_pread_start(&read, first, found, 5, 0);
                      COIL_FUTURE(closing);
                      if (i == 0)
                          coil_file_unregister(first);
                      else
                          coil_close_start(&closing, first);
                      EXPECT_EQ(0, coil_file_register(second));
                      EXPECT_EQ(place, coil__registered_place(coil__ring_here, second));
                      EXPECT_EQ("second", read_at(second, 0));
                      EXPECT_EQ(5, coil_await(&read));
                      EXPECT_STREQ("first", found);
                      EXPECT_EQ(0, i == 0 ? 0 : coil_await(&closing));
                      EXPECT_EQ("second", read_at(second, 0));
                      coil_file_unregister(second);
                  }
                  return 0;
              }));
}

/* A number that means another file is registered anew, also if nobody unregistered it. */
TEST_F(Registered, IsAlwaysTheFileThatItsNumberMeantLast)
{
    EXPECT_EQ(0, run([&] {
                  Fd first = make("first", "first");
                  Fd second = make("second", "second");
                  EXPECT_EQ(0, coil_file_register(first));
                  EXPECT_EQ(int(first), dup3(second, first, O_CLOEXEC));
                  EXPECT_EQ(0, coil_file_register(first));
                  EXPECT_EQ("second", read_at(first, 0));
                  int number = first.release();
                  EXPECT_EQ(0, coil_close(number));
                  int third = coil_open(path("third", "third").c_str(), O_RDONLY, 0);
                  EXPECT_EQ(number, third);
                  EXPECT_EQ("third", read_at(third, 0));
                  EXPECT_EQ(0, coil_file_register(third));
                  EXPECT_EQ("third", read_at(third, 0));
                  return coil_close(third);
              }));
}

/* Of a pipe: a coil_pread() there waits as long as nobody writes. */
TEST_F(Registered, ThatIsClosedLetsEverybodyGoWhoWaits)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  int number = pipe.left.release();
                  EXPECT_EQ(0, coil_file_register(number));
                  int results[3] = {};
                  char bytes[3];
                  Children children;
                  COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
                  for (int i = 0; i < 3; i++)
                      children.start(scope, [&, i] {
                          return results[i] = int(coil_pread(number, bytes + i, 1, 0)), 0;
                      });
                  turn();
                  EXPECT_EQ(0, coil_close(number));
                  EXPECT_EQ(0, coil_scope_close(&scope, 0));
                  for (int result : results)
                      EXPECT_EQ(-ECANCELED, result);
                  EXPECT_TRUE(holds(pipe.right, POLLERR)); /* nobody has the reading end */
                  return 0;
              }));
}

/* One byte is on its way when the pipe is closed: it is read, or nobody reads it. */
int read_race(std::mt19937 &random)
{
    Pair pipe = make_pipe();
    int number = pipe.left.release(), result = 0;
    char byte = 0;
    EXPECT_EQ(0, coil_file_register(number));
    Children children;
    COIL_SCOPE(scope, coil_after(10 * COIL_SEC));
    children.start(scope, [&] { return result = int(coil_pread(number, &byte, 1, 0)), 0; });
    children.start(scope, [&, turns = random() % 3] {
        give_way(int(turns));
        EXPECT_NE(0, coil_write(pipe.right, "x", 1)); /* or -EPIPE */
        return 0;
    });
    give_way(int(random() % 5));
    bool unregisters = random() % 2 == 0;
    if (unregisters)
        coil_file_unregister(number);
    EXPECT_EQ(0, coil_close(number));
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
    EXPECT_TRUE(result == 1 || result == -ECANCELED || result == -EBADF) << result;
    EXPECT_EQ(result == 1 ? 'x' : 0, byte);
    return result;
}

TEST_F(Registered, ThatIsClosedAsItIsReadHasOneOutcomeAndLeavesNothing)
{
    signal(SIGPIPE, SIG_IGN);
    int before = open_descriptors(), was_read = 0, cancelled = 0;
    EXPECT_EQ(0, run([&] {
                  std::mt19937 random(20);
                  for (int i = 0; i < rounds(2000); i++) {
                      int result = read_race(random);
                      was_read += result == 1;
                      cancelled += result == -ECANCELED;
                  }
                  return 0;
              }));
    EXPECT_LT(0, was_read);
    EXPECT_LT(0, cancelled);
    EXPECT_EQ(before, open_descriptors());
}

/* The peer of a pipe tells when the kernel has let go of the other end. */
TEST_F(Registered, IsLetGoOfWhenItIsClosedAndWhenTheRunEnds)
{
    char byte;
    Pair pipe = make_pipe();
    EXPECT_EQ(0, run([&] {
                  int number = dup(pipe.right);
                  EXPECT_EQ(0, coil_file_register(number));
                  EXPECT_EQ(0, coil_file_register(pipe.right));
                  EXPECT_EQ(0, coil_close(number));
                  Pair other = make_pipe();
                  number = other.right.release();
                  EXPECT_EQ(0, coil_file_register(number));
                  EXPECT_EQ(0, coil_close(number));
                  EXPECT_EQ(0, coil_read(other.left, &byte, 1));
                  return 0;
              }));
    pipe.right.reset(-1);
    EXPECT_TRUE(holds(pipe.left, POLLHUP));
    EXPECT_EQ(0, read(pipe.left, &byte, 1));
}

TEST_F(Registered, IsSoOnEachCoreForItself)
{
    EXPECT_EQ(0, run(
                     [&] {
                         Fd file = make("file", "0123456789");
                         EXPECT_EQ(0, coil_file_register(file));
                         EXPECT_EQ(0, call(1, [&] {
                                       EXPECT_FALSE(has_place(file));
                                       EXPECT_EQ("0123456789", read_at(file, 0));
                                       EXPECT_EQ(0, coil_file_register(file));
                                       EXPECT_EQ("0123456789", read_at(file, 0));
                                       return 0;
                                   }));
                         coil_file_unregister(file);
                         EXPECT_EQ(0, call(1, [&] {
                                       EXPECT_TRUE(has_place(file));
                                       EXPECT_EQ("456789", read_at(file, 4));
                                       coil_file_unregister(file);
                                       return 0;
                                   }));
                         return 0;
                     },
                     cores(2)));
}

/* A registered file whose number comes back, closed behind the back of its core. */
int open_again(int (*closes)(int fd), int (*opens)())
{
    int file = coil_open("/", O_RDONLY | O_DIRECTORY, 0);
    EXPECT_EQ(0, coil_file_register(file));
    EXPECT_EQ(0, closes(file));
    return opens() == file ? 1 : 2;
}

int close_elsewhere(int fd)
{
    return call(1, [fd] { return coil_close(fd); });
}

const char kComesBack[] = "a registered file was closed, but not by coil_close\\(\\) on its core";

const Misuse kRegistered[] = {
    {"CloseItByTheSystemCallAndOpen", "ring/registered.h", kComesBack, "",
     [] {
         return run([] {
             return open_again(close, [] { return coil_open("/", O_RDONLY | O_DIRECTORY, 0); });
         });
     },
     1, kNotSimulated},
    {"CloseItByTheSystemCallAndMakeASocket", "ring/registered.h", kComesBack, "",
     [] {
         return run(
             [] { return open_again(close, [] { return coil_socket(AF_INET, SOCK_STREAM, 0); }); });
     },
     1, kNotSimulated},
    {"CloseItOnAnotherCoreAndOpen", "ring/registered.h", kComesBack, "",
     [] {
         return run(
             [] {
                 return open_again(close_elsewhere,
                                   [] { return coil_open("/", O_RDONLY | O_DIRECTORY, 0); });
             },
             cores(2));
     }},
    {"RegisterOutsideOfACoroutine", "coro/task.h", kOutside, "",
     [] { return coil_file_register(0); }},
    {"UnregisterOutsideOfACoroutine", "coro/task.h", kOutside, "",
     [] { return coil_file_unregister(0), 0; }},
};

INSTANTIATE_TEST_SUITE_P(Registered, MisuseDeathTest, testing::ValuesIn(kRegistered),
                         name_of_misuse);

} // namespace
