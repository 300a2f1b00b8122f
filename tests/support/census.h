/* SPDX-License-Identifier: MIT */
/* What a test must leave as it found it: descriptors, threads, children, memory. */
#ifndef COIL_TESTS_SUPPORT_CENSUS_H
#define COIL_TESTS_SUPPORT_CENSUS_H

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

/* Says how this process differs from `before`; "" when it does not. Waits up to ten seconds for
 * threads and children to go: the kernel lists them for a moment after they were joined. */
std::string compare_census(const Census &before);

} // namespace coil_test

#endif
