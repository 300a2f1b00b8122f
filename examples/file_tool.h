/* SPDX-License-Identifier: MIT */
/* What the examples that read files share: options, opening, and the line that says what failed. */
#ifndef FILE_TOOL_H
#define FILE_TOOL_H

#include <coil.h>

struct statx;

struct file_options {
    int64_t timeout_ns; /* COIL_FOREVER without --timeout */
    char **paths;
    size_t path_count;
};

/* What --help says, and how many paths must follow the options. */
struct file_usage {
    const char *arguments; /* "FROM TO" */
    const char *purpose;
    size_t path_min, path_max;
};

/* Reads --timeout SECONDS and the paths. Ends the program for --help (status 0) and for a wrong
 * option or number of paths (one line, status 2). */
void file_options_parse(struct file_options *options, int argc, char **argv,
                        const struct file_usage *usage);

/* Opens a file for reading, or for "-" stdin, which then seems to have no size. Returns the
 * descriptor, or the error; -EISDIR for a folder. */
COIL_SUSPENDS int file_tool_open(const char *path, struct statx *stat);

/* What there is to know of an open file. */
COIL_SUSPENDS int file_tool_stat(int fd, struct statx *stat);

/* The file that was the first to fail, and why; none yet while `path` is NULL. */
struct file_failure {
    const char *path, *reason;
};

/* Remembers a failure (`err` < 0), unless it merely follows from an earlier one. Returns `err`. */
int file_failure_note(struct file_failure *failure, const char *path, ssize_t err);

/* Opens a file to write it anew, with the permissions of `from`; but not if it is that file, which
 * would be gone then. Returns the descriptor, or the error, which is noted. */
COIL_SUSPENDS int file_tool_create(const char *path, const struct statx *from,
                                   struct file_failure *failure);

/* How much of a file is done, in bytes. */
struct file_progress {
    const char *path;
    uint64_t done, size;
};

/* A coroutine that says so on a terminal, once a second, until it is cancelled. Its argument is the
 * struct file_progress. */
int file_progress_show(void *arg);

/* Prints `program: FILE: reason`, and `consequence` behind it. Returns 1, for main(). */
int file_failure_print(const struct file_failure *failure, int err, const char *consequence);

#endif
