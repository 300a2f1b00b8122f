/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to await a NOP, which goes to the kernel and back and does nothing?
 *
 * With N in flight, awaited by one coroutine that has started them all, or by N coroutines of
 * which each awaits its own. Beside: a liburing loop on a ring set up in the same way, which
 * queues N, enters once, and walks the N completions. Not measured: any work of the kernel.
 *
 * Where callgrind is there, also the instructions in user space, which do not jitter.
 */
#include "bare/ring.h"
#include "harness/callgrind.h"
#include "harness/clock.h"
#include "harness/coil_subject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    IN_FLIGHT_MAX = 128,
    CHUNK = 4096, /* NOPs between two looks at the clock */
    COUNTED = 20000,
};

/* One measurement: for a time, or for a number of NOPs. */
struct nops {
    unsigned in_flight;
    int64_t length_ns; /* 0: until `limit` */
    uint64_t limit;
    uint64_t count;
    int64_t elapsed_ns;
    bool stop;
};

/* Whether to go on after the batches that one look at the clock covers. */
static bool go_on(struct nops *nops, int64_t start)
{
    if (nops->length_ns == 0)
        return nops->count < nops->limit;
    nops->elapsed_ns = clock_ns() - start;
    return nops->elapsed_ns < nops->length_ns;
}

static unsigned batches_per_look(const struct nops *nops)
{
    return nops->length_ns == 0 ? 1 : CHUNK / nops->in_flight;
}

/* --- coil, one coroutine ------------------------------------------------------------------ */

static int one_coroutine(void *arg)
{
    struct nops *nops = arg;
    struct coil_future futures[IN_FLIGHT_MAX] = {0};
    unsigned in_flight = nops->in_flight;
    unsigned batches = batches_per_look(nops);
    int64_t start = clock_ns();
    do {
        for (unsigned batch = 0; batch < batches; batch++) {
            for (unsigned i = 0; i < in_flight; i++)
                coil_nop_start(&futures[i]);
            for (unsigned i = 0; i < in_flight; i++) {
                ssize_t result = coil_await(&futures[i]);
                if (result < 0)
                    return (int)result;
            }
        }
        nops->count += (uint64_t)batches * in_flight;
    } while (go_on(nops, start));
    return 0;
}

/* --- coil, a coroutine per NOP ------------------------------------------------------------ */

static int follower(void *arg)
{
    struct nops *nops = arg;
    while (!nops->stop) {
        int result = coil_nop();
        if (result < 0)
            return result;
    }
    return 0;
}

/* The others keep step with the one that counts: the ready queue is a FIFO. */
static int leader(void *arg)
{
    struct nops *nops = arg;
    unsigned batches = batches_per_look(nops);
    int64_t start = clock_ns();
    do {
        for (unsigned batch = 0; batch < batches; batch++) {
            int result = coil_nop();
            if (result < 0)
                return result;
        }
        nops->count += (uint64_t)batches * nops->in_flight;
    } while (go_on(nops, start));
    nops->stop = true;
    return 0;
}

static int many_coroutines(void *arg)
{
    struct nops *nops = arg;
    COIL_SCOPE(scope, COIL_FOREVER);
    int result = 0;
    for (unsigned i = 1; i < nops->in_flight && result == 0; i++)
        result = coil_spawn(&scope, follower, nops);
    if (result == 0)
        result = coil_spawn(&scope, leader, nops);
    return coil_scope_close(&scope, result);
}

/* --- bare liburing ------------------------------------------------------------------------ */

/* What a completion is handed to; all that is left of a future. */
struct operation {
    int result;
};

/* Queues a NOP for each operation, enters once, and takes the completions. The kernel is not asked
 * for any, which takes it longer: they are there when it returns, or else are waited for. */
static int bare_batch(struct io_uring *ring, struct operation *operations, unsigned in_flight)
{
    for (unsigned i = 0; i < in_flight; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
        io_uring_prep_nop(sqe);
        io_uring_sqe_set_data(sqe, &operations[i]);
    }
    int result = io_uring_submit(ring);
    if (result >= 0 && io_uring_cq_ready(ring) < in_flight)
        result = io_uring_submit_and_wait(ring, in_flight);
    if (result < 0)
        return result;
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    io_uring_for_each_cqe(ring, head, cqe)
    {
        ((struct operation *)io_uring_cqe_get_data(cqe))->result = cqe->res;
        seen++;
    }
    io_uring_cq_advance(ring, seen);
    return seen == in_flight ? 0 : -EIO;
}

static int bare_loop(struct nops *nops)
{
    struct io_uring ring;
    int result = bare_ring_open(&ring, 256, 4096);
    if (result < 0)
        return result;
    struct operation operations[IN_FLIGHT_MAX];
    unsigned batches = batches_per_look(nops);
    int64_t start = clock_ns();
    do {
        for (unsigned batch = 0; batch < batches && result == 0; batch++)
            result = bare_batch(&ring, operations, nops->in_flight);
        nops->count += (uint64_t)batches * nops->in_flight;
    } while (result == 0 && go_on(nops, start));
    io_uring_queue_exit(&ring);
    return result;
}

/* --- subjects ----------------------------------------------------------------------------- */

