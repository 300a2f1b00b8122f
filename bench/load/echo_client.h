/* SPDX-License-Identifier: MIT */
/*
 * The client's side of an echo benchmark: connections that send messages and check what comes back.
 * It never sleeps while a message is under way, which spares the server the cost of waking it.
 */
#ifndef BENCH_ECHO_CLIENT_H
#define BENCH_ECHO_CLIENT_H

#include "harness/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_options {
    uint16_t port;
    unsigned connection_count;
    unsigned idle_count; /* more connections, over which nothing goes */
    unsigned message_size;
    unsigned pipeline; /* messages under way on each connection */
    double rate;       /* messages a second, sent on schedule; 0: each reply sends the next */
    bool renew;        /* each message goes over a connection of its own */
};

struct connection {
    int fd;
    uint64_t granted; /* bytes that may be sent by now; position in the stream */
    uint64_t sent;    /* bytes the socket has taken */
    uint64_t received;
    uint64_t next_end; /* where the message being received ends */
    int64_t *stamps;   /* when each message under way was sent, or should have been: a ring */
    uint32_t stamp_head, stamp_tail;
};

struct client {
    struct client_options options;
    struct connection *connections; /* the idle ones last */
    uint32_t stamp_mask;
    int epoll;
    bool refill;            /* each reply sends the next message */
    uint64_t under_way;     /* messages sent and not back yet */
    uint64_t replies;       /* messages that came back */
    uint64_t messages_left; /* how many more may be sent */
    int64_t due;            /* when the next message of a schedule must be sent */
    unsigned next_connection;
    int64_t record_from, record_to; /* the send times whose latencies count */
    struct histogram latencies;
};

/* Connects, and sends one message over each connection. Ends the process on an error. */
void client_open(struct client *client, const struct client_options *options);

/* Begins to send: `messages` in total. */
void client_start(struct client *client, uint64_t messages);

/* Goes on until `deadline`, or until no message is left to send and none is under way. */
void client_run(struct client *client, int64_t deadline);

/* Sends nothing new and waits for what is under way. Ends the process if that takes long. */
void client_drain(struct client *client);

#endif
