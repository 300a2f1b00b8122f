/* SPDX-License-Identifier: MIT */
/*
 * Do work queues give time by their shares, and how late does a latency queue become beside others?
 *
 * Shares: two queues that are always ready, with steps of different lengths, by the benchmark's own
 * clock; beside: what 3:1 comes to. Lateness: a coroutine that sleeps for one to two milliseconds
 * at a time, beside four others that compute and yield every millisecond, or ask all the time
 * whether to; beside: the same alone, and all of them in one queue. Not measured: several cores.
 */
#include "harness/clock.h"
#include "harness/coil_subject.h"
#include "harness/histogram.h"

enum { HOGS = 4, STEP_US = 1000 };

struct work {
    int64_t end_ns;
    bool asks; /* the hogs, with coil_yield_if_needed(), in place of a yield now and then */
    struct coil_queue latency, batch;
    int64_t worked_ns[2];
    struct histogram lateness;
};

static void compute(int64_t ns)
{
    int64_t end = clock_ns() + ns;
    while (clock_ns() < end)
        ;
}

/* --- shares ------------------------------------------------------------------------------- */

static int work_in_steps(struct work *work, int queue, int64_t step_ns)
{
    int err = 0;
    int64_t now = clock_ns();
    while (now < work->end_ns && err == 0) {
        int64_t start = now;
        compute(step_ns);
        work->worked_ns[queue] += clock_ns() - start;
        err = coil_yield();
        now = clock_ns();
    }
    return err;
}

static int work_much(void *arg)
{
    return work_in_steps(arg, 0, 20000);
}

static int work_little(void *arg)
{
    return work_in_steps(arg, 1, 50000);
}

static int shares_main(void *arg)
{
    struct work *work = arg;
    struct coil_queue much, little;
    int result = coil_queue_create(&much, "much", 300, 0);
    if (result == 0)
        result = coil_queue_create(&little, "little", 100, 0);
    COIL_SCOPE(scope, COIL_FOREVER);
    for (int i = 0; i < 2 && result == 0; i++) {
        result = coil_spawn_in(&scope, much, work_much, work);
        if (result == 0)
            result = coil_spawn_in(&scope, little, work_little, work);
    }
    return coil_scope_close(&scope, result);
}

static const char *measure_shares(const struct window *window, double figures[METRIC_MAX])
{
    struct work work = {.end_ns = clock_ns() + window->length_ns};
    int result = coil_subject_run(window, shares_main, &work);
    double much = (double)work.worked_ns[0];
    figures[0] = 100 * much / (much + (double)work.worked_ns[1]);
    return harness_reason(result);
}

static const char *ideal_shares(const struct window *window, double figures[METRIC_MAX])
{
    (void)window;
    figures[0] = 75;
    return NULL;
}

/* --- lateness ----------------------------------------------------------------------------- */

static int hog(void *arg)
{
    struct work *work = arg;
    int err = 0;
    while (clock_ns() < work->end_ns && err == 0) {
        if (!work->asks)
            compute(STEP_US * 1000);
        err = work->asks ? coil_yield_if_needed() : coil_yield();
    }
    return err;
}

static int sleep_and_look(void *arg)
{
    struct work *work = arg;
    uint32_t chance = 1;
    int64_t now = clock_ns();
    while (now < work->end_ns) {
        chance = chance * 1664525 + 1013904223;
        int64_t instant = now + COIL_MSEC + (int64_t)(chance >> 12); /* 2^20 ns more at most */
        int err = coil_sleep_until(instant);
        if (err < 0)
            return err;
        now = clock_ns();
        histogram_add(&work->lateness, now - instant);
    }
    return 0;
}

enum surroundings { ALONE, ONE_QUEUE, OWN_QUEUE };

struct lateness {
    struct work *work;
    enum surroundings surroundings;
};

static int lateness_main(void *arg)
{
    struct lateness *lateness = arg;
    struct work *work = lateness->work;
    int result = 0;
    if (lateness->surroundings == OWN_QUEUE) {
        result = coil_queue_create(&work->latency, "latency", 100, COIL_MSEC);
        if (result == 0)
            result = coil_queue_create(&work->batch, "batch", 100, 0);
    }
    COIL_SCOPE(scope, COIL_FOREVER);
    if (result == 0)
        result = coil_spawn_in(&scope, work->latency, sleep_and_look, work);
    int hogs = lateness->surroundings == ALONE ? 0 : HOGS;
    for (int i = 0; i < hogs && result == 0; i++)
        result = coil_spawn_in(&scope, work->batch, hog, work);
    return coil_scope_close(&scope, result);
}

static const char *measure_lateness(const struct window *window, enum surroundings surroundings,
                                    double figures[METRIC_MAX])
{
    static struct work work;
    work = (struct work){.end_ns = clock_ns() + window->length_ns,
                         .asks = *(const bool *)window->point};
    struct lateness lateness = {&work, surroundings};
    int result = coil_subject_run(window, lateness_main, &lateness);
    figures[0] = histogram_percentile(&work.lateness, 0.5) / 1000;
    figures[1] = histogram_percentile(&work.lateness, 0.99) / 1000;
    return harness_reason(result);
}

static const char *measure_own(const struct window *window, double figures[METRIC_MAX])
{
    return measure_lateness(window, OWN_QUEUE, figures);
}

static const char *measure_one(const struct window *window, double figures[METRIC_MAX])
{
    return measure_lateness(window, ONE_QUEUE, figures);
}

static const char *measure_alone(const struct window *window, double figures[METRIC_MAX])
{
    return measure_lateness(window, ALONE, figures);
}

/* --- cases -------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    static const struct metric share = {"time of the larger", "%", true};
    static const struct metric lateness[] = {{.name = "lateness, median", .unit = "us"},
                                             {.name = "lateness, p99", .unit = "us"}};
    static const struct subject shares[] = {
        {.name = "coil", .measure = measure_shares},
        {.name = "exactly_3_to_1", .measure = ideal_shares},
    };
    static const struct subject surroundings[] = {
        {.name = "coil", .measure = measure_own},
        {.name = "one_queue", .measure = measure_one},
        {.name = "alone", .measure = measure_alone},
    };
    static const bool yields = false, asks = true;
    struct harness harness;
    harness_open(&harness, argc, argv, "queues",
                 "Do work queues give time by their shares, and how late is a latency queue?");
    harness_case(&harness, &(struct bench_case){
                               .name = "shares 3:1",
                               .metrics = &share,
                               .metric_count = 1,
                               .subjects = shares,
                               .subject_count = 2,
                               .window_ms = 200,
                               .quick_window_ms = 100,
                           });
    struct bench_case late = {
        .metrics = lateness,
        .metric_count = 2,
        .subjects = surroundings,
        .subject_count = 3,
        .window_ms = 250,
        .quick_window_ms = 40,
    };
    late.name = "beside four that yield every 1 ms";
    late.point = &yields;
    harness_case(&harness, &late);
    late.name = "beside four that ask whether to";
    late.point = &asks;
    harness_case(&harness, &late);
    return harness_close(&harness);
}
