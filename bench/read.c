/* SPDX-License-Identifier: MIT */
/*
 * How many 4 KiB reads a second, at random places of a file?
 *
 * From the device (O_DIRECT) with N in flight, and from the page cache. Beside: a liburing loop
 * that queues the next read as it takes a completion and enters once for all, or, reading from the
 * device, for every four, as coil does; the same with registered file and buffers, which coil has
 * as well; fio with its io_uring engine, submitting and taking in batches; and for the page cache
 * pread(2). The device decides most of the former: there the CPU time of a read is what tells the
 * subjects apart.
 */
#include "bare/ring.h"
#include "harness/clock.h"
#include "harness/coil_subject.h"
#include "harness/process.h"
#include "harness/scratch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a device is given at once: more together, and it idles before. */
enum { PIECE = 4 };

enum { READ_SIZE = 4096, IN_FLIGHT_MAX = 128, MIB = 1 << 20, OPS_PER_LOOK = 16 };

static char buffers[IN_FLIGHT_MAX][READ_SIZE] __attribute__((aligned(READ_SIZE)));

struct point {
    int fd;
    unsigned in_flight;
    unsigned piece; /* reads that a bare loop submits at once; 0: all of a turn */
    size_t file_size;
};

/* One window of one subject. */
struct reads {
    struct point point;
    int64_t length_ns, start_ns, elapsed_ns;
    int64_t cpu_start_ns, cpu_ns;
    uint64_t count, random;
    bool stop;
};

static int64_t process_cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Other places in each window, lest one subject finds in a cache what another has read. */
static struct reads prepare(const struct window *window)
{
    struct reads reads = {.point = *(const struct point *)window->point,
                          .length_ns = window->length_ns,
                          .random = (uint64_t)clock_ns() | 1};
    return reads;
}

static void begin(struct reads *reads)
{
    reads->cpu_start_ns = process_cpu_ns();
    reads->start_ns = clock_ns();
}

/* To be called when no read is in flight any more. */
static void end(struct reads *reads)
{
    reads->elapsed_ns = clock_ns() - reads->start_ns;
    reads->cpu_ns = process_cpu_ns() - reads->cpu_start_ns;
}

static off_t next_offset(struct reads *reads)
{
    reads->random ^= reads->random << 13;
    reads->random ^= reads->random >> 7;
    reads->random ^= reads->random << 17;
    uint64_t blocks = reads->point.file_size / READ_SIZE;
    return (off_t)(((reads->random >> 32) * blocks) >> 32) * READ_SIZE;
}

/* Counts a completed read. Returns whether to go on. */
static inline bool go_on(struct reads *reads)
{
    reads->count++;
    if (reads->count % OPS_PER_LOOK == 0 && !reads->stop) {
        reads->elapsed_ns = clock_ns() - reads->start_ns;
        reads->stop = reads->elapsed_ns >= reads->length_ns;
    }
    return !reads->stop;
}

static const char *report(const struct reads *reads, int result, double figures[METRIC_MAX])
{
    figures[0] = (double)reads->count * 1e9 / (double)reads->elapsed_ns;
    figures[1] = (double)reads->cpu_ns / (double)reads->count;
    return harness_reason(result);
}

/* --- coil --------------------------------------------------------------------------------- */

struct reader {
    struct reads *reads;
    char *buffer;
};

static int read_on(void *arg)
{
    const struct reader *reader = arg;
    struct reads *reads = reader->reads;
    do {
        ssize_t n = coil_pread(reads->point.fd, reader->buffer, READ_SIZE, next_offset(reads));
        if (n != READ_SIZE)
            return n < 0 ? (int)n : -EIO;
    } while (go_on(reads));
    return 0;
}

static int read_at_once(struct reads *reads, char *memory)
{
    struct reader readers[IN_FLIGHT_MAX];
    COIL_SCOPE(scope, COIL_FOREVER);
    int result = 0;
    for (unsigned i = 0; i < reads->point.in_flight && result == 0; i++) {
        readers[i] = (struct reader){reads, memory + (size_t)i * READ_SIZE};
        result = coil_spawn(&scope, read_on, &readers[i]);
    }
    begin(reads);
    result = coil_scope_close(&scope, result);
    end(reads);
    return result;
}

static int coil_main(void *arg)
{
    struct reads *reads = arg;
    struct coil_memory memory;
    int result = coil_memory_open(&memory, sizeof(buffers));
    if (result < 0)
        return result;
    result = coil_file_register(reads->point.fd);
    if (result == 0)
        result = read_at_once(reads, memory.at);
    coil_file_unregister(reads->point.fd);
    coil_memory_close(&memory);
    return result;
}

