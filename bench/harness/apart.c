/* SPDX-License-Identifier: MIT */
/* Work in a process of its own, with memory that nobody has used before. */
#include "harness/apart.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

const char *apart_call(void (*work)(void *arg), void *arg, size_t size)
{
    int ends[2];
    if (pipe(ends) < 0)
        return strerror(errno);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would read what comes of it */
        work(arg);
        ssize_t written = write(ends[1], arg, size);
        _exit(written == (ssize_t)size ? 0 : 1);
    }
    int err = errno;
    close(ends[1]);
    ssize_t n = pid < 0 ? 0 : read(ends[0], arg, size);
    close(ends[0]);
    if (pid < 0)
        return strerror(err);
    waitpid(pid, NULL, 0);
    return n == (ssize_t)size ? NULL : "its process died";
}
