/* SPDX-License-Identifier: MIT */
/* Connections: bounded both ways, closed one way or by force. */
#include "sim/outage.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum { SOMAXCONN_HERE = 4096, KNOCKS = 7 /* which take 127 s in all */ };

/* Nobody has heard the handshake, or the queue is full: the kernel sends it again, later each time,
 * and in the end gives up. */
static int32_t knock_again(struct coil__sim_op *op)
{
    coil__sim_plan(&op->event, (COIL_SEC << op->rounds++) + coil__sim_delay(4 * COIL_MSEC));
    return COIL__SIM_GOES_ON;
}

/* A Unix socket waits in line, as long as it takes. */
static int32_t wait_for_room(struct coil__sim_op *op)
{
    coil__sim_plan(&op->event, COIL_MSEC + coil__sim_delay(op->code->usual));
    return COIL__SIM_GOES_ON;
}

static void link_peers(struct coil__sim_socket *one, struct coil__sim_socket *other)
{
    one->peer = other;
    other->peer = one;
    one->state = COIL__SIM_CONNECTED;
    other->state = COIL__SIM_CONNECTED;
}

static int32_t enter_queue(struct coil__sim_socket *client, struct coil__sim_socket *listener)
{
    struct coil__sim_socket *server = coil__sim_socket_make(client->domain, SOCK_STREAM);
    if (server == NULL)
        return -ENOMEM;
    server->patience = listener->patience;
    server->own = listener->own;
    server->other = client->own;
    client->other = listener->own;
    link_peers(client, server);
    coil__list_append(&listener->queue, &server->queued);
    listener->queue_len++;
    coil__sim_file_news(&listener->file);
    return 0;
}

/* Whether the handshake does not get through. */
static bool is_kept_out(const struct coil__sim_op *op, const struct coil__sim_socket *socket,
                        const struct sockaddr *name)
{
    if (socket->domain == AF_UNIX)
        return false;
    coil__sim_outage_draw();
    return op->in_vain || coil__sim_parted(&socket->own, name);
}

static int32_t knock(struct coil__sim_op *op, struct coil__sim_socket *socket,
                     const struct sockaddr *name, socklen_t len)
{
    bool is_local = socket->domain == AF_UNIX;
    if (op->rounds == KNOCKS)
        return -ETIMEDOUT;
    if (socket->own.len == 0 && !is_local && coil__sim_bind(socket, NULL, 0) < 0)
        return -EADDRNOTAVAIL; /* no port is left */
    if (is_kept_out(op, socket, name))
        return knock_again(op);
    struct coil__sim_socket *listener = coil__sim_find(SOCK_STREAM, name, len, NULL);
    if (listener == NULL)
        return coil__sim_nobody_there(SOCK_STREAM, name, len);
    if (socket->state != COIL__SIM_FRESH)
        return socket->state == COIL__SIM_CONNECTED ? -EISCONN : -EINVAL;
    if (listener->deaf)
        return knock_again(op);
    if (listener->queue_len > listener->backlog)
        return is_local ? wait_for_room(op) : knock_again(op);
    int32_t err = socket->own.len > 0 ? 0 : coil__sim_bind(socket, NULL, 0);
    return err < 0 ? err : enter_queue(socket, listener);
}

static int32_t connect_stream(struct coil__sim_op *op, struct coil__sim_socket *socket)
{
    const struct sockaddr *name = (const struct sockaddr *)(uintptr_t)op->sqe.addr;
    socklen_t len = (socklen_t)op->sqe.off;
    int32_t err = coil__sim_check_name(socket->domain, name, len);
    if (socket->domain != AF_UNIX && socket->state != COIL__SIM_FRESH)
        return -EISCONN;
    if (err < 0)
        return err;
    int32_t result = knock(op, socket, name, len);
    if (result < 0 && result != COIL__SIM_GOES_ON)
        coil__sim_leave_port(socket);
    return result;
}

