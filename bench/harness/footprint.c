/* SPDX-License-Identifier: MIT */
/* What a process holds: memory, and descriptors. */
#include "harness/footprint.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number after `key` in a file of lines like "VmRSS:  1234 kB"; 0 when it is not there. */
static double read_kib(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    char line[256];
    double kib = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtod(line + strlen(key), NULL);
    }
    fclose(file);
    return kib;
}

double footprint_bytes(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    return (read_kib(path, "VmRSS:") + read_kib(path, "VmPTE:")) * 1024;
}

double footprint_areas(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    double areas = 0;
    int c;
    while ((c = getc(file)) != EOF)
        areas += c == '\n';
    fclose(file);
    return areas;
}

double footprint_available(void)
{
    return read_kib("/proc/meminfo", "MemAvailable:") * 1024;
}

int footprint_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    int count = -3; /* ".", "..", and the one that looks */
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}
