/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to arm a timer and to cancel it, while many others are armed?
 *
 * Each step cancels a timer chosen at random among the N that are armed, and arms it again for a
 * random time from 1 to 60 seconds ahead: what the time limit of a request does. Beside: a bare
 * timer wheel and a bare 4-ary heap, on the same timers in the same order. Not measured: expiry.
 */
#include "bare/timers.h"
#include "harness/clock.h"
#include "harness/coil_subject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 }; /* steps between two looks at the clock */

/* One window of one subject. */
struct steps {
    size_t live;
    int64_t length_ns, elapsed_ns;
    uint64_t count;
    uint64_t random; /* the same start for every subject */
};

static uint64_t next_random(struct steps *steps)
{
    steps->random ^= steps->random << 13;
    steps->random ^= steps->random >> 7;
    steps->random ^= steps->random << 17;
    return steps->random;
}

/* An index below the number of live timers. */
static size_t random_timer(struct steps *steps)
{
    return (size_t)(((next_random(steps) >> 32) * steps->live) >> 32);
}

static int64_t random_span_ns(struct steps *steps)
{
    const uint64_t range_us = 59 * 1000000;
    return (int64_t)(1000000 + (((next_random(steps) >> 32) * range_us) >> 32)) * 1000;
}

static bool go_on(struct steps *steps, int64_t start)
{
    steps->count += CHUNK;
    steps->elapsed_ns = clock_ns() - start;
    return steps->elapsed_ns < steps->length_ns;
}

/* --- coil --------------------------------------------------------------------------------- */

static int coil_steps(struct steps *steps, struct coil_future *futures)
{
    coil_time now = coil_now();
    for (size_t i = 0; i < steps->live; i++)
        coil_sleep_until_start(&futures[i], now + random_span_ns(steps));
    int64_t start = clock_ns();
    do {
        for (unsigned i = 0; i < CHUNK; i++) {
            struct coil_future *future = &futures[random_timer(steps)];
            coil_future_drop(future);
            coil_sleep_until_start(future, now + random_span_ns(steps));
        }
    } while (go_on(steps, start));
    for (size_t i = 0; i < steps->live; i++)
        coil_future_drop(&futures[i]);
    return 0;
}

static int coil_main(void *arg)
{
    struct steps *steps = arg;
    struct coil_future *futures = calloc(steps->live, sizeof(futures[0]));
    if (futures == NULL)
        return -ENOMEM;
    int result = coil_steps(steps, futures);
    free(futures);
    return result;
}

/* --- bare --------------------------------------------------------------------------------- */

static void wheel_steps(struct steps *steps, struct wheel_timer *timers)
{
    static struct wheel wheel;
    int64_t now = clock_ns();
    wheel_open(&wheel, now);
    for (size_t i = 0; i < steps->live; i++)
        wheel_arm(&wheel, &timers[i], now + random_span_ns(steps));
    int64_t start = clock_ns();
    do {
        for (unsigned i = 0; i < CHUNK; i++) {
            struct wheel_timer *timer = &timers[random_timer(steps)];
            wheel_cancel(&wheel, timer);
            wheel_arm(&wheel, timer, now + random_span_ns(steps));
        }
    } while (go_on(steps, start));
}

static void heap_steps(struct steps *steps, struct heap *heap, struct heap_timer *timers)
{
    int64_t now = clock_ns();
    for (size_t i = 0; i < steps->live; i++)
        heap_arm(heap, &timers[i], now + random_span_ns(steps));
    int64_t start = clock_ns();
    do {
        for (unsigned i = 0; i < CHUNK; i++) {
            struct heap_timer *timer = &timers[random_timer(steps)];
            heap_cancel(heap, timer);
            heap_arm(heap, timer, now + random_span_ns(steps));
        }
    } while (go_on(steps, start));
}

/* --- subjects ----------------------------------------------------------------------------- */

static struct steps prepare(const struct window *window)
{
    return (struct steps){
        .live = *(const size_t *)window->point,
        .length_ns = window->length_ns,
        .random = UINT64_C(88172645463325252),
    };
}

static double ns_per_step(const struct steps *steps)
{
    return (double)steps->elapsed_ns / (double)steps->count;
}

static const char *measure_coil(const struct window *window, double figures[METRIC_MAX])
{
    struct steps steps = prepare(window);
    int result = coil_subject_run(window, coil_main, &steps);
    figures[0] = ns_per_step(&steps);
    return harness_reason(result);
}

static const char *measure_wheel(const struct window *window, double figures[METRIC_MAX])
{
    struct steps steps = prepare(window);
    struct wheel_timer *timers = calloc(steps.live, sizeof(timers[0]));
    if (timers == NULL)
        return strerror(ENOMEM);
    wheel_steps(&steps, timers);
    free(timers);
    figures[0] = ns_per_step(&steps);
    return NULL;
}

static const char *measure_heap(const struct window *window, double figures[METRIC_MAX])
{
    struct steps steps = prepare(window);
    struct heap_timer *timers = calloc(steps.live, sizeof(timers[0]));
    struct heap heap = {.entries = calloc(steps.live, sizeof(heap.entries[0]))};
    const char *failed = strerror(ENOMEM);
    if (timers != NULL && heap.entries != NULL) {
        heap_steps(&steps, &heap, timers);
        figures[0] = ns_per_step(&steps);
        failed = NULL;
    }
    free(timers);
    free(heap.entries);
    return failed;
}

int main(int argc, char **argv)
{
    static const struct metric metric = {.name = "time per cancel and arm", .unit = "ns"};
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil},
        {.name = "timer_wheel", .measure = measure_wheel},
        {.name = "heap_4ary", .measure = measure_heap},
    };
    static const struct {
        const char *name;
        size_t live;
    } points[] = {
        {"1k live timers", 1000}, {"100k live timers", 100000}, {"1M live timers", 1000000}};

    struct harness harness;
    harness_open(&harness, argc, argv, "timer",
                 "What does it cost to arm a timer and to cancel it, while many others are armed?");
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        harness_case(&harness, &(struct bench_case){
                                   .name = points[i].name,
                                   .metrics = &metric,
                                   .metric_count = 1,
                                   .subjects = subjects,
                                   .subject_count = 3,
                                   .point = &points[i].live,
                                   .window_ms = 100,
                                   .quick_window_ms = 20,
                               });
    }
    return harness_close(&harness);
}
