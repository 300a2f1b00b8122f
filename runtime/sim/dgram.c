/* SPDX-License-Identifier: MIT */
/* Datagrams: they may be lost, and overtake each other. */
#include "sim/outage.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum { DATAGRAM_MAX = 65507 };

static struct coil__sim_socket *find_receiver(const struct coil__sim_socket *socket,
                                              const struct coil__sim_transfer *transfer)
{
    const struct msghdr *message = transfer->message;
    if (message != NULL && message->msg_name != NULL)
        return coil__sim_find(SOCK_DGRAM, message->msg_name, message->msg_namelen, &socket->own);
    return coil__sim_find(SOCK_DGRAM, (const struct sockaddr *)&socket->other.name,
                          socket->other.len, &socket->own);
}

static bool has_receiver_name(const struct coil__sim_socket *socket,
                              const struct coil__sim_transfer *transfer)
{
    return socket->other.len > 0 ||
           (transfer->message != NULL && transfer->message->msg_name != NULL);
}

/* What can't be sent to anybody. */
static int32_t check_receiver(struct coil__sim_socket *socket,
                              const struct coil__sim_transfer *transfer)
{
    const struct msghdr *message = transfer->message;
    bool is_local = socket->domain == AF_UNIX;
    if (socket->own.len == 0 && coil__sim_bind(socket, NULL, 0) < 0)
        return -EAGAIN; /* no port is left */
    if (!has_receiver_name(socket, transfer))
        return is_local ? -ENOTCONN : -EDESTADDRREQ;
    return message != NULL && message->msg_name != NULL
               ? coil__sim_check_name(socket->domain, message->msg_name, message->msg_namelen)
               : 0;
}

/* A peer that has closed is one no more; unless it hears somebody else. */
static int32_t find_nobody(struct coil__sim_socket *socket,
                           const struct coil__sim_transfer *transfer)
{
    const struct msghdr *message = transfer->message;
    if (message != NULL && message->msg_name != NULL)
        return coil__sim_nobody_there(SOCK_DGRAM, message->msg_name, message->msg_namelen);
    const struct sockaddr *peer = (const struct sockaddr *)&socket->other.name;
    if (coil__sim_nobody_there(SOCK_DGRAM, peer, socket->other.len) == -EPERM)
        return -EPERM;
    socket->other.len = 0;
    socket->state = COIL__SIM_FRESH;
    return -ECONNREFUSED;
}

/* Locally nothing is lost: the sender is told, or waits. 1: the datagram may go. */
static int32_t send_locally(struct coil__sim_op *op, const struct coil__sim_transfer *transfer,
                            const struct coil__sim_socket *to)
{
    if (to == NULL)
        return find_nobody(coil__sim_socket_of(op->file), transfer);
    if (to->reads_no_more)
        return -EPIPE;
    if (to->pending + transfer->len <= COIL__SIM_WINDOW)
        return 1;
    if ((transfer->flags & MSG_DONTWAIT) != 0)
        return -EAGAIN;
    coil__sim_plan(&op->event, COIL_USEC + coil__sim_delay(op->code->usual));
    return COIL__SIM_GOES_ON;
}

