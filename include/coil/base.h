/* SPDX-License-Identifier: MIT */
/* Vocabulary shared by every public header. Not a place for features. */
#ifndef COIL_BASE_H
#define COIL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Around declarations, so that C++ sees C functions. */
#ifdef __cplusplus
#define COIL_BEGIN_DECLS extern "C" {
#define COIL_END_DECLS }
#define COIL_ZERO \
    {}
#else
#define COIL_BEGIN_DECLS
#define COIL_END_DECLS
#define COIL_ZERO \
    {             \
        0         \
    }
#endif

/* The result carries an error: ignoring it is a warning. */
#define COIL_MUST_CHECK __attribute__((warn_unused_result))

/*
 * May suspend the calling coroutine: others of this core run meanwhile. Returns
 * -ECANCELED once an enclosing scope is cancelled, hence must be checked. Must be
 * called from a coroutine; anywhere else it aborts. A function with neither this
 * mark nor the next one never suspends, but for those that run a generator's body:
 * they do what it does (coil/gen.h).
 */
#define COIL_SUSPENDS COIL_MUST_CHECK

/* May suspend, but ignores cancellation: for cleanup that has to happen. */
#define COIL_UNCANCELLABLE

/* A coroutine's body. Returns 0 or more for success, -errno for failure. No C++ exception may leave
 * it, nor any other function that coil is given to call. */
typedef int coil_fn(void *arg);

/*
 * A coroutine. Owned by the runtime, lives on its own stack.
 *
 * It shares the state of its core's thread with the others there: errno, __thread variables, the
 * signal mask, and what uselocale() sets. Every call that suspends may change these, and a call of
 * coil may change errno though it succeeds. For values of its own there is coil/local.h.
 *
 * Each has its own C++ exceptions in flight and, on x86-64, its own floating-point control words
 * (rounding mode, traps), which begin as those of its core's thread were when the run began; on
 * aarch64 those are the thread's. A C program that loads C++ code by dlopen() is itself to be
 * linked with "-Wl,--no-as-needed -lstdc++", else its coroutines mix up their exceptions.
 */
struct coil_task;

/* private: membership in one intrusive list */
struct coil_link {
    struct coil_link *next, *prev;
};

/* private: what a context receives when it is switched to */
struct coil__transfer {
    void *context; /* who left */
    void *data;    /* what they handed over */
};

/* private: what coil_spawn() and its kin write down about the place they were called from */
#define COIL__TEXT(x) COIL__TEXT_(x)
#define COIL__TEXT_(x) #x
#define COIL__SITE(what) what " (" __FILE__ ":" COIL__TEXT(__LINE__) ")"

#endif
