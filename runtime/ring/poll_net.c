/* SPDX-License-Identifier: MIT */
/* Sockets for the poll driver. */
#include "ring/poll.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

enum { SHOTS_MAX = 32, PIECES_MAX = 16 };

/* A transfer that moved `len` bytes more: whether it goes on until all has moved. That is for
 * streams; to look at what stays in the socket again and again would find the same. */
static bool goes_on(const struct coil__poll_op *op, unsigned flags)
{
    int type = 0;
    socklen_t len = sizeof(type);
    if ((flags & MSG_WAITALL) == 0 || (flags & (MSG_PEEK | MSG_DONTWAIT)) != 0)
        return false;
    return getsockopt(op->sqe.fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
           (type == SOCK_STREAM || type == SOCK_SEQPACKET);
}

bool coil__poll_is_shut(const struct coil__poll_op *op)
{
    struct pollfd asked = {.fd = op->sqe.fd, .events = POLLRDHUP};
    int type = 0;
    socklen_t len = sizeof(type);
    if (op->side != COIL__POLL_IN || op->place != COIL__POLL_WITH_FILE || poll(&asked, 1, 0) <= 0 ||
        (asked.revents & POLLRDHUP) == 0)
        return false;
    return getsockopt(op->sqe.fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
           (type == SOCK_DGRAM || op->sqe.opcode == IORING_OP_ACCEPT);
}

/* What a system call that moved something, or failed, means to the whole of `wanted` bytes. */
static int32_t moved_or_failed(struct coil__poll_op *op, ssize_t moved, size_t wanted)
{
    unsigned flags = op->sqe.msg_flags;
    int32_t before = (int32_t)op->done;
    if (moved < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT) == 0)
        return coil__poll_is_shut(op) ? 0 : COIL__POLL_AGAIN;
    if (moved < 0)
        return before > 0 ? before : -errno;
    op->done += (uint32_t)moved;
    if (moved == 0 || op->done >= wanted || !goes_on(op, flags))
        return (int32_t)op->done;
    return COIL__POLL_AGAIN; /* the socket has no more, or no room for more */
}

static char *data_of(const struct coil__poll_op *op)
{
    return (char *)((uintptr_t)op->sqe.addr + op->done);
}

/* One receive into the next shared buffer. */
static ssize_t receive_shared(struct coil__poll *poll, struct coil__poll_op *op, uint32_t *flags,
                              bool *filled)
{
    struct io_uring_buf_ring *ring = poll->buffers;
    /* Acquire; pairs with the release of who publishes buffers, which is this same thread. */
    if (ring == NULL || io_uring_smp_load_acquire(&ring->tail) == poll->buffer_head)
        return -ENOBUFS;
    const struct io_uring_buf *buffer = &ring->bufs[poll->buffer_head & (poll->buffer_count - 1)];
    size_t len = buffer->len;
    if (op->sqe.len > 0 && op->sqe.len < len)
        len = op->sqe.len;
    ssize_t moved = recv(op->sqe.fd, (void *)(uintptr_t)buffer->addr, len,
                         (int)op->sqe.msg_flags | MSG_DONTWAIT);
    if (moved <= 0)
        return moved < 0 ? -errno : 0;
    *filled = (size_t)moved == len;
    *flags = IORING_CQE_F_BUFFER | (uint32_t)buffer->bid << IORING_CQE_BUFFER_SHIFT;
    poll->buffer_head++;
    return moved;
}

static int32_t try_recv_shared(struct coil__poll *poll, struct coil__poll_op *op)
{
    bool multishot = (op->sqe.ioprio & IORING_RECV_MULTISHOT) != 0;
    for (unsigned shots = 0; shots < SHOTS_MAX && coil__poll_has_room(poll); shots++) {
        uint32_t flags = 0;
        bool filled = false;
        ssize_t moved = receive_shared(poll, op, &flags, &filled);
        if (moved == -EAGAIN)
            return coil__poll_is_shut(op) ? 0 : COIL__POLL_AGAIN;
        if (moved <= 0)
            return (int32_t)moved;
        if (!multishot) {
            op->flags = flags;
            return (int32_t)moved;
        }
        coil__poll_post(poll, op->sqe.user_data, (int32_t)moved, flags | IORING_CQE_F_MORE);
        if (!filled)
            break; /* the socket is empty: it would only say so */
    }
    return COIL__POLL_AGAIN;
}

int32_t coil__poll_try_recv(struct coil__poll *poll, struct coil__poll_op *op)
{
    if ((op->sqe.flags & IOSQE_BUFFER_SELECT) != 0)
        return try_recv_shared(poll, op);
    if ((op->sqe.ioprio & IORING_RECV_MULTISHOT) != 0)
        return -EINVAL;
    ssize_t moved = recv(op->sqe.fd, data_of(op), op->sqe.len - op->done,
                         (int)op->sqe.msg_flags | MSG_DONTWAIT);
    return moved_or_failed(op, moved, op->sqe.len);
}

int32_t coil__poll_try_send(struct coil__poll *poll, struct coil__poll_op *op)
{
    (void)poll;
    ssize_t moved = send(op->sqe.fd, data_of(op), op->sqe.len - op->done,
                         (int)op->sqe.msg_flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    return moved_or_failed(op, moved, op->sqe.len);
}

/* What there is to move of it. */
static size_t length_of(const struct msghdr *message)
{
    size_t len = 0;
    for (size_t i = 0; i < message->msg_iovlen && len < COIL__LENGTH_MAX; i++)
        len += message->msg_iov[i].iov_len; /* one has at most half of all memory */
    return len < COIL__LENGTH_MAX ? len : COIL__LENGTH_MAX;
}

/* The message may be nonsense, unless the end is what was received: there nothing came with it. */
static int32_t message_failed(struct coil__poll_op *op, struct msghdr *message)
{
    int32_t result = moved_or_failed(op, -1, 0);
    if (result == 0) {
        message->msg_namelen = 0;
        message->msg_controllen = 0;
        message->msg_flags = 0;
    }
    return result;
}

/* The first part is the message itself, with its address and control data; what follows is bytes.
 * Who has room for control data gets the first part alone, as from io_uring: a descriptor that came
 * with a later one would be lost. How much room it was the system call has overwritten.
 */
static int32_t try_message(struct coil__poll_op *op, bool sends)
{
    struct msghdr *message = (struct msghdr *)(uintptr_t)op->sqe.addr;
    struct iovec rest[PIECES_MAX];
    struct msghdr tail = {.msg_iov = rest};
    struct msghdr *now = message;
    int flags = (int)op->sqe.msg_flags | MSG_DONTWAIT;
    if (op->done > 0) {
        tail.msg_iovlen = (size_t)coil__poll_rest(message->msg_iov, (int)message->msg_iovlen,
                                                  op->done, rest, PIECES_MAX);
        now = &tail;
    }
    ssize_t moved =
        sends ? sendmsg(op->sqe.fd, now, flags | MSG_NOSIGNAL) : recvmsg(op->sqe.fd, now, flags);
    if (moved < 0)
        return message_failed(op, message);
    if (!sends && op->done > 0)
        message->msg_flags = tail.msg_flags;
    bool is_all = !sends && message->msg_control != NULL;
    return moved_or_failed(op, moved, is_all ? 0 : length_of(message));
}

int32_t coil__poll_try_recvmsg(struct coil__poll *poll, struct coil__poll_op *op)
{
    (void)poll;
    if ((op->sqe.flags & IOSQE_BUFFER_SELECT) != 0 || op->sqe.ioprio != 0)
        return -EOPNOTSUPP;
    return try_message(op, false);
}

int32_t coil__poll_try_sendmsg(struct coil__poll *poll, struct coil__poll_op *op)
{
    (void)poll;
    return try_message(op, true);
}

/* There is no accept() that doesn't wait for a connection which another process has just taken,
 * other than by this flag. It stays: to take it away again would make that other one wait. */
static int make_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    if ((flags & O_NONBLOCK) != 0)
        return 0;
    return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int32_t coil__poll_try_accept(struct coil__poll *poll, struct coil__poll_op *op)
{
    bool multishot = (op->sqe.ioprio & IORING_ACCEPT_MULTISHOT) != 0;
    struct sockaddr *addr = (struct sockaddr *)(uintptr_t)op->sqe.addr;
    socklen_t *len = (socklen_t *)(uintptr_t)op->sqe.addr2;
    if (op->place == COIL__POLL_NOWHERE) {
        int err = make_nonblocking(op->sqe.fd);
        if (err < 0)
            return err;
    }
    for (unsigned shots = 0; shots < SHOTS_MAX && coil__poll_has_room(poll); shots++) {
        int conn = accept4(op->sqe.fd, addr, len, (int)op->sqe.accept_flags);
        if (conn < 0 && errno == EAGAIN)
            return coil__poll_is_shut(op) ? -EINVAL : COIL__POLL_AGAIN;
        if (conn < 0)
            return -errno;
        if (!multishot)
            return conn;
        coil__poll_post(poll, op->sqe.user_data, conn, IORING_CQE_F_MORE);
    }
    return COIL__POLL_AGAIN;
}

/* The flag belongs to the open file, so it is back before anybody could see it. */
static int begin_to_connect(const struct coil__poll_op *op)
{
    int fd = op->sqe.fd;
    int flags = fcntl(fd, F_GETFL);
    bool blocks = flags >= 0 && (flags & O_NONBLOCK) == 0;
    if (flags < 0 || (blocks && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
        return -errno;
    int result =
        connect(fd, (const struct sockaddr *)(uintptr_t)op->sqe.addr, (socklen_t)op->sqe.off);
    result = result < 0 ? -errno : 0;
    if (blocks)
        fcntl(fd, F_SETFL, flags);
    return result;
}

int32_t coil__poll_try_connect(struct coil__poll *poll, struct coil__poll_op *op)
{
    /* Asked again when it is ready, connect() tells what has become of it, and only then takes the
     * socket for connected, or for one that may try anew. */
    int result = begin_to_connect(op);
    if (result == -EINPROGRESS || (op->connecting && result == -EALREADY)) {
        op->connecting = true;
        return COIL__POLL_AGAIN;
    }
    if (result == -EAGAIN) { /* the backlog of a Unix socket is full, and nothing tells of room */
        coil__poll_retry_later(poll, op);
        return COIL__POLL_TAKEN;
    }
    return result;
}