static int32_t dgram_write(struct coil__sim_op *op, struct coil__sim_transfer *transfer)
{
    struct coil__sim_socket *socket = coil__sim_socket_of(op->file);
    if (transfer->len > DATAGRAM_MAX)
        return -EMSGSIZE;
    if (socket->sends_no_more)
        return -EPIPE;
    if (socket->error != 0) {
        int error = socket->error;
        socket->error = 0;
        return -error;
    }
    int32_t err = check_receiver(socket, transfer);
    if (err < 0)
        return err;
    struct coil__sim_socket *to = find_receiver(socket, transfer);
    int32_t local = socket->domain == AF_UNIX ? send_locally(op, transfer, to) : 1;
    if (local != 1)
        return local;
    if (to == NULL && socket->state == COIL__SIM_CONNECTED)
        socket->error = ECONNREFUSED; /* told to the next operation */
    if (to != NULL)
        coil__sim_outage_draw();
    bool is_lost = to == NULL || to->pending + transfer->len > COIL__SIM_WINDOW ||
                   coil__sim_parted(&socket->own, (const struct sockaddr *)&to->own.name) ||
                   (socket->domain != AF_UNIX && coil__sim_chance(COIL_SIM_FAULTS_HARSH, 20000));
    if (is_lost)
        return (int32_t)transfer->len;
    struct coil__sim_parcel *parcel = coil__sim_send_parcel(to, COIL__SIM_DATA, transfer->len);
    if (parcel == NULL)
        return -ENOBUFS;
    parcel->from = socket->own;
    coil__sim_fill_parcel(parcel, op, transfer, 0);
    return (int32_t)transfer->len;
}

static void tell_message(const struct coil__sim_parcel *parcel, struct msghdr *message, size_t len)
{
    if (message == NULL)
        return;
    if (message->msg_name != NULL)
        coil__sim_tell_name(&parcel->from, message->msg_name, &message->msg_namelen);
    message->msg_controllen = 0;
    message->msg_flags = len < parcel->len ? MSG_TRUNC : 0;
}

static int32_t take_datagram(struct coil__sim_socket *socket, struct coil__sim_parcel *parcel,
                             struct coil__sim_transfer *transfer)
{
    size_t len = parcel->len < transfer->len ? parcel->len : transfer->len;
    coil__sim_settle_parcel(parcel);
    coil__sim_scatter(transfer, 0, parcel->data, len);
    tell_message(parcel, transfer->message, len);
    size_t told = (transfer->flags & MSG_TRUNC) != 0 ? parcel->len : len;
    if ((transfer->flags & MSG_PEEK) == 0)
        coil__sim_free_parcel(parcel);
    (void)socket;
    return (int32_t)told;
}

static int32_t without_datagram(struct coil__sim_socket *socket,
                                const struct coil__sim_transfer *transfer)
{
    if (socket->error != 0) {
        int error = socket->error;
        socket->error = 0;
        return -error;
    }
    if (socket->reads_no_more)
        return 0;
    return (transfer->flags & MSG_DONTWAIT) != 0 ? -EAGAIN : COIL__SIM_PARK;
}

static int32_t dgram_read(struct coil__sim_op *op, struct coil__sim_transfer *transfer)
{
    struct coil__sim_socket *socket = coil__sim_socket_of(op->file);
    struct coil__sim_parcel *parcel;
    while ((parcel = coil__sim_first_parcel(socket)) != NULL) { /* ends: each round takes one */
        uint32_t flags = 0;
        if (transfer->selects && coil__sim_select_buffer(op, transfer, &flags) < 0)
            return -ENOBUFS;
        int32_t len = take_datagram(socket, parcel, transfer);
        bool is_last = (op->sqe.ioprio & IORING_RECV_MULTISHOT) == 0 || len == 0;
        if (is_last || coil__sim_ends_early(op)) {
            op->flags = flags;
            return len;
        }
        coil__sim_post_more(op, len, flags);
    }
    return without_datagram(socket, transfer);
}

static uint32_t dgram_events(const struct coil__sim_file *file)
{
    const struct coil__sim_socket *socket =
        coil__container_of(file, const struct coil__sim_socket, file);
    uint32_t events = POLLOUT;
    if (!coil__list_empty(&socket->arrived) || socket->reads_no_more)
        events |= POLLIN;
    return socket->error != 0 ? events | POLLERR : events;
}

static void dgram_end(struct coil__sim_file *file)
{
    coil__sim_socket_free(coil__sim_socket_of(file));
}

const struct coil__sim_file_kind coil__sim_dgram_kind = {
    .name = "datagram",
    .is_socket = true,
    .events = dgram_events,
    .read = dgram_read,
    .write = dgram_write,
    .end = dgram_end,
};
