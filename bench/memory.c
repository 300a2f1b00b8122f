/* SPDX-License-Identifier: MIT */
/*
 * What memory does a parked coroutine take, with a million of them on one core? (--quick: 50,000.)
 *
 * Resident memory and page tables that they added to a process of their own, and how many memory
 * areas (VMAs) that process then has. Beside: slots of the same size in one mapping, of each one
 * page touched, which is the least that a stack can be; a tenth as many, as each takes the same.
 * Not measured: the stacks of coroutines that have called deeply, which keep the pages that they
 * touched.
 */
#include "harness/apart.h"
#include "harness/coil_subject.h"
#include "harness/footprint.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    COROUTINES = 1000000,
    QUICK_COROUTINES = 50000,
    SLOT_SIZE = 128 * 1024, /* coil's default */
};

static unsigned coroutines = COROUTINES;

/* What the process has at one moment. */
struct footprint {
    double bytes, areas;
};

static struct footprint take_footprint(void)
{
    return (struct footprint){
        .bytes = footprint_bytes(getpid()),
        .areas = footprint_areas(getpid()),
    };
}

/* The bytes that were added since `before`, for each of `count`; and all areas. */
static struct footprint growth(const struct footprint *before, size_t count)
{
    struct footprint now = take_footprint();
    return (struct footprint){
        .bytes = (now.bytes - before->bytes) / (double)count,
        .areas = now.areas,
    };
}

/* --- coil --------------------------------------------------------------------------------- */

static int park(void *arg)
{
    (void)arg;
    int result = coil_sleep_until(COIL_FOREVER);
    return result == -ECANCELED ? 0 : result;
}

static int coil_main(void *arg)
{
    COIL_SCOPE(scope, COIL_FOREVER);
    int result = coil_spawn(&scope, park, NULL); /* what the first one brings is not counted */
    if (result == 0)
        result = coil_yield();
    struct footprint before = take_footprint();
    for (unsigned i = 0; i < coroutines && result == 0; i++)
        result = coil_spawn(&scope, park, NULL);
    if (result == 0)
        result = coil_sleep(0); /* all of them run up to where they park */
    *(struct footprint *)arg = growth(&before, coroutines);
    coil_scope_cancel(&scope);
    return coil_scope_close(&scope, result);
}

static int coil_footprint(const struct window *window, struct footprint *footprint)
{
    return coil_subject_run(window, coil_main, footprint);
}

/* --- bare --------------------------------------------------------------------------------- */

static int bare_footprint(const struct window *window, struct footprint *footprint)
{
    (void)window;
    struct footprint before = take_footprint();
    size_t count = coroutines / 10, size = count * SLOT_SIZE;
    char *slots = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slots == MAP_FAILED)
        return -errno;
    madvise(slots, size, MADV_NOHUGEPAGE);
    for (size_t i = 1; i <= count; i++)
        slots[i * SLOT_SIZE - 1] = 1;
    *footprint = growth(&before, count);
    return 0;
}

/* --- subjects ----------------------------------------------------------------------------- */

typedef int footprint_fn(const struct window *window, struct footprint *footprint);

/* What a subject's process is given, and what it reports. */
struct subject_process {
    const struct window *window;
    footprint_fn *take;
    struct footprint footprint;
    int result;
};

static void take_apart(void *arg)
{
    struct subject_process *process = arg;
    process->result = process->take(process->window, &process->footprint);
}

static const char *measure(const struct window *window, footprint_fn *take,
                           double figures[METRIC_MAX])
{
    struct subject_process process = {.window = window, .take = take};
    const char *failed = apart_call(take_apart, &process, sizeof(process));
    if (failed != NULL)
        return failed;
    figures[0] = process.footprint.bytes;
    figures[1] = process.footprint.areas;
    return harness_reason(process.result);
}

static const char *measure_coil(const struct window *window, double figures[METRIC_MAX])
{
    return measure(window, coil_footprint, figures);
}

static const char *measure_bare(const struct window *window, double figures[METRIC_MAX])
{
    return measure(window, bare_footprint, figures);
}

int main(int argc, char **argv)
{
    static const struct metric metrics[] = {
        {.name = "RSS and page tables per coroutine", .unit = "bytes"},
        {.name = "memory areas of the process", .unit = "areas"},
    };
    struct harness harness;
    harness_open(&harness, argc, argv, "memory",
                 "What memory does a parked coroutine take, with a million of them on one core?");
    const char *skipped =
        footprint_available() < 6.0 * (1 << 30) ? "it takes 6 GiB of free memory" : NULL;
    if (harness.quick)
        coroutines = QUICK_COROUTINES;
    char name[NAME_SIZE];
    snprintf(name, sizeof(name), "%u parked coroutines", coroutines);
    const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil, .skipped = skipped},
        {.name = "one_page_each", .measure = measure_bare, .skipped = skipped},
    };
    harness_case(&harness, &(struct bench_case){
                               .name = name,
                               .metrics = metrics,
                               .metric_count = 2,
                               .subjects = subjects,
                               .subject_count = 2,
                               .rounds = 1,
                           });
    return harness_close(&harness);
}
