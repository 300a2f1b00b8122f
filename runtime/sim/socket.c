/* SPDX-License-Identifier: MIT */
/* What all sockets have in common: their life, their parcels, their options. */
#include "sim/socket.h"

#include "sim/outage.h"
#include "ring/host.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t usual_way = 50000;

struct coil__sim_socket *coil__sim_socket_make(int domain, int type)
{
    struct coil__sim_socket *socket = calloc(1, sizeof(*socket));
    if (socket == NULL)
        return NULL;
    bool is_stream = type == SOCK_STREAM;
    coil__sim_file_init(&socket->file, is_stream ? &coil__sim_stream_kind : &coil__sim_dgram_kind);
    socket->domain = domain;
    socket->type = type;
    socket->patience = (struct coil__sim_patience){.idle_s = 7200, .interval_s = 75, .count = 9};
    coil__list_init(&socket->on_the_way);
    coil__list_init(&socket->arrived);
    coil__list_init(&socket->queue);
    return socket;
}

static struct coil__sim_parcel *parcel_of(struct coil_link *link)
{
    return coil__container_of(link, struct coil__sim_parcel, link);
}

void coil__sim_fill_parcel(struct coil__sim_parcel *parcel, struct coil__sim_op *op,
                           const struct coil__sim_transfer *transfer, size_t at)
{
    coil__sim_gather(transfer, at, parcel->data, parcel->len);
    if (!op->holds)
        return;
    parcel->sender = op;
    parcel->sender_number = op->number;
    parcel->at = at;
    op->read++;
}

/* Lets go of the sender's memory, which it may have back already. */
static void let_go(struct coil__sim_parcel *parcel)
{
    struct coil__sim_op *sender = parcel->sender;
    parcel->sender = NULL;
    if (sender != NULL && sender->number == parcel->sender_number)
        coil__sim_op_let_go(sender);
}

void coil__sim_settle_parcel(struct coil__sim_parcel *parcel)
{
    struct coil__sim_transfer transfer;
    struct coil__sim_op *sender = parcel->sender;
    if (sender != NULL && sender->number == parcel->sender_number) {
        coil__sim_transfer_read(sender, &transfer);
        coil__sim_gather(&transfer, parcel->at, parcel->data, parcel->len);
    }
    let_go(parcel);
}

/* Of one whose list is not looked at any more. */
static void discard(struct coil__sim_parcel *parcel)
{
    let_go(parcel);
    parcel->to->pending -= parcel->len - parcel->taken;
    free(parcel);
}

void coil__sim_free_parcel(struct coil__sim_parcel *parcel)
{
    coil__list_remove(&parcel->link);
    discard(parcel);
}

static void discard_arrived(struct coil__sim_socket *socket)
{
    struct coil_link *next;
    for (struct coil_link *link = socket->arrived.next; link != &socket->arrived; link = next) {
        next = link->next;
        discard(parcel_of(link));
    }
    coil__list_init(&socket->arrived);
}

/* Of all that is on the way. */
static void discard_on_the_way(struct coil__sim_socket *socket)
{
    struct coil_link *next;
    for (struct coil_link *link = socket->on_the_way.next; link != &socket->on_the_way;
         link = next) {
        next = link->next;
        coil__sim_unplan(&parcel_of(link)->event);
        discard(parcel_of(link));
    }
    coil__list_init(&socket->on_the_way);
}

size_t coil__sim_lose_parcels(struct coil__sim_socket *socket)
{
    size_t lost = 0;
    for (struct coil_link *link = socket->on_the_way.next; link != &socket->on_the_way;
         link = link->next) {
        struct coil__sim_parcel *parcel = parcel_of(link);
        lost += parcel->len + (parcel->kind == COIL__SIM_FIN ? 1 : 0);
        parcel->sender = NULL; /* which does not hear that it was let go of */
    }
    discard_on_the_way(socket);
    return lost;
}

void coil__sim_socket_free(struct coil__sim_socket *socket)
{
    discard_on_the_way(socket);
    discard_arrived(socket);
    if (socket->will_give_up)
        coil__sim_unplan(&socket->gives_up);
    if (coil__list_linked(&socket->bound))
        coil__list_remove(&socket->bound);
    free(socket);
}

