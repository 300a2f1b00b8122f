/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to cancel 100,000 coroutines at once? (--quick: 5,000.)
 *
 * From coil_scope_cancel() until the last of them has ended, divided by their number; the memory
 * that each took while it was parked, and what of that the process keeps when coil has ended. All
 * of a kind wait for the same thing; the last case has a part of each kind. It also fails when a
 * descriptor is left open.
 *
 * Beside: as many operations of bare io_uring, cancelled one by one, without coroutines. Not
 * measured: to spawn and park them (bench/spawn).
 */
#include "bare/ring.h"
#include "harness/apart.h"
#include "harness/clock.h"
#include "harness/coil_subject.h"
#include "harness/footprint.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COROUTINES = 100000, QUICK_COROUTINES = 5000, RING_ENTRIES = 256 };

enum kind { READS, ACCEPTS, TIMERS, CHANNELS, LOCKS, KINDS, ALL_KINDS = KINDS };

static unsigned coroutines = COROUTINES;

/* What the coroutines of one storm wait for, and what came of it. */
struct storm {
    enum kind kind;
    int pipe[2], listener;
    struct coil_chan chan; /* empty, for values of a byte */
    struct coil_mutex mutex;
    unsigned begun, cancelled;
    int64_t elapsed_ns;
    double bytes_before, bytes_parked, bytes_after;
};

static void open_descriptors(struct storm *storm)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    storm->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (pipe(storm->pipe) < 0 || storm->listener < 0 ||
        bind(storm->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(storm->listener, 1) < 0)
        err(1, "cannot open what to wait for");
}

/* --- coil --------------------------------------------------------------------------------- */

static int wait_for(struct storm *storm, enum kind kind)
{
    char byte;
    switch (kind) {
    case READS:
        return (int)coil_read(storm->pipe[0], &byte, 1);
    case ACCEPTS:
        return coil_accept(storm->listener, NULL, NULL, 0);
    case CHANNELS:
        return coil_chan_recv(&storm->chan, &byte);
    case LOCKS:
        return coil_mutex_lock(&storm->mutex);
    case TIMERS:
    case KINDS:
        break;
    }
    return coil_sleep_until(COIL_FOREVER);
}

static int park(void *arg)
{
    struct storm *storm = arg;
    enum kind kind = storm->kind == ALL_KINDS ? storm->begun % KINDS : storm->kind;
    storm->begun++;
    storm->cancelled += wait_for(storm, kind) == -ECANCELED;
    return 0;
}

static int coil_main(void *arg)
{
    struct storm *storm = arg;
    coil_chan_init(&storm->chan, NULL, 1, 0);
    int result = coil_mutex_lock(&storm->mutex);
    COIL_SCOPE(scope, COIL_FOREVER);
    for (unsigned i = 0; i < coroutines && result == 0; i++)
        result = coil_spawn(&scope, park, storm);
    while (storm->begun < coroutines && result == 0) /* ends: each turn begins some */
        result = coil_yield();
    if (result == 0)
        result = coil_sleep(COIL_MSEC); /* the kernel has them all */
    storm->bytes_parked = footprint_bytes(getpid());
    int64_t start = clock_ns();
    coil_scope_cancel(&scope);
    result = coil_scope_close(&scope, result);
    storm->elapsed_ns = clock_ns() - start;
    coil_mutex_unlock(&storm->mutex); /* aborts, as the next, if anybody still waits */
    coil_mutex_destroy(&storm->mutex);
    coil_chan_destroy(&storm->chan);
    return result;
}

static int coil_storm(const struct window *window, struct storm *storm)
{
    return coil_subject_run(window, coil_main, storm);
}

/* --- bare io_uring ------------------------------------------------------------------------- */

static void start_bare(struct io_uring *ring, const struct storm *storm, char *byte, unsigned i)
{
    struct io_uring_sqe *sqe = bare_ring_sqe(ring);
    if (storm->kind == READS)
        io_uring_prep_read(sqe, storm->pipe[0], byte, 1, (uint64_t)-1);
    else
        io_uring_prep_accept(sqe, storm->listener, NULL, NULL, 0);
    sqe->user_data = i + 1;
}

static void take_bare(struct io_uring *ring, struct storm *storm)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(ring, head, cqe)
    {
        count++;
        storm->cancelled += cqe->res == -ECANCELED;
    }
    io_uring_cq_advance(ring, count);
}

/* As coil does: the kernel's work for what was cancelled is done before more is (ring/ring.c). */
static void let_cancelled_end(struct io_uring *ring, struct storm *storm)
{
    do { /* ends: nothing else makes work */
        io_uring_submit_and_get_events(ring);
        take_bare(ring, storm);
    } while ((IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_TASKRUN) != 0);
}

