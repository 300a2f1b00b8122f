/* SPDX-License-Identifier: MIT */
/* Which sanitizer this program is built with, for limits that depend on it, and what it knows. */
#ifndef COIL_TESTS_SUPPORT_SANITIZER_H
#define COIL_TESTS_SUPPORT_SANITIZER_H

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#endif

namespace coil_test {

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
constexpr bool kAddressSanitizer = true;
/* Not 0 when there is memory that nobody points to. */
inline int find_leaks()
{
    return __lsan_do_recoverable_leak_check();
}
#else
constexpr bool kAddressSanitizer = false;
inline int find_leaks()
{
    return 0;
}
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
constexpr bool kThreadSanitizer = true;
/* What ThreadSanitizer takes for the stack that runs. */
inline void *current_fiber()
{
    return __tsan_get_current_fiber();
}
#else
constexpr bool kThreadSanitizer = false;
inline void *current_fiber()
{
    return nullptr;
}
#endif

constexpr bool kSanitized = kAddressSanitizer || kThreadSanitizer;

/* For what must not even be compiled then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COIL_TEST_SANITIZED
#endif

} // namespace coil_test

#endif
