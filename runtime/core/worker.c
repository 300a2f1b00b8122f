/* SPDX-License-Identifier: MIT */
/*
 * Every thread sets up its own core, since memory is local to who touches it first and a ring
 * belongs to who makes it. They meet twice: all are set up, or none runs; all loops have ended
 * before the first ring is closed, since a doorbell may still be on its way to it.
 */
#include "core/worker.h"

#include "core/fork.h"
#include "core/placement.h"
#include "ring/refusal.h"
#include "coro/fault.h"
#include "base/forbidden.h"
#include "base/log.h"
#include "base/start.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the threads share while they start and end. */
struct crew {
    struct coil__run *run;
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
    struct coil__place place;
    bool refused; /* its driver would not open a ring, and has said why */
    pthread_t thread;
};

static uint32_t claimed;

bool coil__workers_claim(void)
{
    /* Sequentially consistent, like the release: one coil_run() follows another. */
    return __atomic_exchange_n(&claimed, 1, __ATOMIC_SEQ_CST) == 0;
}

bool coil__workers_claimed(void)
{
    return __atomic_load_n(&claimed, __ATOMIC_SEQ_CST) != 0;
}

void coil__workers_release(void)
{
    __atomic_store_n(&claimed, 0, __ATOMIC_SEQ_CST);
}

/* As below, where all members are on one thread. */
static int meet_on_stage(struct crew *crew, int error)
{
    const struct coil__ring_driver *driver = crew->run->ring.driver;
    if (crew->error == 0)
        crew->error = error;
    if (++crew->arrived < crew->members) {
        driver->pause();
        return crew->error;
    }
    crew->arrived = 0;
    driver->resume();
    return crew->error;
}

