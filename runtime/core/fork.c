/* SPDX-License-Identifier: MIT */
/*
 * A child of fork() has copies of the cores' memory, except for their rings, and of their
 * descriptors. Nothing in there may go on: its operations are the parent's. So the descriptors are
 * closed, which takes them from nobody, the gate is shut, and what the forking coroutine does with
 * coil ends with a line that says why. It may still exec, or _exit.
 */
#include "core/fork.h"

#include "future/timers.h"
#include "base/log.h"

#include <pthread.h>

/* Written by core 0, and read by whichever thread forks: it then is the only one. */
static struct coil__run *expected;
static bool is_child;

static const char note[] =
    "; this process is a fork of one in which coil ran: all it may do is exec, or _exit";

static void forget_rings(const struct coil__run *run)
{
    for (unsigned i = 0; i < run->options->core_count; i++) {
        struct coil__ring *ring = &run->cores[i]->ring;
        if (ring->driver->forget != NULL)
            ring->driver->forget(ring);
    }
}

static void after_fork(void)
{
    coil__log_after_fork();
    if (!coil__gate_after_fork())
        return; /* coil did not run: it may, here */
    is_child = true;
    coil__panic_note = note;
    const struct coil__run *run = __atomic_load_n(&expected, __ATOMIC_RELAXED);
    if (run != NULL)
        forget_rings(run);
    if (coil__core_here == NULL)
        return;
    coil__sched_bury(&coil__core_here->sched);
    coil__core_here = NULL;
    coil__ring_here = NULL;
    coil__timers_here = NULL;
}

void coil__fork_watch(void)
{
    static bool watches; /* there is one coil_run() at a time */
    if (!watches)
        watches = pthread_atfork(NULL, NULL, after_fork) == 0;
}

void coil__fork_expect(struct coil__run *run)
{
    __atomic_store_n(&expected, run, __ATOMIC_RELAXED);
}

bool coil__fork_is_child(void)
{
    return is_child;
}
