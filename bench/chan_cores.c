/* SPDX-License-Identifier: MIT */
/*
 * How many values go through a channel from one core to another in a second?
 *
 * One coroutine sends 8 bytes as often as it can, one on another core receives them; both cores
 * look out for each other. Beside: a bare ring of 64 slots between two threads that spin and do
 * nothing else. Not measured: several ends; ends that sleep (bench/call).
 */
#include "bare/ring_pair.h"
#include "harness/clock.h"
#include "harness/coil_subject.h"

#include <errno.h>

enum { CHUNK = 2000, SLOT_MAX = 64 };

struct run {
    int64_t length_ns;
    double per_second;
    struct coil_xchan chan;
    uint64_t slots[SLOT_MAX];
};

static int send_all(void *arg)
{
    struct run *run = arg;
    int err = 0;
    for (uint64_t value = 0; err == 0; value++) /* ends when the channel is closed */
        err = coil_xchan_send(&run->chan, &value);
    return err == -EPIPE ? 0 : err;
}

/* Receives a chunk, and sees that it is complete. */
static int recv_chunk(struct run *run, uint64_t *expected)
{
    for (int i = 0; i < CHUNK; i++) {
        uint64_t value;
        int err = coil_xchan_recv(&run->chan, &value);
        if (err < 0)
            return err;
        if (value != (*expected)++)
            return -EPROTO;
    }
    return 0;
}

static int bench_main(void *arg)
{
    struct run *run = arg;
    COIL_SCOPE(scope, COIL_FOREVER);
    int result = coil_spawn_on(&scope, 1, send_all, run);
    uint64_t expected = 0;
    if (result == 0)
        result = recv_chunk(run, &expected);
    int64_t start = clock_ns(), elapsed = 0;
    while (result == 0 && elapsed < run->length_ns) {
        result = recv_chunk(run, &expected);
        elapsed = clock_ns() - start;
    }
    run->per_second = (double)(expected - CHUNK) * 1e9 / (double)elapsed;
    coil_xchan_close_now(&run->chan);
    return coil_scope_close(&scope, result);
}

static const char *measure_coil(const struct window *window, double figures[METRIC_MAX])
{
    struct run run = {.length_ns = window->length_ns};
    coil_xchan_init(&run.chan, run.slots, sizeof(run.slots[0]), *(const size_t *)window->point);
    int result = coil_subject_run_two(window, 10 * COIL_MSEC, bench_main, &run);
    figures[0] = run.per_second;
    return harness_reason(result);
}

int main(int argc, char **argv)
{
    static const struct metric metric = {
        .name = "values per second", .unit = "/s", .higher_is_better = true};
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil},
        {.name = "mpsc_ring", .measure = measure_ring_pair},
    };
    static const size_t points[] = {1, SLOT_MAX};

    struct harness harness;
    harness_open(&harness, argc, argv, "chan_cores",
                 "How many values go from one core to another in a second?");
    if (harness.placement.load_cpu < 0)
        harness_note(&harness, "", "", "it takes two CPUs");
    for (size_t i = 0; i < 2 && harness.placement.load_cpu >= 0; i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof(name), "%zu slot%s", points[i], points[i] == 1 ? "" : "s");
        harness_case(&harness, &(struct bench_case){
                                   .name = name,
                                   .metrics = &metric,
                                   .metric_count = 1,
                                   .subjects = subjects,
                                   .subject_count = 2,
                                   .point = &points[i],
                                   .window_ms = 50,
                                   .quick_window_ms = 20,
                                   .two_cpus = true,
                               });
    }
    return harness_close(&harness);
}
