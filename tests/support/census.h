/* SPDX-License-Identifier: MIT */
/* What a test must leave as it found it: descriptors, threads, children, memory. */
#ifndef COIL_TESTS_SUPPORT_CENSUS_H
#define COIL_TESTS_SUPPORT_CENSUS_H

#include <chrono>
#include <string>
#include <vector>

namespace coil_test {

struct Census {
    std::vector<std::string> descriptors; /* "3 -> socket:[123]", in order */
    std::vector<std::string> threads;     /* names, the kernel's I/O workers among them */
    std::vector<std::string> children;
    long resident_kib; /* memory of its own, without mapped files */
    long mapping_count;
};

/* Counts what this process has now. */
Census take_census();

/* Says how this process differs from `before`; "" when it does not. Threads and children get
 * `grace` to go: the kernel lists them for a moment after they were joined, and its I/O workers for
 * longer after their ring was closed. A thread less is no difference, as `before` may have met one
 * that was going. */
std::string compare_census(const Census &before,
                           std::chrono::milliseconds grace = std::chrono::seconds(10));

} // namespace coil_test

#endif
