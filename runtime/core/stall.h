/* SPDX-License-Identifier: MIT */
/*
 * Reports the coroutine that keeps a core for too long.
 *
 *     core                                     watcher, a thread
 *     writes what it does anyway:              looks at it, some times in each limit:
 *     who runs, how much of the budget is left   the same as before, and has kept the core for the
 *                                                limit since? a stall: asks where it is, and
 * on a signal: says where it is <--------------- speaks
 *
 * What counts is the time for which the core's thread has run, or was found asleep in a system
 * call, which only the coroutine can have made. Nobody is to blame for the time in which the thread
 * could run, but the machine gave the CPU to others, nor for that in which the program was stopped.
 * Nothing is added to a switch.
 */
#ifndef COIL_CORE_STALL_H
#define COIL_CORE_STALL_H

#include <coil/time.h>
#include <pthread.h>

struct coil__core;
struct coil__run;

/* What tells one turn of a coroutine from the next. */
struct coil__stamp {
    const void *current;
    uint32_t bursts;
    unsigned budget;
};

/* A core that may be watched. All but the first two belongs to the watcher, under its lock. */
struct coil__watched {
    bool on;    /* it is watched */
    bool hears; /* the question */
    struct coil_link link;
    pthread_t thread;
    clockid_t cpu_clock;
    int stat;                 /* the file that tells whether the thread sleeps; -1: nothing tells */
    struct coil__stamp stamp; /* as it was last seen */
    coil_time seen;           /* when that was */
    int64_t cpu_ns;           /* what the thread had used by then */
    int64_t kept_ns;          /* for how long it has kept the core with this stamp */
    bool blocked;             /* in a system call, when it was last seen */
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

/* The set of the signal by which the watcher of this run asks cores; empty if it asks none. */
uint64_t coil__stall_signals(void);

/* How many stalls were noticed in this process, reported or not. From any thread. */
uint32_t coil__stall_count(void);

#endif
