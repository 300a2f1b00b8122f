/* SPDX-License-Identifier: MIT */
/*
 * Sockets of a network that is all in memory.
 *
 *     stream:    FRESH --connect--> CONNECTED <--accept-- queued at a listener
 *     listener:  FRESH --bind, listen--> LISTENING
 *     datagram:  FRESH; bound when it first sends
 *
 * What is sent is a parcel, which arrives some time later: within a connection in the order of
 * sending, elsewhere in any.
 */
#ifndef COIL_SIM_SOCKET_H
#define COIL_SIM_SOCKET_H

#include "sim/file.h"

struct coil__sim_address {
    struct sockaddr_storage name;
    socklen_t len; /* 0: none */
};

/* What its options say about how long it waits for a peer that is not heard any more. */
struct coil__sim_patience {
    bool keeps_alive;                  /* SO_KEEPALIVE */
    int64_t idle_s, interval_s, count; /* TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT */
    int64_t user_timeout_ms;           /* TCP_USER_TIMEOUT; 0: as the kernel has it */
};

enum coil__sim_socket_state { COIL__SIM_FRESH, COIL__SIM_LISTENING, COIL__SIM_CONNECTED };

struct coil__sim_socket {
    struct coil__sim_file file;
    struct coil_link bound; /* among all that have an address of their own */
    enum coil__sim_socket_state state;
    int domain, type;
    bool shares_port;                  /* SO_REUSEPORT */
    bool port_was_chosen;              /* for it, and goes when it fails to connect */
    bool resets;                       /* SO_LINGER of 0 s: its close is a reset */
    int error;                         /* told to the next operation: 0 or an errno */
    bool reset;                        /* the connection is gone, by force */
    bool sends_no_more, reads_no_more; /* shutdown() here */
    bool peer_sends_no_more;           /* its end has arrived */
    struct coil__sim_address own, other;

    struct coil__sim_socket *peer; /* of a connection; NULL: it has closed */
    struct coil_link on_the_way;   /* parcels to this socket that have not arrived */
    struct coil_link arrived;      /* and those that have and are not all read */
    size_t pending;                /* bytes of both */
    coil_time last_arrival;        /* of a parcel to this socket */

    struct coil__sim_patience patience;
    bool silent;       /* nothing gets through any more, either way (sim/outage.h): */
    bool will_give_up; /* `gives_up` is planned */
    coil_time silent_since, unacked_since;
    size_t unacked; /* bytes given to it that never will be acknowledged */
    struct coil__sim_event gives_up;

    struct coil_link queue;  /* of a listener: connections that nobody has accepted */
    struct coil_link queued; /* in it */
    unsigned queue_len, backlog;
    bool deaf; /* nobody else gets into it */
};

enum coil__sim_parcel_kind { COIL__SIM_DATA, COIL__SIM_FIN, COIL__SIM_RESET };

struct coil__sim_parcel {
    struct coil__sim_event event;
    struct coil_link link; /* in `on_the_way` or `arrived` of */
    struct coil__sim_socket *to;
    enum coil__sim_parcel_kind kind;
    struct coil__sim_address from; /* of a datagram */
    struct coil__sim_op *sender;   /* whose memory it is read from, until it has arrived; */
    uint64_t sender_number;        /* while it is that one. NULL: it has a copy */
    size_t at;                     /* behind the begin of that memory */
    size_t len, taken;
    char data[];
};

/* Bytes on the way to a socket or unread there, at most. */
enum { COIL__SIM_WINDOW = 128 << 10 };

static inline struct coil__sim_socket *coil__sim_socket_of(struct coil__sim_file *file)
{
    return coil__container_of(file, struct coil__sim_socket, file);
}

extern const struct coil__sim_file_kind coil__sim_stream_kind;
extern const struct coil__sim_file_kind coil__sim_dgram_kind;

/* A fresh socket with one reference; NULL without memory. */
struct coil__sim_socket *coil__sim_socket_make(int domain, int type);

