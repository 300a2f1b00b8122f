/* SPDX-License-Identifier: MIT */
/* The mask is set here, and inherited: no signal finds the thread without it. */
#include "base/start.h"

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

int coil__start_thread(pthread_t *thread, bool deaf, void *(*work)(void *), void *arg)
{
    sigset_t mask, previous;
    fill_mask(&mask, deaf);
    pthread_sigmask(SIG_SETMASK, &mask, &previous);
    int err = pthread_create(thread, NULL, work, arg);
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    return -err;
}
