/* SPDX-License-Identifier: MIT */
/* What a sanitizer can be asked; where there is none, what stands in, which nobody calls. */
#ifndef COIL_TESTS_SUPPORT_SANITIZER_CALLS_H
#define COIL_TESTS_SUPPORT_SANITIZER_CALLS_H

#include "support/sanitizer.h"

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#else
static inline int __lsan_do_recoverable_leak_check()
{
    return 0;
}
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#else
static inline void *__tsan_get_current_fiber()
{
    return nullptr;
}
#endif

#endif
