/* SPDX-License-Identifier: MIT */
/* Counting, and deciding who fails. */
#include "sweep/fault.h"

#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>

namespace coil_test {
namespace {

std::atomic<bool> armed;
std::mutex lock; /* of what follows */
Fault fault;
Tally tally;
std::map<std::string, unsigned> failures; /* by name */

} // namespace

void arm(const Fault &next)
{
    std::lock_guard<std::mutex> guard(lock);
    fault = next;
    tally = {};
    failures.clear();
    armed = true;
}

Tally disarm()
{
    std::lock_guard<std::mutex> guard(lock);
    armed = false;
    return tally;
}

bool is_armed()
{
    return armed;
}

int fails(Kind kind, const Row &row)
{
    if (!armed || row.errors.empty())
        return 0;
    std::lock_guard<std::mutex> guard(lock);
    if (!armed || kind != fault.kind)
        return 0;
    tally.requests++;
    tally.of.insert(row.name);
    bool due =
        fault.at != 0 && (tally.requests == fault.at || (fault.ever && tally.requests > fault.at));
    if (!due || (row.most != 0 && failures[row.name] >= row.most))
        return 0;
    failures[row.name]++;
    if (tally.failed++ == 0) {
        tally.first = row.name;
        tally.choices = unsigned(row.errors.size());
    }
    size_t choices = fault.ever && row.lasting != 0 ? row.lasting : row.errors.size();
    int error = row.errors[fault.choice % choices];
    tally.errors.insert(error);
    return error;
}

bool fails_by_errno(Kind kind, const Row &row)
{
    int error = fails(kind, row);
    if (error != 0)
        errno = error;
    return error != 0;
}

Ledger &ledger()
{
    static Ledger all;
    return all;
}

std::string compare_ledgers(const Ledger &before, const Ledger &after)
{
    std::string text;
    auto compare = [&text](const char *what, long was, long is) {
        if (was != is)
            text += std::string(what) + " " + std::to_string(is - was) + " more than before; ";
    };
    compare("blocks of memory:", before.blocks, after.blocks);
    compare("mapped bytes:", before.bytes, after.bytes);
    compare("rings:", before.rings, after.rings);
    compare("threads:", before.threads, after.threads);
    return text;
}

} // namespace coil_test