/* Waits until every member has come here. Returns the first error any of them brought. */
static int meet(struct crew *crew, int error)
{
    if (crew->run->ring.driver->stage != NULL)
        return meet_on_stage(crew, error);
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

static const char *remedy_of(int err)
{
    if (coil__is_forbidden(-err))
        return "; look at: the seccomp profile, SystemCallFilter= of the unit";
    switch (-err) {
    case EAGAIN:
        return "; look at: ulimit -u, pids.max of the control group, and for its "
               "stack " COIL__REFUSAL_MEMORY_LIMITS;
    case ENOMEM:
        return "; look at: " COIL__REFUSAL_MEMORY_LIMITS;
    default:
        return "";
    }
}

/* Of what the ring does not explain: that a core could not be had, and what helps. */
static void explain(unsigned core, const char *what, int err)
{
    if (coil__log_first())
        coil__log("core %u: %s: %s%s", core, what, strerror(-err), remedy_of(err));
}

static void pin(struct worker *worker)
{
    char name[16];
    snprintf(name, sizeof(name), "coil-%u", worker->id);
    pthread_setname_np(pthread_self(), name);

    struct coil__place *place = &worker->place;
    cpu_set_t cpu;
    CPU_ZERO(&cpu);
    CPU_SET((size_t)place->cpu, &cpu);
    place->error = -pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
    if (place->error < 0)
        coil__log("core %u: can't be pinned to CPU %d (%s); it runs unpinned", worker->id,
                  place->cpu, strerror(-place->error));
    getcpu(NULL, &place->node);
}

/* fn of coil_run(), as the first coroutine of core 0. */
static int run_first(void *arg)
{
    struct coil__run *run = arg;
    run->result = run->fn(run->arg);
    if (!coil__fork_is_child()) /* where there is no core to stop */
        coil__run_stop(run);
    return 0;
}

static void start_first(struct coil__core *core)
{
    struct coil__run *run = core->run;
    run->result = coil__scope_spawn(&core->root, run_first, run, 0, "fn of coil_run()");
    if (run->result < 0) {
        explain(core->id, "no stack for fn of coil_run()", run->result);
        coil__run_stop(run);
    }
}

/* A core of this thread's, from memory that this thread is the first to touch. */
static int open_core(struct worker *worker, struct coil__core **core)
{
    struct coil__run *run = worker->crew->run;
    const cpu_set_t *worker_cpus = &run->placement->worker_cpus;
    const struct coil__ring_options ring = {
        .entries = run->options->ring_entries,
        .parameter = run->ring.parameter,
        .instead = run->ring.instead != NULL ? run->ring.instead->name : NULL,
        .worker_cpus = worker_cpus,
        .worker_cpus_size = sizeof(*worker_cpus),
        .workers = run->options->io_workers,
    };
    *core = aligned_alloc(_Alignof(struct coil__core), sizeof(**core));
    if (*core == NULL) {
        explain(worker->id, "can't be set up", -ENOMEM);
        return -ENOMEM;
    }
    int err = coil__core_open(*core, run, worker->id, &ring);
    if (err < 0) {
        worker->refused = (*core)->refused;
        if (!worker->refused)
            explain(worker->id, "can't be set up", err);
        free(*core);
        *core = NULL;
    } else {
        (*core)->place = worker->place;
    }
    run->cores[worker->id] = *core;
    return err;
}

/* The whole life of a core; `err` is what has failed before. */
static void live(struct worker *worker, int err)
{
    struct crew *crew = worker->crew;
    struct coil__core *core = NULL;
    if (err == 0)
        err = open_core(worker, &core);

    if (meet(crew, err) == 0) {
        coil__assert(core != NULL);
        if (worker->id == 0) {
            coil__fork_expect(core->run);
            start_first(core);
        }
        coil__core_loop(core);
        if (worker->id == 0)
            coil__fork_expect(NULL);
        meet(crew, 0);
        coil__gate_close();
        coil__core_deliver_rest(core);
        meet(crew, 0); /* the others read this core's parcels */
    }
    if (core != NULL)
        coil__core_close(core);
    free(core);
}

static void work(struct worker *worker)
{
    if (worker->place.cpu >= 0)
        pin(worker);
    struct coil__fault_stack fault_stack;
    int err = coil__fault_stack_open(&fault_stack);
    if (err < 0)
        explain(worker->id, "can't have a stack for the handler of SIGSEGV", err);
    live(worker, err);
    if (err == 0)
        coil__fault_stack_close(&fault_stack);
}

/* On a thread of its own. */
static void *work_alone(void *arg)
{
    coil__thread_must_return(true);
    work(arg);
    coil__thread_must_return(false);
    return NULL;
}

static void live_on_stage(void *arg)
{
    live(arg, 0);
}

/* All cores on the calling thread, by a driver that wants it so. */
static int perform(struct crew *crew, struct worker *workers, void **members)
{
    unsigned count = crew->run->options->core_count;
    struct coil__fault_stack fault_stack;
    int err = coil__fault_stack_open(&fault_stack);
    if (err < 0)
        return err;
    for (unsigned i = 0; i < count; i++) {
        workers[i] = (struct worker){.crew = crew, .id = i, .place.cpu = -1};
        members[i] = &workers[i];
    }
    crew->members = count;
    const struct coil__ring_stage stage = {
        .parameter = crew->run->ring.parameter,
        .count = count,
        .work = live_on_stage,
        .members = members,
        .here = (void **)&coil__core_here,
    };
    err = crew->run->ring.driver->stage(&stage);
    coil__fault_stack_close(&fault_stack);
    return err < 0 ? err : crew->error;
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

static int run_on_stage(struct crew *crew, struct worker *workers)
{
    void **members = calloc(crew->run->options->core_count, sizeof(*members));
    int err = members != NULL ? perform(crew, workers, members) : -ENOMEM;
    free(members);
    return err;
}

static int run_threads(struct crew *crew, struct worker *workers)
{
    unsigned count = crew->run->options->core_count;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->changed, NULL);

    const bool attached = crew->run->attached;
    const unsigned first = attached ? 1 : 0;
    int err = 0;
    unsigned started = first;
    workers[0] = (struct worker){.crew = crew, .place.cpu = -1};
    for (; started < count; started++) {
        workers[started] = (struct worker){
            .crew = crew, .id = started, .place.cpu = crew->run->placement->cpus[started]};
        err = coil__start_thread(&workers[started].thread, false, work_alone, &workers[started]);
        if (err < 0) {
            explain(started, "can't start its thread", err);
            break;
        }
    }
    open_meeting(crew, started, err);
    if (attached)
        work(&workers[0]);
    crew->run->refused = attached && workers[0].refused;
    for (unsigned i = first; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        crew->run->refused |= workers[i].refused;
    }

    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->lock);
    return crew->error;
}

int coil__workers_run(struct coil__run *run)
{
    struct worker *workers = calloc(run->options->core_count, sizeof(*workers));
    if (workers == NULL)
        return -ENOMEM;
    struct crew crew = {.run = run};
    bool on_stage = run->ring.driver->stage != NULL;
    int err = on_stage ? run_on_stage(&crew, workers) : run_threads(&crew, workers);
    free(workers);
    return err;
}
