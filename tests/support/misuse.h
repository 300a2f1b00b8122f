/* SPDX-License-Identifier: MIT */
/*
 * What a wrong program reads before it is stopped: the whole line, and nothing else.
 *
 *     const Misuse kScopes[] = {{"OpenTwice", "future/scope.c", "coil_scope_open: ...", kFirst,
 *                                [] { ... }}, ...};
 *     INSTANTIATE_TEST_SUITE_P(Scope, MisuseDeathTest, testing::ValuesIn(kScopes), name_of_misuse);
 */
#ifndef COIL_TESTS_SUPPORT_MISUSE_H
#define COIL_TESTS_SUPPORT_MISUSE_H

#include "support/running.h"

#include <string>

namespace coil_test {

struct Misuse {
    const char *name;
    const char *place;    /* the file in runtime/ that finds it */
    std::string sentence; /* all of them are regular expressions */
    const char *who;      /* its coroutine; "": it is called outside of any */
    int (*body)();
    unsigned core_count = 1;
    const char *not_simulated = nullptr; /* why a simulated world can't have it */
    const char *not_sanitized = nullptr; /* why it is not told under a sanitizer */
};

/* Who it is. */
constexpr const char *kFirst = "fn of coil_run\\(\\)";
constexpr const char *kChild = "call_body \\(.*tests/support/running.h:[0-9]+\\)";

/* What many say. */
constexpr const char *kOutside =
    "called outside a coroutine: only fn of coil_run\\(\\) and what it spawns may";
constexpr const char *kLockHeld = "a coroutine returned with a lock held";

/* What is said where one of several cores uses what belongs to another. */
constexpr const char *kWaiters = "future/waiters.h";
constexpr const char *kOtherCore =
    "a lock, signal or channel of one core is used on another one as well";

/* What is told of an operation that was left in flight, and where. Debug builds know more: the line
 * of the user that started it. */
constexpr const char *kOrigin = "coro/origin_(none|debug).h";
std::string in_flight(const std::string &kind);

struct MisuseDeathTest : testing::TestWithParam<Misuse> {
    MisuseDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

void PrintTo(const Misuse &misuse, std::ostream *out);
std::string name_of_misuse(const testing::TestParamInfo<Misuse> &info);

} // namespace coil_test

#endif
