/* SPDX-License-Identifier: MIT */
/*
 * Sockets: as in POSIX, with -errno in place of errno. Buffers, addresses and message headers must
 * live until the operation is awaited. At most one send and one receive at a time on a stream.
 */
#ifndef COIL_NET_H
#define COIL_NET_H

#include <coil/base.h>
#include <coil/future.h>
#include <sys/socket.h>

COIL_BEGIN_DECLS

/* Makes a socket. SOCK_CLOEXEC is always added. IORING_OP_SOCKET. */
COIL_SUSPENDS int coil_socket(int domain, int type, int protocol);
void coil_socket_start(struct coil_future *future, int domain, int type, int protocol);

/* IORING_OP_BIND and LISTEN; before Linux 6.11 the system calls, which do not block. */
COIL_SUSPENDS int coil_bind(int fd, const struct sockaddr *addr, socklen_t addrlen);
COIL_SUSPENDS int coil_listen(int fd, int backlog);
void coil_bind_start(struct coil_future *future, int fd, const struct sockaddr *addr,
                     socklen_t addrlen);
void coil_listen_start(struct coil_future *future, int fd, int backlog);

/*
 * Takes one connection; for many, coil_acceptor is faster. SOCK_CLOEXEC is always added to `flags`.
 * Without descriptors or memory (-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM) coil_accept() returns the
 * error after a pause of 10 ms, so that a loop which merely goes on does not burn the core.
 * After coil_stop() it takes what the kernel has connected already, and if there is nothing returns
 * -ESHUTDOWN, which a coil_accept() that waits just then does too. A future that was in flight as
 * coil_stop() came may say so though there is somebody: then the next one takes him.
 */
COIL_SUSPENDS int coil_accept(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags);
void coil_accept_start(struct coil_future *future, int fd, struct sockaddr *addr,
                       socklen_t *addrlen, int flags);

/* Connects; -EINPROGRESS never surfaces. After a deadline or a cancellation close the socket: it
 * goes on connecting, and a second coil_connect() returns -EALREADY. IORING_OP_CONNECT. */
COIL_SUSPENDS int coil_connect(int fd, const struct sockaddr *addr, socklen_t addrlen);
void coil_connect_start(struct coil_future *future, int fd, const struct sockaddr *addr,
                        socklen_t addrlen);

/*
 * Never raises SIGPIPE. A send may be short; with MSG_WAITALL the kernel goes on until all is sent,
 * or received: also into the next message of a SOCK_SEQPACKET. Beside MSG_PEEK, which looks at what
 * is there, and MSG_TRUNC, which throws it away, MSG_WAITALL means nothing; nor does it for a
 * coil_recvmsg() with room for control data, which returns what is there with what came with it.
 * SO_RCVTIMEO and SO_SNDTIMEO do not count: use deadlines.
 *
 * A datagram to a Unix socket whose queue is full, as a logger's, waits for room; the sender of one
 * that it is not connected to looks for it every millisecond. Of sockets that coil_socket() has not
 * made, use coil_write() there, or MSG_DONTWAIT: with io_uring (seen up to Linux 6.18) an empty one
 * arrives instead.
 */
COIL_SUSPENDS ssize_t coil_recv(int fd, void *buf, size_t len, int flags);
COIL_SUSPENDS ssize_t coil_send(int fd, const void *buf, size_t len, int flags);
COIL_SUSPENDS ssize_t coil_recvmsg(int fd, struct msghdr *message, int flags);
COIL_SUSPENDS ssize_t coil_sendmsg(int fd, const struct msghdr *message, int flags);

void coil_recv_start(struct coil_future *future, int fd, void *buf, size_t len, int flags);
void coil_send_start(struct coil_future *future, int fd, const void *buf, size_t len, int flags);
void coil_recvmsg_start(struct coil_future *future, int fd, struct msghdr *message, int flags);
void coil_sendmsg_start(struct coil_future *future, int fd, const struct msghdr *message,
                        int flags);

/* Receives until `len` bytes or the end of the stream. Returns the count, or the error; -EINVAL
 * with MSG_PEEK. Cancelled or closed by coil_close() after a part has moved, it returns that count:
 * nothing is lost. */
