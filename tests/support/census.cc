/* SPDX-License-Identifier: MIT */
/* Reads the census from /proc. */
#include "support/census.h"
#include "support/sanitizer.h"

#include <algorithm>
#include <dirent.h>
#include <fstream>
#include <sstream>
#include <thread>
#include <unistd.h>

namespace coil_test {
namespace {

/* Memory that may stay: glibc keeps freed memory and the stacks of ended threads, and gtest
 * remembers results. AddressSanitizer keeps freed memory on purpose, and ThreadSanitizer what it
 * mapped for every coroutine. */
constexpr long kResidentGrowthKib = kSanitized ? 1024 * 1024 : 32 * 1024;
constexpr long kMappingGrowth = kThreadSanitizer ? 64 * 1024 : kAddressSanitizer ? 1024 : 64;

std::string first_line(const std::string &path)
{
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

/* The names in a folder of /proc that are numbers, without the descriptor that reads the folder. */
std::vector<int> numbers_in(const char *path)
{
    std::vector<int> numbers;
    DIR *folder = opendir(path);
    if (folder == nullptr)
        return numbers;
    while (const dirent *entry = readdir(folder)) {
        int number = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && number != dirfd(folder))
            numbers.push_back(number);
    }
    closedir(folder);
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

std::vector<std::string> list_descriptors()
{
    std::vector<std::string> names;
    for (int fd : numbers_in("/proc/self/fd")) {
        char target[256];
        std::string link = "/proc/self/fd/" + std::to_string(fd);
        ssize_t len = readlink(link.c_str(), target, sizeof(target));
        if (len >= 0)
            names.push_back(std::to_string(fd) + " -> " + std::string(target, size_t(len)));
    }
    return names;
}

std::vector<std::string> list_threads()
{
    std::vector<std::string> names;
    for (int tid : numbers_in("/proc/self/task"))
        names.push_back(first_line("/proc/self/task/" + std::to_string(tid) + "/comm"));
    std::sort(names.begin(), names.end());
    return names;
}

/* Children of every thread; a zombie that nobody waited for is one too. */
std::vector<std::string> list_children()
{
    std::vector<std::string> names;
    for (int tid : numbers_in("/proc/self/task")) {
        std::ifstream file("/proc/self/task/" + std::to_string(tid) + "/children");
        int pid;
        while (file >> pid) {
            std::string comm = first_line("/proc/" + std::to_string(pid) + "/comm");
            names.push_back(std::to_string(pid) + " " + comm);
        }
    }
    return names;
}

long resident_kib()
{
    std::ifstream file("/proc/self/status");
    std::string line;
    while (std::getline(file, line)) {
        if (line.rfind("RssAnon:", 0) == 0)
            return std::stol(line.substr(8));
    }
    return 0;
}

long count_mappings()
{
    std::ifstream file("/proc/self/maps");
    return std::count(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>(), '\n');
}

/* What `of` has and `without` has not. */
std::vector<std::string> rest(const std::vector<std::string> &of,
                              const std::vector<std::string> &without)
{
    std::vector<std::string> names;
    std::set_difference(of.begin(), of.end(), without.begin(), without.end(),
                        std::back_inserter(names));
    return names;
}

void describe_gain(std::ostream &out, const char *kind, const std::vector<std::string> &before,
                   const std::vector<std::string> &after)
{
    for (const std::string &name : rest(after, before))
        out << "\n  one more " << kind << ": " << name;
}

void describe_loss(std::ostream &out, const char *kind, const std::vector<std::string> &before,
                   const std::vector<std::string> &after)
{
    for (const std::string &name : rest(before, after))
        out << "\n  one " << kind << " less: " << name;
}

void describe_growth(std::ostream &out, const char *what, long before, long after, long limit)
{
    if (after - before > limit)
        out << "\n  " << what << " grew from " << before << " to " << after << ", by more than "
            << limit;
}

void wait_for_threads_and_children(const Census &before, std::chrono::milliseconds grace)
{
    auto deadline = std::chrono::steady_clock::now() + grace;
    while (!rest(list_threads(), before.threads).empty() || list_children() != before.children) {
        if (std::chrono::steady_clock::now() >= deadline)
            return;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

} // namespace

Census take_census()
{
    Census census;
    census.descriptors = list_descriptors();
    census.threads = list_threads();
    census.children = list_children();
    census.resident_kib = resident_kib();
    census.mapping_count = count_mappings();
    std::sort(census.descriptors.begin(), census.descriptors.end());
    std::sort(census.children.begin(), census.children.end());
    return census;
}

std::string compare_census(const Census &before, std::chrono::milliseconds grace)
{
    wait_for_threads_and_children(before, grace);
    Census after = take_census();

    std::ostringstream out;
    describe_gain(out, "descriptor", before.descriptors, after.descriptors);
    describe_loss(out, "descriptor", before.descriptors, after.descriptors);
    describe_gain(out, "thread", before.threads, after.threads);
    describe_gain(out, "child process", before.children, after.children);
    describe_loss(out, "child process", before.children, after.children);
    describe_growth(out, "resident memory in KiB", before.resident_kib, after.resident_kib,
                    kResidentGrowthKib);
    describe_growth(out, "the number of mappings", before.mapping_count, after.mapping_count,
                    kMappingGrowth);
    return out.str();
}

} // namespace coil_test
