/* SPDX-License-Identifier: MIT */
/* A child process, or a thread, with fewer rights than the test. */
#ifndef COIL_TESTS_SUPPORT_SANDBOX_H
#define COIL_TESTS_SUPPORT_SANDBOX_H

#include "support/callable.h"

#include <cstdint>
#include <string>

namespace coil_test {

/* What came of a child: what it said to coil's log, and what its function returned. */
struct ChildOutcome {
    int result;
    std::string log;
};

/* Runs the function in a child process and waits for it. A child that dies fails the test. */
ChildOutcome run_in_child(const Callable<int> &function);

/* All that comes until the other end is closed. */
std::string read_to_end(int fd);

/* Makes the calling thread, and what it starts, get `error` from the system call `number`, if the
 * second argument is within those bounds. There is no way back. Returns whether that was possible.
 */
bool deny_system_call(long number, int error, uint32_t arg1_min = 0,
                      uint32_t arg1_max = UINT32_MAX);

/* Becomes an unprivileged user that nobody else is, with that RLIMIT_MEMLOCK in bytes: the
 * account of locked memory is the user's. Only for a child of root. */
void become_nobody(uint64_t memlock);

bool is_root();

} // namespace coil_test

#endif
