/* SPDX-License-Identifier: MIT */
/*
 * What does a yield cost, from one coroutine to the next of a ready queue?
 *
 * Beside: the same over bare fcontext, which is a FIFO, a jump and nothing else; and half a round
 * trip between two contexts without any queue, which nothing built on fcontext can go below. The
 * depth counts the function calls from the coroutine's loop down to the jump: after a switch each
 * of their returns is mispredicted. A yield that is a function, as a library's is, has depth 1.
 * Not measured: what the coroutines do in between, which would find their stacks cold.
 */
#include "bare/fcontext.h"
#include "harness/clock.h"
#include "harness/coil_subject.h"

#include <err.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    COROUTINE_MAX = 1000,
    STACK_SIZE = 16 * 1024,
    CHUNK = 200, /* turns of all coroutines between two looks at the clock */
    WARM_TURNS = 100,
};

struct point {
    unsigned coroutines, depth;
};

/* Shared by all coroutines of one window. The first one of them watches the clock. */
static struct {
    unsigned depth, count;
    int64_t length_ns, elapsed_ns;
    uint64_t turns;
    bool stop;
} run;

static double ns_per_yield(void)
{
    return (double)run.elapsed_ns / (double)(run.turns * run.count);
}

/* A call that the compiler can neither inline nor turn into a jump. */
#define CALL_DEEPER(name, callee)            \
    __attribute__((noinline)) int name(void) \
    {                                        \
        int result = callee();               \
        __asm__ volatile("" : "+r"(result)); \
        return result;                       \
    }

/* Runs `turns` turns of the coroutine that calls it. */
static inline __attribute__((always_inline)) void turn(unsigned turns, int (*yield)(void))
{
    for (unsigned i = 0; i < turns; i++) {
        if (yield() < 0)
            return;
    }
}

/* The loop of the coroutine that watches the clock. */
static inline __attribute__((always_inline)) void lead(int (*yield)(void))
{
    unsigned chunk = CHUNK * 64 / (run.count < 64 ? 64 : run.count);
    turn(WARM_TURNS, yield);
    int64_t start = clock_ns();
    do {
        turn(chunk, yield);
        run.turns += chunk;
        run.elapsed_ns = clock_ns() - start;
    } while (run.elapsed_ns < run.length_ns);
    run.stop = true;
}

/* --- coil --------------------------------------------------------------------------------- */

static CALL_DEEPER(coil_depth_2, coil_yield) static CALL_DEEPER(coil_depth_3, coil_depth_2)

    static int coil_leader(void *arg)
{
    (void)arg;
    if (run.depth == 1)
        lead(coil_yield);
    else
        lead(coil_depth_3);
    return 0;
}

static int coil_follower(void *arg)
{
    (void)arg;
    while (!run.stop)
        turn(1, run.depth == 1 ? coil_yield : coil_depth_3);
    return 0;
}

static int coil_main(void *arg)
{
    (void)arg;
    COIL_SCOPE(scope, COIL_FOREVER);
    int result = coil_spawn(&scope, coil_leader, NULL);
    for (unsigned i = 1; i < run.count && result == 0; i++)
        result = coil_spawn(&scope, coil_follower, NULL);
    return coil_scope_close(&scope, result);
}

/* --- bare fcontext ------------------------------------------------------------------------ */

struct fiber {
    struct fiber *next;
    void *context;
};

static struct {
    struct fiber *first, *last, *running;
    void *main;
} queue;

static inline __attribute__((always_inline)) void switch_to_next(struct fiber *self)
{
    struct fiber *next = queue.first;
    queue.first = next->next;
    queue.running = next;
    struct transfer from = jump_fcontext(next->context, self);
    ((struct fiber *)from.data)->context = from.context;
}

__attribute__((noinline)) static int bare_yield(void)
{
    struct fiber *self = queue.running;
    queue.last->next = self;
    queue.last = self;
    switch_to_next(self);
    return 0;
}

static CALL_DEEPER(bare_depth_2, bare_yield) static CALL_DEEPER(bare_depth_3, bare_depth_2)

    /* Where each fiber begins: somebody jumped here in place of returning from his own jump. */
    static void begin(struct transfer from)
{
    ((struct fiber *)from.data)->context = from.context;
}

