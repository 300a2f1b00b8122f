/* SPDX-License-Identifier: MIT */
/* Which sanitizer this program is built with, for limits that depend on it. */
#ifndef COIL_TESTS_SUPPORT_SANITIZER_H
#define COIL_TESTS_SUPPORT_SANITIZER_H

namespace coil_test {

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif

constexpr bool kSanitized = kAddressSanitizer || kThreadSanitizer;

/* For what must not even be compiled then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COIL_TEST_SANITIZED
#endif

} // namespace coil_test

#endif