COIL_SUSPENDS ssize_t coil_recv_all(int fd, void *buf, size_t len, int flags);

/* Sends all of `buf`. Returns `len`, or the error; how much was sent then is unspecified.
 * Cancelled or closed after a part was sent, it returns that count. */
COIL_SUSPENDS ssize_t coil_send_all(int fd, const void *buf, size_t len, int flags);

/*
 * As coil_send() and coil_send_all(), but the network reads `buf` itself, without a copy. So the
 * memory is the caller's again only when the peer has acknowledged what was sent: the call returns
 * then, the future is done then, and not before, whatever the result. With a peer that stops
 * reading that may take minutes, also after a cancellation, and with the socket closed: it ends
 * with the connection. TCP_USER_TIMEOUT bounds it; a coil_close() with an SO_LINGER of 0 s, by
 * another coroutine, resets the connection and ends it at once.
 *
 * It pays for large pieces, 16 KiB to 64 KiB at least, that go out by a real network card. It is
 * slower than coil_send() for small ones, and wherever the data is copied after all: to this same
 * host (loopback: about half as fast at 16 KiB and at 256 KiB, 13 times slower at 1 KiB), through
 * bridges and tunnels. Each call takes a round trip to the peer, so give it much at once.
 *
 * Where it can't be done without a copy one is made, as by coil_send(): on kernels before 6.0, on
 * Unix sockets, and when what is in flight comes up to RLIMIT_MEMLOCK. IORING_OP_SEND_ZC.
 */
COIL_SUSPENDS ssize_t coil_send_zc(int fd, const void *buf, size_t len, int flags);
COIL_SUSPENDS ssize_t coil_send_zc_all(int fd, const void *buf, size_t len, int flags);
void coil_send_zc_start(struct coil_future *future, int fd, const void *buf, size_t len, int flags);

/* Ends one or both directions; wakes whoever receives on `fd`, but a receiver that waits for a
 * buffer: that hears of it when it has one. */
COIL_SUSPENDS int coil_shutdown(int fd, int how);
void coil_shutdown_start(struct coil_future *future, int fd, int how);

/* The system calls of these names. They never suspend. */
COIL_MUST_CHECK int coil_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
COIL_MUST_CHECK int coil_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen);

/*
 * A listening TCP socket with SO_REUSEADDR and SO_REUSEPORT, so that every core may have its own.
 * While the address is still busy with a server that just died, tries again for up to 500 ms.
 */
COIL_SUSPENDS int coil_tcp_listen(const struct sockaddr *addr, socklen_t addrlen, int backlog);

/*
 * Takes connections with one multishot accept, which costs no entry per connection.
 *
 *     struct coil_acceptor acceptor = COIL_ZERO;
 *     coil_acceptor_open(&acceptor, listener, 0);
 *     while ((conn = coil_acceptor_next(&acceptor)) >= 0)
 *         ...
 *     coil_acceptor_close(&acceptor);
 */
struct coil_acceptor {
    /* private */
    struct coil_future future;
    int *conns;
    uint32_t head, count, capacity;
    int32_t fd, flags;
    uint32_t closes; /* of the number, when it was opened */
    bool found_none; /* since coil_stop() */
    int64_t pause_ns;
};

/* Begins accepting on `fd`, which stays the caller's, on this core. */
void coil_acceptor_open(struct coil_acceptor *acceptor, int fd, int flags);

/*
 * Waits for the next connection and returns its descriptor. Connections that died in the queue
 * are passed over, and without descriptors it backs off, 10 ms to 100 ms, until there are some.
 * -ESHUTDOWN: coil_stop() was called, and all that the kernel had connected are taken. Any other
 * error is the listener's, like -EINVAL after shutdown().
 */
COIL_SUSPENDS int coil_acceptor_next(struct coil_acceptor *acceptor);

/* Stops, waits for the kernel, and closes the connections that nobody took. */
COIL_UNCANCELLABLE void coil_acceptor_close(struct coil_acceptor *acceptor);

COIL_END_DECLS
#endif
