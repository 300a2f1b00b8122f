/* SPDX-License-Identifier: MIT */
/* coil_run() and coil_spawn() for lambdas that capture, and what several tests need inside. */
#ifndef COIL_TESTS_SUPPORT_RUNNING_H
#define COIL_TESTS_SUPPORT_RUNNING_H

#include "support/callable.h"
#include "support/sanitizer.h"

#include <coil.h>

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <list>
#include <string>

namespace coil_test {

using Body = Callable<int>;

/* A coil_fn whose argument is a Body that somebody keeps. */
inline int call_body(void *arg)
{
    return (*static_cast<Body *>(arg))();
}

inline coil_options cores(unsigned count)
{
    coil_options options = {};
    options.core_count = count;
    return options;
}

/* For tests of what only that driver has, whichever the environment asks for. */
inline coil_options on_kernel(coil_options options = cores(1))
{
    options.ring = "kernel";
    return options;
}

/* Whether the environment asks for a simulated world: COIL_RING=sim:SEED. */
inline bool is_simulated()
{
    const char *ring = getenv("COIL_RING");
    return ring != nullptr && strncmp(ring, "sim:", 4) == 0;
}

/* For a test of what a simulated world can't have, and why not; elsewhere it goes on. */
#define COIL_SKIP_IF_SIMULATED(why) \
    if (coil_test::is_simulated())  \
    GTEST_SKIP() << "in a simulated world " << (why)

/* What a process says there, after all else, that fails in a run: a regular expression. */
inline std::string replay_line()
{
    return is_simulated() ? "coil: sim seed [0-9]+: to see it again: COIL[^\n]*\n" : "";
}

/* How many lines a run says at its end there, which is the trace's hash. */
inline size_t trace_lines()
{
    return is_simulated() ? 1 : 0;
}

/* Runs `body` as fn of coil_run(). */
inline int run(const Body &body, const coil_options &options = cores(1))
{
    return coil_run(&options, call_body, const_cast<Body *>(&body));
}

/* Keeps what it spawns; declare it before the scope. */
class Children {
public:
    int spawn(coil_scope &scope, Body body)
    {
        bodies_.push_back(std::move(body));
        return coil_spawn(&scope, call_body, &bodies_.back());
    }

    int spawn_in(coil_scope &scope, coil_queue queue, Body body)
    {
        bodies_.push_back(std::move(body));
        return coil_spawn_in(&scope, queue, call_body, &bodies_.back());
    }

    int spawn_on(coil_scope &scope, unsigned core, Body body)
    {
        bodies_.push_back(std::move(body));
        return coil_spawn_on(&scope, core, call_body, &bodies_.back());
    }

    /* Where a result is of no interest: the scope will tell. */
    void start(coil_scope &scope, Body body) { EXPECT_EQ(0, spawn(scope, std::move(body))); }

private:
    std::list<Body> bodies_;
};

/* Spawns a body that lives until the scope is closed. */
inline void spawn(coil_scope *scope, const Body &body)
{
    ASSERT_EQ(0, coil_spawn(scope, call_body, const_cast<Body *>(&body)));
}

/* Runs `body` on another core, or this one. */
inline int call(unsigned core, const Body &body)
{
    return coil_call(core, call_body, const_cast<Body *>(&body));
}

/* Waits until cancelled. */
inline int wait_for_ever()
{
    return coil_sleep_until(COIL_FOREVER);
}

/* Gives way `times` times, which must not be refused. */
inline void give_way(int times = 1)
{
    for (int i = 0; i < times; i++)
        EXPECT_EQ(0, coil_yield());
}

/* Enough turns for whatever the kernel has already decided to be seen; none once cancelled. */
inline void turn(int turns = 20)
{
    for (int i = 0; i < turns; i++) {
        if (coil_yield() < 0)
            return;
    }
}

/* Lets the loop turn until `done`, for ten seconds (a minute under a sanitizer) at most. */
inline bool turn_until(const Callable<bool> &done)
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

/* How often a test of chance tries: less under a sanitizer, more if the environment says so. */
inline int rounds(int usual)
{
    const char *factor = getenv("COIL_TEST_ROUNDS_FACTOR");
    double times = factor != nullptr ? atof(factor) : 1;
    return int(usual * times / (kThreadSanitizer ? 10 : kAddressSanitizer ? 4 : 1)) + 1;
}

/* Looks every millisecond whether `condition`, which another core brings about, holds. */
template <class Condition> void wait_until(Condition condition)
{
    while (!condition())
        ASSERT_EQ(0, coil_sleep(COIL_MSEC));
}

} // namespace coil_test

#endif
