/* SPDX-License-Identifier: MIT */
/* coil_run() and coil_spawn() for lambdas that capture, and what several tests need inside. */
#ifndef COIL_TESTS_SUPPORT_RUNNING_H
#define COIL_TESTS_SUPPORT_RUNNING_H

#include <coil.h>

#include <functional>
#include <gtest/gtest.h>
#include <list>

namespace coil_test {

using Body = std::function<int()>;

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

/* Runs `body` as fn of coil_run(). */
inline int run(Body body, const coil_options &options = cores(1))
{
    return coil_run(&options, call_body, &body);
}

/* Keeps what it spawns; declare it before the scope. */
class Children {
public:
    int spawn(coil_scope &scope, Body body)
    {
        bodies_.push_back(std::move(body));
        return coil_spawn(&scope, call_body, &bodies_.back());
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

/* Runs `body` on another core, or this one. */
inline int call(unsigned core, Body body)
{
    return coil_call(core, call_body, &body);
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

/* Looks every millisecond whether `condition`, which another core brings about, holds. */
template <class Condition> void wait_until(Condition condition)
{
    while (!condition())
        ASSERT_EQ(0, coil_sleep(COIL_MSEC));
}

} // namespace coil_test

#endif
