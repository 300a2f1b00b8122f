/* SPDX-License-Identifier: MIT */
/*
 * How many durable 4 KiB writes a second, one after the other?
 *
 * Each write is followed by fdatasync: at the end of a growing file, where the file system has to
 * record the new size, and over blocks that are there already. Beside: liburing, which links the
 * two and enters once; liburing with one synchronous write (RWF_DSYNC) in place of the two, so that
 * only one goes through a worker thread; and the two system calls. The device decides nearly all of
 * it. Not measured: several writers at a time, whose syncs a file system can merge.
 */
#include "bare/ring.h"
#include "harness/clock.h"
#include "harness/coil_subject.h"
#include "harness/scratch_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WRITE_SIZE = 4096, EXISTING_SIZE = 16 << 20 };

static char block[WRITE_SIZE] __attribute__((aligned(WRITE_SIZE)));

struct point {
    bool append;
};

/* One window of one subject. */
struct writes {
    int fd;
    off_t offset, end; /* from the end on, back to the start */
    int64_t length_ns, start_ns, elapsed_ns;
    uint64_t count;
};

static void begin(struct writes *writes)
{
    writes->start_ns = clock_ns();
}

/* Counts a durable write. Returns whether to go on. */
static bool go_on(struct writes *writes)
{
    writes->count++;
    writes->offset += WRITE_SIZE;
    if (writes->offset == writes->end)
        writes->offset = 0;
    writes->elapsed_ns = clock_ns() - writes->start_ns;
    return writes->elapsed_ns < writes->length_ns;
}

/* --- coil --------------------------------------------------------------------------------- */

static int coil_main(void *arg)
{
    struct writes *writes = arg;
    begin(writes);
    do {
        ssize_t n = coil_pwrite(writes->fd, block, WRITE_SIZE, writes->offset);
        if (n != WRITE_SIZE)
            return n < 0 ? (int)n : -EIO;
        int result = coil_fdatasync(writes->fd);
        if (result < 0)
            return result;
    } while (go_on(writes));
    return 0;
}

static int coil_writes(const struct window *window, struct writes *writes)
{
    return coil_subject_run(window, coil_main, writes);
}

/* --- bare --------------------------------------------------------------------------------- */

/* Queues a durable write. Returns how many completions it has. */
typedef unsigned queue_fn(struct io_uring *ring, const struct writes *writes);

static unsigned queue_linked(struct io_uring *ring, const struct writes *writes)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_write(sqe, writes->fd, block, WRITE_SIZE, (uint64_t)writes->offset);
    sqe->flags |= IOSQE_IO_LINK;
    sqe = io_uring_get_sqe(ring);
    io_uring_prep_fsync(sqe, writes->fd, IORING_FSYNC_DATASYNC);
    return 2;
}

static unsigned queue_dsync(struct io_uring *ring, const struct writes *writes)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_write(sqe, writes->fd, block, WRITE_SIZE, (uint64_t)writes->offset);
    sqe->rw_flags = RWF_DSYNC;
    return 1;
}

static int ring_write(struct io_uring *ring, const struct writes *writes, queue_fn *queue)
{
    unsigned expected = queue(ring, writes);
    int result = io_uring_submit_and_wait(ring, expected);
    if (result < 0)
        return result;
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    io_uring_for_each_cqe(ring, head, cqe)
    {
        if (cqe->res < 0)
            result = cqe->res;
        seen++;
    }
    io_uring_cq_advance(ring, seen);
    return seen == expected ? result : -EIO;
}

static int ring_writes(struct writes *writes, queue_fn *queue)
{
    struct io_uring ring;
    int result = bare_ring_open(&ring, 256, 4096);
    if (result < 0)
        return result;
    begin(writes);
    do
        result = ring_write(&ring, writes, queue);
    while (result >= 0 && go_on(writes));
    io_uring_queue_exit(&ring);
    return result;
}

static int linked_writes(const struct window *window, struct writes *writes)
{
    (void)window;
    return ring_writes(writes, queue_linked);
}

static int dsync_writes(const struct window *window, struct writes *writes)
{
    (void)window;
    return ring_writes(writes, queue_dsync);
}

static int system_call_writes(const struct window *window, struct writes *writes)
{
    (void)window;
    begin(writes);
    do {
        if (pwrite(writes->fd, block, WRITE_SIZE, writes->offset) != WRITE_SIZE ||
            fdatasync(writes->fd) < 0)
            return -errno;
    } while (go_on(writes));
    return 0;
}

/* --- subjects ----------------------------------------------------------------------------- */

typedef int writes_fn(const struct window *window, struct writes *writes);

/* Every window has a new file, so that none finds the state that another one left. */
static const char *measure(const struct window *window, writes_fn *write_on,
                           double figures[METRIC_MAX])
{
    bool append = ((const struct point *)window->point)->append;
    struct writes writes = {
        .fd = scratch_file_open(append ? 0 : EXISTING_SIZE),
        .end = append ? -1 : EXISTING_SIZE,
        .length_ns = window->length_ns,
    };
    int result = write_on(window, &writes);
    close(writes.fd);
    figures[0] = (double)writes.count * 1e9 / (double)writes.elapsed_ns;
    return harness_reason(result);
}

static const char *measure_coil(const struct window *window, double figures[METRIC_MAX])
{
    return measure(window, coil_writes, figures);
}

static const char *measure_linked(const struct window *window, double figures[METRIC_MAX])
{
    return measure(window, linked_writes, figures);
}

static const char *measure_dsync(const struct window *window, double figures[METRIC_MAX])
{
    return measure(window, dsync_writes, figures);
}

static const char *measure_system_calls(const struct window *window, double figures[METRIC_MAX])
{
    return measure(window, system_call_writes, figures);
}

int main(int argc, char **argv)
{
    static const struct metric metric = {
        .name = "durable writes per second", .unit = "writes/s", .higher_is_better = true};
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil},
        {.name = "liburing_linked", .measure = measure_linked},
        {.name = "liburing_dsync", .measure = measure_dsync},
        {.name = "pwrite_fdatasync", .measure = measure_system_calls},
    };
    static const struct point append = {.append = true}, overwrite = {.append = false};

    struct harness harness;
    harness_open(&harness, argc, argv, "write",
                 "How many durable 4 KiB writes a second, one after the other?");
    struct bench_case bench_case = {
        .name = "append and fdatasync",
        .metrics = &metric,
        .metric_count = 1,
        .subjects = subjects,
        .subject_count = 4,
        .point = &append,
        .window_ms = 300,
        .quick_window_ms = 50,
    };
    harness_case(&harness, &bench_case);
    bench_case.name = "overwrite and fdatasync";
    bench_case.point = &overwrite;
    harness_case(&harness, &bench_case);
    return harness_close(&harness);
}
