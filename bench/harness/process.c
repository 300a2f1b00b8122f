/* SPDX-License-Identifier: MIT */
/* Programs that a benchmark starts. None of them outlives it, however it ends. */
#include "harness/process.h"
#include "harness/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000 };

/* In the child, between fork and exec. */
__attribute__((noreturn)) static void become(const char *const argv[], int input, int output,
                                             bool quiet, pid_t parent)
{
    /* When we are killed, so is the child; but not if we were before it could say so. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    cpu_set_t all;
    memset(&all, 0xff, sizeof(all));
    sched_setaffinity(0, sizeof(all), &all);
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    int nowhere = quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    if (nowhere >= 0)
        dup2(nowhere, STDERR_FILENO);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static const char *start(struct process *process, const char *const argv[], bool quiet)
{
    int input[2], output[2];
    if (pipe2(input, O_CLOEXEC) < 0)
        return strerror(errno);
    if (pipe2(output, O_CLOEXEC) < 0) {
        close(input[0]);
        close(input[1]);
        return strerror(errno);
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(argv, input[0], output[1], quiet, parent);
    close(input[0]);
    close(output[1]);
    *process = (struct process){.pid = pid, .input = input[1], .output = output[0]};
    return pid < 0 ? strerror(errno) : NULL;
}

const char *process_start(struct process *process, const char *const argv[])
{
    return start(process, argv, false);
}

const char *process_start_quiet(struct process *process, const char *const argv[])
{
    return start(process, argv, true);
}

void process_say(struct process *process, const char *text)
{
    /* A reader that is gone shows when its answer does not come. */
    signal(SIGPIPE, SIG_IGN);
    ssize_t ignored = write(process->input, text, strlen(text));
    (void)ignored;
}

bool process_hear(struct process *process, char *line, size_t size, int timeout_ms)
{
    int64_t deadline = clock_ns() + (int64_t)timeout_ms * 1000000;
    size_t length = 0;
    char c;
    for (;;) {
        /* What is there counts, even when time has jumped, as it does in a paused machine. */
        int64_t left_ms = (deadline - clock_ns()) / 1000000;
        struct pollfd readable = {.fd = process->output, .events = POLLIN};
        int count = poll(&readable, 1, left_ms > 0 ? (int)left_ms : 0);
        if (count <= 0 && left_ms <= 0)
            return false;
        if (count <= 0)
            continue;
        ssize_t n = read(process->output, &c, 1);
        if (n < 0 || (n == 0 && length == 0))
            return false;
        if (n == 0 || c == '\n') {
            line[length] = '\0';
            return true;
        }
        if (length + 1 < size)
            line[length++] = c;
    }
}

/* Waits a while for the end; then ends it. */
static bool reap(struct process *process)
{
    int status = 0;
    bool reaped = false;
    for (unsigned ms = 0; ms < PATIENCE_MS && !reaped; ms++) {
        reaped = waitpid(process->pid, &status, WNOHANG) != 0;
        if (!reaped)
            usleep(1000);
    }
    if (!reaped) {
        kill(process->pid, SIGKILL);
        waitpid(process->pid, &status, 0);
    }
    if (process->input >= 0)
        close(process->input);
    close(process->output);
    *process = (struct process){0};
    return reaped && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool process_finish(struct process *process)
{
    if (process->pid <= 0)
        return false;
    close(process->input);
    process->input = -1;
    return reap(process);
}

bool process_stop(struct process *process)
{
    if (process->pid <= 0)
        return false;
    kill(process->pid, SIGTERM);
    return reap(process);
}

void process_kill(struct process *process)
{
    if (process->pid <= 0)
        return;
    kill(process->pid, SIGKILL);
    reap(process);
}

bool process_exists(const char *name)
{
    const char *path = getenv("PATH");
    char copy[4096], file[4352];
    snprintf(copy, sizeof(copy), "%s", path != NULL ? path : "/usr/bin:/bin");
    char *rest = copy;
    const char *folder;
    while ((folder = strsep(&rest, ":")) != NULL) {
        snprintf(file, sizeof(file), "%s/%s", folder, name);
        if (access(file, X_OK) == 0)
            return true;
    }
    return false;
}

void process_beside(char *path, size_t size, const char *relative)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[length < 0 ? 0 : length] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL)
        *slash = '\0';
    snprintf(path, size, "%s/%s", self, relative);
}