static const char *measure_coil(const struct window *window, double figures[METRIC_MAX])
{
    struct reads reads = prepare(window);
    return report(&reads, coil_subject_run(window, coil_main, &reads), figures);
}

/* --- bare liburing ------------------------------------------------------------------------ */

static void queue_read(struct io_uring *ring, struct reads *reads, unsigned slot, bool fixed)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    uint64_t offset = (uint64_t)next_offset(reads);
    if (fixed) {
        io_uring_prep_read_fixed(sqe, 0, buffers[slot], READ_SIZE, offset, 0);
        sqe->flags |= IOSQE_FIXED_FILE;
    } else {
        io_uring_prep_read(sqe, reads->point.fd, buffers[slot], READ_SIZE, offset);
    }
    io_uring_sqe_set_data64(sqe, slot);
}

static int bare_loop(struct io_uring *ring, struct reads *reads, bool fixed)
{
    unsigned in_flight = reads->point.in_flight;
    for (unsigned slot = 0; slot < in_flight; slot++)
        queue_read(ring, reads, slot, fixed);
    while (in_flight > 0) {
        int result = io_uring_submit_and_wait(ring, 1);
        if (result < 0)
            return result;
        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;
        io_uring_for_each_cqe(ring, head, cqe)
        {
            seen++;
            if (cqe->res != READ_SIZE)
                return cqe->res < 0 ? cqe->res : -EIO;
            if (go_on(reads))
                queue_read(ring, reads, (unsigned)cqe->user_data, fixed);
            else
                in_flight--;
            if (io_uring_sq_ready(ring) == reads->point.piece && reads->point.piece > 0)
                io_uring_submit(ring);
        }
        io_uring_cq_advance(ring, seen);
    }
    return 0;
}

static const char *measure_ring(const struct window *window, bool fixed, double figures[METRIC_MAX])
{
    struct reads reads = prepare(window);
    struct io_uring ring;
    int result = bare_ring_open(&ring, 256, 4096);
    if (result < 0)
        return harness_reason(result);
    if (fixed) {
        const struct iovec memory = {.iov_base = buffers, .iov_len = sizeof(buffers)};
        result = io_uring_register_buffers(&ring, &memory, 1);
        if (result >= 0)
            result = io_uring_register_files(&ring, &reads.point.fd, 1);
    }
    if (result >= 0) {
        begin(&reads);
        result = bare_loop(&ring, &reads, fixed);
        end(&reads);
    }
    io_uring_queue_exit(&ring);
    return report(&reads, result, figures);
}

static const char *measure_bare(const struct window *window, double figures[METRIC_MAX])
{
    return measure_ring(window, false, figures);
}

static const char *measure_registered(const struct window *window, double figures[METRIC_MAX])
{
    return measure_ring(window, true, figures);
}

/* --- pread and fio ------------------------------------------------------------------------ */

static const char *measure_pread(const struct window *window, double figures[METRIC_MAX])
{
    struct reads reads = prepare(window);
    begin(&reads);
    do {
        if (pread(reads.point.fd, buffers[0], READ_SIZE, next_offset(&reads)) != READ_SIZE)
            return "pread failed";
    } while (go_on(&reads));
    end(&reads);
    return report(&reads, 0, figures);
}

/* The eighth of the fields that fio's terse output separates by semicolons. */
static double iops_of(const char *terse)
{
    for (unsigned field = 1; field < 8 && terse != NULL; field++) {
        terse = strchr(terse, ';');
        if (terse != NULL)
            terse++;
    }
    return terse == NULL ? 0 : strtod(terse, NULL);
}

/* An option of fio that carries a number. */
#define FIO_OPTION(name, format, value) \
    char name[64];                      \
    snprintf(name, sizeof(name), format, value)

