/* SPDX-License-Identifier: MIT */
/* Counts the lines of many files at once. The first failure cancels all the rest. */
#include "file_tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { READER_COUNT = 32, BLOCK_SIZE = 128 * 1024 };

struct work {
    struct file_options options;
    struct file_failure failure;
    size_t next;     /* the first path that no reader has taken yet */
    uint64_t *lines; /* of each path */
};

struct reader {
    struct work *work;
    char block[BLOCK_SIZE]; /* too large for the stack of a coroutine */
};

static uint64_t count_newlines(const char *data, size_t len)
{
    uint64_t count = 0;
    const char *end = data + len;
    while ((data = memchr(data, '\n', (size_t)(end - data))) != NULL) { /* ends: goes forward */
        data++;
        count++;
    }
    return count;
}

/* Takes one path after another, until none is left. So few files are open at a time. */
static int count_files(void *arg)
{
    struct reader *reader = arg;
    struct work *work = reader->work;
    while (work->next < work->options.path_count) {
        size_t index = work->next++;
        const char *path = work->options.paths[index];
        struct statx stat;
        ssize_t n;

        int fd = file_tool_open(path, &stat);
        if (fd < 0)
            return file_failure_note(&work->failure, path, fd);
        while ((n = coil_read(fd, reader->block, BLOCK_SIZE)) > 0)
            work->lines[index] += count_newlines(reader->block, (size_t)n);
        coil_close(fd);
        if (n < 0)
            return file_failure_note(&work->failure, path, n);
    }
    return 0;
}

static int count_all(void *arg)
{
    static struct reader readers[READER_COUNT];
    struct work *work = arg;
    int err = 0;
    COIL_SCOPE(scope, coil_after(work->options.timeout_ns));
    for (size_t i = 0; i < READER_COUNT && i < work->options.path_count && err == 0; i++) {
        readers[i].work = work;
        err = coil_spawn(&scope, count_files, &readers[i]);
    }
    return coil_scope_close(&scope, err); /* From here on nothing touches `work`. */
}

static int print_lines(const struct work *work)
{
    uint64_t total = 0;
    for (size_t i = 0; i < work->options.path_count; i++)
        total += work->lines[i];
    int width = work->options.path_count > 1 ? snprintf(NULL, 0, "%ju", (uintmax_t)total) : 0;
    for (size_t i = 0; i < work->options.path_count; i++)
        printf("%*ju %s\n", width, (uintmax_t)work->lines[i], work->options.paths[i]);
    if (work->options.path_count > 1)
        printf("%*ju total\n", width, (uintmax_t)total);
    return fflush(stdout) == 0 ? 0 : -errno;
}

int main(int argc, char **argv)
{
    static const struct file_usage usage = {
        "FILE...",
        "Counts the lines of all files at once, and prints them like wc -l. - is stdin.\n"
        "The first file that fails ends it all.",
        1, SIZE_MAX};
    struct work work = COIL_ZERO;
    file_options_parse(&work.options, argc, argv, &usage);
    work.lines = calloc(work.options.path_count, sizeof(*work.lines));
    int err = -ENOMEM;
    if (work.lines != NULL)
        err = coil_run(&(struct coil_options){.core_count = 1}, count_all, &work);
    if (err >= 0)
        err = file_failure_note(&work.failure, "stdout", print_lines(&work));
    free(work.lines);
    return err < 0 ? file_failure_print(&work.failure, err, "") : 0;
}
