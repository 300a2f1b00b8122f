/* SPDX-License-Identifier: MIT */
/*
 * The load of the echo benchmark, as a process of its own: connects to any echo server, and then
 * does what its standard input says, a command a line, until that ends:
 *
 *     window WARM_MS MS     load the server, and report on the last MS milliseconds
 *     messages N            send N messages as fast as they come back
 *
 * It prints "ready" once connected, and after a command one line: messages, nanoseconds, the
 * server's CPU time and user-space time in nanoseconds, and the 50th, 99th and 99.9th percentile of
 * the latency in nanoseconds.
 */
#include "harness/clock.h"
#include "harness/cpu_meter.h"
#include "load/echo_client.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LIFETIME_S = 900, MS = 1000000 };

struct load_options {
    struct client_options client;
    int cpu;
    pid_t server;
    bool sample_user;
};

static void usage(void)
{
    puts("usage: echo_load --port N [--connections N] [--size BYTES] [--pipeline N]\n"
         "                 [--rate N] [--renew] [--idle N] [--cpus N]\n"
         "                 [--server PID [--sample]]\n"
         "Loads an echo server on 127.0.0.1 as its standard input says: lines of\n"
         "\"window WARM_MS MS\" or \"messages N\".\n"
         "  --port N         where the server listens\n"
         "  --connections N  how many connections (1)\n"
         "  --size BYTES     of a message (64)\n"
         "  --pipeline N     messages under way on each connection (1)\n"
         "  --rate N         send N messages a second on schedule, whatever comes back\n"
         "  --renew          a connection for each message, one after the other\n"
         "  --idle N         so many connections more, over which nothing goes\n"
         "  --cpus N         run on CPU N\n"
         "  --server PID     measure the CPU time of this process\n"
         "  --sample         and how much of it is in user space");
}

static long parse_number(const char *text, const char *option, long min, long max)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < min || value > max) {
        fprintf(stderr, "--%s: not a number from %ld to %ld: %s\n", option, min, max, text);
        exit(2);
    }
    return value;
}

static const struct option known_options[] = {
    {"port", required_argument, NULL, 'p'},   {"connections", required_argument, NULL, 'n'},
    {"size", required_argument, NULL, 's'},   {"pipeline", required_argument, NULL, 'd'},
    {"rate", required_argument, NULL, 'r'},   {"cpus", required_argument, NULL, 'c'},
    {"server", required_argument, NULL, 'v'}, {"sample", no_argument, NULL, 'u'},
    {"renew", no_argument, NULL, 'w'},        {"idle", required_argument, NULL, 'i'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

static void parse(struct load_options *options, int argc, char **argv)
{
    *options = (struct load_options){
        .client = {.connection_count = 1, .message_size = 64, .pipeline = 1}, .cpu = -1};
    struct client_options *client = &options->client;
    int option;
    while ((option = getopt_long(argc, argv, "", known_options, NULL)) != -1) {
        switch (option) {
        case 'p':
            client->port = (uint16_t)parse_number(optarg, "port", 1, UINT16_MAX);
            break;
        case 'n':
            client->connection_count = (unsigned)parse_number(optarg, "connections", 1, 100000);
            break;
        case 's':
            client->message_size = (unsigned)parse_number(optarg, "size", 1, 1 << 24);
            break;
        case 'd':
            client->pipeline = (unsigned)parse_number(optarg, "pipeline", 1, 4096);
            break;
        case 'r':
            client->rate = (double)parse_number(optarg, "rate", 1, 10000000);
            break;
        case 'w':
            client->renew = true;
            break;
        case 'i':
            client->idle_count = (unsigned)parse_number(optarg, "idle", 0, 100000);
            break;
        case 'c':
            options->cpu = (int)parse_number(optarg, "cpus", 0, CPU_SETSIZE - 1);
            break;
        case 'v':
            options->server = (pid_t)parse_number(optarg, "server", 1, INT32_MAX);
            break;
        case 'u':
            options->sample_user = true;
            break;
        case 'h':
            usage();
            exit(0);
        default:
            exit(2); /* getopt has said why */
        }
    }
    if (client->port == 0 || optind < argc) {
        fprintf(stderr, "%s: where the server listens, --port N, and no other arguments\n",
                argv[0]);
        exit(2);
    }
}

static void prepare_process(int cpu)
{
    if (cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET((size_t)cpu, &cpus);
        if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
            err(1, "cannot run on CPU %d", cpu);
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    alarm(LIFETIME_S); /* Whatever happens to the parent, this process ends. */
}

static void report(struct client *client, uint64_t messages, int64_t elapsed_ns, struct cpu_use use)
{
    printf("%llu %lld %lld %lld %.0f %.0f %.0f\n", (unsigned long long)messages,
           (long long)elapsed_ns, (long long)use.cpu_ns, (long long)use.user_ns,
           histogram_percentile(&client->latencies, 0.5),
           histogram_percentile(&client->latencies, 0.99),
           histogram_percentile(&client->latencies, 0.999));
    fflush(stdout);
}

/*
 * Counts the messages that come back within the window, and the latencies of those sent, or due to
 * be sent, within it: also of those that come back late.
 */
static void window(struct client *client, struct cpu_meter *meter, long warm_ms, long measure_ms)
{
    histogram_clear(&client->latencies);
    client->record_from = client->record_to = INT64_MAX;
    client_start(client, UINT64_MAX);
    client_run(client, clock_ns() + warm_ms * MS);

    cpu_meter_start(meter);
    uint64_t before = client->replies;
    int64_t start = clock_ns();
    client->record_from = start;
    client_run(client, start + measure_ms * MS);
    int64_t end = clock_ns();
    uint64_t messages = client->replies - before;
    struct cpu_use use = cpu_meter_stop(meter);

    client->record_to = end;
    client_drain(client);
    report(client, messages, end - start, use);
}

static void send_messages(struct client *client, struct cpu_meter *meter, uint64_t messages)
{
    histogram_clear(&client->latencies);
    client->record_from = 0;
    client->record_to = INT64_MAX;
    cpu_meter_start(meter);
    int64_t start = clock_ns();
    client_start(client, messages);
    client_run(client, INT64_MAX);
    report(client, messages, clock_ns() - start, cpu_meter_stop(meter));
}

int main(int argc, char **argv)
{
    struct load_options options;
    parse(&options, argc, argv);
    prepare_process(options.cpu);

    static struct client client;
    client_open(&client, &options.client);
    struct cpu_meter meter;
    cpu_meter_open(&meter, options.server > 0 ? options.server : getpid(), options.sample_user);
    puts("ready");
    fflush(stdout);

    char line[128];
    long warm_ms, measure_ms, messages;
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (sscanf(line, "window %ld %ld", &warm_ms, &measure_ms) == 2)
            window(&client, &meter, warm_ms, measure_ms);
        else if (sscanf(line, "messages %ld", &messages) == 1)
            send_messages(&client, &meter, (uint64_t)messages);
        else
            errx(2, "not a command: %s", line);
    }
    return 0;
}
