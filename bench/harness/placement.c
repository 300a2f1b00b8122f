/* SPDX-License-Identifier: MIT */
/* Which two CPUs a benchmark runs on, and how far apart they are at the moment. */
#include "harness/placement.h"
#include "harness/clock.h"

#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCHES = 5,
    ROUND_TRIPS = 400, /* in a batch: a few hundred microseconds at most */
    NEAR_BELOW_NS = 200,
    FAR_BELOW_NS = 1500, /* no two CPUs of one machine are that far apart */
};

/* The CPU's core and package as one text, or an empty one where the system does not say. */
static void core_of(int cpu, char *text, size_t size)
{
    char core[32] = "", package[32] = "";
    static const char *const names[] = {"core_id", "physical_package_id"};
    char *const values[] = {core, package};
    for (unsigned i = 0; i < 2; i++) {
        char path[96];
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, names[i]);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            continue;
        if (fgets(values[i], sizeof(core), file) != NULL)
            values[i][strcspn(values[i], "\n")] = '\0';
        fclose(file);
    }
    snprintf(text, size, "%s/%s", package, core);
}

void placement_open(struct placement *placement)
{
    const char *near_below = getenv("BENCH_NEAR_BELOW_NS");
    *placement = (struct placement){
        .server_cpu = -1,
        .load_cpu = -1,
        .near_below_ns = near_below != NULL ? atof(near_below) : NEAR_BELOW_NS,
    };
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
        err(1, "sched_getaffinity");

    /* From the top, because interrupts tend to go to the first CPU: the load may have them. */
    char server_core[80] = "", core[80];
    bool other_core = false;
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
        if (!CPU_ISSET((size_t)cpu, &allowed))
            continue;
        core_of(cpu, core, sizeof(core));
        if (placement->server_cpu < 0) {
            placement->server_cpu = cpu;
            memcpy(server_core, core, sizeof(core));
        } else if (placement->load_cpu < 0 || (!other_core && strcmp(core, server_core) != 0)) {
            placement->load_cpu = cpu;
            other_core = strcmp(core, server_core) != 0;
        }
    }
}

void placement_pin(int cpu)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
        err(1, "cannot run on CPU %d", cpu);
}

/* The line that travels: the two threads write odd and even numbers in turn. */
static struct {
    _Alignas(128) atomic_uint number;
} line;

static void *answer(void *arg)
{
    (void)arg;
    for (unsigned expected = 1; expected < 2 * BATCHES * ROUND_TRIPS; expected += 2) {
        while (atomic_load_explicit(&line.number, memory_order_acquire) != expected)
            ;
        atomic_store_explicit(&line.number, expected + 1, memory_order_release);
    }
    return NULL;
}

/* The fastest batch counts: in the others one of the two threads was not running. */
static void *ask(void *arg)
{
    double *bounce_ns = arg;
    unsigned number = 0;
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        int64_t start = clock_ns();
        for (unsigned i = 0; i < ROUND_TRIPS; i++) {
            atomic_store_explicit(&line.number, ++number, memory_order_release);
            ++number;
            while (atomic_load_explicit(&line.number, memory_order_acquire) != number)
                ;
        }
        double batch_ns = (double)(clock_ns() - start) / ROUND_TRIPS;
        if (batch == 0 || batch_ns < *bounce_ns)
            *bounce_ns = batch_ns;
    }
    return NULL;
}

/* On its CPU from its first instruction: it might not get there while the other one spins. */
static pthread_t start_on(int cpu, void *(*run)(void *), void *arg)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0 ||
        pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus) != 0 ||
        pthread_create(&thread, &attributes, run, arg) != 0)
        errx(1, "cannot start a thread on CPU %d", cpu);
    pthread_attr_destroy(&attributes);
    return thread;
}

double placement_read(const struct placement *placement)
{
    double bounce_ns = 0;
    atomic_store(&line.number, 0);
    pthread_t asking = start_on(placement->load_cpu, ask, &bounce_ns);
    pthread_t answering = start_on(placement->server_cpu, answer, NULL);
    pthread_join(asking, NULL);
    pthread_join(answering, NULL);
    return bounce_ns;
}

enum distance placement_distance(const struct placement *placement, double bounce_ns)
{
    if (bounce_ns < placement->near_below_ns)
        return NEAR;
    return bounce_ns < FAR_BELOW_NS ? FAR : BUSY;
}

bool placement_agree(const struct placement *placement, double before_ns, double after_ns)
{
    double low = before_ns < after_ns ? before_ns : after_ns;
    double high = before_ns < after_ns ? after_ns : before_ns;
    return placement_distance(placement, low) == placement_distance(placement, high) &&
           high < 1.5 * low;
}