typedef int run_fn(const struct window *window, struct nops *nops);

static int run_one_coroutine(const struct window *window, struct nops *nops)
{
    return coil_subject_run(window, one_coroutine, nops);
}

static int run_many_coroutines(const struct window *window, struct nops *nops)
{
    return coil_subject_run(window, many_coroutines, nops);
}

static int run_bare(const struct window *window, struct nops *nops)
{
    (void)window;
    return bare_loop(nops);
}

/* A way to have N in flight. The first subject is coil. */
struct way {
    const char *name;
    run_fn *run[2];
    const char *argument; /* for count_instructions() */
};

static const struct way ways[] = {
    {"%u in flight", {run_one_coroutine, run_bare}, "one"},
    {"%u coroutine%s", {run_many_coroutines, run_bare}, "many"},
};

struct point {
    unsigned in_flight;
    const struct way *way;
};

static const char *measure(const struct window *window, run_fn *run, double figures[METRIC_MAX])
{
    struct nops nops = {
        .in_flight = ((const struct point *)window->point)->in_flight,
        .length_ns = window->length_ns,
    };
    int result = run(window, &nops);
    figures[0] = (double)nops.elapsed_ns / (double)nops.count;
    return harness_reason(result);
}

static const char *measure_coil(const struct window *window, double figures[METRIC_MAX])
{
    return measure(window, ((const struct point *)window->point)->way->run[0], figures);
}

static const char *measure_bare(const struct window *window, double figures[METRIC_MAX])
{
    return measure(window, run_bare, figures);
}

/* --- instructions ------------------------------------------------------------------------- */

/* Runs COUNTED or twice as many NOPs under callgrind; the difference is theirs alone. */
static const char *count_instructions(const struct window *window, const char *subject,
                                      double figures[METRIC_MAX])
{
    char self[4096], in_flight[16], count[16];
    int64_t instructions[2];
    process_beside(self, sizeof(self), "nop");
    snprintf(in_flight, sizeof(in_flight), "%u", ((const struct point *)window->point)->in_flight);
    for (int i = 0; i < 2; i++) {
        snprintf(count, sizeof(count), "%d", COUNTED << i);
        const char *const argv[] = {self, "--count", subject, in_flight, count, NULL};
        instructions[i] = callgrind_run(argv);
        if (instructions[i] < 0)
            return "does not run under callgrind";
    }
    figures[0] = (double)(instructions[1] - instructions[0]) / COUNTED;
    return NULL;
}

static const char *count_coil(const struct window *window, double figures[METRIC_MAX])
{
    const struct point *point = window->point;
    return count_instructions(window, point->way->argument, figures);
}

static const char *count_bare(const struct window *window, double figures[METRIC_MAX])
{
    return count_instructions(window, "bare", figures);
}

/* What callgrind runs: "nop --count SUBJECT IN_FLIGHT NOPS". */
static int run_counted(char **argv)
{
    struct nops nops = {
        .in_flight = (unsigned)atoi(argv[3]),
        .limit = (uint64_t)atoll(argv[4]),
    };
    struct window window = {0};
    run_fn *run = strcmp(argv[2], "one") == 0    ? run_one_coroutine
                  : strcmp(argv[2], "many") == 0 ? run_many_coroutines
                                                 : run_bare;
    int result = run(&window, &nops);
    if (result < 0)
        fprintf(stderr, "nop: %s\n", strerror(-result));
    return result < 0;
}

/* The same case once more, but for its metric and how that is measured. */
static void measure_instructions(struct harness *harness, struct bench_case bench_case)
{
    static const struct metric metric = {.name = "user-space instructions per NOP",
                                         .unit = "instr"};
    const struct subject subjects[] = {
        {.name = "coil", .measure = count_coil, .skipped = callgrind_missing()},
        {.name = "liburing", .measure = count_bare, .skipped = callgrind_missing()},
    };
    bench_case.metrics = &metric;
    bench_case.subjects = subjects;
    bench_case.rounds = 1; /* repeatable */
    harness_case(harness, &bench_case);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--count") == 0)
        return run_counted(argv);

    static const struct metric metric = {.name = "time per NOP", .unit = "ns"};
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil},
        {.name = "liburing", .measure = measure_bare},
    };
    static const unsigned depths[] = {1, 8, 32, 128};

    struct harness harness;
    harness_open(&harness, argc, argv, "nop",
                 "What does it cost to await a NOP, which goes to the kernel and back?");
    for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
        for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
            char name[NAME_SIZE];
            snprintf(name, sizeof(name), ways[way].name, depths[i], depths[i] == 1 ? "" : "s");
            const struct point point = {.in_flight = depths[i], .way = &ways[way]};
            struct bench_case bench_case = {
                .name = name,
                .metrics = &metric,
                .metric_count = 1,
                .subjects = subjects,
                .subject_count = 2,
                .point = &point,
                .window_ms = 100,
                .quick_window_ms = 20,
            };
            harness_case(&harness, &bench_case);
            if (depths[i] == 32 ? way == 0 || !harness.quick : depths[i] == 1 && !harness.quick)
                measure_instructions(&harness, bench_case);
        }
    }
    return harness_close(&harness);
}