void coil__sim_lose_all(struct coil__sim_socket *socket)
{
    socket->reset = true;
    socket->error = socket->peer_sends_no_more && !socket->sends_no_more ? EPIPE : ECONNRESET;
    discard_arrived(socket);
}

/* Who has closed a Unix socket receives no more either. */
static void end_of_peer(struct coil__sim_socket *socket)
{
    socket->peer_sends_no_more = true;
    if (socket->domain == AF_UNIX && socket->peer == NULL)
        socket->sends_no_more = true;
}

static void arrive(struct coil__sim_event *event)
{
    struct coil__sim_parcel *parcel = coil__container_of(event, struct coil__sim_parcel, event);
    struct coil__sim_socket *to = parcel->to;
    enum coil__sim_parcel_kind kind = parcel->kind;
    /* Its peer's memory is full, as it were. */
    bool waits_for_reader =
        parcel->sender != NULL && coil__sim_chance(COIL_SIM_FAULTS_MILD, 250000);
    if (kind == COIL__SIM_DATA && !to->reads_no_more && !to->reset) {
        coil__list_remove(&parcel->link);
        coil__list_append(&to->arrived, &parcel->link);
        if (!waits_for_reader)
            coil__sim_settle_parcel(parcel);
    } else {
        coil__sim_free_parcel(parcel);
    }
    if (kind == COIL__SIM_FIN)
        end_of_peer(to);
    else if (kind == COIL__SIM_RESET && !to->reset)
        coil__sim_lose_all(to);
    coil__sim_file_news(&to->file);
}

struct coil__sim_parcel *coil__sim_send_parcel(struct coil__sim_socket *to,
                                               enum coil__sim_parcel_kind kind, size_t len)
{
    struct coil__sim_parcel *parcel = malloc(sizeof(*parcel) + len);
    if (parcel == NULL)
        return NULL;
    memset(parcel, 0, sizeof(*parcel));
    parcel->event.fire = arrive;
    parcel->to = to;
    parcel->kind = kind;
    parcel->len = len;
    to->pending += len;
    coil__list_append(&to->on_the_way, &parcel->link);
    coil_time arrival = coil__sim.now + 1 + coil__sim_delay(usual_way);
    coil__sim_outage_draw();
    coil_time held = to->type == SOCK_STREAM ? coil__sim_held_until(to) : 0;
    arrival = held > arrival ? held : arrival;
    if ((to->type == SOCK_STREAM || to->domain == AF_UNIX) && arrival <= to->last_arrival)
        arrival = to->last_arrival + 1; /* in the order of sending */
    to->last_arrival = arrival;
    coil__sim_plan(&parcel->event, arrival - coil__sim.now);
    return parcel;
}

struct coil__sim_parcel *coil__sim_first_parcel(struct coil__sim_socket *socket)
{
    return coil__list_empty(&socket->arrived) ? NULL : parcel_of(socket->arrived.next);
}

int32_t coil__sim_socket(struct coil__sim_op *op)
{
    int domain = op->sqe.fd;
    int type = (int)op->sqe.off & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)
        return -EAFNOSUPPORT;
    if (type != SOCK_STREAM && type != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    if (!coil__sim_file_has_room())
        return -EMFILE;
    struct coil__sim_socket *socket = coil__sim_socket_make(domain, type);
    return socket != NULL ? coil__sim_file_install(&socket->file) : -ENOBUFS;
}

int32_t coil__sim_bind_attempt(struct coil__sim_op *op)
{
    if (!op->file->kind->is_socket)
        return -ENOTSOCK;
    return coil__sim_bind(coil__sim_socket_of(op->file),
                          (const struct sockaddr *)(uintptr_t)op->sqe.addr, (socklen_t)op->sqe.off);
}

/* Now and then no more memory may be locked. */
int64_t coil__sim_send_zc_start(struct coil__sim_op *op)
{
    return coil__sim_chance(COIL_SIM_FAULTS_MILD, 10000) ? -ENOMEM
                                                         : coil__sim_delay(op->code->usual);
}

