/* SPDX-License-Identifier: MIT */
/* Copies a file, many blocks at once: some are being read while others are written. */
#include "file_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LANE_COUNT = 16, BLOCK_SIZE = 256 * 1024 };

struct copy {
    struct file_options options;
    struct file_failure failure;
    const char *from, *to;
    struct statx from_stat, to_stat;
    int source, target;
    off_t next;       /* where the next lane that is free goes on */
    uint64_t copied;  /* bytes */
    bool is_seekable; /* else there is one lane, which reads and writes in order */
    bool is_begun;    /* what the target held is gone */
};

/* Copies one block at a time, each from where the other lanes have not been yet. */
struct lane {
    struct copy *copy;
    char block[BLOCK_SIZE]; /* too large for the stack of a coroutine */
};

static int copy_blocks(void *arg)
{
    struct lane *lane = arg;
    struct copy *copy = lane->copy;
    for (ssize_t n = BLOCK_SIZE, written; n == BLOCK_SIZE;) { /* a shorter one is the last */
        off_t offset = copy->next;
        copy->next += BLOCK_SIZE;
        n = copy->is_seekable ? coil_pread_all(copy->source, lane->block, BLOCK_SIZE, offset)
                              : coil_read_all(copy->source, lane->block, BLOCK_SIZE);
        if (n < 0)
            return file_failure_note(&copy->failure, copy->from, n);
        written = copy->is_seekable ? coil_pwrite_all(copy->target, lane->block, (size_t)n, offset)
                                    : coil_write_all(copy->target, lane->block, (size_t)n);
        if (written < 0)
            return file_failure_note(&copy->failure, copy->to, written);
        copy->copied += (uint64_t)n;
    }
    return 0;
}

static int copy_all_blocks(struct copy *copy)
{
    static struct lane lanes[LANE_COUNT];
    off_t size = copy->is_seekable ? (off_t)copy->from_stat.stx_size : 1;
    int err = 0;
    COIL_SCOPE(scope, COIL_FOREVER);
    for (int i = 0; i < LANE_COUNT && (off_t)i * BLOCK_SIZE < size && err == 0; i++) {
        lanes[i].copy = copy;
        err = coil_spawn(&scope, copy_blocks, &lanes[i]);
    }
    return coil_scope_close(&scope, err);
}

/* Truncates the target, unless it is the source: that would be gone then. */
static int open_target(struct copy *copy)
{
    const struct statx *from = &copy->from_stat, *to = &copy->to_stat;
    int err = coil_statx(AT_FDCWD, copy->to, 0, STATX_BASIC_STATS, &copy->to_stat);
    if (err == 0 && from->stx_ino == to->stx_ino && from->stx_dev_major == to->stx_dev_major &&
        from->stx_dev_minor == to->stx_dev_minor) {
        copy->failure = (struct file_failure){copy->to, "is the file to copy from"};
        return -EEXIST;
    }
    return coil_open(copy->to, O_WRONLY | O_CREAT | O_TRUNC, from->stx_mode & 0777);
}

static int copy_to_target(struct copy *copy)
{
    copy->target = open_target(copy);
    if (copy->target < 0)
        return file_failure_note(&copy->failure, copy->to, copy->target);
    copy->is_begun = true;
    int err = file_tool_stat(copy->target, &copy->to_stat);
    /* Files of /proc say that their size is 0, and hold something all the same. */
    copy->is_seekable = copy->from_stat.stx_size > 0 && S_ISREG(copy->from_stat.stx_mode) &&
                        S_ISREG(copy->to_stat.stx_mode);
    if (err >= 0)
        err = copy_all_blocks(copy);
    if (err >= 0)
        err = file_tool_stat(copy->target, &copy->to_stat);
    if (err >= 0 && copy->is_seekable && copy->to_stat.stx_size != copy->copied) {
        copy->failure = (struct file_failure){copy->from, "has changed while it was copied"};
        err = -ESTALE;
    }
    int close_err = coil_close(copy->target); /* may be the first to hear of a full disk */
    return file_failure_note(&copy->failure, copy->to, err < 0 ? err : close_err);
}

/* Says on a terminal how far it is, once a second, until it is cancelled. */
static int show_progress(void *arg)
{
    const struct copy *copy = arg;
    if (!isatty(STDERR_FILENO))
        return 0;
    while (coil_sleep(COIL_SEC) == 0)
        fprintf(stderr, "\r%s: %ju of %ju MiB\033[K", copy->to, (uintmax_t)copy->copied >> 20,
                (uintmax_t)copy->from_stat.stx_size >> 20);
    fprintf(stderr, "\r\033[K");
    return 0;
}

static int copy_in_time(void *arg)
{
    struct copy *copy = arg;
    COIL_SCOPE(limit, coil_after(copy->options.timeout_ns));
    int err = coil_spawn(&limit, show_progress, copy);
    if (err == 0)
        err = copy->source = file_tool_open(copy->from, &copy->from_stat);
    file_failure_note(&copy->failure, copy->from, err);
    if (err >= 0) {
        err = copy_to_target(copy);
        coil_close(copy->source);
    }
    coil_scope_cancel(&limit); /* the progress */
    return coil_scope_close(&limit, err);
}

int main(int argc, char **argv)
{
    static const struct file_usage usage = {
        "FROM TO",
        "Copies a file, many blocks at once. FROM may be - for stdin.\n"
        "When it fails half-way, it says that the copy is incomplete.",
        2, 2};
    struct copy copy = COIL_ZERO;
    file_options_parse(&copy.options, argc, argv, &usage);
    copy.from = copy.options.paths[0];
    copy.to = copy.options.paths[1];
    int err = coil_run(&(struct coil_options){.core_count = 1}, copy_in_time, &copy);
    if (err >= 0)
        return 0;
    return file_failure_print(&copy.failure, err, copy.is_begun ? "; the copy is incomplete" : "");
}
