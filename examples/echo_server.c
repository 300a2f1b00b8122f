/* SPDX-License-Identifier: MIT */
/* Echoes every byte back: one listener per core, one coroutine per connection. */
#include "server_options.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int echo(void *arg)
{
    int conn = *(int *)arg;
    void *data;
    ssize_t n;

    struct coil_receiver receiver = COIL_ZERO;
    coil_receiver_open(&receiver, conn);
    while ((n = coil_receiver_next(&receiver, &data)) > 0) {
        if (coil_receiver_reply(&receiver, data, (size_t)n) < 0)
            break;
    }
    coil_receiver_close(&receiver);
    coil_close(conn);
    return 0; /* A lost client is no failure of the server: do not cancel the others. */
}

/* Serves one core's listener, until coil_stop(); then its connections, until they end or the grace
 * does. */
static int serve(void *arg)
{
    int listener = *(int *)arg;
    COIL_SCOPE(connections, COIL_FOREVER);
    struct coil_acceptor acceptor = COIL_ZERO;
    coil_acceptor_open(&acceptor, listener, 0);

    int conn;
    while ((conn = coil_acceptor_next(&acceptor)) >= 0) {
        if (coil_spawn_copy(&connections, echo, &conn, sizeof(conn)) < 0)
            coil_close(conn); /* No memory for one more: refuse it, serve the others. */
    }
    coil_acceptor_close(&acceptor);
    coil_close(listener); /* Who connects from here on is refused, not left waiting. */
    return coil_scope_close(&connections, conn == -ESHUTDOWN ? 0 : conn);
}

struct end {
    struct coil_signals signals;
    int64_t grace_ns;
};

/* The first signal ends the server gracefully, the next one at once. */
static int end_on_signals(void *arg)
{
    struct end *end = arg;
    for (int64_t grace_ns = end->grace_ns;; grace_ns = 0) { /* ends when it is cancelled */
        int signal = coil_signal_wait(&end->signals);
        if (signal < 0)
            return signal;
        coil_stop(grace_ns);
    }
}

/* Takes the listeners over, one for each core. */
static int serve_on_all_cores(const struct server_options *options, int listeners[])
{
    COIL_SCOPE(cores, COIL_FOREVER);
    int err = 0;
    for (unsigned core = 0; core < coil_core_count(); core++) {
        if (err >= 0)
            err = coil_spawn_on(&cores, core, serve, &listeners[core]);
        if (err < 0)
            coil_close(listeners[core]);
    }
    if (err >= 0)
        server_options_announce(&options->address);
    return coil_scope_close(&cores, err);
}

/* Serves until a signal ends it. */
static int serve_until_signal(const struct server_options *options, int listeners[])
{
    struct end end = {.grace_ns = options->grace_ns};
    int err = coil_signals_open(&end.signals, COIL_SIGNAL(SIGTERM) | COIL_SIGNAL(SIGINT));
    if (err < 0)
        return err;
    COIL_SCOPE(beside, COIL_FOREVER);
    err = coil_spawn(&beside, end_on_signals, &end);
    if (err >= 0)
        err = serve_on_all_cores(options, listeners);
    coil_scope_cancel(&beside);
    err = coil_scope_close(&beside, err);
    coil_signals_close(&end.signals);
    return err == -ECANCELED && coil_stopping() ? 0 : err; /* The grace is over: so be it. */
}

/* One listener for each core, all on the same port: the kernel spreads connections over them. */
static int run(void *arg)
{
    struct server_options *options = arg;
    struct sockaddr *address = (struct sockaddr *)&options->address;
    socklen_t len = sizeof(options->address);
    int listeners[SERVER_CORES_MAX];
    unsigned count = 0;
    int err = 0;
    while (count < coil_core_count() && err >= 0) {
        err = listeners[count] = coil_tcp_listen(address, len, 4096);
        if (err >= 0 && count++ == 0)
            err = coil_getsockname(err, address, &len); /* which port 0 has become */
    }
    if (err >= 0)
        return serve_until_signal(options, listeners);
    while (count > 0)
        coil_close(listeners[--count]);
    return err;
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
