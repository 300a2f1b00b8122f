/* SPDX-License-Identifier: MIT */
#include "sim/work.h"

#include <errno.h>
#include <stdlib.h>

/* How long a thread takes to wake up, and the work. */
static const uint32_t usual_wake = 20000;
static const uint32_t usual_work = 200000;

enum work_state { IN_LINE, TAKEN, DUE };

struct work {
    struct coil_link link;        /* in `works` */
    struct coil_link *job;        /* the caller's */
    struct coil__ring_pool pool;  /* of which */
    struct coil__sim_event wakes; /* a thread, which takes the oldest in line */
    struct coil__sim_event ends;
    enum work_state state;
    bool woken; /* `wakes` has happened */
    uint64_t number;
};

static struct coil_link works = {&works, &works}; /* in the order of their coming */
static unsigned due_count;

static struct work *work_of(struct coil_link *link)
{
    return coil__container_of(link, struct work, link);
}

static void note(const struct work *work, const char *what)
{
    coil__sim_record(0, COIL__FACT_NOTE, 0, what, "work", work->number, work->state, 0);
}

static void work_ends(struct coil__sim_event *event)
{
    struct work *work = coil__container_of(event, struct work, ends);
    work->state = DUE;
    due_count++;
    note(work, "end of");
}

/* If a thread of the pool has nothing to do, it takes the oldest that is in line. */
static void take(const struct coil__ring_pool *pool)
{
    struct work *oldest = NULL;
    unsigned busy = 0;
    for (struct coil_link *link = works.next; link != &works; link = link->next) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed has left the list */
        struct work *work = work_of(link);
        if (work->pool.id != pool->id)
            continue;
        if (work->state != IN_LINE)
            busy++;
        else if (oldest == NULL)
            oldest = work;
    }
    if (oldest == NULL || busy >= pool->limit)
        return;
    oldest->state = TAKEN;
    note(oldest, "begin of");
    coil__sim_plan(&oldest->ends, coil__sim_delay(usual_work));
}

static void thread_wakes(struct coil__sim_event *event)
{
    struct work *work = coil__container_of(event, struct work, wakes);
    work->woken = true;
    take(&work->pool);
}

static void forget(struct work *work)
{
    coil__list_remove(&work->link);
    if (!work->woken)
        coil__sim_unplan(&work->wakes);
    free(work);
}

/* It has no thread, and on a bad day none can be started. */
static int find_no_thread(const struct coil__ring_pool *pool)
{
    for (struct coil_link *link = works.next; link != &works; link = link->next) {
        if (work_of(link)->pool.id == pool->id)
            return 0;
    }
    if (!coil__sim_chance(COIL_SIM_FAULTS_HARSH, 10000))
        return 0;
    return coil__sim_below(2) == 0 ? -EAGAIN : -ENOMEM;
}

int coil__sim_work_add(const struct coil__ring_pool *pool, struct coil_link *job)
{
    int err = find_no_thread(pool);
    if (err < 0)
        return err;
    struct work *work = calloc(1, sizeof(*work));
    if (work == NULL)
        return -ENOMEM;
    work->job = job;
    work->pool = *pool;
    work->wakes.fire = thread_wakes;
    work->ends.fire = work_ends;
    work->number = ++coil__sim.work_count;
    coil__list_append(&works, &work->link);
    coil__sim_plan(&work->wakes, coil__sim_delay(usual_wake));
    return 0;
}

bool coil__sim_work_remove(struct coil_link *job)
{
    for (struct coil_link *link = works.next; link != &works; link = link->next) {
        struct work *work = work_of(link);
        if (work->job != job)
            continue;
        if (work->state != IN_LINE)
            return false;
        forget(work);
        return true;
    }
    return false; /* it has run, and is on its way back */
}

bool coil__sim_work_is_due(void)
{
    return due_count > 0;
}

/* What it does belongs to its caller again before it is on its way back. */
void coil__sim_work_run(void)
{
    struct coil_link *link = works.next;
    while (work_of(link)->state != DUE) /* ends: one is due */
        link = link->next;
    struct work *work = work_of(link);
    struct coil__ring_pool pool = work->pool;
    struct coil_link *job = work->job;
    forget(work);
    due_count--;
    take(&pool);
    pool.run(job);
}
