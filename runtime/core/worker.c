/* SPDX-License-Identifier: MIT */
/*
 * Every thread sets up its own core, since memory is local to who touches it first and a ring
 * belongs to who makes it. They meet twice: all are set up, or none runs; all loops have ended
 * before the first ring is closed, since a doorbell may still be on its way to it.
 */
#include "core/worker.h"

#include "coro/fault.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the threads share while they start and end. */
struct crew {
    struct coil__run *run;
    const cpu_set_t *allowed;
    const int *cpus;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned members;  /* threads that take part */
    unsigned arrived;  /* at the meeting point */
    unsigned meetings; /* that have taken place */
    bool open;         /* `members` is final */
    int error;         /* the first failure */
};

struct worker {
    struct crew *crew;
    unsigned id;
    pthread_t thread;
};

static uint32_t claimed;

bool coil__workers_claim(void)
{
    /* Sequentially consistent, like the release: one coil_run() follows another. */
    return __atomic_exchange_n(&claimed, 1, __ATOMIC_SEQ_CST) == 0;
}

void coil__workers_release(void)
{
    __atomic_store_n(&claimed, 0, __ATOMIC_SEQ_CST);
}

/* Waits until every member has come here. Returns the first error any of them brought. */
static int meet(struct crew *crew, int error)
{
    pthread_mutex_lock(&crew->lock);
    if (crew->error == 0)
        crew->error = error;
    crew->arrived++;
    unsigned meeting = crew->meetings;
    while (crew->meetings == meeting) { /* ends: all members come */
        if (crew->open && crew->arrived == crew->members) {
            crew->arrived = 0;
            crew->meetings++;
            pthread_cond_broadcast(&crew->changed);
            break;
        }
        pthread_cond_wait(&crew->changed, &crew->lock);
    }
    error = crew->error;
    pthread_mutex_unlock(&crew->lock);
    return error;
}

static void pin(const struct worker *worker)
{
    char name[16];
    snprintf(name, sizeof(name), "coil-%u", worker->id);
    pthread_setname_np(pthread_self(), name);

    cpu_set_t cpu;
    CPU_ZERO(&cpu);
    CPU_SET((size_t)worker->crew->cpus[worker->id], &cpu);
    int err = pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
    if (err != 0)
        coil__log("core %u: can't be pinned to CPU %d (%s); it runs unpinned", worker->id,
                  worker->crew->cpus[worker->id], strerror(err));
}

/* fn of coil_run(), as the first coroutine of core 0. */
static int run_first(void *arg)
{
    struct coil__run *run = arg;
    run->result = run->fn(run->arg);
    coil__run_stop(run);
    return 0;
}

static void start_first(struct coil__core *core)
{
    struct coil__run *run = core->run;
    run->result = coil__scope_spawn(&core->root, run_first, run, 0, "fn of coil_run()");
    if (run->result < 0)
        coil__run_stop(run);
}

/* A core of this thread's, from memory that this thread is the first to touch. */
static int open_core(const struct worker *worker, struct coil__core **core)
{
    struct coil__run *run = worker->crew->run;
    const struct coil__ring_options ring = {
        .entries = run->options->ring_entries,
        .parameter = run->ring.parameter,
        .worker_cpus = worker->crew->allowed,
        .worker_cpus_size = sizeof(*worker->crew->allowed),
    };
    *core = aligned_alloc(_Alignof(struct coil__core), sizeof(**core));
    if (*core == NULL)
        return -ENOMEM;
    int err = coil__core_open(*core, run, worker->id, &ring);
    if (err < 0) {
        free(*core);
        *core = NULL;
    }
    run->cores[worker->id] = *core;
    return err;
}

static void *work(void *arg)
{
    const struct worker *worker = arg;
    struct crew *crew = worker->crew;
    struct coil__core *core = NULL;
    pin(worker);
    struct coil__fault_stack fault_stack;
    int err = coil__fault_stack_open(&fault_stack);
    bool guarded = err == 0;
    if (guarded)
        err = open_core(worker, &core);

    if (meet(crew, err) == 0) {
        coil__assert(core != NULL);
        if (worker->id == 0)
            start_first(core);
        coil__core_loop(core);
        meet(crew, 0);
        coil__gate_close();
        coil__core_deliver_rest(core);
    }
    if (core != NULL)
        coil__core_close(core);
    free(core);
    if (guarded)
        coil__fault_stack_close(&fault_stack);
    return NULL;
}

static void open_meeting(struct crew *crew, unsigned members, int error)
{
    pthread_mutex_lock(&crew->lock);
    crew->members = members;
    crew->open = true;
    if (crew->error == 0)
        crew->error = error;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
}

int coil__workers_run(struct coil__run *run, const cpu_set_t *allowed, const int *cpus)
{
    unsigned count = run->options->core_count;
    struct worker *workers = calloc(count, sizeof(*workers));
    if (workers == NULL)
        return -ENOMEM;
    struct crew crew = {.run = run, .allowed = allowed, .cpus = cpus};
    pthread_mutex_init(&crew.lock, NULL);
    pthread_cond_init(&crew.changed, NULL);

    int err = 0;
    unsigned started = 0;
    for (; started < count && err == 0; started++) {
        workers[started] = (struct worker){.crew = &crew, .id = started};
        err = -pthread_create(&workers[started].thread, NULL, work, &workers[started]);
        if (err < 0) {
            coil__log("core %u: can't start its thread: %s", started, strerror(-err));
            break;
        }
    }
    open_meeting(&crew, started, err);
    for (unsigned i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);

    pthread_cond_destroy(&crew.changed);
    pthread_mutex_destroy(&crew.lock);
    free(workers);
    return crew.error;
}
