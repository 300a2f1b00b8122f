/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to send a value through a channel from one coroutine to another?
 *
 * One sends 8 bytes as often as it can, the other receives them, both on one core: one switch for
 * each value without slots, one for about `slots` values otherwise. Beside: a yield between two
 * coroutines, and half a round trip between two bare contexts. Not measured: several senders.
 */
#include "harness/clock.h"
#include "harness/coil_subject.h"
#include "harness/switches.h"

#include <errno.h>

enum {
    CHUNK = 5000, /* values between two looks at the clock, and before the first */
    SLOT_MAX = 64,
};

struct run {
    int64_t length_ns;
    double ns;
    struct coil_chan chan;
    uint64_t slots[SLOT_MAX];
};

static int send_all(void *arg)
{
    struct run *run = arg;
    int err = 0;
    for (uint64_t value = 0; err == 0; value++) /* ends when the channel is closed */
        err = coil_chan_send(&run->chan, &value);
    return err == -EPIPE ? 0 : err;
}

/* Receives a chunk, and sees that it is complete. */
static int recv_chunk(struct run *run, uint64_t *expected)
{
    for (int i = 0; i < CHUNK; i++) {
        uint64_t value;
        int err = coil_chan_recv(&run->chan, &value);
        if (err < 0)
            return err;
        if (value != (*expected)++)
            return -EPROTO;
    }
    return 0;
}

static int recv_and_time(struct run *run)
{
    uint64_t expected = 0;
    int err = recv_chunk(run, &expected);
    int64_t start = clock_ns(), elapsed = 0;
    while (err == 0 && elapsed < run->length_ns) {
        err = recv_chunk(run, &expected);
        elapsed = clock_ns() - start;
    }
    run->ns = (double)elapsed / (double)(expected - CHUNK);
    coil_chan_close_now(&run->chan);
    return err;
}

static int bench_main(void *arg)
{
    struct run *run = arg;
    COIL_SCOPE(scope, COIL_FOREVER);
    int result = coil_spawn(&scope, send_all, run);
    if (result == 0)
        result = recv_and_time(run);
    return coil_scope_close(&scope, result);
}

static const char *measure_coil(const struct window *window, double figures[METRIC_MAX])
{
    struct run run = {.length_ns = window->length_ns};
    coil_chan_init(&run.chan, run.slots, sizeof(run.slots[0]), *(const size_t *)window->point);
    int result = coil_subject_run(window, bench_main, &run);
    figures[0] = run.ns;
    return harness_reason(result);
}

int main(int argc, char **argv)
{
    static const struct metric metric = {.name = "time per value", .unit = "ns"};
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil},
        {.name = "yield", .measure = measure_yield},
        {.name = "fcontext_half_round_trip", .measure = measure_jump},
    };
    static const size_t points[] = {0, 1, SLOT_MAX};

    struct harness harness;
    harness_open(&harness, argc, argv, "chan",
                 "What does it cost to send a value from one coroutine to another?");
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof(name), "%zu slots", points[i]);
        harness_case(&harness, &(struct bench_case){
                                   .name = name,
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
