/* SPDX-License-Identifier: MIT */
/* A pool gets its threads by its first work. They come to a core as threads that are none. */
#include "core/pool.h"

#include "base/workers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static_assert(sizeof(struct coil__job) == sizeof(struct coil_link), "a job is its link");

static struct {
    pthread_mutex_t lock; /* of what follows, and of who opens a pool */
    const cpu_set_t *cpus;
    unsigned limit;
    struct coil_pool *open; /* those with threads */
} pools = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Whose work has no pool of its own. */
static struct coil_pool common = COIL_POOL("blocking", 0);

static struct coil__job *job_of(struct coil_offloaded *work)
{
    return (struct coil__job *)(void *)&work->line;
}

/* On a thread of the pool. Afterwards the work belongs to its core, or is gone. */
static void run(struct coil__job *job)
{
    struct coil_offloaded *work = coil__container_of(&job->link, struct coil_offloaded, line);
    struct coil__core *home = work->home;
    work->result = work->fn(work->arg);
    bool inside = coil__gate_enter(home->run->number);
    /* The core waits for the work, but in a child of fork() there is none. */
    coil__require(inside, "an offloaded function has returned where no core waits for it");
    coil__core_post_outside(home, &work->message);
    coil__gate_leave();
}

static void run_link(struct coil_link *link)
{
    run((struct coil__job *)(void *)link);
}

/* With the lock held. */
static struct coil__workers *open_workers(struct coil_pool *pool)
{
    if (pool->workers != NULL)
        return pool->workers; /* another core was faster */
    struct coil__workers *workers = malloc(sizeof(*workers));
    if (workers == NULL)
        return NULL;
    unsigned limit = pool->limit > 0 ? pool->limit : pools.limit;
    coil__workers_open(workers, pool->name, limit, pools.cpus, run);
    pool->next = pools.open;
    pools.open = pool;
    /* Release; pairs with the acquire in workers_of(): they are open. */
    __atomic_store_n(&pool->workers, workers, __ATOMIC_RELEASE);
    return workers;
}

static struct coil__workers *workers_of(struct coil_pool *pool)
{
    /* Acquire; pairs with the release in open_workers(). */
    struct coil__workers *workers = __atomic_load_n(&pool->workers, __ATOMIC_ACQUIRE);
    if (__builtin_expect(workers != NULL, 1))
        return workers;
    pthread_mutex_lock(&pools.lock);
    workers = open_workers(pool);
    pthread_mutex_unlock(&pools.lock);
    return workers;
}

/* By the driver, in place of threads. */
static int add_to_driver(const struct coil__ring_driver *driver, struct coil_offloaded *work)
{
    unsigned limit = work->pool->limit > 0 ? work->pool->limit : pools.limit;
    const struct coil__ring_pool pool = {work->pool, limit, run_link};
    return driver->add_job(&pool, &work->line);
}

static int add_to_threads(struct coil_offloaded *work)
{
    struct coil__workers *workers = workers_of(work->pool);
    return workers != NULL ? coil__workers_submit(workers, job_of(work)) : -ENOMEM;
}

void coil__pools_open(const cpu_set_t *cpus, unsigned limit)
{
    coil__assert(pools.open == NULL);
    pools.cpus = cpus;
    pools.limit = limit;
}

void coil__pools_close(void)
{
    while (pools.open != NULL) { /* ends: no core is left that could open one */
        struct coil_pool *pool = pools.open;
        pools.open = pool->next;
        coil__workers_close(pool->workers);
        free(pool->workers);
        pool->workers = NULL;
        pool->next = NULL;
    }
}

int coil__pools_add(struct coil_pool *pool, struct coil_offloaded *work)
{
    work->home = coil__core_here;
    work->pool = pool != NULL ? pool : &common;
    int err = coil__core_open_bell(work->home);
    if (err < 0)
        return err;
    const struct coil__ring_driver *driver = work->home->ring.driver;
    err = driver->add_job != NULL ? add_to_driver(driver, work) : add_to_threads(work);
    if (err == 0)
        work->home->offloaded++;
    return err;
}

bool coil__pools_remove(struct coil_offloaded *work)
{
    const struct coil__ring_driver *driver = work->home->ring.driver;
    bool removed = driver->remove_job != NULL
                       ? driver->remove_job(&work->line)
                       : coil__workers_try_remove(work->pool->workers, job_of(work));
    if (!removed)
        return false;
    coil__pools_forget(work);
    return true;
}
