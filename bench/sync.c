/* SPDX-License-Identifier: MIT */
/*
 * What does a lock or a signal cost, alone and handed from one coroutine to another?
 *
 * Alone: taken and given back, or an event that is set and waited for. Handed over: two coroutines
 * take turns, so that each hand-over needs one switch. Beside: a yield between two coroutines, and
 * half a round trip between two bare contexts. Not measured: many who wait.
 */
#include "harness/clock.h"
#include "harness/coil_subject.h"
#include "harness/switches.h"

enum { CHUNK = 5000 }; /* operations between two looks at the clock, and before the first */

struct work {
    int64_t length_ns;
    double ns;
    bool stop;
    struct coil_mutex mutex;
    struct coil_sem sem;
    struct coil_event events[2];
};

/* Does something `CHUNK` times; `side` tells two coroutines apart. */
typedef int chunk_fn(struct work *work, int side);

struct point {
    const char *name;
    chunk_fn *chunk;
    chunk_fn *begin; /* what the first coroutine does before; NULL: there is only one */
    chunk_fn *end;   /* what it does so that the other can end */
};

static int mutex_alone(struct work *work, int side)
{
    (void)side;
    for (int i = 0; i < CHUNK; i++) {
        int err = coil_mutex_lock(&work->mutex);
        if (err < 0)
            return err;
        coil_mutex_unlock(&work->mutex);
    }
    return 0;
}

static int sem_alone(struct work *work, int side)
{
    (void)side;
    coil_sem_release(&work->sem);
    for (int i = 0; i < CHUNK; i++) {
        int err = coil_sem_acquire(&work->sem);
        if (err < 0)
            return err;
        coil_sem_release(&work->sem);
    }
    return coil_sem_acquire(&work->sem);
}

static int event_alone(struct work *work, int side)
{
    for (int i = 0; i < CHUNK; i++) {
        coil_event_set(&work->events[side]);
        int err = coil_event_wait(&work->events[side]);
        if (err < 0)
            return err;
    }
    return 0;
}

/* Unlocking hands it to the other one, who waits: locking waits in turn. */
static int mutex_in_turns(struct work *work, int side)
{
    (void)side;
    for (int i = 0; i < CHUNK && !work->stop; i++) {
        coil_mutex_unlock(&work->mutex);
        int err = coil_mutex_lock(&work->mutex);
        if (err < 0)
            return err;
    }
    return 0;
}

static int mutex_take(struct work *work, int side)
{
    (void)side;
    return coil_mutex_lock(&work->mutex);
}

static int mutex_give(struct work *work, int side)
{
    (void)side;
    coil_mutex_unlock(&work->mutex);
    return 0;
}

static int event_in_turns(struct work *work, int side)
{
    for (int i = 0; i < CHUNK && !work->stop; i++) {
        coil_event_set(&work->events[!side]);
        int err = coil_event_wait(&work->events[side]);
        if (err < 0)
            return err;
        coil_event_clear(&work->events[side]);
    }
    return 0;
}

static int event_take(struct work *work, int side)
{
    (void)work;
    (void)side;
    return 0;
}

static int event_give(struct work *work, int side)
{
    coil_event_set(&work->events[!side]);
    return 0;
}

static const struct point points[] = {
    {"mutex alone", mutex_alone, NULL, NULL},
    {"semaphore alone", sem_alone, NULL, NULL},
    {"event alone", event_alone, NULL, NULL},
    {"mutex handed over", mutex_in_turns, mutex_take, mutex_give},
    {"event handed over", event_in_turns, event_take, event_give},
};

struct run {
    struct work work;
    const struct point *point;
};

static int follow(void *arg)
{
    struct run *run = arg;
    int err = run->point->begin(&run->work, 1);
    while (err == 0 && !run->work.stop)
        err = run->point->chunk(&run->work, 1);
    return err < 0 ? err : run->point->end(&run->work, 1);
}

static int lead(struct run *run)
{
    struct work *work = &run->work;
    uint64_t count = 0;
    int64_t start = 0, elapsed;
    do {
        int err = run->point->chunk(work, 0);
        if (err < 0)
            return err;
        if (start == 0)
            start = clock_ns();
        else
            count += CHUNK;
        elapsed = clock_ns() - start;
    } while (elapsed < work->length_ns);
    work->ns = (double)elapsed / (double)count;
    work->stop = true;
    return 0;
}

static int bench_main(void *arg)
{
    struct run *run = arg;
    if (run->point->begin == NULL)
        return lead(run);
    COIL_SCOPE(scope, COIL_FOREVER);
    int result = run->point->begin(&run->work, 0);
    if (result == 0)
        result = coil_spawn(&scope, follow, run);
    if (result == 0)
        result = coil_yield();
    if (result == 0)
        result = lead(run);
    run->work.ns /= 2; /* each hand-over there is followed by one back */
    if (result == 0)
        result = run->point->end(&run->work, 0);
    return coil_scope_close(&scope, result);
}

static const char *measure_coil(const struct window *window, double figures[METRIC_MAX])
{
    struct run run = {.work.length_ns = window->length_ns, .point = window->point};
    int result = coil_subject_run(window, bench_main, &run);
    figures[0] = run.work.ns;
    return harness_reason(result);
}

int main(int argc, char **argv)
{
    static const struct metric metric = {.name = "time per operation", .unit = "ns"};
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil},
        {.name = "yield", .measure = measure_yield},
        {.name = "fcontext_half_round_trip", .measure = measure_jump},
    };
    struct harness harness;
    harness_open(&harness, argc, argv, "sync",
                 "What does a lock or a signal cost, alone and handed over?");
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        harness_case(&harness, &(struct bench_case){
                                   .name = points[i].name,
                                   .metrics = &metric,
                                   .metric_count = 1,
                                   .subjects = subjects,
                                   .subject_count = 3,
                                   .point = &points[i],
                                   .window_ms = 50,
                                   .quick_window_ms = 10,
                               });
    }
    return harness_close(&harness);
}
