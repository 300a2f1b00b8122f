/* SPDX-License-Identifier: MIT */
/* Asks addr2line, which reads the debug information so that we need not. */
#include "base/symbol.h"

#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The file that an address was loaded from, and where in it. */
struct place {
    uintptr_t address;
    uintptr_t offset;
    char file[256];
};

static int find_place(struct dl_phdr_info *module, size_t size, void *arg)
{
    struct place *place = arg;
    (void)size;
    for (int i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &module->dlpi_phdr[i];
        uintptr_t offset = place->address - module->dlpi_addr;
        if (segment->p_type != PT_LOAD || offset - segment->p_vaddr >= segment->p_memsz)
            continue;
        place->offset = offset;
        if (module->dlpi_name != NULL && module->dlpi_name[0] != '\0') {
            snprintf(place->file, sizeof(place->file), "%s", module->dlpi_name);
            return 1;
        }
        ssize_t len = readlink("/proc/self/exe", place->file, sizeof(place->file) - 1);
        place->file[len > 0 ? len : 0] = '\0';
        return 1;
    }
    return 0;
}

/* Reads what addr2line prints. Returns whether it found the line. */
static bool ask(const struct place *place, char *text, size_t size)
{
    extern char **environ;
    char offset[32];
    snprintf(offset, sizeof(offset), "0x%zx", (size_t)place->offset);
    char *argv[] = {"addr2line", "-e", (char *)(uintptr_t)place->file, offset, NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    /* Where it complains of a file that is none, like the vdso. */
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child;
    int err = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    size_t len = 0;
    ssize_t n;
    while (err == 0 && len < size - 1 && (n = read(ends[0], text + len, size - 1 - len)) > 0)
        len += (size_t)n;
    close(ends[0]);
    if (err == 0)
        waitpid(child, NULL, 0);
    text[len] = '\0';
    text[strcspn(text, "\n ")] = '\0'; /* a discriminator may follow the line */
    return len > 0 && text[0] != '?';
}

void coil__symbol_line(const void *address, char *text, size_t size)
{
    /* The call itself comes before where it returns to. */
    struct place place = {.address = (uintptr_t)address - 1, .offset = (uintptr_t)address - 1};
    dl_iterate_phdr(find_place, &place);
    if (place.file[0] == '\0' || !ask(&place, text, size))
        snprintf(text, size, "%s+0x%zx", place.file, (size_t)place.offset);
}
