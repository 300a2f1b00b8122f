/* SPDX-License-Identifier: MIT */
/*
 * Threads for what blocks. A job waits in line until one takes it; they come with the work, up to a
 * limit, and go when there has been none for a while.
 *
 *     submitted ---> in line ---> taken: run() has it, to its end
 *                       |
 *                       +--try_remove--> the caller's again
 *
 * Who has nothing to do is woken latest first, so that those who are not needed stay idle, and end.
 */
#ifndef COIL_BASE_WORKERS_H
#define COIL_BASE_WORKERS_H

#include "base/list.h"

#include <pthread.h>
#include <sched.h>

/* A piece of work, within whatever describes it. */
struct coil__job {
    struct coil_link link; /* linked: in line */
};

struct coil__workers {
    const char *name; /* 10 characters of it name the threads */
    void (*run)(struct coil__job *job);
    unsigned limit;
    int64_t patience_ns;   /* for how long a thread stays that has nothing to do */
    bool anywhere;         /* `cpus` says nothing */
    cpu_set_t cpus;        /* where the threads may run */
    pthread_mutex_t lock;  /* of what follows */
    pthread_cond_t empty;  /* no thread is left */
    struct coil_link line; /* jobs, the oldest first */
    struct coil_link idle; /* threads, the one that was idle for the shortest time first */
    unsigned count;        /* threads */
    unsigned most;         /* threads there have been at once */
    bool closing;
    bool told;       /* that one more thread was not to be had */
    bool has_ended;  /* a thread that nobody has joined yet: */
    pthread_t ended; /* each that ends joins the one before, and close the last */
};

/* Prepares for up to `limit` (at least 1) threads, of which there is none yet. They will call `run`
 * once for each job, which may be gone when it returns. `cpus`, if not NULL, is copied. `name` must
 * stay. */
void coil__workers_open(struct coil__workers *workers, const char *name, unsigned limit,
                        const cpu_set_t *cpus, void (*run)(struct coil__job *job));

/* Ends the threads and waits for them. No job may be in line; those that run come to their end. */
void coil__workers_close(struct coil__workers *workers);

/* Puts the job at the end of the line. From any thread, which it costs a lock and at most a wake or
 * the start of a thread. Returns 0, or, with nothing done, -errno when there is no thread and none
 * can be started. */
int coil__workers_submit(struct coil__workers *workers, struct coil__job *job);

/* Takes the job out of the line: it will not run. False: it was taken, so that it runs or ran. */
bool coil__workers_try_remove(struct coil__workers *workers, struct coil__job *job);

#endif
