/* SPDX-License-Identifier: MIT */
/* What the bare echo servers share: their options, their listener, and how they end. */
#ifndef BENCH_BARE_SERVER_H
#define BENCH_BARE_SERVER_H

#include <stdint.h>

/* How many descriptors, hence connections, a server has room for. */
enum { SERVER_FD_MAX = 20000 };

struct server_options {
    uint16_t port;   /* 0: any free one */
    int cpu;         /* where to pin the server; -1: nowhere */
    int64_t spin_ns; /* how long to look for events before sleeping */
};

/* Reads the command line. Ends the process on --help (0) and on a wrong option (2). */
void server_parse(struct server_options *options, int argc, char **argv, const char *summary);

/*
 * Pins the process, makes SIGTERM and SIGINT end it with status 0, and listens on 127.0.0.1.
 * Returns the listener, whose connections inherit TCP_NODELAY. Ends the process on an error.
 */
int server_listen(const struct server_options *options, int socket_flags);

/* Says "listening on ADDRESS:PORT". */
void server_announce(int listener);

#endif
