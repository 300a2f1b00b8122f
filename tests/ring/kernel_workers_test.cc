/* SPDX-License-Identifier: MIT */
/* The kernel's worker threads: how many, and where. */
#include "ring/kernel_ring.h"
#include "support/io_workers.h"

#include <cerrno>
#include <chrono>
#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace coil_test;

/* Watches the workers until they are as expected, and a little longer in case they change; or for
 * half a minute. Returns them. */
Places watch_workers(const Places &expected)
{
    constexpr int kLonger = 10;
    Places seen;
    int as_expected = 0;
    for (int i = 0; i < 3000 && as_expected < kLonger; i++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        seen = io_workers();
        as_expected += seen == expected;
    }
    return seen;
}

/* Starts opens that block, and returns where their workers run, which should be as expected. All
 * of it in a thread that pins itself to `cpu`, as a core does: workers end with their thread. */
Places workers_of_blocked_opens(int cpu, const cpu_set_t *worker_cpus, unsigned opens,
                                const Places &expected, unsigned most)
{
    Fifo fifo;
    Places seen;
    std::thread([&] {
        cpu_set_t own;
        CPU_ZERO(&own);
        CPU_SET(size_t(cpu), &own);
        EXPECT_EQ(sched_setaffinity(0, sizeof(own), &own), 0);
        KernelRing ring(
            coil__ring_options{64, worker_cpus, sizeof(*worker_cpus), "", nullptr, most});
        ASSERT_EQ(ring.error, 0);
        for (unsigned i = 0; i < opens; i++) {
            io_uring_sqe *sqe = ring.sqe();
            io_uring_prep_openat(sqe, AT_FDCWD, fifo.path.c_str(), O_RDONLY | O_CLOEXEC, 0);
            sqe->flags |= IOSQE_ASYNC;
            ring.push(sqe, 0);
        }
        EXPECT_EQ(ring.enter(), 0);
        seen = watch_workers(expected);

        int writer = open(fifo.path.c_str(), O_RDWR | O_CLOEXEC);
        ring.take_until(opens);
        for (const Completion &completion : ring.taken) {
            EXPECT_GE(completion.res, 0);
            close(completion.res);
        }
        close(writer);
    }).join();
    return seen;
}

struct KernelWorkers : testing::Test {
    cpu_set_t all;
    int first; /* of them */

    KernelWorkers()
    {
        EXPECT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
        first = first_of(all);
    }

    void expect_workers(const cpu_set_t &wanted, unsigned opens, size_t count,
                        const cpu_set_t &given, unsigned most = 0)
    {
        Places expected(count, list_of(given));
        EXPECT_EQ(workers_of_blocked_opens(first, &wanted, opens, expected, most), expected);
    }
};

TEST_F(KernelWorkers, AreNoMoreThanTheCapAndAwayFromTheCpuOfTheCore)
{
    if (CPU_COUNT(&all) < 2)
        GTEST_SKIP() << "needs two CPUs";
    cpu_set_t others = all;
    CPU_CLR(size_t(first), &others);
    expect_workers(all, 40, COIL__WORKERS, others);
}

TEST_F(KernelWorkers, AreNoMoreThanWasSaid)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(size_t(first), &one);
    expect_workers(one, 10, 3, one, 3);
}

TEST_F(KernelWorkers, RunOnTheCpusTheyAreGiven)
{
    if (CPU_COUNT(&all) < 2)
        GTEST_SKIP() << "needs two CPUs";
    cpu_set_t others = all;
    CPU_CLR(size_t(first), &others);
    expect_workers(others, 4, 4, others);
}

TEST_F(KernelWorkers, ShareTheCpuOfTheCoreWhenThereIsNoOther)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(size_t(first), &one);
    expect_workers(one, 4, 4, one);
}

TEST_F(KernelWorkers, HaveACapForWhatIsNotAFileAsWell)
{
    std::thread([] {
        KernelRing ring;
        unsigned caps[2] = {0, 0}; /* asks */
        EXPECT_EQ(io_uring_register_iowq_max_workers(&ring.ring.uring, caps), 0);
        EXPECT_EQ(caps[0], unsigned(COIL__WORKERS));
        EXPECT_EQ(caps[1], unsigned(2 * COIL__WORKERS));
    }).join();
}

} // namespace
