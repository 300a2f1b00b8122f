/* SPDX-License-Identifier: MIT */
/*
 * How evenly do connections come to two cores, and how many a second?
 *
 * Each core accepts, and has one coroutine that connects to the listener, one connection after the
 * other, until all of them are open. How even that is: what the fuller core has over half of them,
 * as a mean of the window's tries, each with fresh ports. Then all are reset. Here coil is the
 * kernel's own balance, which echo_server has unless it is told otherwise; beside: the one that
 * hands each connection to the core with the fewest. Clients and server share the two CPUs, and
 * both look out for events. Not measured: what connections do once they are open.
 */
#include "harness/clock.h"
#include "harness/coil_subject.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { CORES = 2, CONNECTIONS_MAX = 512 };

/* What a core has open. */
struct side {
    int conns[CONNECTIONS_MAX], clients[CONNECTIONS_MAX / CORES];
    unsigned conn_count, client_count;
};

struct run {
    int64_t length_ns;
    unsigned connections;
    enum coil_balance balance;
    struct coil_listener listener;
    struct sockaddr_in address;
    struct side sides[CORES];
    unsigned tries;
    double unevenness; /* summed over the tries */
    int64_t connecting_ns;
};

static int serve(void *arg)
{
    struct run *run = arg;
    struct side *side = &run->sides[coil_core_self()];
    int conn;
    while ((conn = coil_listener_next(&run->listener)) >= 0)
        side->conns[side->conn_count++] = conn; /* there is room for all */
    coil_listener_leave(&run->listener);
    return conn == -ECANCELED || conn == -EPIPE ? 0 : conn;
}

static int connect_share(void *arg)
{
    struct run *run = arg;
    struct side *side = &run->sides[coil_core_self()];
    for (unsigned i = 0; i < run->connections / CORES; i++) {
        int fd = coil_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            return fd;
        side->clients[side->client_count++] = fd;
        int err = coil_connect(fd, (struct sockaddr *)&run->address, sizeof(run->address));
        if (err < 0)
            return err;
    }
    return 0;
}

/* With a reset, so that no port stays taken. */
static int close_all(void *arg)
{
    struct run *run = arg;
    struct side *side = &run->sides[coil_core_self()];
    struct linger at_once = {.l_onoff = 1};
    while (side->client_count > 0) {
        int fd = side->clients[--side->client_count];
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        coil_close(fd);
    }
    while (side->conn_count > 0) {
        coil_close(side->conns[--side->conn_count]);
        coil_listener_done(&run->listener);
    }
    return 0;
}

static int on_both(coil_fn *fn, struct run *run)
{
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = 0;
    for (unsigned core = 0; core < CORES && err == 0; core++)
        err = coil_spawn_on(&scope, core, fn, run);
    return coil_scope_close(&scope, err);
}

/* Waits until all that have connected were accepted too, and returns what the fuller core has. */
static int wait_for_all(struct run *run)
{
    unsigned here, there;
    int err;
    do { /* ends: each connection is accepted, or the scope is cancelled */
        err = coil_yield();
        here = coil_listener_load(&run->listener, 0);
        there = coil_listener_load(&run->listener, 1);
    } while (err == 0 && here + there < run->connections);
    return err < 0 ? err : (int)(here > there ? here : there);
}

static int try_once(struct run *run)
{
    int64_t start = clock_ns();
    int err = on_both(connect_share, run);
    int fuller = err < 0 ? err : wait_for_all(run);
    run->connecting_ns += clock_ns() - start;
    run->tries++;
    run->unevenness += fuller * (double)CORES / run->connections;
    err = on_both(close_all, run);
    return fuller < 0 ? fuller : err;
}

static int try_again_and_again(struct run *run)
{
    COIL_SCOPE(servers, COIL_FOREVER);
    int err = 0;
    for (unsigned core = 0; core < CORES && err == 0; core++)
        err = coil_spawn_on(&servers, core, serve, run);
    if (err == 0)
        err = try_once(run);
    run->tries = 0; /* that was to warm up */
    run->unevenness = 0;
    run->connecting_ns = 0;
    int64_t end = clock_ns() + run->length_ns;
    do {
        err = err < 0 ? err : try_once(run);
    } while (err == 0 && clock_ns() < end);
    coil_scope_cancel(&servers);
    return coil_scope_close(&servers, err);
}

static int bench_main(void *arg)
{
    struct run *run = arg;
    struct sockaddr *address = (struct sockaddr *)&run->address;
    socklen_t len = sizeof(run->address);
    int err = coil_listener_open(&run->listener, address, len, CONNECTIONS_MAX, run->balance);
    if (err < 0)
        return err;
    err = coil_listener_address(&run->listener, address, &len);
    if (err == 0)
        err = try_again_and_again(run);
    coil_listener_destroy(&run->listener);
    return err;
}

static const char *measure(const struct window *window, double figures[METRIC_MAX])
{
    static struct run run;
    run = (struct run){
        .length_ns = window->length_ns,
        .connections = *(const unsigned *)window->point,
        .balance = *(const enum coil_balance *)window->arg,
        .address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
    };
    int result = coil_subject_run_two(window, 10 * COIL_MSEC, bench_main, &run);
    figures[0] = run.unevenness / run.tries;
    figures[1] = run.connections * (double)run.tries * 1e9 / (double)run.connecting_ns;
    return harness_reason(result);
}

int main(int argc, char **argv)
{
    static enum coil_balance kernel = COIL_BALANCE_KERNEL, least = COIL_BALANCE_LEAST;
    static const struct metric metrics[] = {
        {.name = "the fuller core's over an even share", .unit = "x"},
        {.name = "connections per second", .unit = "/s", .higher_is_better = true},
    };
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure, .arg = &kernel},
        {.name = "least", .measure = measure, .arg = &least},
    };
    static const unsigned points[] = {8, 64, 512};

    struct harness harness;
    harness_open(&harness, argc, argv, "listen",
                 "How evenly do connections come to two cores, and how many a second?");
    if (harness.placement.load_cpu < 0)
        harness_note(&harness, "", "", "it takes two CPUs");
    for (size_t i = 0; i < 3 && harness.placement.load_cpu >= 0; i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof(name), "%u connections", points[i]);
        harness_case(&harness, &(struct bench_case){
                                   .name = name,
                                   .metrics = metrics,
                                   .metric_count = 2,
                                   .subjects = subjects,
                                   .subject_count = 2,
                                   .point = &points[i],
                                   .window_ms = 200,
                                   .quick_window_ms = 20,
                                   .two_cpus = true,
                               });
    }
    return harness_close(&harness);
}
