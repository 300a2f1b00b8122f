/* SPDX-License-Identifier: MIT */
/* Echoes every byte back: one listener per core, one coroutine per connection. */
#include "server_options.h"

#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

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

/* Serves one core's listener, until it is cancelled. */
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
    return coil_scope_close(&connections, conn);
}

static int serve_until_signal(const struct server_options *options, int listeners[])
{
    COIL_SCOPE(cores, COIL_FOREVER);
    int err = 0;
    for (unsigned core = 0; core < coil_core_count() && err >= 0; core++)
        err = coil_spawn_on(&cores, core, serve, &listeners[core]);
    if (err >= 0) {
        struct signalfd_siginfo signal;
        server_options_announce(&options->address);
        err = (int)coil_read(options->stop_signals, &signal, sizeof(signal));
        coil_scope_cancel(&cores);
    }
    return coil_scope_close(&cores, err);
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
        err = serve_until_signal(options, listeners);
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
