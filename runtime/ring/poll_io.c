/* SPDX-License-Identifier: MIT */
/* Reading and writing for the poll driver, of whatever kind a file may be. */
#include "ring/poll.h"
#include "base/forbidden.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>

int coil__poll_rest(const struct iovec *from, int count, size_t skip, struct iovec *to, int most)
{
    size_t room = COIL__LENGTH_MAX - skip;
    int pieces = 0;
    for (int i = 0; i < count && pieces < most; i++) {
        if (skip >= from[i].iov_len && skip > 0) {
            skip -= from[i].iov_len;
            continue;
        }
        size_t len = from[i].iov_len - skip;
        to[pieces].iov_base = (void *)((uintptr_t)from[i].iov_base + skip); /* NULL, if empty */
        to[pieces].iov_len = len < room ? len : room;
        room -= to[pieces++].iov_len;
        skip = 0;
    }
    return pieces;
}

/* One transfer, as the entry describes it. */
struct transfer {
    int fd;
    const struct iovec *pieces;
    int count;
    struct iovec single;
    off_t offset;
    int flags;
    bool writes;
};

static void describe(const struct io_uring_sqe *sqe, bool writes, struct transfer *transfer)
{
    bool vectored = sqe->opcode == IORING_OP_READV || sqe->opcode == IORING_OP_WRITEV;
    transfer->fd = sqe->fd;
    transfer->single = (struct iovec){(void *)(uintptr_t)sqe->addr, sqe->len};
    transfer->pieces = vectored ? (const struct iovec *)(uintptr_t)sqe->addr : &transfer->single;
    transfer->count = vectored ? (int)sqe->len : 1;
    transfer->offset = (off_t)sqe->off;
    transfer->flags = (int)sqe->rw_flags;
    transfer->writes = writes;
}

static size_t length_of(const struct transfer *t)
{
    size_t len = 0;
    for (int i = 0; i < t->count; i++)
        len += t->pieces[i].iov_len;
    return len;
}

static bool is_socket(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* Without waiting, where the file can do that: -EOPNOTSUPP where not. What has no position ignores
 * the offset. */
static ssize_t move_now(const struct transfer *t)
{
    off_t offset = t->offset;
    for (;;) { /* ends: -1 is tried once, and a signal comes once */
        ssize_t moved = t->writes
                            ? pwritev2(t->fd, t->pieces, t->count, offset, t->flags | RWF_NOWAIT)
                            : preadv2(t->fd, t->pieces, t->count, offset, t->flags | RWF_NOWAIT);
        if (moved >= 0)
            return moved;
        if (errno == ESPIPE && offset != -1 && !(offset != 0 && is_socket(t->fd)))
            offset = -1; /* which io_uring ignores, too, but for sockets */
        else if (errno != EINTR)
            return -errno;
    }
}

static ssize_t move_in_socket(const struct transfer *t)
{
    struct msghdr message = {.msg_iov = (struct iovec *)t->pieces, .msg_iovlen = (size_t)t->count};
    ssize_t moved = t->writes ? sendmsg(t->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
                              : recvmsg(t->fd, &message, MSG_DONTWAIT);
    return moved < 0 ? -errno : moved;
}

static bool is_ready(const struct transfer *t)
{
    struct pollfd asked = {.fd = t->fd, .events = t->writes ? POLLOUT : POLLIN};
    return poll(&asked, 1, 0) != 0;
}

/* By the calls that wait, where there is something to move, or nothing is to be moved. */
static ssize_t move_plainly(const struct transfer *t)
{
    ssize_t moved =
        t->writes ? writev(t->fd, t->pieces, t->count) : readv(t->fd, t->pieces, t->count);
    return moved < 0 ? -errno : moved;
}

/* A pipe that is ready takes PIPE_BUF bytes, or gives some, at once. */
static ssize_t move_in_pipe(const struct transfer *t)
{
    struct iovec rest[8];
    if (!is_ready(t))
        return -EAGAIN;
    if (!t->writes)
        return move_plainly(t);
    int count = coil__poll_rest(t->pieces, t->count, 0, rest, sizeof(rest) / sizeof(rest[0]));
    size_t room = PIPE_BUF;
    for (int i = 0; i < count; i++) {
        if (rest[i].iov_len > room)
            rest[i].iov_len = room;
        room -= rest[i].iov_len;
    }
    ssize_t moved = writev(t->fd, rest, count);
    return moved < 0 ? -errno : moved;
}

/* A file that can't be asked not to wait, at least not by this kernel. */
static int32_t move_without_nowait(const struct transfer *t)
{
    struct stat status;
    ssize_t moved;
    if (fstat(t->fd, &status) < 0)
        return -errno;
    if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode) || S_ISDIR(status.st_mode))
        return COIL__POLL_BLOCKS;
    if (length_of(t) == 0)
        moved = move_plainly(t);
    else if (S_ISSOCK(status.st_mode))
        moved = move_in_socket(t);
    else if (S_ISFIFO(status.st_mode))
        moved = move_in_pipe(t);
    else
        return is_ready(t) ? COIL__POLL_FOREVER : COIL__POLL_AGAIN;
    return moved == -EAGAIN ? COIL__POLL_AGAIN : (int32_t)moved;
}

static bool is_regular(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

static int32_t try_to_move(struct coil__poll_op *op, bool writes)
{
    struct transfer t;
    describe(&op->sqe, writes, &t);
    ssize_t moved = move_now(&t);
    if (moved == -EAGAIN && (t.flags & RWF_NOWAIT) == 0)
        return !writes && coil__poll_is_shut(op) ? 0 : COIL__POLL_AGAIN;
    /* If it is the file that may not be written, and no filter, the other calls say so, too. */
    if (moved == -EOPNOTSUPP || (moved < 0 && coil__is_forbidden((int)-moved)))
        return move_without_nowait(&t);
    /* Of a file it is what the page cache had: the rest comes from the disk. */
    bool is_part = moved > 0 && (size_t)moved < length_of(&t);
    if (is_part && (t.flags & RWF_NOWAIT) == 0 && is_regular(t.fd)) {
        op->done = (uint32_t)moved;
        return COIL__POLL_BLOCKS;
    }
    return (int32_t)moved;
}

int32_t coil__poll_try_read(struct coil__poll *driver, struct coil__poll_op *op)
{
    (void)driver;
    return try_to_move(op, false);
}

int32_t coil__poll_try_write(struct coil__poll *driver, struct coil__poll_op *op)
{
    (void)driver;
    return try_to_move(op, true);
}
