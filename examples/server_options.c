/* SPDX-License-Identifier: MIT */
#include "server_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static void help(const char *program, const char *purpose)
{
    printf("usage: %s [--port N] [--host ADDRESS] [--cores N] [--cpus LIST]\n"
           "       [--grace MSEC] [--balance WAY]\n\n%s\n\n"
           "  --port N        TCP port to listen on; 0: any free one (7000)\n"
           "  --host ADDRESS  IPv4 address to listen on (127.0.0.1)\n"
           "  --cores N       threads, each with a loop of its own (one per CPU)\n"
           "  --cpus LIST     CPUs to pin them to, like 0,2-5 (those it may run on)\n"
           "  --grace MSEC    for connections to end once it was told to (1000)\n"
           "  --balance WAY   how connections come to the cores: kernel, by a hash of their\n"
           "                  addresses; least, to the one with the fewest (kernel)\n"
           "  --help          this text\n\n"
           "Prints `listening on ADDRESS:PORT` once it accepts. SIGTERM or SIGINT ends it,\n"
           "gracefully; another one ends it at once.\n"
           "The environment can set more, like COIL_SPIN_NS: see coil/runtime.h.\n",
           program, purpose);
    exit(0);
}

/* Ends the program: `expected` says what the option's value should have been. */
static void refuse(const char *program, const char *option, const char *value, const char *expected)
{
    fprintf(stderr, "%s: --%s: \"%s\" is not %s; try --help\n", program, option, value, expected);
    exit(2);
}

static unsigned number(const char *program, const char *option, const char *text, unsigned min,
                       unsigned max)
{
    char *end, expected[64];
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value < min || value > max) {
        snprintf(expected, sizeof(expected), "a number from %u to %u", min, max);
        refuse(program, option, text, expected);
    }
    return (unsigned)value;
}

/* Returns what stands behind a CPU that this process may run on, or NULL. */
static const char *skip_cpu(const char *text, unsigned long *cpu)
{
    cpu_set_t allowed;
    char *end;
    *cpu = strtoul(text, &end, 10);
    bool is_number = *text >= '0' && *text <= '9' && *cpu < CPU_SETSIZE;
    if (!is_number || sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
        return NULL;
    return CPU_ISSET(*cpu, &allowed) ? end : NULL;
}

/* Whether `text` is a list like 0,2-5 of such CPUs. */
static bool is_cpu_list(const char *text)
{
    unsigned long first, last;
    while ((text = skip_cpu(text, &first)) != NULL) { /* ends: goes forward in the text */
        last = first;
        if (*text == '-')
            text = skip_cpu(text + 1, &last);
        if (text == NULL || last < first)
            return false;
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
    return false;
}

static enum coil_balance balance(const char *program, const char *text)
{
    bool least = strcmp(text, "least") == 0;
    if (!least && strcmp(text, "kernel") != 0)
        refuse(program, "balance", text, "kernel or least");
    return least ? COIL_BALANCE_LEAST : COIL_BALANCE_KERNEL;
}

/* A thousand connections need a thousand descriptors: as many as the system lets us have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static const struct option known[] = {
    {"port", required_argument, NULL, 'p'},  {"host", required_argument, NULL, 'a'},
    {"cores", required_argument, NULL, 'n'}, {"cpus", required_argument, NULL, 'c'},
    {"grace", required_argument, NULL, 'g'}, {"balance", required_argument, NULL, 'b'},
    {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
};

void server_options_parse(struct server_options *options, int argc, char **argv,
                          const char *purpose)
{
    argv[0] = program_invocation_short_name; /* for getopt_long()'s messages as well */
    *options = (struct server_options){
        .address = {.sin_family = AF_INET,
                    .sin_port = htons(7000),
                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
        .grace_ns = COIL_SEC,
    };
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'p':
            options->address.sin_port = htons((uint16_t)number(argv[0], "port", optarg, 0, 65535));
            break;
        case 'a':
            if (inet_pton(AF_INET, optarg, &options->address.sin_addr) != 1)
                refuse(argv[0], "host", optarg, "an IPv4 address");
            break;
        case 'n':
            options->coil.core_count = number(argv[0], "cores", optarg, 1, SERVER_CORES_MAX);
            break;
        case 'c':
            if (!is_cpu_list(optarg))
                refuse(argv[0], "cpus", optarg, "a list of CPUs to run on, like 0,2-5");
            options->coil.cpus = optarg;
            break;
        case 'g':
            options->grace_ns = number(argv[0], "grace", optarg, 0, 1000000) * COIL_MSEC;
            break;
        case 'b':
            options->balance = balance(argv[0], optarg);
            break;
        case 'h':
            help(argv[0], purpose);
            break;
        default: /* getopt_long() has said what is wrong */
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument \"%s\"; try --help\n", argv[0], argv[optind]);
        exit(2);
    }
    raise_descriptor_limit();
}

void server_options_announce(const struct sockaddr_in *address)
{
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text));
    printf("listening on %s:%d\n", text, ntohs(address->sin_port));
    fflush(stdout);
}
