/* SPDX-License-Identifier: MIT */
/*
 * How many messages a second does an echo server return over TCP, how soon, and at what cost?
 *
 * The server on one CPU, the load on another, both over 127.0.0.1. Beside: a server on bare epoll
 * and two on bare liburing (see bare/), and for one connection one that spins before it sleeps, as
 * coil does there and where connections come and go. In two cases nobody looks out so. All servers
 * of a case run and are connected at the same time, but only one at a time is loaded.
 *
 * At 64 connections and more the load is the slower of the two, so that the server's CPU time of a
 * message tells more than the messages per second. The open-loop case sends on schedule, whatever
 * comes back, and counts latency from when a message was due. In two cases each message goes over a
 * connection of its own, which is then reset by the load. One case is coil where io_uring is
 * forbidden, beside bare epoll. In another coil serves on both CPUs, beside itself on one: as the
 * load needs all of the second, that tells what sharing it costs, not what two cores can do. Not
 * measured: a real network.
 */
#include "harness/callgrind.h"
#include "harness/footprint.h"
#include "harness/harness.h"
#include "harness/process.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    START_MS = 20000,
    REPLY_MS = 20000,
    IDLE_CONNECTIONS = 9000,
    SETTLE_US = 100000,
    COUNTED_MESSAGES = 6400,
};

/* A kind of server, by where its program lies beside ours. */
struct server {
    const char *name, *program;
    const char *arguments[4];
    const char *variable, *value; /* in its environment; NULL: as it is in ours */
    bool both_cpus;               /* also the one of the load */
};

static const struct server servers[] = {
    {"coil", "../examples/echo_server", {"--cores", "1"}, NULL, NULL, false},
    {"liburing_multishot", "echo_multishot", {NULL}, NULL, NULL, false},
    {"liburing_oneshot", "echo_oneshot", {NULL}, NULL, NULL, false},
    {"epoll", "echo_epoll", {NULL}, NULL, NULL, false},
    {"liburing_multishot_spin_50us", "echo_multishot", {"--spin", "50000"}, NULL, NULL, false},
};

/* Where coil, like the bare ones, does not look out for the next message before it sleeps. */
static const struct server servers_asleep[] = {
    {"coil", "../examples/echo_server", {"--cores", "1"}, "COIL_SPIN_NS", "0", false},
    {"liburing_multishot", "echo_multishot", {NULL}, NULL, NULL, false},
    {"liburing_oneshot", "echo_oneshot", {NULL}, NULL, NULL, false},
    {"epoll", "echo_epoll", {NULL}, NULL, NULL, false},
};

/* Where io_uring is forbidden. */
static const struct server servers_on_poll[] = {
    {"coil", "../examples/echo_server", {"--cores", "1"}, "COIL_RING", "poll", false},
    {"epoll", "echo_epoll", {NULL}, NULL, NULL, false},
};

enum { SERVERS_ON_POLL = 2 };

/* How many cores serve, and how connections come to them. */
static const struct server servers_on_two[] = {
    {"coil", "../examples/echo_server", {"--cores", "2"}, NULL, NULL, true},
    {"least", "../examples/echo_server", {"--cores", "2", "--balance", "least"}, NULL, NULL, true},
    {"one_core", "../examples/echo_server", {"--cores", "1"}, NULL, NULL, false},
};

enum { SERVERS_ON_TWO = 3 };

/* How many of them stand in a case. --quick takes what takes a second each from two only. */
enum { SERVERS_QUICK = 2, SERVERS = 4, SERVERS_WITH_SPIN = 5 };

/* What the load does in a case. */
struct point {
    const char *name;
    unsigned connections, size, pipeline, rate;
    unsigned idle;  /* connections more, over which nothing goes */
    bool renew;     /* each message goes over a connection of its own */
    bool user_time; /* also sample where the server's time goes, which costs it about 1 % */
};

/* A running server and its load. */
struct pair {
    const struct server *server;
    const struct point *point;
    const struct placement *placement;
    struct process server_process, load;
};

/* --- starting and stopping ---------------------------------------------------------------- */

static const char *start_in_environment(struct pair *pair, bool count_instructions,
                                        const char *const argv[])
{
    const char *variable = pair->server->variable;
    const char *ours = variable != NULL ? getenv(variable) : NULL;
    if (variable != NULL)
        setenv(variable, pair->server->value, 1);
    const char *failed = count_instructions ? callgrind_start(&pair->server_process, argv)
                                            : process_start(&pair->server_process, argv);
    if (variable != NULL && ours == NULL)
        unsetenv(variable);
    else if (variable != NULL)
        setenv(variable, ours, 1);
    return failed;
}

