/* SPDX-License-Identifier: MIT */
/* Echoes every byte back: one listener for all cores, one coroutine per connection. */
#include "server_options.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct connection {
    struct coil_listener *listener;
    int fd;
};

static int echo(void *arg)
{
    const struct connection *conn = arg;
    void *data;
    ssize_t n;

    struct coil_receiver receiver = COIL_ZERO;
    coil_receiver_open(&receiver, conn->fd);
    while ((n = coil_receiver_next(&receiver, &data)) > 0) {
        if (coil_receiver_reply(&receiver, data, (size_t)n) < 0)
            break;
    }
    coil_receiver_close(&receiver);
    coil_close(conn->fd);
    coil_listener_done(conn->listener);
    return 0; /* A lost client is no failure of the server: do not cancel the others. */
}

/* Serves the connections of one core, until coil_stop(); then until they end or the grace does. */
static int serve(void *arg)
{
    struct connection conn = {.listener = arg};
    COIL_SCOPE(connections, COIL_FOREVER);
    while ((conn.fd = coil_listener_next(conn.listener)) >= 0) {
        if (coil_spawn_copy(&connections, echo, &conn, sizeof(conn)) < 0) {
            coil_close(conn.fd); /* No memory for one more: refuse it, serve the others. */
            coil_listener_done(conn.listener);
        }
    }
    /* Who connects from here on is refused, not left waiting. */
    coil_listener_leave(conn.listener);
    return coil_scope_close(&connections, conn.fd == -ESHUTDOWN ? 0 : conn.fd);
}

static int serve_on_all_cores(struct coil_listener *listener)
{
    COIL_SCOPE(cores, COIL_FOREVER);
    int err = 0;
    for (unsigned core = 0; core < coil_core_count() && err >= 0; core++)
        err = coil_spawn_on(&cores, core, serve, listener);
    return coil_scope_close(&cores, err);
}

/* The first signal ends the server gracefully, the next one at once. */
static int end_on_signals(void *arg)
{
    const struct server_options *options = arg;
    COIL_SIGNALS(signals);
    int result = coil_signals_open(&signals, COIL_SIGNAL(SIGTERM) | COIL_SIGNAL(SIGINT));
    if (result < 0)
        return result;
    server_options_announce(&options->address); /* who reads that may send one */
    int64_t grace_ns = options->grace_ns;
    while ((result = coil_signal_wait(&signals)) >= 0) { /* ends when it is cancelled */
        coil_stop(grace_ns);
        grace_ns = 0;
    }
    return result;
}

static int run(void *arg)
{
    struct server_options *options = arg;
    struct sockaddr *address = (struct sockaddr *)&options->address;
    socklen_t len = sizeof(options->address);
    struct coil_listener listener;
    int err = coil_listener_open(&listener, address, len, 4096, options->balance);
    if (err < 0)
        return err;
    COIL_SCOPE(beside, COIL_FOREVER);
    err = coil_listener_address(&listener, address, &len); /* which port 0 has become */
    if (err >= 0)
        err = coil_spawn(&beside, end_on_signals, options);
    if (err >= 0)
        err = serve_on_all_cores(&listener);
    coil_scope_cancel(&beside);
    err = coil_scope_close(&beside, err);
    coil_listener_destroy(&listener);
    return err == -ECANCELED && coil_stopping() ? 0 : err; /* The grace is over: so be it. */
}

int main(int argc, char **argv)
{
    struct server_options options;
    server_options_parse(&options, argc, argv, "Echoes every byte that a TCP client sends.");
    int err = coil_run(&options.coil, run, &options);
    if (err < 0)
        fprintf(stderr, "echo_server: %s\n", strerror(-err));
    return err < 0;
}
