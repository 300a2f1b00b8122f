/* SPDX-License-Identifier: MIT */
/* What the bare echo servers share: their options, their listener, and how they end. */
#include "bare/server.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void usage(const char *program, const char *summary)
{
    printf("usage: %s [--port N] [--cpus N] [--spin NS]\n"
           "%s\n"
           "  --port N    listen on 127.0.0.1:N (0, the default: any free port)\n"
           "  --cpus N    pin the server to CPU N\n"
           "  --spin NS   look for events this long before sleeping (0)\n",
           program, summary);
}

static int64_t parse_number(const char *text, const char *option, int64_t max)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0 || value > max) {
        fprintf(stderr, "--%s: not a number from 0 to %lld: %s\n", option, (long long)max, text);
        exit(2);
    }
    return value;
}

void server_parse(struct server_options *options, int argc, char **argv, const char *summary)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},
        {"cpus", required_argument, NULL, 'c'},
        {"spin", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *options = (struct server_options){.cpu = -1};
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'p':
            options->port = (uint16_t)parse_number(optarg, "port", UINT16_MAX);
            break;
        case 'c':
            options->cpu = (int)parse_number(optarg, "cpus", CPU_SETSIZE - 1);
            break;
        case 's':
            options->spin_ns = parse_number(optarg, "spin", INT64_C(1000000000));
            break;
        case 'h':
            usage(argv[0], summary);
            exit(0);
        default:
            exit(2); /* getopt has said why */
        }
    }
}

/* Nothing needs saving, and ending in the handler cannot miss a signal before a sleep. */
static void end_at_once(int signal)
{
    (void)signal;
    _exit(0);
}

static void prepare_process(const struct server_options *options)
{
    if (options->cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET((size_t)options->cpu, &cpus);
        if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
            err(1, "cannot run on CPU %d", options->cpu);
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max < SERVER_FD_MAX ? files.rlim_max : SERVER_FD_MAX;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, end_at_once);
    signal(SIGINT, end_at_once);
}

int server_listen(const struct server_options *options, int socket_flags)
{
    prepare_process(options);

    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(options->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | socket_flags, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
        bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, 4096) < 0)
        err(1, "cannot listen on 127.0.0.1:%u", (unsigned)options->port);
    return listener;
}

void server_announce(int listener)
{
    struct sockaddr_in address = {0};
    socklen_t length = sizeof(address);
    if (getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        err(1, "getsockname");
    printf("listening on 127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
}
