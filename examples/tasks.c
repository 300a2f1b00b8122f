/* SPDX-License-Identifier: MIT */
/*
 * The same as scheduler.c, with coroutines that wait. What is gone: the scheduler and its deque,
 * which coil_run() has; the generator around every function that needs a pause; and the loop that
 * looks whether the data is there, since who waits is not resumed before.
 */
#include "lesson.h"

#include <coil.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- two that only work -------------------------------------------------------------------- */

static int work_twice(void *arg)
{
    const char *name = arg;
    printf("%s doing some work\n", name);
    int err = coil_yield();
    if (err < 0)
        return err;
    printf("%s doing more work\n", name);
    return 0;
}

static int two_workers(void *arg)
{
    (void)arg;
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = coil_spawn(&scope, work_twice, "Coroutine one");
    if (err == 0)
        err = coil_spawn(&scope, work_twice, "Coroutine two");
    return coil_scope_close(&scope, err); /* waits for both */
}

/* --- one that needs data ------------------------------------------------------------------- */

/* Reads a number from `fd` and returns it. */
static int fetch(int fd)
{
    char text[16] = "";
    printf("Fetching data awaiting IO..\n");
    ssize_t n = coil_read(fd, text, sizeof(text) - 1); /* here others run */
    printf("Fetching data IO ready..\n");
    return n < 0 ? (int)n : atoi(text);
}

static int work_on_data(void *arg)
{
    printf("Coroutine four doing some work\n");
    int data = fetch(*(const int *)arg);
    if (data < 0)
        return data;
    printf("Coroutine four doing more work with data: %d\n", data);
    return 0;
}

static int worker_and_reader(void *arg)
{
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = coil_spawn(&scope, work_twice, "Coroutine one");
    if (err == 0)
        err = coil_spawn(&scope, work_on_data, arg);
    return coil_scope_close(&scope, err);
}

int main(int argc, char **argv)
{
    static const struct coil_options options = {.core_count = 1};
    lesson_options_parse(argc, argv, "Does what scheduler does, with coroutines: see the source.");
    lesson_heading("a scheduler with a deque: coil's own");
    int err = coil_run(&options, two_workers, NULL);

    lesson_heading("I/O in the middle, with tasks that await");
    int fd = lesson_open_data();
    if (err >= 0 && fd >= 0)
        err = coil_run(&options, worker_and_reader, &fd);
    close(fd);
    return lesson_end(fd < 0 ? fd : err);
}
