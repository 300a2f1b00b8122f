/* SPDX-License-Identifier: MIT */
/*
 * What memory does a parked coroutine take, with a million of them on one core?
 *
 * Resident memory and page tables, and memory areas: what all of them added to the process, which
 * is a process of its own so that nothing else is in it. Beside: as many slots of the same size in
 * one mapping, of each one page touched, which is the least that a stack can be. Not measured: the
 * stacks of coroutines that have called deeply, which keep the pages that they touched.
 */
#include "harness/coil_subject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    COROUTINES = 1000000,
    SLOT_SIZE = 128 * 1024, /* coil's default */
    NEEDED_KIB = 6 * 1024 * 1024,
};

/* What the process has at one moment. */
struct footprint {
    double bytes, areas;
};

/* The number after `key` in a file of lines like "VmRSS:  1234 kB"; 0 when it is not there. */
static double read_kib(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    char line[256];
    double kib = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtod(line + strlen(key), NULL);
    }
    fclose(file);
    return kib;
}

static double count_areas(void)
{
    FILE *file = fopen("/proc/self/maps", "re");
    if (file == NULL)
        return 0;
    double areas = 0;
    int c;
    while ((c = getc(file)) != EOF)
        areas += c == '\n';
    fclose(file);
    return areas;
}

static struct footprint take_footprint(void)
{
    const char *status = "/proc/self/status";
    return (struct footprint){
        .bytes = (read_kib(status, "VmRSS:") + read_kib(status, "VmPTE:")) * 1024,
        .areas = count_areas(),
    };
}

/* What was added since `before`: bytes for each coroutine, areas for all. */
static struct footprint growth(const struct footprint *before)
{
    struct footprint now = take_footprint();
    return (struct footprint){
        .bytes = (now.bytes - before->bytes) / COROUTINES,
        .areas = now.areas - before->areas,
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
    for (unsigned i = 0; i < COROUTINES && result == 0; i++)
        result = coil_spawn(&scope, park, NULL);
    if (result == 0)
        result = coil_sleep(0); /* all of them run up to where they park */
    *(struct footprint *)arg = growth(&before);
    coil_scope_cancel(&scope);
    return coil_scope_close(&scope, result);
}

static const char *coil_footprint(const struct window *window, struct footprint *footprint)
{
    return coil_subject_run(window, coil_main, footprint);
}

/* --- bare --------------------------------------------------------------------------------- */

static const char *bare_footprint(const struct window *window, struct footprint *footprint)
{
    (void)window;
    struct footprint before = take_footprint();
    size_t size = (size_t)COROUTINES * SLOT_SIZE;
    char *slots = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slots == MAP_FAILED)
        return strerror(errno);
    madvise(slots, size, MADV_NOHUGEPAGE);
    for (size_t i = 1; i <= COROUTINES; i++)
        slots[i * SLOT_SIZE - 1] = 1;
    *footprint = growth(&before);
    return NULL;
}

/* --- subjects ----------------------------------------------------------------------------- */

typedef const char *footprint_fn(const struct window *window, struct footprint *footprint);

/* What the process of a subject reports. */
struct report {
    struct footprint footprint;
    char failed[NOTE_SIZE];
};

/* Takes the footprint in a process of its own. */
static const char *measure(const struct window *window, footprint_fn *take,
                           double figures[METRIC_MAX])
{
    static struct report report;
    int ends[2];
    if (pipe(ends) < 0)
        return strerror(errno);
    pid_t pid = fork();
    if (pid == 0) {
        memset(&report, 0, sizeof(report));
        const char *failed = take(window, &report.footprint);
        snprintf(report.failed, sizeof(report.failed), "%s", failed != NULL ? failed : "");
        ssize_t written = write(ends[1], &report, sizeof(report));
        _exit(written == sizeof(report) ? 0 : 1);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], &report, sizeof(report));
    close(ends[0]);
    waitpid(pid, NULL, 0);
    if (n != sizeof(report))
        return "its process died";
    figures[0] = report.footprint.bytes;
    figures[1] = report.footprint.areas;
    return report.failed[0] != '\0' ? report.failed : NULL;
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
        {.name = "memory areas in total", .unit = "areas"},
    };
    struct harness harness;
    harness_open(&harness, argc, argv, "memory",
                 "What memory does a parked coroutine take, with a million of them on one core?");
    const char *skipped = read_kib("/proc/meminfo", "MemAvailable:") < NEEDED_KIB
                              ? "it takes 6 GiB of free memory"
                              : NULL;
    const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil, .skipped = skipped},
        {.name = "one_page_each", .measure = measure_bare, .skipped = skipped},
    };
    harness_case(&harness, &(struct bench_case){
                               .name = "1000000 parked coroutines",
                               .metrics = metrics,
                               .metric_count = 2,
                               .subjects = subjects,
                               .subject_count = 2,
                               .rounds = 1,
                           });
    return harness_close(&harness);
}
