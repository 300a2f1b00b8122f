/* SPDX-License-Identifier: MIT */
/* Assertions. They stay on in release: better to stop than to run wrong. */
#ifndef COIL_BASE_ASSERT_H
#define COIL_BASE_ASSERT_H

/* Says on stderr what failed, where and in which coroutine, and aborts. */
void coil__panic(const char *file, int line, const char *what) __attribute__((noreturn, cold));

/* Names the running coroutine for coil__panic(); NULL outside of one. Set by coro/, for its thread.
 */
extern __thread const char *(*coil__panic_who)(void);

/* What else is to be said of this process; NULL: nothing. */
extern const char *coil__panic_note;

/* An invariant of coil's own. */
#define coil__assert(condition)                          \
    do {                                                 \
        if (__builtin_expect(!(condition), 0))           \
            coil__panic(__FILE__, __LINE__, #condition); \
    } while (0)

/* A rule for the caller, with the sentence that says which. */
#define coil__require(condition, sentence)               \
    do {                                                 \
        if (__builtin_expect(!(condition), 0))           \
            coil__panic(__FILE__, __LINE__, (sentence)); \
    } while (0)

#endif
