/* SPDX-License-Identifier: MIT */
/* Sends into a queue of datagrams that may be full, where the driver does not wait for room as it
 * should: see datagrams.c. */
#ifndef COIL_OPS_DATAGRAMS_H
#define COIL_OPS_DATAGRAMS_H

#include "ops/op.h"

#include <sys/socket.h>

/* What a socket is that is made in this way on this core. */
enum coil__fd_kind coil__datagrams_kind(int domain, int type);

/* Whether a send to `fd` is one that has to be made here. */
static inline bool coil__datagrams_may_be_lost(int fd, int flags)
{
    return __builtin_expect(coil__fds_kind(fd) == COIL__FD_UNIX_DATAGRAMS, 0) &&
           (flags & MSG_DONTWAIT) == 0;
}

/* As coil_send_start() and coil_sendmsg_start(). */
void coil__datagrams_send(struct coil_future *future, int fd, const void *buf, size_t len,
                          int flags);
void coil__datagrams_sendmsg(struct coil_future *future, int fd, const struct msghdr *message,
                             int flags);

/* Sends anew what an operation has in its entry's `sending`, with its last entry just ended. */
void coil__datagrams_go_on(struct coil_future *future);

#endif
