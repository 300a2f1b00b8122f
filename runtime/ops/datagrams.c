/* SPDX-License-Identifier: MIT */
/*
 * Sending to a Unix socket by whose name others send to it as well, so that its queue may be full.
 *
 * io_uring takes such a message out of the sender's memory, finds no room, waits, and then sends
 * what is left of the message: an empty one (seen up to Linux 6.18). So no attempt waits here; each
 * is an entry of its own, of the same future.
 *
 *     attempt -- no room --> wait for room -- attempt -- no room --> pause -- attempt -- ...
 *
 * Room is told of only to a socket that is connected; to others there always seems to be some, and
 * others may be faster: hence the pause.
 */
#include "ops/datagrams.h"

#include <poll.h>

/* In place of a length: what is sent is a header. */
enum { A_HEADER = -1 };

static const struct __kernel_timespec short_pause = {.tv_nsec = COIL_MSEC};

static const struct coil_future_kind attempt_kind, room_kind;

static void attempt(struct coil_future *future)
{
    const struct coil_entry *entry = &future->entry;
    const struct coil_sending *sending = &entry->sending;
    int flags = sending->flags | MSG_DONTWAIT;
    struct io_uring_sqe *sqe = coil__op_entry(future, entry->fd);
    future->kind = &attempt_kind;
    if (sending->len == (uint32_t)A_HEADER)
        io_uring_prep_sendmsg(sqe, entry->fd, sending->data, (unsigned)flags);
    else
        io_uring_prep_send(sqe, entry->fd, sending->data, sending->len, flags);
    coil__op_fire_events(sqe, future);
}

static void wait_for_room(struct coil_future *future)
{
    struct coil_entry *entry = &future->entry;
    bool asks = entry->told == 0;
    struct io_uring_sqe *sqe = coil__op_entry(future, asks ? entry->fd : COIL__NO_FD);
    future->kind = &room_kind;
    if (asks)
        io_uring_prep_poll_add(sqe, entry->fd, POLLOUT);
    else
        io_uring_prep_timeout(sqe, (struct __kernel_timespec *)&short_pause, 0, 0);
    entry->told = asks ? POLLOUT : 0;
    coil__op_fire_events(sqe, future);
}

static void attempt_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    (void)flags; /* it is the only one of each entry */
    if (result != -EAGAIN)
        coil__future_complete(future, coil__op_result(future, result));
    else if (coil__op_may_go_on(future))
        wait_for_room(future);
    else
        coil__future_complete(future, -ECANCELED);
}

static void room_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    (void)result; /* the next attempt finds out what it means */
    (void)flags;
    if (coil__op_may_go_on(future))
        attempt(future);
    else
        coil__future_complete(future, -ECANCELED);
}

static const struct coil_future_kind attempt_kind = {
    .name = "send", .cancel = coil__op_cancel, .event = attempt_event};
static const struct coil_future_kind room_kind = {
    .name = "send: room for a datagram", .cancel = coil__op_cancel, .event = room_event};

enum coil__fd_kind coil__datagrams_kind(int domain, int type)
{
    bool is_datagram = (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_DGRAM;
    return domain == AF_UNIX && is_datagram && coil__ring_here->driver->loses_messages
               ? COIL__FD_UNIX_DATAGRAMS
               : COIL__FD_SOCKET;
}

static void start(struct coil_future *future, int fd, struct coil_sending sending)
{
    if (!coil__future_begin(future, &attempt_kind))
        return;
    future->entry.fd = fd;
    future->entry.closes = coil__op_closes(fd);
    future->entry.sending = sending;
    coil__datagrams_go_on(future);
}

void coil__datagrams_go_on(struct coil_future *future)
{
    future->entry.told = 0;
    attempt(future);
}

void coil__datagrams_send(struct coil_future *future, int fd, const void *buf, size_t len,
                          int flags)
{
    start(future, fd, (struct coil_sending){buf, coil__op_length(len), flags});
}

void coil__datagrams_sendmsg(struct coil_future *future, int fd, const struct msghdr *message,
                             int flags)
{
    start(future, fd, (struct coil_sending){message, (uint32_t)A_HEADER, flags});
}
