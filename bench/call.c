/* SPDX-License-Identifier: MIT */
/*
 * What does a call to another core cost, there and back?
 *
 * coil_call() runs a function as a coroutine of the other core and waits for its result. Beside,
 * while both look out for each other: two threads that pass one cache line to and fro; and while
 * both sleep in between: two threads that wake each other by a futex. Neither runs anything for it.
 * Not measured: several calls at once, which share their wake-ups.
 */
#include "harness/clock.h"
#include "harness/coil_subject.h"
#include "harness/peer.h"
#include "harness/relax.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CHUNK = 200, SLEEPY_CHUNK = 5 }; /* round trips between two looks at the clock */

struct run {
    int64_t length_ns;
    double ns;
    int chunk;
};

/* Round trips until the time is over; the first chunk warms up. */
#define TIME_ROUND_TRIPS(run, trip)                               \
    do {                                                          \
        int64_t start_ = 0, elapsed_ = 0, count_ = -(run)->chunk; \
        while (start_ == 0 || elapsed_ < (run)->length_ns) {      \
            for (int i_ = 0; i_ < (run)->chunk; i_++)             \
                trip;                                             \
            count_ += (run)->chunk;                               \
            if (start_ == 0)                                      \
                start_ = clock_ns();                              \
            elapsed_ = clock_ns() - start_;                       \
        }                                                         \
        (run)->ns = (double)elapsed_ / (double)count_;            \
    } while (0)

/* --- coil --------------------------------------------------------------------------------- */

static int answer(void *arg)
{
    (void)arg;
    return 0;
}

static int call_main(void *arg)
{
    struct run *run = arg;
    int err = 0;
    TIME_ROUND_TRIPS(run, err |= coil_call(1, answer, NULL));
    return err;
}

static const char *measure_coil(const struct window *window, int64_t spin_ns, int chunk,
                                double figures[METRIC_MAX])
{
    struct run run = {.length_ns = window->length_ns, .chunk = chunk};
    int result = coil_subject_run_two(window, spin_ns, call_main, &run);
    figures[0] = run.ns;
    return harness_reason(result);
}

static const char *measure_coil_awake(const struct window *window, double figures[METRIC_MAX])
{
    return measure_coil(window, 10 * COIL_MSEC, CHUNK, figures);
}

static const char *measure_coil_asleep(const struct window *window, double figures[METRIC_MAX])
{
    return measure_coil(window, COIL_SPIN_OFF, SLEEPY_CHUNK, figures);
}

/* --- two threads -------------------------------------------------------------------------- */

/* Whose turn it is: odd for the peer; UINT_MAX: it may end. */
struct line {
    _Alignas(64) atomic_uint turn;
    char rest[60];
    void (*pass)(struct line *line, unsigned turn);
    unsigned (*wait)(struct line *line, unsigned turn); /* until it has changed from `turn` */
};

static void pass_plainly(struct line *line, unsigned turn)
{
    atomic_store_explicit(&line->turn, turn, memory_order_release);
}

static unsigned wait_awake(struct line *line, unsigned turn)
{
    unsigned now;
    while ((now = atomic_load_explicit(&line->turn, memory_order_acquire)) == turn)
        relax_cpu();
    return now;
}

static void pass_to_sleeper(struct line *line, unsigned turn)
{
    pass_plainly(line, turn);
    syscall(SYS_futex, &line->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static unsigned wait_asleep(struct line *line, unsigned turn)
{
    unsigned now;
    while ((now = atomic_load_explicit(&line->turn, memory_order_acquire)) == turn)
        syscall(SYS_futex, &line->turn, FUTEX_WAIT_PRIVATE, turn, NULL, NULL, 0);
    return now;
}

static void *answer_line(void *arg)
{
    struct line *line = arg;
    unsigned turn = 0;
    while ((turn = line->wait(line, turn)) != UINT_MAX)
        line->pass(line, ++turn);
    return NULL;
}

static unsigned round_trip(struct line *line, unsigned turn)
{
    line->pass(line, turn + 1);
    return line->wait(line, turn + 1);
}

static const char *measure_line(const struct window *window, double figures[METRIC_MAX])
{
    static struct line awake = {.pass = pass_plainly, .wait = wait_awake};
    static struct line asleep = {.pass = pass_to_sleeper, .wait = wait_asleep};
    bool sleeps = window->arg != NULL;
    struct line *line = sleeps ? &asleep : &awake;
    struct run run = {.length_ns = window->length_ns, .chunk = sleeps ? SLEEPY_CHUNK : CHUNK};
    struct peer peer;
    unsigned turn = 0;
    line->turn = 0;
    peer_start(&peer, window, answer_line, line);
    TIME_ROUND_TRIPS(&run, turn = round_trip(line, turn));
    line->pass(line, UINT_MAX);
    peer_join(&peer);
    figures[0] = run.ns;
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct metric metric = {.name = "time per round trip", .unit = "ns"};
    static const struct subject awake[] = {
        {.name = "coil", .measure = measure_coil_awake},
        {.name = "cache_line", .measure = measure_line},
    };
    static int sleeps;
    static const struct subject asleep[] = {
        {.name = "coil", .measure = measure_coil_asleep},
        {.name = "futex", .measure = measure_line, .arg = &sleeps},
    };
    struct harness harness;
    harness_open(&harness, argc, argv, "call", "What does a call to another core cost?");
    struct bench_case both = {
        .name = "both awake",
        .metrics = &metric,
        .metric_count = 1,
        .subjects = awake,
        .subject_count = 2,
        .window_ms = 50,
        .quick_window_ms = 20,
        .rounds = harness_rounds(&harness, 3),
        .two_cpus = true,
    };
    if (harness.placement.load_cpu < 0)
        harness_note(&harness, "", "", "it takes two CPUs");
    else {
        harness_case(&harness, &both);
        both.name = "both asleep";
        both.subjects = asleep;
        harness_case(&harness, &both);
    }
    return harness_close(&harness);
}
