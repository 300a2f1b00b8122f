/* SPDX-License-Identifier: MIT */
/* What options say of the kernel's worker threads, seen from outside. */
#include "support/io_workers.h"
#include "support/running.h"
#include "support/sandbox.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <liburing.h>
#include <mqueue.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

using namespace coil_test;

namespace {

int last_of(const cpu_set_t &cpus)
{
    int cpu = CPU_SETSIZE - 1;
    while (!CPU_ISSET(size_t(cpu), &cpus))
        cpu--;
    return cpu;
}

TEST(IoWorkers, RunWhereAndAreAsManyAsTheOptionsSay)
{
    cpu_set_t all, last;
    ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
    CPU_ZERO(&last);
    CPU_SET(size_t(last_of(all)), &last);
    const std::string core_cpu = std::to_string(first_of(all)), cpus = std::to_string(last_of(all));
    coil_options options = on_kernel();
    options.cpus = core_cpu.c_str();
    options.io_worker_cpus = cpus.c_str();
    options.io_workers = 2;
    const Places expected(2, list_of(last));
    Places seen;
    Fifo fifo;
    EXPECT_EQ(0, run(
                     [&] {
                         constexpr int kOpens = 6;
                         coil_future opens[kOpens] = {};
                         /* To make a file needs a worker; with a FIFO it then waits. */
                         for (coil_future &open : opens)
                             coil_open_start(&open, fifo.path.c_str(), O_RDONLY | O_CREAT, 0600);
                         turn_until([&] { return (seen = io_workers()) == expected; });
                         EXPECT_EQ(0, coil_sleep(50 * COIL_MSEC)); /* for more that would come */
                         seen = io_workers();
                         int writer = coil_open(fifo.path.c_str(), O_RDWR, 0);
                         for (coil_future &open : opens) {
                             int fd = int(coil_await(&open));
                             EXPECT_GE(fd, 0);
                             coil_close(fd);
                         }
                         return coil_close(writer);
                     },
                     options));
    EXPECT_EQ(expected, seen);
}

/* Which it says of a CPU that the cpuset forbids; to have one there would take a control group. */
TEST(IoWorkers, RunWhereTheCoreDoesIfTheKernelWontHaveThemWhereTheyShould)
{
    static std::string said;
    said.clear();
    ChildOutcome outcome = run_in_child([] {
        if (!deny_system_call(SYS_io_uring_register, EINVAL, IORING_REGISTER_IOWQ_AFF,
                              IORING_REGISTER_IOWQ_AFF))
            return 99;
        coil_options options = on_kernel();
        options.log = [](const char *line) { said += line; };
        int result = run([] { return coil_nop(); }, options);
        return result < 0 || said.find("cpuset") != std::string::npos ? result : 1;
    });
    if (outcome.result == 99)
        GTEST_SKIP() << "seccomp filters are forbidden here";
    EXPECT_EQ(0, outcome.result);
}

/* An operation that nobody has cancelled says so: a scope would take that for no failure. */
TEST(IoWorkers, ThatCantBeHadAreARefusalAndNoCancellation)
{
    if (!is_root())
        GTEST_SKIP() << "only root can become a user that has no other thread";
    static std::string said;
    said.clear();
    ChildOutcome outcome = run_in_child([] {
        become_nobody(1 << 20);
        coil_options options = on_kernel();
        options.log = [](const char *line) { said += line; };
        EXPECT_EQ(0, run(
                         [] {
                             struct statx stat;
                             mqd_t queue = mq_open("/coil-test", O_CREAT | O_RDWR, 0600, nullptr);
                             EXPECT_LE(0, queue);
                             EXPECT_EQ(0, mq_unlink("/coil-test"));
                             const rlimit none = {1, 1};
                             EXPECT_EQ(0, setrlimit(RLIMIT_NPROC, &none));
                             EXPECT_EQ(-EAGAIN, coil_statx(AT_FDCWD, "/", 0, STATX_MODE, &stat));
                             EXPECT_EQ(-EAGAIN, coil_statx(AT_FDCWD, "/", 0, STATX_MODE, &stat));
                             EXPECT_EQ(-EAGAIN, coil_shutdown(queue, SHUT_RDWR));
                             EXPECT_EQ(0, coil_close(queue));
                             EXPECT_EQ(-1, fcntl(queue, F_GETFD)) << "it is still open";
                             return 0;
                         },
                         options));
        size_t first = said.find("ulimit -u");
        bool once = first != std::string::npos && said.find("ulimit -u", first + 1) == said.npos;
        return testing::Test::HasFailure() || !once;
    });
    EXPECT_EQ(0, outcome.result) << outcome.log;
}

} // namespace
