/* SPDX-License-Identifier: MIT */
/* The switch by itself, for what needs one. */
#include "harness/switches.h"

#include "bare/fcontext.h"
#include "harness/clock.h"
#include "harness/coil_subject.h"

#include <stdlib.h>

enum {
    CHUNK = 5000, /* switches between two looks at the clock, and before the first */
    STACK_SIZE = 16 * 1024,
};

struct yields {
    int64_t length_ns;
    bool stop;
    double ns;
};

static int yield_along(void *arg)
{
    struct yields *yields = arg;
    int err = 0;
    while (!yields->stop && err == 0)
        err = coil_yield();
    return err;
}

/* Counts only its own yields; the other coroutine does as many. */
static int yield_and_time(void *arg)
{
    struct yields *yields = arg;
    uint64_t count = 0;
    int64_t start = 0, elapsed;
    do {
        for (int i = 0; i < CHUNK; i++) {
            int err = coil_yield();
            if (err < 0)
                return err;
        }
        if (start == 0)
            start = clock_ns();
        else
            count += CHUNK;
        elapsed = clock_ns() - start;
    } while (elapsed < yields->length_ns);
    yields->ns = (double)elapsed / (double)(2 * count);
    yields->stop = true;
    return 0;
}

static int yield_main(void *arg)
{
    COIL_SCOPE(scope, COIL_FOREVER);
    int result = coil_spawn(&scope, yield_along, arg);
    if (result == 0)
        result = yield_and_time(arg);
    return coil_scope_close(&scope, result);
}

const char *measure_yield(const struct window *window, double figures[METRIC_MAX])
{
    struct yields yields = {.length_ns = window->length_ns};
    int result = coil_subject_run(window, yield_main, &yields);
    figures[0] = yields.ns;
    return harness_reason(result);
}

static void jump_back(struct transfer from)
{
    for (;;)
        from = jump_fcontext(from.context, NULL);
}

const char *measure_jump(const struct window *window, double figures[METRIC_MAX])
{
    char *stack = aligned_alloc(4096, STACK_SIZE);
    if (stack == NULL)
        return "no memory for a stack";
    struct transfer other = {.context = make_fcontext(stack + STACK_SIZE, STACK_SIZE, jump_back)};
    uint64_t count = 0;
    int64_t start = clock_ns(), elapsed;
    do {
        for (int i = 0; i < CHUNK; i++)
            other = jump_fcontext(other.context, NULL);
        count += CHUNK;
        elapsed = clock_ns() - start;
    } while (elapsed < window->length_ns);
    free(stack);
    figures[0] = (double)elapsed / (double)(2 * count);
    return NULL;
}
