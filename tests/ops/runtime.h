/* SPDX-License-Identifier: MIT */
/* Coroutines as lambdas, inside coil_run(). */
#ifndef COIL_TESTS_OPS_RUNTIME_H
#define COIL_TESTS_OPS_RUNTIME_H

#include "support/sanitizer.h"

#include <coil/runtime.h>
#include <coil/scope.h>
#include <coil/time.h>

#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>

namespace coil_test {

using Body = std::function<int()>;

inline int call_body(void *body)
{
    return (*static_cast<const Body *>(body))();
}

/* One core, and stacks on which an assertion of gtest can print. */
inline coil_options one_core()
{
    coil_options options = {};
    options.core_count = 1;
    options.stack_size = 1 << 20;
    return options;
}

/* Runs the body as fn of coil_run(). */
inline int run(const Body &body, const coil_options &options = one_core())
{
    return coil_run(&options, call_body, const_cast<Body *>(&body));
}

/* Spawns the body, which must live until the scope is closed. */
inline void spawn(coil_scope *scope, const Body &body)
{
    ASSERT_EQ(0, coil_spawn(scope, call_body, const_cast<Body *>(&body)));
}

/* Lets the loop turn until `done`, for ten seconds (a minute under a sanitizer) at most. */
inline bool turn_until(const std::function<bool()> &done)
{
    coil_time give_up = coil_after((kSanitized ? 60 : 10) * COIL_SEC);
    while (!done()) {
        if (coil_now() >= give_up || coil_yield() < 0)
            return false;
    }
    return true;
}

/* Lets the loop turn until that instant, and is then there on time. */
inline void turn_until_instant(coil_time instant)
{
    while (coil_now() < instant) { /* ends at the instant */
        if (coil_yield() < 0)
            return;
    }
}

/* Enough turns for whatever the kernel has already decided to be seen. */
inline void turn(int turns = 20)
{
    for (int i = 0; i < turns; i++) {
        if (coil_yield() < 0)
            return;
    }
}

/* How often a test of chance tries: less under a sanitizer, more if the environment says so. */
inline int rounds(int usual)
{
    const char *factor = getenv("COIL_TEST_ROUNDS_FACTOR");
    double times = factor != nullptr ? atof(factor) : 1;
    return int(usual * times / (kThreadSanitizer ? 10 : kAddressSanitizer ? 4 : 1)) + 1;
}

} // namespace coil_test

#endif
