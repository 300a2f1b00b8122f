/* SPDX-License-Identifier: MIT */
/* Operations on sockets. */
#include "ops/datagrams.h"
#include "ops/op.h"

#include <coil/net.h>
#include <coil/stop.h>

static const struct coil_future_kind bind_kind = {.name = "bind", .cancel = coil__op_cancel};
static const struct coil_future_kind listen_kind = {.name = "listen", .cancel = coil__op_cancel};
static const struct coil_future_kind connect_kind = {.name = "connect", .cancel = coil__op_cancel};
static const struct coil_future_kind recv_kind = {.name = "recv", .cancel = coil__op_cancel};
static const struct coil_future_kind send_kind = {.name = "send", .cancel = coil__op_cancel};
static const struct coil_future_kind recvmsg_kind = {.name = "recvmsg", .cancel = coil__op_cancel};
static const struct coil_future_kind sendmsg_kind = {.name = "sendmsg", .cancel = coil__op_cancel};
static const struct coil_future_kind shutdown_kind = {.name = "shutdown",
                                                      .cancel = coil__op_cancel};

static void socket_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    (void)flags; /* it is the only one */
    coil__op_complete_made(future, result, (enum coil__fd_kind)future->entry.told);
}

static const struct coil_future_kind socket_kind = {.name = "socket",
                                                    .cancel = coil__op_cancel,
                                                    .event = socket_event,
                                                    .discard = coil__op_discard_fd};

void coil_socket_start(struct coil_future *future, int domain, int type, int protocol)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &socket_kind, COIL__NO_FD);
    if (sqe == NULL)
        return;
    future->entry.told = coil__datagrams_kind(domain, type);
    io_uring_prep_socket(sqe, domain, type | SOCK_CLOEXEC, protocol, 0);
    coil__op_fire_events(sqe, future);
}

int coil_socket(int domain, int type, int protocol)
{
    struct coil_future future;
    coil_socket_start(&future, domain, type, protocol);
    return (int)coil__await(&future);
}

/* Whether bind and listen are entries of the ring. */
static bool has_bind(void)
{
    (void)coil__self(); /* outside of a coroutine there may be no ring either */
    return coil__ring_here->has_bind;
}

void coil_bind_start(struct coil_future *future, int fd, const struct sockaddr *addr,
                     socklen_t addrlen)
{
    if (!has_bind()) {
        if (coil__future_begin(future, &bind_kind))
            coil__future_complete(future, coil__ring_here->driver->bind(fd, addr, addrlen));
        return;
    }
    struct io_uring_sqe *sqe = coil__op_begin(future, &bind_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_rw(COIL__OP_BIND, sqe, fd, addr, 0, addrlen);
    coil__op_fire(sqe, future);
}

int coil_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
    struct coil_future future;
    coil_bind_start(&future, fd, addr, addrlen);
    return (int)coil__await(&future);
}

void coil_listen_start(struct coil_future *future, int fd, int backlog)
{
    if (!has_bind()) {
        if (coil__future_begin(future, &listen_kind))
            coil__future_complete(future, coil__ring_here->driver->listen(fd, backlog));
        return;
    }
    struct io_uring_sqe *sqe = coil__op_begin(future, &listen_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_rw(COIL__OP_LISTEN, sqe, fd, NULL, (unsigned)backlog, 0);
    coil__op_fire(sqe, future);
}

int coil_listen(int fd, int backlog)
{
    struct coil_future future;
    coil_listen_start(&future, fd, backlog);
    return (int)coil__await(&future);
}

static void accept_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    (void)flags; /* it is the only one */
    coil__future_complete(future, coil__op_accept_result(future, result));
}

static const struct coil_future_kind accept_kind = {.name = "accept",
                                                    .cancel = coil__op_cancel,
                                                    .event = accept_event,
                                                    .discard = coil__op_discard_fd};

void coil_accept_start(struct coil_future *future, int fd, struct sockaddr *addr,
                       socklen_t *addrlen, int flags)
{
    struct io_uring_sqe *sqe = coil__op_begin_accept(future, &accept_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_accept(sqe, fd, addr, addrlen, flags | SOCK_CLOEXEC);
    coil__op_fire_accept(sqe, future);
}

int coil_accept(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags)
{
    struct coil_future future;
    bool was_stopping = coil_stopping();
    uint32_t closes = coil__op_closes(fd);
    coil_accept_start(&future, fd, addr, addrlen, flags);
    int conn = (int)coil__await(&future);
    if (conn == -ESHUTDOWN && coil__op_closes(fd) != closes)
        return -ECANCELED;
    if (conn == -ESHUTDOWN && !was_stopping) { /* it was waiting, and may not have looked since */
        coil_accept_start(&future, fd, addr, addrlen, flags);
        conn = (int)coil__await(&future);
    }
    if (conn == -EMFILE || conn == -ENFILE || conn == -ENOBUFS || conn == -ENOMEM) {
        int cancelled = coil_sleep(10 * COIL_MSEC);
        (void)cancelled; /* the next call will say it */
    }
    return conn;
}

void coil_connect_start(struct coil_future *future, int fd, const struct sockaddr *addr,
                        socklen_t addrlen)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &connect_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_connect(sqe, fd, addr, addrlen);
    coil__op_fire(sqe, future);
}

