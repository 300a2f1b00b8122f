/* SPDX-License-Identifier: MIT */
/*
 * A service tested in the simulator (coil/sim.h).
 *
 * The service is a store that appends each put to a log, syncs it, and then acknowledges. In each
 * seed's world a client puts what it likes, connections break, writes and syncs fail, and at some
 * instant the power is cut. In a second world the store reads what is left of its log: whatever was
 * acknowledged must be there.
 *
 * With --broken the store forgets to sync, and the simulator finds that out. Ends with status 1 if
 * a seed fails, naming it and how to see it again.
 */
#include <coil.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { KEYS = 200, PORT = 7000 };

/* One put: what travels and what the log holds. */
struct record {
    uint32_t key;
    uint32_t value;
    uint32_t sum;
};

/* What the client was promised, and what the store has found again. They outlive the worlds. */
static uint32_t promised[KEYS];
static uint32_t recovered[KEYS];
static bool broken;
static uint64_t traces; /* of all worlds: the same with every compiler */

static uint32_t sum_of(uint32_t key, uint32_t value)
{
    return (key * 2654435761u ^ value) * 2246822519u + 1;
}

/* ---- the store ---- */

/* Opens the log, so that also its name survives. */
static int open_log(void)
{
    int fd = coil_open("log", O_RDWR | O_CREAT, 0644);
    int folder = coil_open(".", O_RDONLY | O_DIRECTORY, 0);
    int err = fd < 0 ? fd : folder < 0 ? folder : coil_fsync(folder);
    if (folder >= 0)
        coil_close(folder);
    if (err >= 0)
        return fd;
    if (fd >= 0)
        coil_close(fd);
    return err;
}

/* A failure here is final: nobody knows what of the log is durable then. */
static int append(int log, off_t *end, const struct record *record)
{
    ssize_t n = coil_pwrite_all(log, record, sizeof(*record), *end);
    if (n < 0)
        return (int)n;
    *end += (off_t)sizeof(*record);
    return broken ? 0 : coil_fdatasync(log);
}

/* Serves one connection; returns an error of the log only. */
static int serve(int conn, int log, off_t *end)
{
    struct record record;
    while (coil_recv_all(conn, &record, sizeof(record), 0) == sizeof(record)) {
        int err = append(log, end, &record);
        if (err < 0)
            return err;
        if (coil_send_all(conn, &record.key, sizeof(record.key), 0) < 0)
            return 0;
    }
    return 0;
}