static int32_t connect_dgram(struct coil__sim_op *op, struct coil__sim_socket *socket)
{
    const struct sockaddr *name = (const struct sockaddr *)(uintptr_t)op->sqe.addr;
    socklen_t len = (socklen_t)op->sqe.off;
    int32_t err = coil__sim_check_name(socket->domain, name, len);
    if (err < 0)
        return err;
    if (socket->domain == AF_UNIX && coil__sim_find(SOCK_DGRAM, name, len, &socket->own) == NULL)
        return coil__sim_nobody_there(SOCK_DGRAM, name, len);
    memcpy(&socket->other.name, name, len);
    socket->other.len = len;
    socket->state = COIL__SIM_CONNECTED;
    if (socket->own.len == 0 && coil__sim_bind(socket, NULL, 0) < 0)
        return -EAGAIN; /* no port is left */
    return 0;
}

int32_t coil__sim_connect(struct coil__sim_op *op)
{
    if (!op->file->kind->is_socket)
        return -ENOTSOCK;
    struct coil__sim_socket *socket = coil__sim_socket_of(op->file);
    return socket->type == SOCK_STREAM ? connect_stream(op, socket) : connect_dgram(op, socket);
}

int32_t coil__sim_listen(struct coil__sim_op *op)
{
    if (!op->file->kind->is_socket)
        return -ENOTSOCK;
    struct coil__sim_socket *socket = coil__sim_socket_of(op->file);
    if (socket->type != SOCK_STREAM)
        return -EOPNOTSUPP;
    if (socket->state == COIL__SIM_CONNECTED || (socket->domain == AF_UNIX && socket->own.len == 0))
        return -EINVAL;
    int err = socket->own.len > 0 ? 0 : coil__sim_bind(socket, NULL, 0);
    if (err < 0)
        return err;
    int backlog = (int)op->sqe.len;
    socket->state = COIL__SIM_LISTENING;
    socket->backlog = backlog < 0 || backlog > SOMAXCONN_HERE ? SOMAXCONN_HERE : (unsigned)backlog;
    return 0;
}

/* ---- accepting ---- */

static int32_t take_from_queue(struct coil__sim_socket *listener, const struct coil__sim_op *op)
{
    if (!coil__sim_file_has_room())
        return -EMFILE;
    struct coil_link *link = coil__list_pop(&listener->queue);
    struct coil__sim_socket *socket = coil__container_of(link, struct coil__sim_socket, queued);
    listener->queue_len--;
    coil__sim_tell_name(&socket->other, (struct sockaddr *)(uintptr_t)op->sqe.addr,
                        (socklen_t *)(uintptr_t)op->sqe.addr2);
    return coil__sim_file_install(&socket->file);
}

static int32_t accept_many(struct coil__sim_op *op, struct coil__sim_socket *listener)
{
    while (!coil__list_empty(&listener->queue)) { /* ends: each round takes one, or is the last */
        int32_t fd = take_from_queue(listener, op);
        if (fd < 0 || coil__sim_ends_early(op))
            return fd;
        coil__sim_post_more(op, fd, 0);
    }
    return COIL__SIM_PARK;
}

int32_t coil__sim_accept(struct coil__sim_op *op)
{
    if (!op->file->kind->is_socket)
        return -ENOTSOCK;
    struct coil__sim_socket *listener = coil__sim_socket_of(op->file);
    if (listener->type != SOCK_STREAM)
        return -EOPNOTSUPP;
    bool ends = listener->reads_no_more && coil__list_empty(&listener->queue);
    if (listener->state != COIL__SIM_LISTENING || ends)
        return -EINVAL;
    if ((op->sqe.ioprio & IORING_ACCEPT_MULTISHOT) != 0)
        return accept_many(op, listener);
    return coil__list_empty(&listener->queue) ? COIL__SIM_PARK : take_from_queue(listener, op);
}

