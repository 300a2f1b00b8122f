/* SPDX-License-Identifier: MIT */
/*
 * How many completions a second does a simulated world give (coil/sim.h)?
 *
 * 32 coroutines on one core await NOPs; 16 pairs send each other 64 bytes over connections. Each
 * operation counts that is awaited. Beside: the same on the kernel, which is another world: it
 * tells how many seeds are tested in the time that a real test would take. Not measured: files.
 */
#include "harness/clock.h"
#include "harness/coil_subject.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { WORKERS = 32, PAIRS = 16, MESSAGE = 64, CHUNK = 256 };

struct run {
    int64_t end_ns;
    uint64_t completions;
    uint16_t port;
    int listener;
};

static int await_nops(void *arg)
{
    struct run *run = arg;
    do { /* ends when the time is over */
        for (int i = 0; i < CHUNK; i++) {
            int err = coil_nop();
            if (err < 0)
                return err;
        }
        run->completions += CHUNK;
    } while (clock_ns() < run->end_ns);
    return 0;
}

/* One end of a connection: sends first, or answers. */
static int play(struct run *run, int fd, bool first)
{
    char message[MESSAGE] = {0};
    ssize_t n = first ? coil_send_all(fd, message, sizeof(message), 0) : MESSAGE;
    while (n == MESSAGE) { /* ends when the time is over, or the other has ended */
        n = coil_recv_all(fd, message, sizeof(message), 0);
        if (n != MESSAGE || (first && clock_ns() >= run->end_ns))
            break;
        n = coil_send_all(fd, message, sizeof(message), 0);
        run->completions += 2;
    }
    coil_close(fd);
    return n < 0 ? (int)n : 0;
}

static int serve(void *arg)
{
    struct run *run = arg;
    int fd = coil_accept(run->listener, NULL, NULL, 0);
    return fd < 0 ? fd : play(run, fd, false);
}

static int request(void *arg)
{
    struct run *run = arg;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(run->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = coil_socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    int err = coil_connect(fd, (struct sockaddr *)&address, sizeof(address));
    if (err >= 0)
        return play(run, fd, true);
    coil_close(fd);
    return err;
}

static int nop_main(void *arg)
{
    COIL_SCOPE(scope, COIL_FOREVER);
    int result = 0;
    for (int i = 0; i < WORKERS && result == 0; i++)
        result = coil_spawn(&scope, await_nops, arg);
    return coil_scope_close(&scope, result);
}

static int echo_main(void *arg)
{
    struct run *run = arg;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    run->listener = coil_tcp_listen((struct sockaddr *)&address, len, PAIRS);
    if (run->listener < 0)
        return run->listener;
    COIL_SCOPE(scope, COIL_FOREVER);
    int result = coil_getsockname(run->listener, (struct sockaddr *)&address, &len);
    run->port = ntohs(address.sin_port);
    for (int i = 0; i < PAIRS && result == 0; i++) {
        result = coil_spawn(&scope, serve, run);
        if (result == 0)
            result = coil_spawn(&scope, request, run);
    }
    result = coil_scope_close(&scope, result);
    coil_close(run->listener);
    return result;
}

static void say_nothing(const char *line)
{
    (void)line;
}

static const char *measure(const struct window *window, double figures[METRIC_MAX])
{
    coil_fn *const *work = window->point;
    int64_t start = clock_ns();
    struct run run = {.end_ns = start + window->length_ns};
    const struct coil_options options = {.core_count = 1, .ring = window->arg, .log = say_nothing};
    int result = coil_run(&options, *work, &run);
    figures[0] = (double)run.completions / (double)(clock_ns() - start) * 1e3;
    return harness_reason(result);
}

int main(int argc, char **argv)
{
    static char simulated[] = "sim:1";
    static char kernel[] = "kernel";
    static const struct metric metric = {
        .name = "completions a second", .unit = "M", .higher_is_better = true};
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure, .arg = simulated},
        {.name = "on_the_kernel", .measure = measure, .arg = kernel},
    };
    static coil_fn *const works[] = {nop_main, echo_main};
    static const char *const names[] = {"nop", "echo of 64 bytes"};

    struct harness harness;
    harness_open(&harness, argc, argv, "sim",
                 "How many completions a second does a simulation give?");
    for (int i = 0; i < 2; i++)
        harness_case(&harness, &(struct bench_case){
                                   .name = names[i],
                                   .metrics = &metric,
                                   .metric_count = 1,
                                   .subjects = subjects,
                                   .subject_count = 2,
                                   .point = &works[i],
                                   .window_ms = 100,
                                   .quick_window_ms = 20,
                               });
    return harness_close(&harness);
}