static struct sockaddr_in store_address(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int run_store(void *arg)
{
    struct sockaddr_in address = store_address();
    off_t end = 0;
    int err = 0;
    (void)arg;
    int log = open_log();
    if (log < 0)
        return 0; /* a bad day from the start: nothing is promised */
    int listener = coil_tcp_listen((struct sockaddr *)&address, sizeof(address), 4);
    while (listener >= 0 && err >= 0) { /* ends when the log fails or the power is cut */
        int conn = coil_accept(listener, NULL, NULL, 0);
        if (conn == -ECANCELED)
            break;
        if (conn < 0)
            continue;
        err = serve(conn, log, &end);
        coil_close(conn);
    }
    if (listener >= 0)
        coil_close(listener);
    coil_close(log);
    return 0;
}

/* ---- its client ---- */

static bool put(int conn, uint32_t key, uint32_t value)
{
    struct record record = {key, value, sum_of(key, value)};
    uint32_t answer;
    if (coil_send_all(conn, &record, sizeof(record), 0) < 0)
        return false;
    if (coil_recv_all(conn, &answer, sizeof(answer), 0) != sizeof(answer) || answer != key)
        return false;
    promised[key] = value;
    return true;
}

static int run_client(void *arg)
{
    struct sockaddr_in address = store_address();
    uint32_t key = 0;
    (void)arg;
    for (int tries = 0; key < KEYS && tries < 50; tries++) {
        int conn = coil_socket(AF_INET, SOCK_STREAM, 0);
        if (conn < 0)
            return 0;
        if (coil_connect(conn, (struct sockaddr *)&address, sizeof(address)) >= 0) {
            while (key < KEYS && put(conn, key, 1 + (uint32_t)(coil_sim_random() >> 33)))
                key++;
        }
        key++; /* whatever became of that one, it was not acknowledged */
        coil_close(conn);
        if (coil_sleep(COIL_MSEC) < 0)
            return 0;
    }
    return 0;
}

/* ---- the worlds ---- */

static int first_world(void *arg)
{
    (void)arg;
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = coil_spawn(&scope, run_store, NULL);
    if (err >= 0)
        err = coil_spawn_on(&scope, coil_core_count() - 1, run_client, NULL);
    int64_t lifetime = (int64_t)(coil_sim_random() % 200) * COIL_MSEC;
    if (err >= 0 && coil_sleep(lifetime) == 0)
        coil_sim_crash();
    return coil_scope_close(&scope, err);
}

static int second_world(void *arg)
{
    struct record record;
    off_t at = 0;
    (void)arg;
    int log = coil_open("log", O_RDONLY, 0);
    if (log < 0)
        return 0; /* the power was cut before there was one */
    while (coil_pread_all(log, &record, sizeof(record), at) == sizeof(record) &&
           record.key < KEYS && record.sum == sum_of(record.key, record.value)) {
        recovered[record.key] = record.value;
        at += (off_t)sizeof(record);
    }
    return coil_close(log);
}

static void say_nothing(const char *line)
{
    (void)line;
}

static int run_world(uint64_t seed, const char *knobs, coil_fn *world)
{
    char ring[64];
    snprintf(ring, sizeof(ring), "sim:%llu,%s", (unsigned long long)seed, knobs);
    struct coil_options options = {.core_count = 2, .ring = ring, .log = say_nothing};
    int result = coil_run(&options, world, NULL);
    traces = traces * 31 + coil_sim_trace();
    return result;
}

/* Returns whether nothing was lost. */
static bool passes(uint64_t seed)
{
    memset(promised, 0, sizeof(promised));
    memset(recovered, 0, sizeof(recovered));
    int err = run_world(seed, "faults=harsh", first_world);
    if (err >= 0 || err == -ECANCELED)
        err = run_world(seed, "faults=off", second_world);
    if (err < 0) {
        fprintf(stderr, "sim_test: seed %llu: %s\n", (unsigned long long)seed, strerror(-err));
        return false;
    }
    for (unsigned key = 0; key < KEYS; key++) {
        if (promised[key] == 0 || promised[key] == recovered[key])
            continue;
        fprintf(stderr, "sim_test: seed %llu: key %u was acknowledged, and is lost\n",
                (unsigned long long)seed, key);
        return false;
    }
    return true;
}

static bool pass(uint64_t first, uint64_t count, const char *name)
{
    unsigned long long promises = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (!passes(seed)) {
            fprintf(stderr, "sim_test: to see it again: COIL_SIM_TRACE=1 %s %s--seed %llu\n", name,
                    broken ? "--broken " : "", (unsigned long long)seed);
            return false;
        }
        for (unsigned key = 0; key < KEYS; key++)
            promises += promised[key] != 0 ? 1 : 0;
    }
    printf("%llu seeds: all of %llu acknowledged puts survived; traces %016llx\n",
           (unsigned long long)count, promises, (unsigned long long)traces);
    return true;
}

/* ---- options ---- */

static void help(const char *program)
{
    printf(
        "usage: %s [--broken] [--seed N | --seeds N]\n\n"
        "Lets a store with a log acknowledge puts in simulated worlds where things fail, cuts\n"
        "the power, and looks whether all that was acknowledged is still there.\n\n"
        "  --seeds N  worlds 0 to N-1 (100)\n"
        "  --seed N   only that world, to see it again\n"
        "  --broken   with a store that forgets to sync\n"
        "  --help     this text\n\n"
        "Status 0: all is there; 1: a world lost something, which stderr names; 2: wrong usage.\n",
        program);
    exit(0);
}

static uint64_t number(const char *program, const char *option, const char *text, uint64_t min)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < min) {
        fprintf(stderr, "%s: --%s: \"%s\" is not a number from %d; try --help\n", program, option,
                text, (int)min);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"broken", no_argument, NULL, 'b'},
        {"seed", required_argument, NULL, 's'},
        {"seeds", required_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = argv[0];
    uint64_t first = 0, count = 100;
    argv[0] = program_invocation_short_name; /* for getopt_long()'s messages as well */
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'b':
            broken = true;
            break;
        case 's':
            first = number(argv[0], "seed", optarg, 0);
            count = 1;
            break;
        case 'n':
            first = 0;
            count = number(argv[0], "seeds", optarg, 1);
            break;
        case 'h':
            help(argv[0]);
            break;
        default: /* getopt_long() has said what is wrong */
            return 2;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument \"%s\"; try --help\n", argv[0], argv[optind]);
        return 2;
    }
    return pass(first, count, path) ? 0 : 1;
}
