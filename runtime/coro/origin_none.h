/* SPDX-License-Identifier: MIT */
/* The origins of coro/origin.h where nobody keeps them. */
#ifndef COIL_CORO_ORIGIN_NONE_H
#define COIL_CORO_ORIGIN_NONE_H

#include "base/assert.h"

struct coil__origins {
    char unused; /* an empty struct has another size in C++ */
};

static inline void coil__origins_note(struct coil__origins *origins, const void *future,
                                      const char *what, const void *caller)
{
    (void)origins;
    (void)future;
    (void)what;
    (void)caller;
}

static inline void coil__origins_forget(struct coil__origins *origins, const void *future)
{
    (void)origins;
    (void)future;
}

static inline void coil__origins_attribute(struct coil__origins *origins, const void *future,
                                           const void *caller)
{
    (void)origins;
    (void)future;
    (void)caller;
}

static inline __attribute__((noreturn)) void
coil__origins_blame(const struct coil__origins *origins)
{
    (void)origins;
    coil__panic(__FILE__, __LINE__, "a coroutine returned with an operation in flight");
}

#endif
