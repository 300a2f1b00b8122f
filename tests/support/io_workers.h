/* SPDX-License-Identifier: MIT */
/* Looking at the threads that the kernel has for what would block a core, and giving them work. */
#ifndef COIL_TESTS_SUPPORT_IO_WORKERS_H
#define COIL_TESTS_SUPPORT_IO_WORKERS_H

#include <cstdlib>
#include <dirent.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sched.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace coil_test {

inline std::string line_of(const std::string &path, const std::string &prefix)
{
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
        if (line.rfind(prefix, 0) == 0)
            return line.substr(prefix.size());
    return "";
}

using Places = std::vector<std::string>;

/* Where each worker thread of this process may run, as the kernel writes it: "\t0-1". */
inline Places io_workers()
{
    Places places;
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

/* As the kernel writes it. */
inline std::string list_of(const cpu_set_t &cpus)
{
    cpu_set_t before;
    std::string list;
    sched_getaffinity(0, sizeof(before), &before);
    EXPECT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
    list = line_of("/proc/thread-self/status", "Cpus_allowed_list:");
    sched_setaffinity(0, sizeof(before), &before);
    return list;
}

inline int first_of(const cpu_set_t &cpus)
{
    int cpu = 0;
    while (!CPU_ISSET(size_t(cpu), &cpus))
        cpu++;
    return cpu;
}

} // namespace coil_test

#endif
