/* SPDX-License-Identifier: MIT */
/* Coroutines on a bare scheduler, without a ring or a loop, for the tests of coro/. */
#ifndef COIL_TESTS_CORO_COROUTINES_H
#define COIL_TESTS_CORO_COROUTINES_H

#include "support/callable.h"

extern "C" {
#include "coro/task.h"
}

#include <csignal>
#include <gtest/gtest.h>
#include <list>
#include <sys/resource.h>
#include <unistd.h>

namespace coil_test {

constexpr size_t kStackSize = 128 << 10;

/* A scheduler on this thread, and what its coroutines run. */
class Coroutines {
public:
    explicit Coroutines(size_t stack_size = kStackSize)
    {
        EXPECT_EQ(0, coil__sched_open(&sched_, stack_size));
    }

    ~Coroutines() { coil__sched_close(&sched_); }

    Coroutines(const Coroutines &) = delete;
    Coroutines &operator=(const Coroutines &) = delete;

    /* Readies a coroutine; run() lets it go. */
    coil_task *spawn(Callable<void> body, const char *name = "test", unsigned queue = 0)
    {
        bodies_.push_back(std::move(body));
        coil_task *task = coil__task_start(&sched_, queue, call_body, 0);
        task->arg = &bodies_.back();
        task->name = name;
        return task;
    }

    /* Runs coroutines until all of them are parked or have ended. */
    void run()
    {
        while (coil__sched_has_ready(&sched_))
            coil__sched_run(&sched_);
    }

    /* Where a test is about what becomes of a stack later. */
    void empty_quarantine() { coil__quarantine_drain(&sched_.quarantine, &sched_.stacks); }

    coil__stacks *stacks() { return &sched_.stacks; }

    /* Of the calling coroutine. */
    static void park() { coil__task_park(coil__self()); }

    static void yield() { coil__task_yield(coil__self()); }

private:
    static void call_body(coil_task *task) { (*static_cast<Callable<void> *>(task->arg))(); }

    struct coil__sched sched_;
    std::list<Callable<void>> bodies_;
};

/* Calls itself `depth` times, with a hundred bytes on the stack each time. */
__attribute__((noinline)) inline int recurse(int depth)
{
    volatile char frame[100];
    frame[depth % 100] = char(depth);
    return depth == 0 ? 0 : recurse(depth - 1) + frame[depth % 100];
}

/* In the child of a death test: a crash leaves no core file. */
inline void leave_no_core()
{
    rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
}

/* In the child of a death test: the kernel's own action, also where a sanitizer has a handler. */
inline void take_default_action()
{
    leave_no_core();
    signal(SIGSEGV, SIG_DFL);
}

} // namespace coil_test

#endif