/* ---- moving bytes ---- */

/* The error that waits to be told, once. */
static int32_t take_error(struct coil__sim_socket *socket)
{
    int error = socket->error;
    socket->error = 0;
    return -error;
}

static int32_t may_send(struct coil__sim_socket *socket)
{
    if (socket->error != 0)
        return take_error(socket);
    if (socket->state != COIL__SIM_CONNECTED)
        return socket->reset || socket->domain != AF_UNIX ? -EPIPE : -ENOTCONN;
    return socket->sends_no_more || socket->reset ? -EPIPE : 0;
}

int32_t coil__sim_reset(struct coil__sim_op *op, struct coil__sim_socket *socket)
{
    if (socket->peer != NULL && !socket->silent)
        coil__sim_send_parcel(socket->peer, COIL__SIM_RESET, 0);
    coil__sim_lose_all(socket);
    coil__sim_file_news(&socket->file);
    return op->progress > 0 ? (int32_t)op->progress : take_error(socket);
}

/* What is sent to who has closed is lost, and answered by a reset. */
static int32_t send_into_nothing(struct coil__sim_socket *socket, size_t len)
{
    coil__sim_send_parcel(socket, COIL__SIM_RESET, 0);
    return (int32_t)len;
}

/* How much may be sent before something has been taken, or acknowledged. */
static size_t window_of(const struct coil__sim_socket *socket)
{
    size_t used = socket->silent         ? socket->unacked
                  : socket->peer != NULL ? socket->peer->pending
                                         : 0;
    return COIL__SIM_WINDOW > used ? COIL__SIM_WINDOW - used : 0;
}

/* Sends the next bytes; false: there is no memory. What nobody will acknowledge is held until the
 * kernel gives up. */
static bool carry(struct coil__sim_op *op, const struct coil__sim_transfer *transfer, size_t len)
{
    struct coil__sim_socket *socket = coil__sim_socket_of(op->file);
    if (socket->silent) {
        coil__sim_swallow(socket, len);
        op->read += op->holds ? 1 : 0;
        return true;
    }
    struct coil__sim_parcel *parcel = coil__sim_send_parcel(socket->peer, COIL__SIM_DATA, len);
    if (parcel != NULL)
        coil__sim_fill_parcel(parcel, op, transfer, op->progress);
    return parcel != NULL;
}

static int32_t stream_write(struct coil__sim_op *op, struct coil__sim_transfer *transfer)
{
    struct coil__sim_socket *socket = coil__sim_socket_of(op->file);
    int32_t err = may_send(socket);
    if (socket->domain == AF_UNIX && transfer->message != NULL &&
        transfer->message->msg_namelen > 0)
        return socket->state == COIL__SIM_CONNECTED ? -EISCONN : -EOPNOTSUPP;
    if (err < 0)
        return op->progress > 0 ? (int32_t)op->progress : err;
    size_t left = transfer->len - op->progress;
    if (socket->domain == AF_UNIX && (socket->peer == NULL || socket->peer->reads_no_more))
        return op->progress > 0 ? (int32_t)op->progress : -EPIPE;
    if (left == 0)
        return 0; /* an empty parcel would look like the end */
    coil__sim_silence_draw(socket);
    if (socket->peer == NULL && !socket->silent)
        return send_into_nothing(socket, transfer->len);
    size_t window = window_of(socket);
    if (window == 0) {
        bool waits = (transfer->flags & MSG_DONTWAIT) == 0;
        return waits ? COIL__SIM_PARK : op->progress > 0 ? (int32_t)op->progress : -EAGAIN;
    }
    size_t part = coil__sim_part(left < window ? left : window);
    if (!carry(op, transfer, part))
        return -ENOMEM;
    op->progress += part;
    if (op->progress == transfer->len || (transfer->flags & MSG_WAITALL) == 0)
        return (int32_t)op->progress;
    coil__sim_plan(&op->event, coil__sim_delay(op->code->usual));
    return COIL__SIM_GOES_ON;
}