static void bare_leader(struct transfer from)
{
    queue.main = from.context;
    if (run.depth == 1)
        lead(bare_yield);
    else
        lead(bare_depth_3);
    jump_fcontext(queue.main, NULL); /* the others are left where they are */
    abort();
}

static void bare_follower(struct transfer from)
{
    begin(from);
    for (;;)
        turn(1, run.depth == 1 ? bare_yield : bare_depth_3);
}

/* The fiber lies at the top of its stack, as coil's task does, and spread over the cache's sets. */
static struct fiber *make_fiber(char *stack, unsigned number, void (*entry)(struct transfer))
{
    char *top = stack + STACK_SIZE - (number % 16 + 1) * 128;
    struct fiber *fiber = (struct fiber *)(void *)top;
    fiber->context = make_fcontext(top, STACK_SIZE / 2, entry);
    return fiber;
}

static char *map_stacks(void)
{
    char *stacks = mmap(NULL, (size_t)COROUTINE_MAX * STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED)
        err(1, "no memory for stacks");
    return stacks;
}

static void bare_main(void)
{
    char *stacks = map_stacks();
    struct fiber *leader = make_fiber(stacks, 0, bare_leader);
    queue.first = queue.last = make_fiber(stacks + STACK_SIZE, 1, bare_follower);
    for (unsigned i = 2; i < run.count; i++) {
        queue.last->next = make_fiber(stacks + (size_t)i * STACK_SIZE, i, bare_follower);
        queue.last = queue.last->next;
    }
    queue.running = leader;
    jump_fcontext(leader->context, NULL);
    munmap(stacks, (size_t)COROUTINE_MAX * STACK_SIZE);
}

/* --- half a round trip -------------------------------------------------------------------- */

static void echo_jumps(struct transfer from)
{
    for (;;)
        from = jump_fcontext(from.context, NULL);
}

static void round_trips(void)
{
    char *stacks = map_stacks();
    struct transfer other = {.context =
                                 make_fcontext(stacks + STACK_SIZE, STACK_SIZE / 2, echo_jumps)};
    int64_t start = clock_ns();
    do {
        for (unsigned i = 0; i < CHUNK * 32; i++)
            other = jump_fcontext(other.context, NULL);
        run.turns += (uint64_t)CHUNK * 32 * 2 / run.count;
        run.elapsed_ns = clock_ns() - start;
    } while (run.elapsed_ns < run.length_ns);
    munmap(stacks, (size_t)COROUTINE_MAX * STACK_SIZE);
}

/* --- subjects ----------------------------------------------------------------------------- */

static void prepare(const struct window *window, unsigned count)
{
    const struct point *point = window->point;
    run.depth = point->depth;
    run.count = count;
    run.length_ns = window->length_ns;
    run.turns = 0;
    run.stop = false;
}

static const char *measure_coil(const struct window *window, double figures[METRIC_MAX])
{
    prepare(window, ((const struct point *)window->point)->coroutines);
    int result = coil_subject_run(window, coil_main, NULL);
    figures[0] = ns_per_yield();
    return harness_reason(result);
}

static const char *measure_bare(const struct window *window, double figures[METRIC_MAX])
{
    prepare(window, ((const struct point *)window->point)->coroutines);
    bare_main();
    figures[0] = ns_per_yield();
    return NULL;
}

static const char *measure_half(const struct window *window, double figures[METRIC_MAX])
{
    prepare(window, 2);
    round_trips();
    figures[0] = ns_per_yield();
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct metric metric = {.name = "time per yield", .unit = "ns"};
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil},
        {.name = "fcontext_queue", .measure = measure_bare},
        {.name = "fcontext_half_round_trip", .measure = measure_half},
    };
    static const struct point points[] = {{2, 1}, {64, 1}, {1000, 1}, {2, 3}, {64, 3}, {1000, 3}};

    struct harness harness;
    harness_open(&harness, argc, argv, "switch",
                 "What does a yield cost, from one coroutine to the next of a ready queue?");
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof(name), "%u coroutines, depth %u", points[i].coroutines,
                 points[i].depth);
        harness_case(&harness, &(struct bench_case){
                                   .name = name,
                                   .metrics = &metric,
                                   .metric_count = 1,
                                   .subjects = subjects,
                                   .subject_count = 3,
                                   .point = &points[i],
                                   .window_ms = 100,
                                   .quick_window_ms = 20,
                               });
    }
    return harness_close(&harness);
}
