/* SPDX-License-Identifier: MIT */
/* How many cores there are, on which CPUs, and why. */
#include "core/placement.h"

#include "core/core.h"
#include "base/log.h"

#include <coil/topology.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A list of CPUs that this machine has, into `cpus`. Returns how many. */
static int read_list(const struct coil__topology *topology, const char *name, const char *list,
                     int cpus[COIL__CPUS_MAX])
{
    int count = coil__topology_list(list, cpus);
    if (count < 0) {
        coil__log("%s: \"%s\" is not a list like 0,2-5", name, list);
        return -EINVAL;
    }
    for (int i = 0; i < count; i++) {
        bool known = CPU_COUNT(&topology->online) > 0;
        if (known && !CPU_ISSET((size_t)cpus[i], &topology->online)) {
            coil__log("%s: \"%s\": this machine has no CPU %d", name, list, cpus[i]);
            return -EINVAL;
        }
    }
    return count;
}

static int decide_by_list(struct coil__placement *placement, const char *list)
{
    int count =
        read_list(&placement->topology, "COIL_CPUS or coil_options.cpus", list, placement->cpus);
    if (count < 0)
        return count;
    placement->cpu_count = count;
    placement->usual_cores = (unsigned)count;
    snprintf(placement->why, sizeof(placement->why), "CPUs were given: %.100s", list);
    return 0;
}

/* As many cores as the quota has whole CPUs: more would only be stopped in turn, each while it
 * holds up the others. */
static void decide_by_machine(struct coil__placement *placement, unsigned hyperthreads)
{
    const struct coil__topology *topology = &placement->topology;
    placement->cpu_count = coil__topology_order(topology, hyperthreads, placement->cpus);
    placement->usual_cores = (unsigned)placement->cpu_count;
    int allowed = CPU_COUNT(&topology->allowed);
    int length = snprintf(placement->why, sizeof(placement->why), "%d CPU%s allowed", allowed,
                          allowed == 1 ? " is" : "s are");
    if (hyperthreads != 0)
        length += snprintf(placement->why + length, sizeof(placement->why) - (size_t)length,
                           ", of which %d with %u of each physical core", placement->cpu_count,
                           hyperthreads);
    unsigned whole = topology->quota / 1000 > 0 ? topology->quota / 1000 : 1;
    if (topology->quota == 0)
        return;
    if (whole < placement->usual_cores)
        placement->usual_cores = whole;
    snprintf(placement->why + length, sizeof(placement->why) - (size_t)length,
             "; the cgroup grants the time of %u.%03u", topology->quota / 1000,
             topology->quota % 1000);
}

int coil__placement_decide_on(struct coil__placement *placement, const char *list,
                              unsigned hyperthreads)
{
    if (list != NULL && *list != '\0')
        return decide_by_list(placement, list);
    decide_by_machine(placement, hyperthreads);
    return 0;
}

int coil__placement_decide(struct coil__placement *placement, const char *given,
                           unsigned hyperthreads)
{
    int err = coil__topology_read(&placement->topology, "");
    if (err < 0) {
        coil__log("can't tell which CPUs this process may use: sched_getaffinity: %s",
                  strerror(-err));
        return err;
    }
    return coil__placement_decide_on(placement, given != NULL ? given : getenv("COIL_CPUS"),
                                     hyperthreads);
}

int coil__placement_decide_workers(struct coil__placement *placement, const char *given)
{
    int cpus[COIL__CPUS_MAX];
    const char *list = given != NULL ? given : getenv("COIL_IO_WORKER_CPUS");
    placement->worker_cpus = placement->topology.allowed;
    if (list == NULL || *list == '\0')
        return 0;
    int count = read_list(&placement->topology,
                          "COIL_IO_WORKER_CPUS or coil_options.io_worker_cpus", list, cpus);
    if (count < 0)
        return count;
    CPU_ZERO(&placement->worker_cpus);
    for (int i = 0; i < count; i++)
        CPU_SET((size_t)cpus[i], &placement->worker_cpus);
    return 0;
}

void coil__placement_share(struct coil__placement *placement, unsigned core_count)
{
    for (unsigned core = (unsigned)placement->cpu_count; core < core_count && core < COIL__CPUS_MAX;
         core++)
        placement->cpus[core] = placement->cpus[core % (unsigned)placement->cpu_count];
}

static void print_core(const struct coil__core *core, const struct coil__topology *topology)
{
    const struct coil__place *place = &core->place;
    if (place->cpu < 0)
        coil__log("  core %u: the thread that called coil, where the system puts it", core->id);
    else if (place->error != 0)
        coil__log("  core %u: meant for CPU %d, but not pinned: %s", core->id, place->cpu,
                  strerror(-place->error));
    else
        coil__log("  core %u: CPU %d, physical core %d, memory of node %u", core->id, place->cpu,
                  topology->physical_core[place->cpu], place->node);
}

void coil_topology_print(void)
{
    const struct coil__core *here = coil__core_here;
    coil__require(here != NULL, "coil_topology_print: called outside coil_run()");
    const struct coil__run *run = here->run;
    unsigned count = run->options->core_count;
    unsigned usual = run->placement->usual_cores;
    coil__log("%u core%s%s: %s", count, count == 1 ? "" : "s",
              count == usual ? "" : ", which were asked for", run->placement->why);
    for (unsigned i = 0; i < count; i++)
        print_core(run->cores[i], &run->placement->topology);
}