/* Moves what has arrived; the sender may go on. */
static size_t take_bytes(struct coil__sim_socket *socket, struct coil__sim_transfer *transfer,
                         size_t at)
{
    size_t room = coil__sim_part(transfer->len - at);
    size_t done = 0;
    bool peeks = (transfer->flags & MSG_PEEK) != 0;
    bool throws_away = (transfer->flags & MSG_TRUNC) != 0 && socket->domain != AF_UNIX;
    struct coil__sim_parcel *parcel;
    while (done < room && (parcel = coil__sim_first_parcel(socket)) != NULL) {
        coil__sim_settle_parcel(parcel);
        size_t left = parcel->len - parcel->taken;
        size_t part = left < room - done ? left : room - done;
        if (!throws_away)
            coil__sim_scatter(transfer, at + done, parcel->data + parcel->taken, part);
        done += part;
        if (peeks)
            return done; /* of the first one: as much as a peek may show */
        parcel->taken += part;
        socket->pending -= part;
        if (parcel->taken == parcel->len)
            coil__sim_free_parcel(parcel);
    }
    if (socket->peer != NULL)
        coil__sim_file_news(&socket->peer->file);
    return done;
}

/* What a receive comes to when nothing is there. */
static int32_t without_data(struct coil__sim_op *op, struct coil__sim_socket *socket,
                            const struct coil__sim_transfer *transfer)
{
    if (op->progress > 0 && (socket->error != 0 || socket->peer_sends_no_more))
        return (int32_t)op->progress;
    if (socket->error != 0)
        return take_error(socket);
    if (socket->peer_sends_no_more || socket->reads_no_more || socket->reset)
        return 0;
    if (socket->state != COIL__SIM_CONNECTED)
        return -ENOTCONN;
    return (transfer->flags & MSG_DONTWAIT) != 0 ? -EAGAIN : COIL__SIM_PARK;
}

/* Into shared buffers, again and again; it ends with data, or the news that there will be none. */
static int32_t receive_selected(struct coil__sim_op *op, struct coil__sim_transfer *transfer)
{
    struct coil__sim_socket *socket = coil__sim_socket_of(op->file);
    while (coil__sim_first_parcel(socket) != NULL) { /* ends: each round takes bytes */
        uint32_t flags;
        if (coil__sim_select_buffer(op, transfer, &flags) < 0)
            return -ENOBUFS;
        int32_t len = (int32_t)take_bytes(socket, transfer, 0);
        if ((op->sqe.ioprio & IORING_RECV_MULTISHOT) == 0 || coil__sim_ends_early(op)) {
            op->flags = flags;
            return len;
        }
        coil__sim_post_more(op, len, flags);
    }
    return without_data(op, socket, transfer);
}

