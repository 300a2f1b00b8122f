/* SPDX-License-Identifier: MIT */
/* Instructions in user space, as valgrind's callgrind counts them. */
#include "harness/callgrind.h"
#include "harness/temp_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_MS = 10000, RUN_MS = 60000 };

const char *callgrind_missing(void)
{
    if (!process_exists("valgrind") || !process_exists("vgdb"))
        return "valgrind is not installed";
    return NULL;
}

/* Under valgrind coil would run on poll; what counts is io_uring, unless someone says otherwise. */
static const char *ring_variable(void)
{
    static char variable[64];
    const char *ring = getenv("COIL_RING");
    snprintf(variable, sizeof(variable), "COIL_RING=%s",
             ring != NULL && *ring != '\0' ? ring : "kernel");
    return variable;
}

/* Puts a command of valgrind before the program's own. */
static void compose(const char *command[ARGUMENT_MAX], const char *const valgrind[],
                    const char *const argv[])
{
    size_t count = 0;
    command[count++] = "env";
    command[count++] = ring_variable();
    for (size_t i = 0; valgrind[i] != NULL; i++)
        command[count++] = valgrind[i];
    for (size_t i = 0; argv[i] != NULL && count + 1 < ARGUMENT_MAX; i++)
        command[count++] = argv[i];
    command[count] = NULL;
}

int64_t callgrind_run(const char *const argv[])
{
    static const char *const valgrind[] = {
        "valgrind",  "--tool=callgrind", "--callgrind-out-file=/dev/null",
        "--vgdb=no", "--log-fd=1",       NULL,
    };
    const char *command[ARGUMENT_MAX];
    compose(command, valgrind, argv);
    struct process process;
    if (process_start(&process, command) != NULL)
        return -1;
    long long instructions = -1;
    char line[256];
    while (process_hear(&process, line, sizeof(line), RUN_MS)) {
        const char *collected = strstr(line, "Collected :");
        if (collected != NULL)
            instructions = strtoll(collected + strlen("Collected :"), NULL, 10);
    }
    return process_finish(&process) ? instructions : -1;
}

/* Where valgrind and vgdb meet; in our own folder, because killing valgrind leaves it behind. */
static const char *vgdb_option(void)
{
    static char option[4200];
    const char *dir = temp_dir();
    if (dir == NULL)
        return NULL;
    snprintf(option, sizeof(option), "--vgdb-prefix=%s/vgdb", dir);
    return option;
}

const char *callgrind_start(struct process *process, const char *const argv[])
{
    const char *option = vgdb_option();
    if (option == NULL)
        return "no folder for temporary files";
    const char *const valgrind[] = {
        "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--quiet", option, NULL,
    };
    const char *command[ARGUMENT_MAX];
    compose(command, valgrind, argv);
    return process_start(process, command);
}

/* Adds up the threads: lines like "events-1: 174411". */
int64_t callgrind_read(const struct process *process)
{
    const char *option = vgdb_option();
    if (option == NULL)
        return -1;
    char pid[32];
    snprintf(pid, sizeof(pid), "--pid=%d", (int)process->pid);
    const char *const command[] = {"vgdb", option, pid, "status", "internal", NULL};
    struct process vgdb;
    if (process_start_quiet(&vgdb, command) != NULL)
        return -1;
    int64_t instructions = -1;
    char line[256], rest;
    unsigned thread;
    long long events;
    while (process_hear(&vgdb, line, sizeof(line), READ_MS)) {
        if (sscanf(line, "events-%u: %lld%c", &thread, &events, &rest) == 2)
            instructions = (instructions < 0 ? 0 : instructions) + events;
    }
    process_kill(&vgdb);
    return instructions;
}