/* Starts the server, under callgrind if wanted, and finds its port. */
static const char *start_server(struct pair *pair, bool count_instructions, char port[8])
{
    static char program[4096]; /* outlives the call: part of a reason */
    char cpus[32];
    process_beside(program, sizeof(program), pair->server->program);
    if (access(program, X_OK) != 0)
        return "its program has not been built";
    const struct placement *placement = pair->placement;
    int length = snprintf(cpus, sizeof(cpus), "%d", placement->server_cpu);
    if (pair->server->both_cpus)
        snprintf(cpus + length, sizeof(cpus) - (size_t)length, ",%d", placement->load_cpu);
    const char *argv[ARGUMENT_MAX] = {program, "--port", "0", "--cpus", cpus};
    size_t count = 5;
    for (size_t i = 0; i < 4 && pair->server->arguments[i] != NULL; i++)
        argv[count++] = pair->server->arguments[i];

    const char *failed = start_in_environment(pair, count_instructions, argv);
    if (failed != NULL)
        return failed;
    char line[256];
    while (process_hear(&pair->server_process, line, sizeof(line), START_MS)) {
        const char *colon = strrchr(line, ':');
        if (strncmp(line, "listening on ", 13) == 0 && colon != NULL) {
            snprintf(port, 8, "%s", colon + 1);
            return NULL;
        }
    }
    return "it did not start to listen";
}

/* Starts a load and waits until it is connected. */
static const char *start_load(struct process *load, const struct pair *pair,
                              const struct point *point, const char *port)
{
    char program[4096], connections[16], size[16], pipeline[16], rate[16], cpu[16], server[16];
    char idle[16];
    process_beside(program, sizeof(program), "echo_load");
    snprintf(connections, sizeof(connections), "%u", point->connections);
    snprintf(size, sizeof(size), "%u", point->size);
    snprintf(pipeline, sizeof(pipeline), "%u", point->pipeline);
    snprintf(rate, sizeof(rate), "%u", point->rate);
    snprintf(idle, sizeof(idle), "%u", point->idle);
    snprintf(cpu, sizeof(cpu), "%d", pair->placement->load_cpu);
    snprintf(server, sizeof(server), "%d", (int)pair->server_process.pid);
    const char *argv[ARGUMENT_MAX] = {
        program,  "--port", port, "--connections", connections, "--size", size, "--pipeline",
        pipeline, "--cpus", cpu,  "--server",      server,      "--idle", idle,
    };
    size_t count = 15;
    if (point->renew)
        argv[count++] = "--renew";
    if (point->user_time)
        argv[count++] = "--sample";
    if (point->rate > 0) {
        argv[count++] = "--rate";
        argv[count++] = rate;
    }
    const char *failed = process_start(load, argv);
    if (failed != NULL)
        return failed;
    char line[64];
    if (!process_hear(load, line, sizeof(line), START_MS) || strcmp(line, "ready") != 0)
        return "its load could not connect";
    return NULL;
}

static const char *start_pair(struct pair *pair, bool count_instructions)
{
    char port[8];
    const char *failed = start_server(pair, count_instructions, port);
    return failed != NULL ? failed : start_load(&pair->load, pair, pair->point, port);
}

/* Returns whether the server ended as it should. */
static bool stop_pair(struct pair *pair)
{
    process_finish(&pair->load);
    return process_stop(&pair->server_process);
}

/* --- windows ------------------------------------------------------------------------------ */

/* What the load reports. */
struct reply {
    double messages, elapsed_ns, cpu_ns, user_ns, p50_ns, p99_ns, p999_ns;
};

static const char *ask_load(struct pair *pair, const char *command, struct reply *reply)
{
    char line[256];
    process_say(&pair->load, command);
    if (!process_hear(&pair->load, line, sizeof(line), REPLY_MS))
        return "its load failed, or took too long";
    if (sscanf(line, "%lf %lf %lf %lf %lf %lf %lf", &reply->messages, &reply->elapsed_ns,
               &reply->cpu_ns, &reply->user_ns, &reply->p50_ns, &reply->p99_ns,
               &reply->p999_ns) != 7)
        return "its load reported nonsense";
    return reply->messages > 0 ? NULL : "no message came back within a window";
}

