/* SPDX-License-Identifier: MIT */
/*
 * A child of fork() has copies of the cores' memory, except for their rings, and of their
 * descriptors. Nothing in there may go on: its operations are the parent's. So the descriptors are
 * closed, which takes them from nobody, the gate is shut, and what the forking coroutine does with
 * coil ends with a line that says why. So does the loop, if a message's delivery forked and returns
 * to it. Either may still exec, or _exit.
 */
#include "core/fork.h"

#include "core/worker.h"
#include "future/timers.h"
#include "base/log.h"
#include "base/start.h"

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

static void goes_on(void)
{
    coil__panic(__FILE__, __LINE__, "a core goes on where none may");
}

static void message_arrives(struct coil_message *message)
{
    (void)message;
    goes_on();
}

static void timer_expires(struct coil_timer *timer)
{
    (void)timer;
    goes_on();
}

/* Lets the loop end at what it does next, which is another delivery, or a look at the timers if it
 * has delivered enough. It may not get as far as its ring, which is not there. */
static void bury_loop(struct coil__core *core)
{
    static struct coil_message message = {.deliver = message_arrives};
    static struct coil_timer timer = {.expire = timer_expires};
    core->stopping = false;
    coil__mailbox_init(&core->mailbox);
    (void)coil__mailbox_post(&core->mailbox, &message); /* nobody is there to be woken */
    coil__timers_init(&core->timers, timer.deadline);
    coil__timers_arm(&core->timers, &timer);
}

static void after_fork(void)
{
    coil__log_after_fork();
    coil__gate_after_fork();
    if (!coil__workers_claimed())
        return; /* coil did not run, nor begin or end a run: it may, here. */
    is_child = true;
    coil__thread_must_return(false); /* nobody waits for it here */
    coil__panic_note = note;
    const struct coil__run *run = __atomic_load_n(&expected, __ATOMIC_RELAXED);
    if (run != NULL)
        forget_rings(run);
    if (coil__core_here == NULL)
        return;
    coil__sched_bury(&coil__core_here->sched);
    bury_loop(coil__core_here);
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
