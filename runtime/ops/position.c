/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing at a descriptor's own position.
 *
 * io_uring moves the position of a file only where an operation ends as a whole: not by the part of
 * a write whose rest has failed, and not by what a device transfers (O_DIRECT). So the position is
 * noted before, and moved if it is still the same afterwards. That takes system calls, except for
 * sockets that coil has made, of which it knows that they have none.
 */
#include "ops/op.h"

#include <fcntl.h>
#include <unistd.h>

/* The offset that means: at the descriptor's own position. */
static const uint64_t own_position = UINT64_MAX;

/* The position, if it is up to us to see that it moves; else less than 0. Outside of a core: none,
 * for the operation says so. */
static inline off_t position_of(int fd)
{
    const struct coil__ring *ring = coil__ring_here;
    if (ring == NULL || !ring->driver->loses_position || coil__fds_kind(fd) != COIL__FD_UNKNOWN)
        return -1;
    return lseek(fd, 0, SEEK_CUR);
}

/* The number may be another file's by now, and the position somebody else's doing. */
static void move(const struct coil_entry *entry, off_t moved, bool writes)
{
    if (entry->on->closes != entry->closes || lseek(entry->fd, 0, SEEK_CUR) != entry->position)
        return;
    if (writes && (fcntl(entry->fd, F_GETFL) & O_APPEND) != 0)
        lseek(entry->fd, 0, SEEK_END);
    else
        lseek(entry->fd, entry->position + moved, SEEK_SET);
}

static void read_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    (void)flags; /* it is the only one */
    if (result > 0)
        move(&future->entry, result, false);
    coil__future_complete(future, coil__op_result(future, result));
}

static void write_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    (void)flags; /* likewise */
    if (result > 0)
        move(&future->entry, result, true);
    coil__future_complete(future, coil__op_result(future, result));
}

/* Of each, the second for what has a position. */
static const struct coil_future_kind read_kinds[] = {
    {.name = "read", .cancel = coil__op_cancel},
    {.name = "read", .cancel = coil__op_cancel, .event = read_event},
};
static const struct coil_future_kind write_kinds[] = {
    {.name = "write", .cancel = coil__op_cancel},
    {.name = "write", .cancel = coil__op_cancel, .event = write_event},
};
static const struct coil_future_kind readv_kinds[] = {
    {.name = "readv", .cancel = coil__op_cancel},
    {.name = "readv", .cancel = coil__op_cancel, .event = read_event},
};
static const struct coil_future_kind writev_kinds[] = {
    {.name = "writev", .cancel = coil__op_cancel},
    {.name = "writev", .cancel = coil__op_cancel, .event = write_event},
};

static inline void fire(struct io_uring_sqe *sqe, struct coil_future *future, int fd,
                        off_t position)
{
    if (position < 0) {
        coil__op_fire(sqe, future);
        return;
    }
    struct coil_entry *entry = &future->entry;
    entry->fd = fd;
    entry->closes = entry->on->closes;
    entry->position = position;
    coil__op_fire_events(sqe, future);
}

void coil_read_start(struct coil_future *future, int fd, void *buf, size_t len)
{
    off_t position = position_of(fd);
    struct io_uring_sqe *sqe = coil__op_begin(future, &read_kinds[position >= 0], fd);
    if (sqe == NULL)
        return;
    io_uring_prep_read(sqe, fd, buf, coil__op_length(len), own_position);
    fire(sqe, future, fd, position);
}

ssize_t coil_read(int fd, void *buf, size_t len)
{
    struct coil_future future;
    coil_read_start(&future, fd, buf, len);
    return coil__await(&future);
}

void coil_write_start(struct coil_future *future, int fd, const void *buf, size_t len)
{
    off_t position = position_of(fd);
    struct io_uring_sqe *sqe = coil__op_begin(future, &write_kinds[position >= 0], fd);
    if (sqe == NULL)
        return;
    io_uring_prep_write(sqe, fd, buf, coil__op_length(len), own_position);
    fire(sqe, future, fd, position);
}

ssize_t coil_write(int fd, const void *buf, size_t len)
{
    struct coil_future future;
    coil_write_start(&future, fd, buf, len);
    return coil__op_await_prompt(&future, len);
}

void coil_readv_start(struct coil_future *future, int fd, const struct iovec *iov, int iov_count)
{
    off_t position = position_of(fd);
    struct io_uring_sqe *sqe = coil__op_begin(future, &readv_kinds[position >= 0], fd);
    if (sqe == NULL)
        return;
    io_uring_prep_readv(sqe, fd, iov, (unsigned)iov_count, own_position);
    fire(sqe, future, fd, position);
}

ssize_t coil_readv(int fd, const struct iovec *iov, int iov_count)
{
    struct coil_future future;
    coil_readv_start(&future, fd, iov, iov_count);
    return coil__await(&future);
}

void coil_writev_start(struct coil_future *future, int fd, const struct iovec *iov, int iov_count)
{
    off_t position = position_of(fd);
    struct io_uring_sqe *sqe = coil__op_begin(future, &writev_kinds[position >= 0], fd);
    if (sqe == NULL)
        return;
    io_uring_prep_writev(sqe, fd, iov, (unsigned)iov_count, own_position);
    fire(sqe, future, fd, position);
}

ssize_t coil_writev(int fd, const struct iovec *iov, int iov_count)
{
    struct coil_future future;
    coil_writev_start(&future, fd, iov, iov_count);
    return coil__await(&future);
}
