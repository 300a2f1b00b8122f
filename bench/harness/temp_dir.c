/* SPDX-License-Identifier: MIT */
/* A folder for temporary files, gone when the process is, even if that is killed. */
#include "harness/temp_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Returns whether the folder is gone. */
static bool remove_all(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return true;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    return rmdir(path) == 0;
}

/*
 * A process that outlives us by a moment: the pipe ends when we do, because its other end is ours
 * alone. In a session of its own, so that Ctrl-C does not reach it.
 */
__attribute__((noreturn)) static void clean_up_after(int alive, const char *path)
{
    setsid();
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    for (int fd = 0; fd < 1024; fd++) {
        if (fd != alive)
            close(fd);
    }
    char c;
    ssize_t ignored = read(alive, &c, 1);
    (void)ignored;
    /* Programs that end at the same time may still be leaving files. */
    for (unsigned i = 0; i < 50 && !remove_all(path); i++)
        usleep(100000);
    _exit(0);
}

const char *temp_dir(void)
{
    static char path[4096];
    if (path[0] != '\0')
        return path;
    const char *parent = getenv("TMPDIR");
    snprintf(path, sizeof(path), "%s/coil-bench-XXXXXX", parent != NULL ? parent : "/tmp");
    int alive[2];
    if (mkdtemp(path) == NULL || pipe2(alive, O_CLOEXEC) < 0) {
        path[0] = '\0';
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(alive[1]);
        clean_up_after(alive[0], path);
    }
    close(alive[0]);
    return path;
}
