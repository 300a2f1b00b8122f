/* SPDX-License-Identifier: MIT */
/* The options that every example that serves takes, and how it ends. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <coil.h>
#include <netinet/in.h>

/* As many as coil can run. */
enum { SERVER_CORES_MAX = 1024 };

struct server_options {
    struct coil_options coil;
    struct sockaddr_in address;
    int stop_signals; /* a signalfd for SIGTERM and SIGINT, which are blocked */
};

/* Reads --host, --port, --cores and --cpus, and prepares for SIGTERM and SIGINT. Ends the program
 * for --help (status 0) and for a wrong option (one line, status 2). `purpose` is for --help. */
void server_options_parse(struct server_options *options, int argc, char **argv,
                          const char *purpose);

/* Prints `listening on ADDRESS:PORT`. */
void server_options_announce(const struct sockaddr_in *address);

#endif
