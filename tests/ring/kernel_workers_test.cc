/* SPDX-License-Identifier: MIT */
/* The kernel's worker threads: how many, and where. */
#include "ring/kernel_ring.h"

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

using coil_test::KernelRing;

std::string line_of(const std::string &path, const std::string &prefix)
{
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
        if (line.rfind(prefix, 0) == 0)
            return line.substr(prefix.size());
    return "";
}

/* Where each worker thread of this process may run, as the kernel writes it: "\t0-1". */
std::vector<std::string> workers()
{
    std::vector<std::string> places;
    DIR *tasks = opendir("/proc/self/task");
    while (const dirent *task = readdir(tasks)) {
        std::string status = std::string("/proc/self/task/") + task->d_name + "/status";
        if (line_of(status, "Name:\tiou-wrk") != "")
            places.push_back(line_of(status, "Cpus_allowed_list:"));
    }
    closedir(tasks);
    return places;
}

/* A FIFO that nobody writes to: whoever opens it waits, in a worker of its own. */
struct Fifo {
    char folder[32] = "/tmp/coil-fifo-XXXXXX";
    std::string path;

    Fifo()
    {
        EXPECT_NE(mkdtemp(folder), nullptr);
        path = std::string(folder) + "/fifo";
        EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
    }

    ~Fifo()
    {
        unlink(path.c_str());
        rmdir(folder);
    }
};

/* Starts opens that block, waits until no more workers come, and returns where they may run. All
 * of it in a thread that pins itself to `cpu`, as a core does: workers end with their thread. */
std::vector<std::string> workers_of_blocked_opens(int cpu, const cpu_set_t *worker_cpus,
                                                  unsigned opens)
{
    Fifo fifo;
    std::vector<std::string> most;
    std::thread([&] {
        cpu_set_t own;
        CPU_ZERO(&own);
        CPU_SET(size_t(cpu), &own);
        EXPECT_EQ(sched_setaffinity(0, sizeof(own), &own), 0);
        KernelRing ring(coil__ring_options{64, worker_cpus, sizeof(*worker_cpus)});
        ASSERT_EQ(ring.error, 0);
        for (unsigned i = 0; i < opens; i++) {
            io_uring_sqe *sqe = ring.sqe();
            io_uring_prep_openat(sqe, AT_FDCWD, fifo.path.c_str(), O_RDONLY | O_CLOEXEC, 0);
            sqe->flags |= IOSQE_ASYNC;
        }
        EXPECT_EQ(ring.enter(), 0);

        /* Workers start one after the other: over a quarter of a second without one is the end. */
        for (int quiet = 0; quiet < 25; quiet++) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            std::vector<std::string> seen = workers();
            if (seen.size() > most.size()) {
                most = seen;
                quiet = 0;
            }
        }
        int writer = open(fifo.path.c_str(), O_RDWR | O_CLOEXEC);
        ring.take_until(opens);
        for (const coil_test::Completion &completion : ring.taken) {
            EXPECT_GE(completion.res, 0);
            close(completion.res);
        }
        close(writer);
    }).join();
    return most;
}

/* As the kernel writes it. */
std::string list_of(const cpu_set_t &cpus)
{
    cpu_set_t before;
    std::string list;
    sched_getaffinity(0, sizeof(before), &before);
    EXPECT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
    list = line_of("/proc/thread-self/status", "Cpus_allowed_list:");
    sched_setaffinity(0, sizeof(before), &before);
    return list;
}

int first_of(const cpu_set_t &cpus)
{
    int cpu = 0;
    while (!CPU_ISSET(size_t(cpu), &cpus))
        cpu++;
    return cpu;
}

TEST(KernelWorkers, AreNoMoreThanTheCapHoweverMuchBlocks)
{
    cpu_set_t all;
    ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
    auto most = workers_of_blocked_opens(first_of(all), &all, 40);
    EXPECT_EQ(most.size(), size_t(COIL__WORKERS_BOUNDED));
}

TEST(KernelWorkers, KeepAwayFromTheCpuThatTheCoreIsPinnedTo)
{
    cpu_set_t all;
    ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
    if (CPU_COUNT(&all) < 2)
        GTEST_SKIP() << "needs two CPUs";
    cpu_set_t others = all;
    CPU_CLR(size_t(first_of(all)), &others);
    for (const cpu_set_t &wanted : {all, others}) {
        auto places = workers_of_blocked_opens(first_of(all), &wanted, 4);
        EXPECT_EQ(places, std::vector<std::string>(4, list_of(others)));
    }
}

TEST(KernelWorkers, ShareTheCpuOfTheCoreWhenThereIsNoOther)
{
    cpu_set_t all, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
    CPU_ZERO(&one);
    CPU_SET(size_t(first_of(all)), &one);
    auto places = workers_of_blocked_opens(first_of(all), &one, 4);
    EXPECT_EQ(places, std::vector<std::string>(4, list_of(one)));
}

TEST(KernelWorkers, HaveACapForWhatIsNotAFileAsWell)
{
    std::thread([] {
        KernelRing ring;
        unsigned caps[2] = {0, 0}; /* asks */
        EXPECT_EQ(io_uring_register_iowq_max_workers(&ring.ring.uring, caps), 0);
        EXPECT_EQ(caps[0], unsigned(COIL__WORKERS_BOUNDED));
        EXPECT_EQ(caps[1], unsigned(COIL__WORKERS_UNBOUNDED));
    }).join();
}

} // namespace
