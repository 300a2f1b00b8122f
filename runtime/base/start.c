/* SPDX-License-Identifier: MIT */
/* The mask is set here, and inherited: no signal finds the thread without it. */
#include "base/start.h"

#include "base/assert.h"

#include <signal.h>
#include <stddef.h>

/* abort() sees to its own signal. */
static void fill_mask(sigset_t *mask, bool deaf)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
    if (deaf)
        sigfillset(mask);
    else
        pthread_sigmask(SIG_BLOCK, NULL, mask);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(mask, faults[i]);
}

/* As much as RLIMIT_STACK says, but enough for what our threads have on theirs. */
static void choose_stack(pthread_attr_t *attributes)
{
    const size_t least = (size_t)256 << 10;
    size_t size = 0;
    pthread_attr_getstacksize(attributes, &size);
    if (size < least)
        pthread_attr_setstacksize(attributes, least);
}

int coil__start_thread(pthread_t *thread, bool deaf, void *(*work)(void *), void *arg)
{
    pthread_attr_t attributes;
    sigset_t mask, previous;
    pthread_attr_init(&attributes);
    choose_stack(&attributes);
    fill_mask(&mask, deaf);
    pthread_sigmask(SIG_SETMASK, &mask, &previous);
    int err = pthread_create(thread, &attributes, work, arg);
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    pthread_attr_destroy(&attributes);
    return -err;
}

/* Its destructor runs at the end of each thread that has a value then. */
static struct {
    pthread_once_t once;
    bool made;
    pthread_key_t key;
} at_end = {.once = PTHREAD_ONCE_INIT};

static void stop(void *value)
{
    (void)value;
    coil__panic(__FILE__, __LINE__,
                "pthread_exit() or pthread_cancel() has ended a thread of coil_run(): return from "
                "the coroutine, or from fn of coil_offload(), or call coil_stop()");
}

static void make_key(void)
{
    at_end.made = pthread_key_create(&at_end.key, stop) == 0;
}

void coil__thread_must_return(bool must)
{
    pthread_once(&at_end.once, make_key);
    if (at_end.made)
        pthread_setspecific(at_end.key, must ? &at_end : NULL);
}