static void cancel_bare(struct io_uring *ring, struct storm *storm, unsigned i)
{
    if (io_uring_sq_space_left(ring) == 0)
        let_cancelled_end(ring, storm);
    struct io_uring_sqe *sqe = bare_ring_sqe(ring);
    io_uring_prep_cancel64(sqe, i + 1, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = 0;
}

static int bare_storm(const struct window *window, struct storm *storm)
{
    char byte;
    struct io_uring ring;
    (void)window;
    int result = bare_ring_open(&ring, RING_ENTRIES, 8 * RING_ENTRIES);
    if (result < 0)
        return result;
    for (unsigned i = 0; i < coroutines; i++)
        start_bare(&ring, storm, &byte, i);
    io_uring_submit_and_get_events(&ring);
    storm->bytes_parked = footprint_bytes(getpid());
    int64_t start = clock_ns();
    for (unsigned i = coroutines; i-- > 0;) /* the youngest first, as coil does */
        cancel_bare(&ring, storm, i);
    while (storm->cancelled < coroutines && result >= 0) { /* ends: each wait brings one at least */
        result = bare_ring_turn(&ring, 0);
        take_bare(&ring, storm);
    }
    storm->elapsed_ns = clock_ns() - start;
    io_uring_queue_exit(&ring);
    return result < 0 ? result : 0;
}

/* --- subjects ----------------------------------------------------------------------------- */

typedef int storm_fn(const struct window *window, struct storm *storm);

/* What a subject's process is given, and what it reports. */
struct subject_process {
    const struct window *window;
    storm_fn *run;
    struct storm storm;
    int result, descriptors_left;
};

static void rage(void *arg)
{
    struct subject_process *process = arg;
    struct storm *storm = &process->storm;
    storm->kind = *(const enum kind *)process->window->point;
    open_descriptors(storm);
    int descriptors = footprint_descriptors();
    storm->bytes_before = footprint_bytes(getpid());
    process->result = process->run(process->window, storm);
    storm->bytes_after = footprint_bytes(getpid());
    process->descriptors_left = footprint_descriptors() - descriptors;
}

static const char *measure(const struct window *window, storm_fn *run, double figures[METRIC_MAX])
{
    struct subject_process process = {.window = window, .run = run};
    const char *failed = apart_call(rage, &process, sizeof(process));
    if (failed == NULL)
        failed = harness_reason(process.result);
    if (failed != NULL)
        return failed;
    const struct storm *storm = &process.storm;
    if (storm->cancelled != coroutines)
        return "not all of them were cancelled";
    if (process.descriptors_left != 0)
        return "descriptors were left open, or closed";
    figures[0] = (double)storm->elapsed_ns / coroutines;
    figures[1] = (storm->bytes_parked - storm->bytes_before) / coroutines;
    figures[2] = (storm->bytes_after - storm->bytes_before) / coroutines;
    return NULL;
}

static const char *measure_coil(const struct window *window, double figures[METRIC_MAX])
{
    return measure(window, coil_storm, figures);
}

static const char *measure_bare(const struct window *window, double figures[METRIC_MAX])
{
    return measure(window, bare_storm, figures);
}

static void measure_kind(struct harness *harness, const char *what, enum kind kind, bool has_bare)
{
    static const struct metric metrics[] = {
        {.name = "time per cancelled coroutine", .unit = "ns"},
        {.name = "memory of a parked one", .unit = "bytes"},
        {.name = "memory kept of each at the end", .unit = "bytes"},
    };
    const char *skipped =
        footprint_available() < 2.0 * (1 << 30) ? "it takes 2 GiB of free memory" : NULL;
    const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil, .skipped = skipped},
        {.name = "bare_operations", .measure = measure_bare, .skipped = skipped},
    };
    char name[NAME_SIZE];
    snprintf(name, sizeof(name), "%u %s", coroutines, what);
    harness_case(harness, &(struct bench_case){
                              .name = name,
                              .metrics = metrics,
                              .metric_count = 3,
                              .subjects = subjects,
                              .subject_count = has_bare ? 2 : 1,
                              .point = &kind,
                              .rounds = has_bare ? 0 : 1, /* a ratio needs as many as usual */
                          });
}

int main(int argc, char **argv)
{
    struct harness harness;
    harness_open(&harness, argc, argv, "cancel",
                 "What does it cost to cancel 100,000 coroutines at once?");
    if (harness.quick)
        coroutines = QUICK_COROUTINES;
    measure_kind(&harness, "reads", READS, true);
    measure_kind(&harness, "accepts", ACCEPTS, true);
    measure_kind(&harness, "timers", TIMERS, false);
    measure_kind(&harness, "receives from a channel", CHANNELS, false);
    measure_kind(&harness, "locks of a mutex", LOCKS, false);
    measure_kind(&harness, "waits of all kinds", ALL_KINDS, false);
    return harness_close(&harness);
}
