/* SPDX-License-Identifier: MIT */
/* Operations on files. */
#include "ops/op.h"
#include "ring/fixed.h"
#include "ring/registered.h"

#include <coil/file.h>
#include <fcntl.h>

static void open_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    (void)flags; /* it is the only one */
    coil__op_complete_made(future, result, COIL__FD_UNKNOWN);
}

static const struct coil_future_kind open_kind = {.name = "open",
                                                  .cancel = coil__op_cancel,
                                                  .event = open_event,
                                                  .discard = coil__op_discard_fd,
                                                  .by_path = true};
static const struct coil_future_kind pread_kind = {.name = "pread", .cancel = coil__op_cancel};
static const struct coil_future_kind pwrite_kind = {.name = "pwrite", .cancel = coil__op_cancel};

/* The same, to or from memory that the ring knows. */
static const struct coil_future_kind pread_memory_kind = {
    .name = "pread", .cancel = coil__op_cancel, .to_memory = true};
static const struct coil_future_kind pwrite_memory_kind = {
    .name = "pwrite", .cancel = coil__op_cancel, .to_memory = true};

static const struct coil_future_kind preadv_kind = {.name = "preadv", .cancel = coil__op_cancel};
static const struct coil_future_kind pwritev_kind = {.name = "pwritev", .cancel = coil__op_cancel};
static const struct coil_future_kind fsync_kind = {.name = "fsync", .cancel = coil__op_cancel};
static const struct coil_future_kind statx_kind = {
    .name = "statx", .cancel = coil__op_cancel, .by_path = true};

void coil_open_start(struct coil_future *future, const char *path, int flags, mode_t mode)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &open_kind, COIL__NO_FD);
    if (sqe == NULL)
        return;
    io_uring_prep_openat(sqe, AT_FDCWD, path, flags | O_CLOEXEC, mode);
    coil__op_fire_events(sqe, future);
}

int coil_open(const char *path, int flags, mode_t mode)
{
    struct coil_future future;
    coil_open_start(&future, path, flags, mode);
    return (int)coil__await(&future);
}

/* To the ring, -1 is the file's own position. Whoever asks for an offset does not mean that, and is
 * refused as with any other that is below zero. */
static inline uint64_t offset_of(off_t offset)
{
    return (uint64_t)(offset == -1 ? INT64_MIN : offset);
}

static inline __attribute__((always_inline)) void start_pread(struct coil_future *future, int fd,
                                                              void *buf, size_t len, off_t offset)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &pread_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_read(sqe, fd, buf, coil__op_length(len), offset_of(offset));
    coil__registered_use(coil__ring_here, sqe);
    coil__op_fire_transfer(sqe, future, &pread_memory_kind, IORING_OP_READ_FIXED);
}

static inline __attribute__((always_inline)) void
start_pwrite(struct coil_future *future, int fd, const void *buf, size_t len, off_t offset)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &pwrite_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_write(sqe, fd, buf, coil__op_length(len), offset_of(offset));
    coil__registered_use(coil__ring_here, sqe);
    coil__op_fire_transfer(sqe, future, &pwrite_memory_kind, IORING_OP_WRITE_FIXED);
}

void coil_pread_start(struct coil_future *future, int fd, void *buf, size_t len, off_t offset)
{
    start_pread(future, fd, buf, len, offset);
}

ssize_t coil_pread(int fd, void *buf, size_t len, off_t offset)
{
    struct coil_future future;
    start_pread(&future, fd, buf, len, offset);
    return coil__op_await_prompt(&future, len);
}

void coil_pwrite_start(struct coil_future *future, int fd, const void *buf, size_t len,
                       off_t offset)
{
    start_pwrite(future, fd, buf, len, offset);
}

ssize_t coil_pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    struct coil_future future;
    start_pwrite(&future, fd, buf, len, offset);
    return coil__op_await_prompt(&future, len);
}