/* The connection is gone here, by force. */
void coil__sim_lose_all(struct coil__sim_socket *socket);

/* Frees a socket that nobody has any more, and all parcels to it. */
void coil__sim_socket_free(struct coil__sim_socket *socket);

/* Sends a parcel of `len` bytes, to be filled; it arrives within `usual` ns, as a rule. NULL
 * without memory. */
struct coil__sim_parcel *coil__sim_send_parcel(struct coil__sim_socket *to,
                                               enum coil__sim_parcel_kind kind, size_t len);

/* Fills a parcel just sent with what is `at` bytes behind the begin of the operation's memory. If
 * that holds it, what arrives is what is there then: so much may be sent again, and that late. */
void coil__sim_fill_parcel(struct coil__sim_parcel *parcel, struct coil__sim_op *op,
                           const struct coil__sim_transfer *transfer, size_t at);

/* The peer has it, and says so: it has a copy from here on. */
void coil__sim_settle_parcel(struct coil__sim_parcel *parcel);

/* Loses all that is on the way to the socket: how many bytes that is, the end counting as one.
 * Memory that it was sent from without a copy is held on: nobody says that it has arrived. */
size_t coil__sim_lose_parcels(struct coil__sim_socket *socket);

/* The first parcel that has arrived; NULL: none has. Frees one. */
struct coil__sim_parcel *coil__sim_first_parcel(struct coil__sim_socket *socket);
void coil__sim_free_parcel(struct coil__sim_parcel *parcel);

/* Addresses: gives one to the socket; 0, -EADDRINUSE, -EINVAL or -EAFNOSUPPORT. Without a name, any
 * free one of its domain. */
int coil__sim_bind(struct coil__sim_socket *socket, const struct sockaddr *name, socklen_t len);

/* If it is a stream that has failed to connect: a port that was chosen for it is free again. */
void coil__sim_leave_port(struct coil__sim_socket *socket);

/* Whether a socket of that domain may be given such a name: 0, -EINVAL or -EAFNOSUPPORT. */
int coil__sim_check_name(int domain, const struct sockaddr *name, socklen_t len);

/* Who is bound to that name, of that type, and hears `from`, or, if that is NULL, listens: one of
 * them by chance; NULL: nobody. */
struct coil__sim_socket *coil__sim_find(int type, const struct sockaddr *name, socklen_t len,
                                        const struct coil__sim_address *from);

/* What it comes to that coil__sim_find() finds nobody: -errno. A Unix socket that is connected is
 * there, but for its peer alone; one of another type is seen only if its name is a path, which is
 * no file. */
int32_t coil__sim_nobody_there(int type, const struct sockaddr *name, socklen_t len);

/* Copies a name to where the user wants it, as the kernel does. */
void coil__sim_tell_name(const struct coil__sim_address *address, struct sockaddr *name,
                         socklen_t *len);

void coil__sim_net_open(void);

/* Attempts. */
int32_t coil__sim_socket(struct coil__sim_op *op);
int32_t coil__sim_bind_attempt(struct coil__sim_op *op);
int32_t coil__sim_listen(struct coil__sim_op *op);
int32_t coil__sim_connect(struct coil__sim_op *op);
int32_t coil__sim_accept(struct coil__sim_op *op);
int32_t coil__sim_shutdown(struct coil__sim_op *op);
int64_t coil__sim_send_zc_start(struct coil__sim_op *op);
int32_t coil__sim_send_zc(struct coil__sim_op *op);

/* Resets a connection, both ends of it: what the operation, which tries to move bytes, comes to. */
int32_t coil__sim_reset(struct coil__sim_op *op, struct coil__sim_socket *socket);

/* Resets the first connection that nobody has accepted yet. */
void coil__sim_abort_first(struct coil__sim_socket *listener);

/* See the functions of struct coil__ring_driver. */
int coil__sim_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int coil__sim_getsockname(int fd, struct sockaddr *name, socklen_t *len);
int coil__sim_deafen(int fd);
int coil__sim_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                          struct addrinfo **found);

#endif