int coil_connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
    struct coil_future future;
    coil_connect_start(&future, fd, addr, addrlen);
    return (int)coil__await(&future);
}

/* The kernel goes on to receive where it began, and so would find what it looked at once more; and
 * of what is thrown away it forgets how much that was. */
static int receive_flags(int flags)
{
    return (flags & (MSG_PEEK | MSG_TRUNC)) != 0 ? flags & ~MSG_WAITALL : flags;
}

void coil_recv_start(struct coil_future *future, int fd, void *buf, size_t len, int flags)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &recv_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_recv(sqe, fd, buf, coil__op_length(len), receive_flags(flags));
    coil__op_fire(sqe, future);
}

ssize_t coil_recv(int fd, void *buf, size_t len, int flags)
{
    struct coil_future future;
    coil_recv_start(&future, fd, buf, len, flags);
    return coil__await(&future);
}

void coil_send_start(struct coil_future *future, int fd, const void *buf, size_t len, int flags)
{
    if (coil__datagrams_may_be_lost(fd, flags)) {
        coil__datagrams_send(future, fd, buf, len, flags);
        return;
    }
    struct io_uring_sqe *sqe = coil__op_begin(future, &send_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_send(sqe, fd, buf, coil__op_length(len), flags);
    coil__op_fire(sqe, future);
}

ssize_t coil_send(int fd, const void *buf, size_t len, int flags)
{
    struct coil_future future;
    coil_send_start(&future, fd, buf, len, flags);
    return coil__op_await_prompt(&future, len);
}

void coil_recvmsg_start(struct coil_future *future, int fd, struct msghdr *message, int flags)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &recvmsg_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_recvmsg(sqe, fd, message, (unsigned)receive_flags(flags));
    coil__op_fire(sqe, future);
}

ssize_t coil_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct coil_future future;
    coil_recvmsg_start(&future, fd, message, flags);
    return coil__await(&future);
}

void coil_sendmsg_start(struct coil_future *future, int fd, const struct msghdr *message, int flags)
{
    if (coil__datagrams_may_be_lost(fd, flags)) {
        coil__datagrams_sendmsg(future, fd, message, flags);
        return;
    }
    struct io_uring_sqe *sqe = coil__op_begin(future, &sendmsg_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_sendmsg(sqe, fd, message, (unsigned)flags);
    coil__op_fire(sqe, future);
}

ssize_t coil_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct coil_future future;
    coil_sendmsg_start(&future, fd, message, flags);
    return coil__await(&future);
}

ssize_t coil_recv_all(int fd, void *buf, size_t len, int flags)
{
    size_t done = 0;
    if ((flags & MSG_PEEK) != 0)
        return -EINVAL;
    uint32_t closes = coil__op_closes(fd);
    while (done < len && coil__op_closes(fd) == closes) { /* ends: each round moves bytes */
        ssize_t n = coil_recv(fd, coil__op_rest(buf, done), len - done, flags | MSG_WAITALL);
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

ssize_t coil_send_all(int fd, const void *buf, size_t len, int flags)
{
    size_t done = 0;
    uint32_t closes = coil__op_closes(fd);
    do { /* ends: each round moves bytes or returns; nearly always there is one */
        struct coil_future future;
        coil_send_start(&future, fd, coil__op_rest(buf, done), len - done, flags | MSG_WAITALL);
        ssize_t n = coil__op_await_prompt(&future, len - done);
        if (coil__op_repeats(n))
            continue;
        if (n < 0)
            return coil__op_outcome(done, n);
        done += (size_t)n;
    } while (done < len && coil__op_closes(fd) == closes);
    return (ssize_t)done;
}

void coil_shutdown_start(struct coil_future *future, int fd, int how)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &shutdown_kind, fd);
    if (sqe == NULL)
        return;
    io_uring_prep_shutdown(sqe, fd, how);
    coil__op_fire(sqe, future);
}

int coil_shutdown(int fd, int how)
{
    struct coil_future future;
    coil_shutdown_start(&future, fd, how);
    return (int)coil__await(&future);
}