void coil_preadv_start(struct coil_future *future, int fd, const struct iovec *iov, int iov_count,
                       off_t offset)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &preadv_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_readv(sqe, fd, iov, (unsigned)iov_count, offset_of(offset));
    coil__registered_use(coil__ring_here, sqe);
    coil__op_fire(sqe, future);
    coil__ring_pushed_transfer(coil__ring_here);
}

ssize_t coil_preadv(int fd, const struct iovec *iov, int iov_count, off_t offset)
{
    struct coil_future future;
    coil_preadv_start(&future, fd, iov, iov_count, offset);
    return coil__await(&future);
}

void coil_pwritev_start(struct coil_future *future, int fd, const struct iovec *iov, int iov_count,
                        off_t offset)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &pwritev_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_writev(sqe, fd, iov, (unsigned)iov_count, offset_of(offset));
    coil__registered_use(coil__ring_here, sqe);
    coil__op_fire(sqe, future);
    coil__ring_pushed_transfer(coil__ring_here);
}

ssize_t coil_pwritev(int fd, const struct iovec *iov, int iov_count, off_t offset)
{
    struct coil_future future;
    coil_pwritev_start(&future, fd, iov, iov_count, offset);
    return coil__await(&future);
}

ssize_t coil_pread_all(int fd, void *buf, size_t len, off_t offset)
{
    size_t done = 0;
    uint32_t closes = coil__op_closes(fd);
    while (done < len && coil__op_closes(fd) == closes) { /* ends: each round moves bytes */
        ssize_t n = coil_pread(fd, (char *)buf + done, len - done, offset + (off_t)done);
        if (coil__op_repeats(n))
            continue;
        if (n < 0)
            return coil__op_outcome(done, n);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t coil_pwrite_all(int fd, const void *buf, size_t len, off_t offset)
{
    size_t done = 0;
    uint32_t closes = coil__op_closes(fd);
    while (done < len && coil__op_closes(fd) == closes) { /* ends: each round moves bytes */
        ssize_t n = coil_pwrite(fd, (const char *)buf + done, len - done, offset + (off_t)done);
        if (coil__op_repeats(n))
            continue;
        if (n <= 0)
            return n < 0 ? coil__op_outcome(done, n) : -EIO;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static inline __attribute__((always_inline)) void start_fsync(struct coil_future *future, int fd,
                                                              unsigned flags)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &fsync_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_fsync(sqe, fd, flags);
    coil__registered_use(coil__ring_here, sqe);
    coil__op_fire(sqe, future);
}

void coil_fsync_start(struct coil_future *future, int fd)
{
    start_fsync(future, fd, 0);
}

void coil_fdatasync_start(struct coil_future *future, int fd)
{
    start_fsync(future, fd, IORING_FSYNC_DATASYNC);
}

int coil_fsync(int fd)
{
    struct coil_future future;
    coil_fsync_start(&future, fd);
    return (int)coil__await(&future);
}

int coil_fdatasync(int fd)
{
    struct coil_future future;
    coil_fdatasync_start(&future, fd);
    return (int)coil__await(&future);
}

void coil_statx_start(struct coil_future *future, int dirfd, const char *path, int flags,
                      unsigned mask, struct statx *out)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &statx_kind, COIL__NO_FD);
    if (sqe == NULL)
        return;
    io_uring_prep_statx(sqe, dirfd, path, flags, mask, out);
    coil__op_fire(sqe, future);
}

int coil_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *out)
{
    struct coil_future future;
    coil_statx_start(&future, dirfd, path, flags, mask, out);
    return (int)coil__await(&future);
}

int coil_file_register(int fd)
{
    (void)coil__self(); /* outside of a coroutine there may be no core either */
    return coil__registered_add(coil__ring_here, fd);
}

void coil_file_unregister(int fd)
{
    (void)coil__self();
    coil__registered_remove(coil__ring_here, fd);
}
