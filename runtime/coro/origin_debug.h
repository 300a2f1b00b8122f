/* SPDX-License-Identifier: MIT */
/* The origins of coro/origin.h in debug builds. */
#ifndef COIL_CORO_ORIGIN_DEBUG_H
#define COIL_CORO_ORIGIN_DEBUG_H

#include "base/assert.h"
#include "base/symbol.h"

#include <stddef.h>
#include <stdio.h>

enum { COIL__ORIGINS = 8 }; /* what a coroutine has in flight beyond that stays unknown */

struct coil__origin {
    const void *future; /* NULL: a free place */
    const char *what;
    const void *caller; /* where the function that started it returns to */
};

struct coil__origins {
    struct coil__origin entries[COIL__ORIGINS];
};

static inline struct coil__origin *coil__origins_find(struct coil__origins *origins,
                                                      const void *future)
{
    for (size_t i = 0; i < COIL__ORIGINS; i++) {
        if (origins->entries[i].future == future)
            return &origins->entries[i];
    }
    return NULL;
}

static __attribute__((noreturn, unused, noinline, cold)) void
coil__origin_stop(const struct coil__origin *origin, const char *sentence)
{
    char text[480];
    char line[256] = "";
    coil__symbol_line(origin->caller, line, sizeof(line));
    snprintf(text, sizeof(text), "%s: %s, started at %s", sentence, origin->what, line);
    coil__panic(__FILE__, __LINE__, text);
}

static inline void coil__origins_note(struct coil__origins *origins, const void *future,
                                      const char *what, const void *caller)
{
    const struct coil__origin *before = coil__origins_find(origins, future);
    if (__builtin_expect(before != NULL, 0))
        coil__origin_stop(before, "an operation begins with a future that is in flight");
    struct coil__origin *origin = coil__origins_find(origins, NULL);
    if (origin == NULL)
        return;
    origin->future = future;
    origin->what = what;
    origin->caller = caller;
}

static inline void coil__origins_forget(struct coil__origins *origins, const void *future)
{
    struct coil__origin *origin = coil__origins_find(origins, future);
    if (origin != NULL)
        origin->future = NULL;
}

static inline void coil__origins_attribute(struct coil__origins *origins, const void *future,
                                           const void *caller)
{
    struct coil__origin *origin = coil__origins_find(origins, future);
    if (origin != NULL)
        origin->caller = caller;
}

static inline __attribute__((noreturn)) void
coil__origins_blame(const struct coil__origins *origins)
{
    const struct coil__origin *origin = origins->entries;
    while (origin < origins->entries + COIL__ORIGINS - 1 && origin->future == NULL)
        origin++;
    coil__origin_stop(origin, "a coroutine returned with an operation in flight");
}

#endif
