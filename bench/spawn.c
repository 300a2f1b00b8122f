/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to spawn a coroutine that returns at once, and to join it?
 *
 * On a hot stack: one spawn after the other, so that each finds the stack of the last one. On a
 * cold stack: many at once in a runtime that has just started, so that each touches memory that
 * was never used; joined together.
 *
 * Beside: make_fcontext and a jump there and back, on one stack, or once on each of many stacks
 * without guards. Not measured: what the coroutine does.
 */
#include "bare/fcontext.h"
#include "harness/clock.h"
#include "harness/coil_subject.h"

#include <err.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    HOT_CHUNK = 1000, /* spawns between two looks at the clock */
    WARM = 1000,
    COLD_COUNT = 5000,
    /* As coil's default slots, so that both pay for as many page tables. */
    STACK_SIZE = 128 * 1024,
};

struct spawns {
    int64_t length_ns, elapsed_ns;
    uint64_t count;
};

static double ns_per_spawn(const struct spawns *spawns)
{
    return (double)spawns->elapsed_ns / (double)spawns->count;
}

/* --- coil --------------------------------------------------------------------------------- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int spawn_and_join(void)
{
    COIL_SCOPE(scope, COIL_FOREVER);
    int result = coil_spawn(&scope, nothing, NULL);
    return coil_scope_close(&scope, result);
}

static int hot_main(void *arg)
{
    struct spawns *spawns = arg;
    for (unsigned i = 0; i < WARM; i++) {
        int result = spawn_and_join();
        if (result < 0)
            return result;
    }
    int64_t start = clock_ns();
    do {
        for (unsigned i = 0; i < HOT_CHUNK; i++) {
            int result = spawn_and_join();
            if (result < 0)
                return result;
        }
        spawns->count += HOT_CHUNK;
        spawns->elapsed_ns = clock_ns() - start;
    } while (spawns->elapsed_ns < spawns->length_ns);
    return 0;
}

static int cold_main(void *arg)
{
    struct spawns *spawns = arg;
    int64_t start = clock_ns();
    COIL_SCOPE(scope, COIL_FOREVER);
    int result = 0;
    for (unsigned i = 0; i < COLD_COUNT && result == 0; i++)
        result = coil_spawn(&scope, nothing, NULL);
    result = coil_scope_close(&scope, result);
    spawns->elapsed_ns = clock_ns() - start;
    spawns->count = COLD_COUNT;
    return result;
}

static const char *measure_coil(const struct window *window, double figures[METRIC_MAX])
{
    struct spawns spawns = {.length_ns = window->length_ns};
    bool cold = *(const bool *)window->point;
    int result = coil_subject_run(window, cold ? cold_main : hot_main, &spawns);
    figures[0] = ns_per_spawn(&spawns);
    return harness_reason(result);
}

/* --- bare fcontext ------------------------------------------------------------------------ */

static void jump_back(struct transfer from)
{
    jump_fcontext(from.context, NULL);
    abort();
}

static void round_trip(char *stack_top)
{
    jump_fcontext(make_fcontext(stack_top, STACK_SIZE / 2, jump_back), NULL);
}

static char *map_stacks(size_t count)
{
    char *stacks = mmap(NULL, count * STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED)
        err(1, "no memory for stacks");
    /* A huge page would be touched as a whole. */
    madvise(stacks, count * STACK_SIZE, MADV_NOHUGEPAGE);
    return stacks;
}

static void bare_hot(struct spawns *spawns)
{
    char *stack = map_stacks(1);
    for (unsigned i = 0; i < WARM; i++)
        round_trip(stack + STACK_SIZE);
    int64_t start = clock_ns();
    do {
        for (unsigned i = 0; i < HOT_CHUNK; i++)
            round_trip(stack + STACK_SIZE);
        spawns->count += HOT_CHUNK;
        spawns->elapsed_ns = clock_ns() - start;
    } while (spawns->elapsed_ns < spawns->length_ns);
    munmap(stack, STACK_SIZE);
}

static void bare_cold(struct spawns *spawns)
{
    int64_t start = clock_ns();
    char *stacks = map_stacks(COLD_COUNT);
    for (size_t i = 1; i <= COLD_COUNT; i++)
        round_trip(stacks + i * STACK_SIZE);
    spawns->elapsed_ns = clock_ns() - start;
    spawns->count = COLD_COUNT;
    munmap(stacks, (size_t)COLD_COUNT * STACK_SIZE);
}

static const char *measure_bare(const struct window *window, double figures[METRIC_MAX])
{
    struct spawns spawns = {.length_ns = window->length_ns};
    if (*(const bool *)window->point)
        bare_cold(&spawns);
    else
        bare_hot(&spawns);
    figures[0] = ns_per_spawn(&spawns);
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct metric metric = {.name = "time per spawn and join", .unit = "ns"};
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil},
        {.name = "fcontext_round_trip", .measure = measure_bare},
    };
    static const bool hot = false, cold = true;

    struct harness harness;
    harness_open(&harness, argc, argv, "spawn",
                 "What does it cost to spawn a coroutine that returns at once, and to join it?");
    struct bench_case bench_case = {
        .name = "hot stack",
        .metrics = &metric,
        .metric_count = 1,
        .subjects = subjects,
        .subject_count = 2,
        .point = &hot,
        .window_ms = 100,
        .quick_window_ms = 20,
    };
    harness_case(&harness, &bench_case);
    bench_case.name = "cold stack";
    bench_case.point = &cold;
    harness_case(&harness, &bench_case);
    return harness_close(&harness);
}