/* One window, for which the pair is started if it is the first. */
static const char *load_window(const struct window *window, struct reply *reply)
{
    struct pair *pair = window->arg;
    if (pair->load.pid == 0) {
        const char *failed = start_pair(pair, false);
        if (failed != NULL)
            return failed;
    }
    long long ms = window->length_ns / 1000000;
    char command[64];
    snprintf(command, sizeof(command), "window %lld %lld\n", 15 + ms / 16, ms);
    return ask_load(pair, command, reply);
}

static const struct metric closed_metrics[] = {
    {.name = "messages per second", .unit = "messages/s", .higher_is_better = true},
    {.name = "server CPU time per message", .unit = "ns"},
    {.name = "latency p50", .unit = "us"},
    {.name = "latency p99", .unit = "us"},
    {.name = "latency p99.9", .unit = "us"},
    {.name = "server user-space time per message", .unit = "ns"},
};

enum { CLOSED_METRICS = 5, CLOSED_METRICS_WITH_USER = 6 };

static const char *measure_closed(const struct window *window, double figures[METRIC_MAX])
{
    struct reply reply;
    const char *failed = load_window(window, &reply);
    if (failed != NULL)
        return failed;
    figures[0] = reply.messages * 1e9 / reply.elapsed_ns;
    figures[1] = reply.cpu_ns / reply.messages;
    figures[2] = reply.p50_ns / 1e3;
    figures[3] = reply.p99_ns / 1e3;
    figures[4] = reply.p999_ns / 1e3;
    figures[5] = reply.user_ns / reply.messages;
    return NULL;
}

/* The rate is given: the rest of the closed loop's figures. */
static const char *measure_open(const struct window *window, double figures[METRIC_MAX])
{
    double all[METRIC_MAX];
    const char *failed = measure_closed(window, all);
    memcpy(figures, all + 1, (CLOSED_METRICS - 1) * sizeof(figures[0]));
    return failed;
}

/* --- idle memory -------------------------------------------------------------------------- */

static const struct metric idle_metric = {.name = "server memory per connection", .unit = "bytes"};

/* What the connections add to a server that has served one before. */
static const char *idle_growth(struct pair *pair, struct process *first, double *bytes)
{
    static const struct point one = {.connections = 1, .size = 64, .pipeline = 1};
    char port[8];
    const char *failed = start_server(pair, false, port);
    if (failed == NULL)
        failed = start_load(first, pair, &one, port);
    if (failed != NULL)
        return failed;
    usleep(SETTLE_US);
    double before = footprint_bytes(pair->server_process.pid);
    failed = start_load(&pair->load, pair, pair->point, port);
    if (failed != NULL)
        return failed;
    usleep(SETTLE_US);
    *bytes = (footprint_bytes(pair->server_process.pid) - before) / IDLE_CONNECTIONS;
    return NULL;
}

static const char *measure_idle(const struct window *window, double figures[METRIC_MAX])
{
    struct pair *pair = window->arg;
    struct process first = {0};
    const char *failed = idle_growth(pair, &first, &figures[0]);
    process_finish(&first);
    stop_pair(pair);
    return failed;
}

/* --- instructions ------------------------------------------------------------------------- */

static const struct metric instruction_metric = {.name = "user-space instructions per message",
                                                 .unit = "instr"};

static const char *count_instructions(struct pair *pair, double *per_message)
{
    const char *failed = start_pair(pair, true);
    if (failed != NULL)
        return failed;
    char command[64];
    struct reply reply;
    int64_t counts[2];
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof(command), "messages %d\n", COUNTED_MESSAGES << i);
        failed = ask_load(pair, command, &reply);
        if (failed != NULL)
            return failed;
        counts[i] = callgrind_read(&pair->server_process);
        if (counts[i] < 0)
            return "vgdb cannot read callgrind's count";
    }
    *per_message = (double)(counts[1] - counts[0]) / (2 * COUNTED_MESSAGES);
    return NULL;
}

static const char *measure_instructions(const struct window *window, double figures[METRIC_MAX])
{
    struct pair *pair = window->arg;
    const char *failed = count_instructions(pair, &figures[0]);
    process_finish(&pair->load);
    process_kill(
        &pair->server_process); /* valgrind keeps signals back from what sleeps in a ring */
    return failed;
}

/* --- cases -------------------------------------------------------------------------------- */