static const char *measure_fio(const struct window *window, double figures[METRIC_MAX])
{
    const struct point *point = window->point;
    char file[64];
    snprintf(file, sizeof(file), "--filename=/proc/%d/fd/%d", (int)getpid(), point->fd);
    FIO_OPTION(depth, "--iodepth=%u", point->in_flight);
    FIO_OPTION(submit, "--iodepth_batch_submit=%u", point->in_flight);
    FIO_OPTION(complete, "--iodepth_batch_complete_max=%u", point->in_flight);
    FIO_OPTION(runtime, "--runtime=%lldms", (long long)(window->length_ns / 1000000));
    FIO_OPTION(size, "--size=%zu", point->file_size);
    FIO_OPTION(cpu, "--cpus_allowed=%d", window->cpu);
    const char *const argv[] = {
        "fio",
        "--name=read",
        file,
        "--rw=randread",
        "--bs=4k",
        "--direct=1",
        "--thread",
        "--ioengine=io_uring",
        depth,
        submit,
        complete,
        "--iodepth_batch_complete_min=1",
        "--time_based",
        runtime,
        size,
        cpu,
        "--norandommap",
        "--randrepeat=0",
        "--gtod_reduce=1",
        "--invalidate=0",
        "--clocksource=clock_gettime",
        "--allow_file_create=0",
        "--output-format=terse",
        "--terse-version=3",
        NULL,
    };
    struct process fio;
    const char *failed = process_start(&fio, argv);
    if (failed != NULL)
        return failed;
    char line[4096];
    figures[0] = 0;
    while (process_hear(&fio, line, sizeof(line), 20000)) {
        if (strncmp(line, "3;", 2) == 0)
            figures[0] = iops_of(line);
    }
    figures[1] = NAN; /* its own figures are too coarse */
    return process_finish(&fio) && figures[0] > 0 ? NULL : "fio failed";
}

/* --- cases -------------------------------------------------------------------------------- */

static const struct metric metrics[] = {
    {.name = "reads per second", .unit = "reads/s", .higher_is_better = true},
    {.name = "CPU time per read", .unit = "ns"},
};

/* A device that others use as well changes its speed by tens of percent from one window to the
 * next: many short ones tell more than few long ones. */
static void measure_device(struct harness *harness, int file, size_t size)
{
    static const unsigned depths[] = {1, 8, 32, 128};
    int direct = scratch_file_reopen(file, O_RDONLY | O_DIRECT);
    const char *no_direct = direct < 0 ? "the file system has no O_DIRECT" : NULL;
    const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil, .skipped = no_direct},
        {.name = "liburing", .measure = measure_bare, .skipped = no_direct},
        {.name = "liburing_registered", .measure = measure_registered, .skipped = no_direct},
        {.name = "fio",
         .measure = measure_fio,
         .skipped = process_exists("fio") ? no_direct : "fio is not installed"},
    };
    const size_t subject_count = sizeof(subjects) / sizeof(subjects[0]);
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        const struct point point = {
            .fd = direct, .in_flight = depths[i], .piece = PIECE, .file_size = size};
        char name[NAME_SIZE];
        snprintf(name, sizeof(name), "O_DIRECT, %u in flight", depths[i]);
        /* It takes a quarter of a second to start. */
        bool fio = !harness->quick;
        harness_case(harness, &(struct bench_case){
                                  .name = name,
                                  .metrics = metrics,
                                  .metric_count = 2,
                                  .subjects = subjects,
                                  .subject_count = fio ? subject_count : subject_count - 1,
                                  .point = &point,
                                  .window_ms = 150,
                                  .quick_window_ms = 30,
                                  .rounds = harness_rounds(harness, 2),
                              });
    }
    if (direct >= 0)
        close(direct);
}

static void measure_cached(struct harness *harness, int file, size_t size)
{
    static const unsigned depths[] = {1, 32};
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil},
        {.name = "liburing", .measure = measure_bare},
        {.name = "liburing_registered", .measure = measure_registered},
        {.name = "pread", .measure = measure_pread},
    };
    for (size_t at = 0; at < size; at += READ_SIZE) {
        if (pread(file, buffers[0], READ_SIZE, (off_t)at) != READ_SIZE)
            return;
    }
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        const struct point point = {.fd = file, .in_flight = depths[i], .file_size = size};
        char name[NAME_SIZE];
        snprintf(name, sizeof(name), "page cache, %u in flight", depths[i]);
        harness_case(harness, &(struct bench_case){
                                  .name = name,
                                  .metrics = metrics,
                                  .metric_count = 2,
                                  .subjects = subjects,
                                  .subject_count = 4,
                                  .point = &point,
                                  .window_ms = 100,
                                  .quick_window_ms = 20,
                              });
    }
}

int main(int argc, char **argv)
{
    struct harness harness;
    harness_open(&harness, argc, argv, "read",
                 "How many 4 KiB reads a second, at random places of a file?");
    size_t size = (size_t)(harness.quick ? 128 : 512) * MIB;
    int file = scratch_file_open(size);
    measure_device(&harness, file, size);
    measure_cached(&harness, file, 64 * MIB);
    close(file);
    return harness_close(&harness);
}
