/* SPDX-License-Identifier: MIT */
/*
 * Reports the coroutine that keeps a core for too long.
 *
 *     core                                     watcher, a thread
 *     writes what it does anyway:              looks at it, some times in each limit:
 *     who runs, how much of the budget is left   the same as before, and the core's thread has used
 *                                                the CPU for the limit since? a stall: asks it
 * where on a signal: says where it is <----------- it is, and speaks
 *
 * What counts is the time that the core's thread has run: when the machine gives the CPU to others,
 * or the program is stopped, nobody is to blame. Nothing is added to a switch.
 */
#ifndef COIL_CORE_STALL_H
#define COIL_CORE_STALL_H

#include <coil/base.h>
#include <pthread.h>

struct coil__core;
struct coil__run;

/* What tells one turn of a coroutine from the next. */
struct coil__stamp {
    const void *current;
    uint32_t bursts;
    unsigned budget;
};

/* A core that may be watched. All but the first belongs to the watcher, under its lock. */
struct coil__watched {
    bool on; /* it is watched */
    struct coil_link link;
    pthread_t thread;
    clockid_t cpu_clock;
    struct coil__stamp stamp; /* as it was last seen */
    int64_t cpu_ns;           /* what the thread had used by when the stamp was first seen */
    bool stalled;             /* that was noticed already */
};

/* Where debug builds have a limit by default. */
#ifdef NDEBUG
#define COIL__STALL_DEFAULT COIL_STALL_OFF
#else
#define COIL__STALL_DEFAULT (20 * COIL_MSEC)
#endif

/* Starts the watcher of a run, unless it is turned off or time is simulated / ends it, and says how
 * much it has kept to itself. Without a thread to be had it says so, and nothing is watched. */
void coil__stall_open(const struct coil__run *run);
void coil__stall_close(void);

/* Has the core of the calling thread watched / not any more. */
void coil__stall_watch(struct coil__core *core);
void coil__stall_leave(struct coil__core *core);

/* How many stalls were noticed in this process, reported or not. From any thread. */
uint32_t coil__stall_count(void);

#endif
