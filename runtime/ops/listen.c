/* SPDX-License-Identifier: MIT */
/* Listening sockets, and what of sockets has no operation everywhere. */
#include "ops/op.h"

#include <coil/net.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

static const struct coil__ring_driver *driver(void)
{
    coil__require(coil__ring_here != NULL, "called outside coil_run()");
    return coil__ring_here->driver;
}

int coil_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    return driver()->setsockopt(fd, level, name, value, len);
}

int coil_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
    return driver()->getsockname(fd, addr, addrlen);
}

/* A ring is torn down after its process has died: its listener may stay for some milliseconds. */
static int bind_patiently(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
    coil_time give_up = coil_after(500 * COIL_MSEC);
    for (;;) { /* ends at that instant */
        int err = coil_bind(fd, addr, addrlen);
        if (err != -EADDRINUSE || coil_now() >= give_up)
            return err;
        err = coil_sleep(10 * COIL_MSEC);
        if (err < 0)
            return err;
    }
}

static int prepare(int fd, const struct sockaddr *addr, socklen_t addrlen, int backlog)
{
    static const int yes = 1;
    int err = coil_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (err >= 0)
        err = coil_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
    if (err >= 0) /* accepted sockets inherit it */
        err = coil_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (err >= 0)
        err = bind_patiently(fd, addr, addrlen);
    return err < 0 ? err : coil_listen(fd, backlog);
}

int coil_tcp_listen(const struct sockaddr *addr, socklen_t addrlen, int backlog)
{
    int fd = coil_socket(addr->sa_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    int err = prepare(fd, addr, addrlen, backlog);
    if (err >= 0)
        return fd;
    coil_close(fd);
    return err;
}