/* Measures a case of `count` servers, and stops what that has started. */
static void run_case(struct harness *harness, struct bench_case *bench_case,
                     const struct point *point, const struct server *those, size_t count,
                     measure_fn *measure, const char *skipped)
{
    struct pair pairs[SERVERS_WITH_SPIN];
    struct subject subjects[SERVERS_WITH_SPIN];
    if (harness->placement.load_cpu < 0)
        skipped = "it takes two CPUs";
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (struct pair){
            .server = &those[i],
            .point = point,
            .placement = &harness->placement,
        };
        subjects[i] = (struct subject){
            .name = those[i].name,
            .measure = measure,
            .arg = &pairs[i],
            .skipped = skipped,
        };
    }
    bench_case->name = point->name;
    bench_case->subjects = subjects;
    bench_case->subject_count = count;
    harness_case(harness, bench_case);
    for (size_t i = 0; i < count; i++) {
        if (pairs[i].server_process.pid != 0 && !stop_pair(&pairs[i]))
            harness_note(harness, point->name, those[i].name, "did not end with status 0");
    }
}

static void run_windows(struct harness *harness, const struct point *point,
                        const struct server *those, size_t count, const struct metric *metrics,
                        size_t metric_count, measure_fn *measure)
{
    struct bench_case bench_case = {
        .metrics = metrics,
        .metric_count = metric_count,
        .window_ms = 300,
        .quick_window_ms = point->user_time ? 50 : 20,
        .two_cpus = harness->placement.load_cpu >= 0,
    };
    run_case(harness, &bench_case, point, those, count, measure, NULL);
}

/* Figures that do not jitter: once is enough. */
static void run_once(struct harness *harness, const struct point *point,
                     const struct metric *metric, measure_fn *measure, const char *skipped)
{
    struct bench_case bench_case = {.metrics = metric, .metric_count = 1, .rounds = 1};
    size_t count = harness->quick ? SERVERS_QUICK : SERVERS;
    run_case(harness, &bench_case, point, servers, count, measure, skipped);
}

int main(int argc, char **argv)
{
    static const struct point closed[] = {
        {"1 connection, 64 B", 1, 64, 1, 0, 0, false, false},
        {"64 connections, 64 B", 64, 64, 1, 0, 0, false, false},
        {"1000 connections, 64 B", 1000, 64, 1, 0, 0, false, true},
        {"64 connections, 4 KiB", 64, 4096, 1, 0, 0, false, false},
        {"16 connections, 64 KiB", 16, 65536, 1, 0, 0, false, false},
        {"64 connections, 64 B, 16 deep", 64, 64, 16, 0, 0, false, false},
        {"64 connections for a message each, 64 B", 64, 64, 1, 0, 0, true, false},
    };
    static const struct point asleep[] = {
        {"1 connection, asleep in between, 64 B", 1, 64, 1, 0, 0, false, false},
        {"64 for a message each beside 2000, asleep, 64 B", 64, 64, 1, 0, 2000, true, false},
    };
    static const struct point on_poll = {
        "64 connections on poll, 64 B", 64, 64, 1, 0, 0, false, false,
    };
    static const struct point on_two = {
        "64 connections on two cores, 64 B", 64, 64, 1, 0, 0, false, false,
    };
    static const struct point open = {
        "64 connections, 64 B, 40000/s", 64, 64, 1, 40000, 0, false, false};
    static const struct point idle = {
        "9000 idle connections", IDLE_CONNECTIONS, 64, 1, 0, 0, false, false};

    struct harness harness;
    harness_open(&harness, argc, argv, "echo",
                 "How many messages does an echo server return, how soon, and at what cost?");
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
        run_windows(&harness, &closed[i], servers,
                    closed[i].connections == 1 ? SERVERS_WITH_SPIN : SERVERS, closed_metrics,
                    closed[i].user_time ? CLOSED_METRICS_WITH_USER : CLOSED_METRICS,
                    measure_closed);
    for (size_t i = 0; i < sizeof(asleep) / sizeof(asleep[0]); i++)
        run_windows(&harness, &asleep[i], servers_asleep, SERVERS, closed_metrics, CLOSED_METRICS,
                    measure_closed);
    run_windows(&harness, &on_poll, servers_on_poll, SERVERS_ON_POLL, closed_metrics,
                CLOSED_METRICS, measure_closed);
    run_windows(&harness, &on_two, servers_on_two, SERVERS_ON_TWO, closed_metrics, CLOSED_METRICS,
                measure_closed);
    run_windows(&harness, &open, servers, SERVERS, closed_metrics + 1, CLOSED_METRICS - 1,
                measure_open);
    run_once(&harness, &closed[1], &instruction_metric, measure_instructions, callgrind_missing());
    run_once(&harness, &idle, &idle_metric, measure_idle, NULL);
    return harness_close(&harness);
}