static int32_t stream_read(struct coil__sim_op *op, struct coil__sim_transfer *transfer)
{
    struct coil__sim_socket *socket = coil__sim_socket_of(op->file);
    if (socket->domain == AF_UNIX && socket->state != COIL__SIM_CONNECTED)
        return -EINVAL;
    if (transfer->selects)
        return receive_selected(op, transfer);
    if (coil__sim_first_parcel(socket) == NULL)
        return without_data(op, socket, transfer);
    size_t done = take_bytes(socket, transfer, op->progress);
    bool waits_for_all = (transfer->flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL;
    if (transfer->message != NULL) {
        transfer->message->msg_namelen = 0;
        transfer->message->msg_controllen = 0;
        transfer->message->msg_flags = 0;
    }
    op->progress += done;
    if (!waits_for_all || op->progress == transfer->len)
        return (int32_t)op->progress;
    return coil__sim_first_parcel(socket) == NULL ? without_data(op, socket, transfer)
                                                  : stream_read(op, transfer);
}

/* ---- its state, and its end ---- */

static uint32_t stream_events(const struct coil__sim_file *file)
{
    const struct coil__sim_socket *socket =
        coil__container_of(file, const struct coil__sim_socket, file);
    uint32_t events = 0;
    if (socket->state == COIL__SIM_LISTENING)
        return coil__list_empty(&socket->queue) ? 0 : POLLIN;
    bool ends = socket->peer_sends_no_more || socket->reads_no_more || socket->reset;
    if (!coil__list_empty(&socket->arrived) || ends)
        events |= POLLIN;
    if (ends)
        events |= POLLRDHUP;
    if (window_of(socket) > 0)
        events |= socket->state == COIL__SIM_CONNECTED ? POLLOUT : 0;
    if ((ends && socket->sends_no_more) || socket->reset)
        events |= POLLHUP;
    if (socket->state == COIL__SIM_FRESH)
        events |= POLLHUP | POLLOUT;
    return socket->error != 0 ? events | POLLERR : events;
}

static void end_sending(struct coil__sim_socket *socket)
{
    if (!socket->sends_no_more && socket->silent)
        coil__sim_swallow(socket, 1);
    else if (!socket->sends_no_more && socket->peer != NULL)
        coil__sim_send_parcel(socket->peer, COIL__SIM_FIN, 0);
    socket->sends_no_more = true;
}

void coil__sim_abort_first(struct coil__sim_socket *listener)
{
    struct coil_link *link = coil__list_pop(&listener->queue);
    struct coil__sim_socket *queued = coil__container_of(link, struct coil__sim_socket, queued);
    listener->queue_len--;
    queued->resets = true;
    coil__sim_file_put(&queued->file);
}

/* What nobody has accepted. */
static void reset_queued(struct coil__sim_socket *listener)
{
    while (!coil__list_empty(&listener->queue)) /* ends: each round closes one */
        coil__sim_abort_first(listener);
}

/* It is as if it had only been bound. */
static void listen_no_more(struct coil__sim_socket *socket)
{
    reset_queued(socket);
    socket->state = COIL__SIM_FRESH;
    coil__sim_file_news(&socket->file);
}

int32_t coil__sim_shutdown(struct coil__sim_op *op)
{
    if (!op->file->kind->is_socket)
        return -ENOTSOCK;
    struct coil__sim_socket *socket = coil__sim_socket_of(op->file);
    int how = (int)op->sqe.len;
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    bool is_local = socket->domain == AF_UNIX;
    if (socket->state == COIL__SIM_LISTENING && !is_local) {
        if (how != SHUT_WR)
            listen_no_more(socket);
        return 0;
    }
    bool complains = socket->state == COIL__SIM_FRESH && !is_local;
    if (how != SHUT_RD)
        end_sending(socket);
    if (how != SHUT_WR)
        socket->reads_no_more = true;
    coil__sim_file_news(&socket->file);
    return complains ? -ENOTCONN : 0;
}

/* What nobody has read when it closes, is answered by a reset; what nobody has accepted as well. */
static void stream_end(struct coil__sim_file *file)
{
    struct coil__sim_socket *socket = coil__sim_socket_of(file);
    reset_queued(socket);
    if (socket->peer != NULL && socket->silent) {
        socket->peer->peer = NULL;
    } else if (socket->peer != NULL) {
        if (socket->pending > 0 || socket->resets)
            coil__sim_send_parcel(socket->peer, COIL__SIM_RESET, 0);
        else if (!socket->sends_no_more || socket->domain == AF_UNIX)
            coil__sim_send_parcel(socket->peer, COIL__SIM_FIN, 0);
        socket->peer->peer = NULL;
    }
    coil__sim_socket_free(socket);
}

const struct coil__sim_file_kind coil__sim_stream_kind = {
    .name = "stream",
    .is_socket = true,
    .events = stream_events,
    .read = stream_read,
    .write = stream_write,
    .end = stream_end,
};
