/* SPDX-License-Identifier: MIT */
/* Messages, a line at a time. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Guards what follows, and keeps one thread at a time in it. Nothing on the path of an operation
 * speaks, so a lock does no harm here. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void (*sink_of_user)(const char *line);
static bool explained; /* someone was first */

static bool has_no_stderr; /* written before a run has threads */

void coil__log_find_stderr(void)
{
    int saved_errno = errno;
    has_no_stderr = fcntl(STDERR_FILENO, F_GETFD) < 0 && errno == EBADF;
    errno = saved_errno;
}

/* One write, so that a line stays whole among those of other processes on the same stderr. */
void coil__log_last(const char *text, size_t len)
{
    if (has_no_stderr)
        return;
    /* There is nobody left to tell that stderr is closed. */
    ssize_t written = write(STDERR_FILENO, text, len);
    (void)written;
}

static void write_to_stderr(char *line)
{
    size_t len = strlen(line);
    line[len] = '\n';
    coil__log_last(line, len + 1);
}

void coil__log(const char *format, ...)
{
    static const char prefix[] = "coil: ";
    int saved_errno = errno;
    char line[COIL__LOG_LINE + 2]; /* the end of the line and of the string */
    memcpy(line, prefix, sizeof(prefix));
    va_list args;
    va_start(args, format);
    vsnprintf(line + sizeof(prefix) - 1, COIL__LOG_LINE + 1 - (sizeof(prefix) - 1), format, args);
    va_end(args);

    pthread_mutex_lock(&lock);
    if (sink_of_user != NULL)
        sink_of_user(line);
    else
        write_to_stderr(line);
    pthread_mutex_unlock(&lock);
    errno = saved_errno;
}

void coil__log_to(void (*sink)(const char *line))
{
    pthread_mutex_lock(&lock);
    sink_of_user = sink;
    explained = false;
    pthread_mutex_unlock(&lock);
}

bool coil__log_first(void)
{
    pthread_mutex_lock(&lock);
    bool first = !explained;
    explained = true;
    pthread_mutex_unlock(&lock);
    return first;
}

void coil__log_retry(void)
{
    pthread_mutex_lock(&lock);
    explained = false;
    pthread_mutex_unlock(&lock);
}

void coil__log_after_fork(void)
{
    pthread_mutex_init(&lock, NULL);
}
