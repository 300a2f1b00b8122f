/* SPDX-License-Identifier: MIT */
/* What the system says, in files of /sys and /proc that may be missing, empty or odd. */
#include "core/topology.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 512, TEXT_SIZE = 4096 };

static int parse_cpu(const char **text)
{
    char *end;
    long cpu = strtol(*text, &end, 10);
    if (end == *text || cpu < 0 || cpu >= COIL__CPUS_MAX)
        return -EINVAL;
    *text = end;
    return (int)cpu;
}

int coil__topology_list(const char *text, int cpus[COIL__CPUS_MAX])
{
    int count = 0;
    for (;;) { /* ends: each round takes at least a digit of the text */
        int first = parse_cpu(&text);
        int last = first;
        if (first >= 0 && *text == '-') {
            text++;
            last = parse_cpu(&text);
        }
        if (first < 0 || last < first || last - first >= COIL__CPUS_MAX - count)
            return -EINVAL;
        for (int cpu = first; cpu <= last; cpu++)
            cpus[count++] = cpu;
        if (*text == '\0')
            return count;
        if (*text++ != ',')
            return -EINVAL;
    }
}

/* The beginning of a file, without a last end of line; false: it can't be read. */
static bool read_text(const char *root, const char *path, char text[TEXT_SIZE])
{
    char name[PATH_SIZE];
    if (snprintf(name, sizeof(name), "%s%s", root, path) >= (int)sizeof(name))
        return false;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, text, TEXT_SIZE - 1);
    close(fd);
    if (size < 0)
        return false;
    text[size] = '\0';
    if (size > 0 && text[size - 1] == '\n')
        text[size - 1] = '\0';
    return true;
}

static void read_online(struct coil__topology *topology, const char *root)
{
    char text[TEXT_SIZE];
    int cpus[COIL__CPUS_MAX];
    CPU_ZERO(&topology->online);
    if (!read_text(root, "/sys/devices/system/cpu/online", text))
        return;
    int count = coil__topology_list(text, cpus);
    for (int i = 0; i < count; i++)
        CPU_SET((size_t)cpus[i], &topology->online);
}

static void read_physical_cores(struct coil__topology *topology, const char *root)
{
    char path[PATH_SIZE], text[TEXT_SIZE];
    for (int cpu = 0; cpu < COIL__CPUS_MAX; cpu++) {
        topology->physical_core[cpu] = (int16_t)cpu;
        if (!CPU_ISSET((size_t)cpu, &topology->allowed))
            continue;
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                 cpu);
        if (!read_text(root, path, text))
            continue;
        const char *first = text;
        int sibling = parse_cpu(&first);
        if (sibling >= 0)
            topology->physical_core[cpu] = (int16_t)sibling;
    }
}

/* The quota in one folder of a cgroup, in thousandths of a CPU; 0: there is none. */
static unsigned read_quota(const char *root, const char *folder)
{
    char path[PATH_SIZE + 32], text[TEXT_SIZE], period_text[TEXT_SIZE];
    long long quota, period;
    snprintf(path, sizeof(path), "%s/cpu.max", folder); /* "max 100000", or "150000 100000" */
    if (!read_text(root, path, text) || sscanf(text, "%lld %lld", &quota, &period) != 2) {
        snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", folder); /* -1: none */
        if (!read_text(root, path, text))
            return 0;
        snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", folder);
        if (!read_text(root, path, period_text))
            return 0;
        quota = strtoll(text, NULL, 10);
        period = strtoll(period_text, NULL, 10);
    }
    if (quota <= 0 || period <= 0 || quota / period >= COIL__CPUS_MAX)
        return 0;
    unsigned thousandths = (unsigned)(quota * 1000 / period);
    return thousandths > 0 ? thousandths : 1;
}

/* The strictest of a cgroup and all those around it. A container sees its own as the root of what
 * is mounted, under whatever name it has outside: then only the root is there. */
static unsigned read_quotas(const char *root, const char *mount, const char *cgroup)
{
    char folder[PATH_SIZE];
    if (snprintf(folder, sizeof(folder), "%s%s", mount, cgroup) >= (int)sizeof(folder))
        return 0;
    unsigned strictest = 0;
    for (;;) { /* ends: the path gets shorter */
        unsigned quota = read_quota(root, folder);
        if (quota != 0 && (strictest == 0 || quota < strictest))
            strictest = quota;
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= strlen(mount) || slash == NULL)
            return strictest;
        *slash = '\0';
    }
}

/* Whether a line of /proc/self/cgroup is of version 2, or of the hierarchy of version 1 that `cpu`
 * belongs to: "0::/name" or "4:cpu,cpuacct:/name". */
static bool is_about_cpus(const char *controllers)
{
    if (*controllers == '\0')
        return true;
    for (const char *word = controllers; word != NULL; word = strchr(word, ',')) {
        word += *word == ',';
        if (strcmp(word, "cpu") == 0 || strncmp(word, "cpu,", 4) == 0)
            return true;
    }
    return false;
}

static void read_cgroups(struct coil__topology *topology, const char *root)
{
    static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified",
                                         "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
    char text[TEXT_SIZE], *rest = text, *line;
    topology->quota = 0;
    if (!read_text(root, "/proc/self/cgroup", text))
        return;
    while ((line = strsep(&rest, "\n")) != NULL) { /* ends with the text */
        (void)strsep(&line, ":");
        const char *controllers = strsep(&line, ":");
        if (controllers == NULL || line == NULL || !is_about_cpus(controllers))
            continue;
        const char *cgroup = strcmp(line, "/") == 0 ? "" : line;
        bool is_v1 = *controllers != '\0';
        for (unsigned i = is_v1 ? 2 : 0; i < (is_v1 ? 4u : 2u); i++) {
            unsigned quota = read_quotas(root, mounts[i], cgroup);
            if (quota != 0 && (topology->quota == 0 || quota < topology->quota))
                topology->quota = quota;
        }
    }
}

int coil__topology_read(struct coil__topology *topology, const char *root)
{
    if (sched_getaffinity(0, sizeof(topology->allowed), &topology->allowed) < 0)
        return -errno;
    read_online(topology, root);
    read_physical_cores(topology, root);
    read_cgroups(topology, root);
    return 0;
}

/* How many allowed CPUs before this one are hyperthreads of the same physical core. */
static unsigned rank_of(const struct coil__topology *topology, int cpu)
{
    unsigned rank = 0;
    for (int before = 0; before < cpu; before++) {
        if (CPU_ISSET((size_t)before, &topology->allowed) &&
            topology->physical_core[before] == topology->physical_core[cpu])
            rank++;
    }
    return rank;
}

int coil__topology_order(const struct coil__topology *topology, unsigned hyperthreads,
                         int cpus[COIL__CPUS_MAX])
{
    int count = 0, all = CPU_COUNT(&topology->allowed);
    for (unsigned rank = 0; count < all; rank++) { /* ends: every CPU has one of the ranks */
        if (hyperthreads != 0 && rank == hyperthreads)
            break;
        for (int cpu = 0; cpu < COIL__CPUS_MAX; cpu++) {
            if (CPU_ISSET((size_t)cpu, &topology->allowed) && rank_of(topology, cpu) == rank)
                cpus[count++] = cpu;
        }
    }
    return count;
}