int32_t coil__sim_send_zc(struct coil__sim_op *op)
{
    bool is_local = op->file->kind->is_socket && coil__sim_socket_of(op->file)->domain == AF_UNIX;
    return is_local ? -EOPNOTSUPP : coil__sim_write(op);
}

static int set_linger(struct coil__sim_socket *socket, const void *value, socklen_t len)
{
    struct linger linger;
    if (len < sizeof(linger))
        return -EINVAL;
    memcpy(&linger, value, sizeof(linger));
    socket->resets = linger.l_onoff != 0 && linger.l_linger == 0;
    return 0;
}

/* The number of the socket that such an option sets; NULL: it makes no difference here. */
static int64_t *patience_of(struct coil__sim_socket *socket, int level, int name)
{
    if (level != IPPROTO_TCP)
        return NULL;
    switch (name) {
    case TCP_KEEPIDLE:
        return &socket->patience.idle_s;
    case TCP_KEEPINTVL:
        return &socket->patience.interval_s;
    case TCP_KEEPCNT:
        return &socket->patience.count;
    case TCP_USER_TIMEOUT:
        return &socket->patience.user_timeout_ms;
    default:
        return NULL;
    }
}

static int set_number(struct coil__sim_socket *socket, int level, int name, int value)
{
    int64_t *number = patience_of(socket, level, name);
    if (number != NULL && (value < 0 || (value == 0 && name != TCP_USER_TIMEOUT)))
        return -EINVAL;
    if (number != NULL)
        *number = value;
    else if (level == SOL_SOCKET && name == SO_KEEPALIVE)
        socket->patience.keeps_alive = value != 0;
    else if (level == SOL_SOCKET && name == SO_REUSEPORT)
        socket->shares_port = value != 0;
    if (socket->silent)
        coil__sim_plan_giving_up(socket);
    return 0;
}

/* Others than these and SO_LINGER make no difference here. */
static bool is_number(struct coil__sim_socket *socket, int level, int name)
{
    return patience_of(socket, level, name) != NULL ||
           (level == SOL_SOCKET && (name == SO_KEEPALIVE || name == SO_REUSEPORT));
}

int coil__sim_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    struct coil__sim_file *file = coil__sim_file_at(fd);
    if (file == NULL)
        return -EBADF;
    if (fd < COIL__SIM_FIRST_FD)
        return coil__host_setsockopt(fd, level, name, value, len);
    if (!file->kind->is_socket)
        return -ENOTSOCK;
    if (level == SOL_SOCKET && name == SO_LINGER)
        return set_linger(coil__sim_socket_of(file), value, len);
    if (!is_number(coil__sim_socket_of(file), level, name))
        return 0;
    int number = 0;
    if (len < sizeof(number))
        return -EINVAL;
    memcpy(&number, value, sizeof(number));
    return set_number(coil__sim_socket_of(file), level, name, number);
}

int coil__sim_getsockname(int fd, struct sockaddr *name, socklen_t *len)
{
    struct coil__sim_file *file = coil__sim_file_at(fd);
    if (file == NULL)
        return -EBADF;
    if (fd < COIL__SIM_FIRST_FD)
        return coil__host_getsockname(fd, name, len);
    if (!file->kind->is_socket)
        return -ENOTSOCK;
    const struct coil__sim_socket *socket = coil__sim_socket_of(file);
    struct coil__sim_address none = {.name = {.ss_family = (sa_family_t)socket->domain},
                                     .len = sizeof(struct sockaddr_in)};
    coil__sim_tell_name(socket->own.len > 0 ? &socket->own : &none, name, len);
    return 0;
}

int coil__sim_deafen(int fd)
{
    struct coil__sim_file *file = coil__sim_file_at(fd);
    if (file == NULL)
        return -EBADF;
    if (!file->kind->is_socket)
        return -ENOTSOCK;
    coil__sim_socket_of(file)->deaf = true;
    return 0;
}
