/* SPDX-License-Identifier: MIT */
/* One lock for the line and for who is idle. Each idle thread has a condition of its own, by which
 * exactly that one is woken. */
#include "base/workers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/start.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const int64_t patience_default = 10 * COIL_SEC;

/* A thread that has nothing to do. */
struct idler {
    struct coil_link link; /* linked: nobody has woken it */
    pthread_cond_t wake;
};

void coil__workers_open(struct coil__workers *workers, const char *name, unsigned limit,
                        const cpu_set_t *cpus, void (*run)(struct coil__job *job))
{
    coil__assert(limit > 0);
    memset(workers, 0, sizeof(*workers));
    workers->name = name;
    workers->run = run;
    workers->limit = limit;
    workers->patience_ns = patience_default;
    workers->anywhere = cpus == NULL;
    if (cpus != NULL)
        workers->cpus = *cpus;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->empty, NULL);
    coil__list_init(&workers->line);
    coil__list_init(&workers->idle);
}

static void open_idler(struct idler *idler)
{
    pthread_condattr_t attributes;
    memset(idler, 0, sizeof(*idler));
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&idler->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void wake_first(struct coil__workers *workers)
{
    struct coil_link *link = coil__list_pop(&workers->idle);
    pthread_cond_signal(&coil__container_of(link, struct idler, link)->wake);
}

/* Sleeps until it is woken. False: nobody needed it for as long as it stays. */
static bool idle(struct coil__workers *workers, struct idler *idler)
{
    int64_t end = coil__clock_monotonic() + workers->patience_ns;
    struct timespec until = {.tv_sec = end / COIL_SEC, .tv_nsec = end % COIL_SEC};
    coil__list_prepend(&workers->idle, &idler->link);
    while (coil__list_linked(&idler->link)) { /* ends with the time at the latest */
        if (pthread_cond_timedwait(&idler->wake, &workers->lock, &until) != ETIMEDOUT)
            continue;
        if (!coil__list_linked(&idler->link))
            return true; /* woken at the last moment */
        coil__list_remove(&idler->link);
        return false;
    }
    return true;
}

/* With the lock held, which it releases while it runs a job. Ends when nobody needs the thread. */
static void run_jobs(struct coil__workers *workers, struct idler *idler)
{
    for (;;) { /* ends: it is closing, or this thread was idle for too long */
        struct coil_link *link = coil__list_pop(&workers->line);
        if (link != NULL) {
            pthread_mutex_unlock(&workers->lock);
            workers->run(coil__container_of(link, struct coil__job, link));
            pthread_mutex_lock(&workers->lock);
        } else if (workers->closing || !idle(workers, idler)) {
            return;
        }
    }
}

/* With the lock held, which it releases. Nobody else waits for the thread that ended before. */
static void leave(struct coil__workers *workers)
{
    bool has_ended = workers->has_ended;
    pthread_t ended = workers->ended;
    workers->has_ended = true;
    workers->ended = pthread_self();
    if (--workers->count == 0)
        pthread_cond_signal(&workers->empty);
    pthread_mutex_unlock(&workers->lock);
    if (has_ended)
        pthread_join(ended, NULL);
}

static void *work(void *arg)
{
    struct coil__workers *workers = arg;
    char name[16];
    snprintf(name, sizeof(name), "coil-%.10s", workers->name);
    pthread_setname_np(pthread_self(), name);
    if (!workers->anywhere) /* which may fail if the CPUs are no longer ours: no harm is done */
        pthread_setaffinity_np(pthread_self(), sizeof(workers->cpus), &workers->cpus);

    struct idler idler;
    open_idler(&idler);
    coil__thread_must_return(true);
    pthread_mutex_lock(&workers->lock);
    run_jobs(workers, &idler);
    leave(workers);
    coil__thread_must_return(false);
    pthread_cond_destroy(&idler.wake);
    return NULL;
}

/* One more thread, which comes to the lock that we hold. */
static int grow(struct coil__workers *workers)
{
    pthread_t thread;
    int err = coil__start_thread(&thread, true, work, workers);
    if (err == 0) {
        if (++workers->count > workers->most)
            workers->most = workers->count;
        return 0;
    }
    if (!workers->told)
        coil__log("pool \"%s\": can't start thread %u of %u: %s", workers->name, workers->count + 1,
                  workers->limit, strerror(-err));
    workers->told = true;
    return workers->count > 0 ? 0 : err; /* those that are there get to it */
}

int coil__workers_submit(struct coil__workers *workers, struct coil__job *job)
{
    int err = 0;
    pthread_mutex_lock(&workers->lock);
    coil__assert(!workers->closing);
    coil__list_append(&workers->line, &job->link);
    if (!coil__list_empty(&workers->idle))
        wake_first(workers);
    else if (workers->count < workers->limit)
        err = grow(workers);
    if (err < 0)
        coil__list_remove(&job->link);
    pthread_mutex_unlock(&workers->lock);
    return err;
}

bool coil__workers_try_remove(struct coil__workers *workers, struct coil__job *job)
{
    pthread_mutex_lock(&workers->lock);
    bool in_line = coil__list_linked(&job->link);
    if (in_line)
        coil__list_remove(&job->link);
    pthread_mutex_unlock(&workers->lock);
    return in_line;
}

void coil__workers_close(struct coil__workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    coil__assert(coil__list_empty(&workers->line));
    workers->closing = true;
    while (!coil__list_empty(&workers->idle)) /* ends: none becomes idle any more */
        wake_first(workers);
    while (workers->count > 0)
        pthread_cond_wait(&workers->empty, &workers->lock);
    bool has_ended = workers->has_ended;
    pthread_mutex_unlock(&workers->lock);
    if (has_ended)
        pthread_join(workers->ended, NULL);
    pthread_cond_destroy(&workers->empty);
    pthread_mutex_destroy(&workers->lock);
}
