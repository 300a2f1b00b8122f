/* SPDX-License-Identifier: MIT */
/*
 * What does an item of a generator cost?
 *
 * The body counts, the consumer adds up. Beside: the same between two contexts of bare fcontext,
 * which is a jump there and a jump back. The depth is the number of generators from the consumer to
 * the one that yields, each delegating to the next. Not measured: starting and ending one.
 *
 * Where callgrind is there, also the instructions, which do not jitter.
 */
#include "bare/fcontext.h"
#include "harness/callgrind.h"
#include "harness/clock.h"
#include "harness/harness.h"

#include <coil/gen.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 10,
    STACK_SIZE = 16 * 1024,
    CHUNK = 20000, /* items between two looks at the clock */
    COUNTED = 20000,
};

/* One measurement: for a time, or for a number of items. */
struct items {
    int64_t length_ns; /* 0: until `limit` */
    uint64_t limit;
    uint64_t count;
    int64_t elapsed_ns;
    uint64_t sum;
};

static bool go_on(struct items *items, int64_t start)
{
    items->count += CHUNK;
    if (items->length_ns == 0)
        return items->count < items->limit;
    items->elapsed_ns = clock_ns() - start;
    return items->elapsed_ns < items->length_ns;
}

/* --- coil --------------------------------------------------------------------------------- */

static int count_up(struct coil_gen *gen, void *arg)
{
    (void)arg;
    for (uint64_t number = 0;; number++) {
        int err = coil_gen_yield(gen, &number, NULL);
        if (err < 0)
            return err;
    }
}

static int delegate(struct coil_gen *gen, void *arg)
{
    unsigned depth = *(const unsigned *)arg - 1;
    COIL_GEN(sub, depth == 1 ? count_up : delegate, &depth);
    return coil_gen_delegate(gen, &sub);
}

static int consume(unsigned depth, struct items *items)
{
    COIL_GEN(numbers, depth == 1 ? count_up : delegate, &depth);
    int64_t start = clock_ns();
    do {
        for (unsigned i = 0; i < CHUNK; i++) {
            uint64_t *number = coil_gen_next(&numbers);
            if (number == NULL)
                return coil_gen_result(&numbers);
            items->sum += *number;
        }
    } while (go_on(items, start));
    return coil_gen_close(&numbers);
}

/* --- bare fcontext ------------------------------------------------------------------------ */

static void bare_count_up(struct transfer consumer)
{
    for (uint64_t number = 0;; number++)
        consumer = jump_fcontext(consumer.context, &number);
}

static int bare_consume(unsigned depth, struct items *items)
{
    (void)depth;
    static char stack[STACK_SIZE] __attribute__((aligned(64)));
    struct transfer body = {
        .context = make_fcontext(stack + STACK_SIZE, STACK_SIZE, bare_count_up),
    };
    int64_t start = clock_ns();
    do {
        for (unsigned i = 0; i < CHUNK; i++) {
            body = jump_fcontext(body.context, NULL);
            items->sum += *(uint64_t *)body.data;
        }
    } while (go_on(items, start));
    return 0;
}

/* --- subjects ----------------------------------------------------------------------------- */

struct way {
    int (*consume)(unsigned depth, struct items *items);
    unsigned depth; /* 0: that of the case */
    const char *argument;
};

static const struct way coil = {consume, 0, "coil"};
static const struct way coil_alone = {consume, 1, "alone"};
static const struct way bare = {bare_consume, 1, "bare"};
static const struct way *const ways[] = {&coil, &coil_alone, &bare};

static const char *measure_time(const struct window *window, double figures[METRIC_MAX])
{
    const struct way *way = window->arg;
    unsigned depth = *(const unsigned *)window->point;
    struct items items = {.length_ns = window->length_ns};
    int result = way->consume(way->depth != 0 ? way->depth : depth, &items);
    figures[0] = (double)items.elapsed_ns / (double)items.count;
    return harness_reason(result);
}

/* Counts for one number of items and for twice as many; the difference is theirs alone. */
static const char *measure_instructions(const struct window *window, double figures[METRIC_MAX])
{
    const struct way *way = window->arg;
    char self[4096], depth[16], count[16];
    int64_t instructions[2];
    process_beside(self, sizeof(self), "gen");
    snprintf(depth, sizeof(depth), "%u", *(const unsigned *)window->point);
    for (int i = 0; i < 2; i++) {
        snprintf(count, sizeof(count), "%d", COUNTED << i);
        const char *const argv[] = {self, "--count", way->argument, depth, count, NULL};
        instructions[i] = callgrind_run(argv);
        if (instructions[i] < 0)
            return "does not run under callgrind";
    }
    figures[0] = (double)(instructions[1] - instructions[0]) / COUNTED;
    return NULL;
}

/* What callgrind runs: "gen --count SUBJECT DEPTH ITEMS". */
static int run_counted(char **argv)
{
    struct items items = {.limit = (uint64_t)atoll(argv[4])};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(argv[2], ways[i]->argument) == 0)
            return ways[i]->consume(ways[i]->depth != 0 ? ways[i]->depth : (unsigned)atoi(argv[3]),
                                    &items) < 0;
    }
    return 2;
}

static void run_case(struct harness *harness, unsigned depth)
{
    static const struct metric time = {.name = "time per item", .unit = "ns"};
    static const struct metric instructions = {.name = "instructions per item", .unit = "instr"};
    const struct way *beside[] = {&coil, depth == 1 ? &bare : &coil_alone, &bare};
    const char *names[] = {"coil", depth == 1 ? "fcontext_round_trip" : "coil_depth_1",
                           "fcontext_round_trip"};
    size_t count = depth == 1 ? 2 : 3;
    struct subject timed[3], counted[3];
    for (size_t i = 0; i < count; i++) {
        timed[i] = (struct subject){
            .name = names[i], .measure = measure_time, .arg = (void *)(uintptr_t)beside[i]};
        counted[i] = timed[i];
        counted[i].measure = measure_instructions;
        counted[i].skipped = callgrind_missing();
    }
    char name[NAME_SIZE];
    snprintf(name, sizeof(name), "depth %u", depth);
    struct bench_case bench_case = {
        .name = name,
        .metrics = &time,
        .metric_count = 1,
        .subjects = timed,
        .subject_count = count,
        .point = &depth,
        .window_ms = 100,
        .quick_window_ms = 20,
    };
    harness_case(harness, &bench_case);
    if (harness->quick)
        return;
    bench_case.metrics = &instructions;
    bench_case.subjects = counted;
    bench_case.rounds = 1; /* repeatable */
    harness_case(harness, &bench_case);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--count") == 0)
        return run_counted(argv);

    struct harness harness;
    harness_open(&harness, argc, argv, "gen", "What does an item of a generator cost?");
    run_case(&harness, 1);
    run_case(&harness, DEPTH_MAX);
    return harness_close(&harness);
}
