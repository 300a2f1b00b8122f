/* SPDX-License-Identifier: MIT */
#include "file_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void help(const char *program, const struct file_usage *usage)
{
    printf("usage: %s [--timeout SECONDS] %s\n\n%s\n\n"
           "  --timeout SECONDS  give up after that long, like 2 or 0.5 (never)\n"
           "  --help             this text\n\n"
           "Status 0: done; 1: a file failed, which a line on stderr names; 2: wrong usage.\n",
           program, usage->arguments, usage->purpose);
    exit(0);
}

static int64_t parse_seconds(const char *program, const char *text)
{
    const double seconds_max = 1e9;
    char *end;
    double seconds = strtod(text, &end);
    bool is_valid = seconds > 0 && seconds <= seconds_max; /* false for a NaN, too */
    if (end == text || *end != '\0' || !is_valid) {
        fprintf(stderr, "%s: --timeout: \"%s\" is not a number of seconds; try --help\n", program,
                text);
        exit(2);
    }
    return (int64_t)(seconds * (double)COIL_SEC);
}

/* A stdin, stdout or stderr that is closed would be the number of the next file to be opened. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) /* then to use it still fails */
            open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
}

void file_options_parse(struct file_options *options, int argc, char **argv,
                        const struct file_usage *usage)
{
    static const struct option known[] = {
        {"timeout", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    fill_standard_descriptors();
    argv[0] = program_invocation_short_name; /* for getopt_long()'s messages as well */
    *options = (struct file_options){.timeout_ns = COIL_FOREVER};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 't':
            options->timeout_ns = parse_seconds(argv[0], optarg);
            break;
        case 'h':
            help(argv[0], usage);
            break;
        default: /* getopt_long() has said what is wrong */
            exit(2);
        }
    }
    options->paths = argv + optind;
    options->path_count = (size_t)(argc - optind);
    if (options->path_count < usage->path_min || options->path_count > usage->path_max) {
        fprintf(stderr, "%s: expected %s; try --help\n", argv[0], usage->arguments);
        exit(2);
    }
}

int file_tool_stat(int fd, struct statx *stat)
{
    return coil_statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, stat);
}

int file_tool_open(const char *path, struct statx *stat)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : coil_open(path, O_RDONLY, 0);
    if (fd < 0)
        return is_stdin ? -errno : fd;
    int err = file_tool_stat(fd, stat);
    if (err >= 0 && S_ISDIR(stat->stx_mode))
        err = -EISDIR;
    if (err < 0) {
        coil_close(fd);
        return err;
    }
    if (is_stdin) /* part of it may have been read already */
        stat->stx_size = 0;
    return fd;
}

int file_failure_note(struct file_failure *failure, const char *path, ssize_t err)
{
    if (failure->path == NULL && err < 0 && err != -ECANCELED)
        *failure = (struct file_failure){path, strerror((int)-err)};
    return (int)err;
}

int file_tool_create(const char *path, const struct statx *from, struct file_failure *failure)
{
    struct statx to;
    int err = coil_statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &to);
    if (err == 0 && from->stx_ino == to.stx_ino && from->stx_dev_major == to.stx_dev_major &&
        from->stx_dev_minor == to.stx_dev_minor) {
        *failure = (struct file_failure){path, "is the file to copy from"};
        return -EEXIST;
    }
    int fd = coil_open(path, O_WRONLY | O_CREAT | O_TRUNC, from->stx_mode & 0777);
    return file_failure_note(failure, path, fd);
}

int file_progress_show(void *arg)
{
    const struct file_progress *progress = arg;
    if (!isatty(STDERR_FILENO))
        return 0;
    while (coil_sleep(COIL_SEC) == 0)
        fprintf(stderr, "\r%s: %ju of %ju MiB\033[K", progress->path,
                (uintmax_t)progress->done >> 20, (uintmax_t)progress->size >> 20);
    fprintf(stderr, "\r\033[K");
    return 0;
}

int file_failure_print(const struct file_failure *failure, int err, const char *consequence)
{
    const char *program = program_invocation_short_name;
    if (failure->path != NULL)
        fprintf(stderr, "%s: %s: %s%s\n", program, failure->path, failure->reason, consequence);
    else if (err == -ETIMEDOUT)
        fprintf(stderr, "%s: not done when the time of --timeout was up%s\n", program, consequence);
    else
        fprintf(stderr, "%s: %s%s\n", program, strerror(-err), consequence);
    return 1;
}
