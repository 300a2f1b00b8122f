/* SPDX-License-Identifier: MIT */
/* The options that every example that serves takes. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <coil.h>
#include <netinet/in.h>

/* As many as coil can run. */
enum { SERVER_CORES_MAX = 1024 };

struct server_options {
    struct coil_options coil;
    struct sockaddr_in address;
    int64_t grace_ns; /* for connections to end, once the server was told to */
    enum coil_balance balance;
};

/* Reads --host, --port, --cores, --cpus, --grace and --balance. Ends the program for --help (status
 * 0) and for a wrong option (one line, status 2). `purpose` is for --help. */
void server_options_parse(struct server_options *options, int argc, char **argv,
                          const char *purpose);

/* Prints `listening on ADDRESS:PORT`. */
void server_options_announce(const struct sockaddr_in *address);

#endif
