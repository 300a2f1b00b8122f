/* SPDX-License-Identifier: MIT */
/* Copies a file, many blocks at once: some are being read while others are written. */
#include "file_tool.h"

#include <errno.h>
#include <sys/stat.h>

enum { LANE_COUNT = 16, BLOCK_SIZE = 256 * 1024 };

struct copy {
    struct file_options options;
    struct file_failure failure;
    struct file_progress progress;
    const char *from, *to;
    struct statx from_stat, to_stat;
    int source, target;
    off_t next;       /* where the next lane that is free goes on */
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
        copy->progress.done += (uint64_t)n;
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

static int copy_to_target(struct copy *copy)
{
    copy->target = file_tool_create(copy->to, &copy->from_stat, &copy->failure);
    if (copy->target < 0)
        return copy->target;
    copy->is_begun = true;
    int err = file_tool_stat(copy->target, &copy->to_stat);
    /* Files of /proc say that their size is 0, and hold something all the same. */
    copy->is_seekable = copy->from_stat.stx_size > 0 && S_ISREG(copy->from_stat.stx_mode) &&
                        S_ISREG(copy->to_stat.stx_mode);
    if (err >= 0)
        err = copy_all_blocks(copy);
    if (err >= 0)
        err = file_tool_stat(copy->target, &copy->to_stat);
    if (err >= 0 && copy->is_seekable && copy->to_stat.stx_size != copy->progress.done) {
        copy->failure = (struct file_failure){copy->from, "has changed while it was copied"};
        err = -ESTALE;
    }
    int close_err = coil_close(copy->target); /* may be the first to hear of a full disk */
    return file_failure_note(&copy->failure, copy->to, err < 0 ? err : close_err);
}

static int copy_in_time(void *arg)
{
    struct copy *copy = arg;
    COIL_SCOPE(limit, coil_after(copy->options.timeout_ns));
    int err = coil_spawn(&limit, file_progress_show, &copy->progress);
    if (err == 0)
        err = copy->source = file_tool_open(copy->from, &copy->from_stat);
    file_failure_note(&copy->failure, copy->from, err);
    if (err >= 0) {
        copy->progress.size = copy->from_stat.stx_size;
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
    copy.progress.path = copy.to = copy.options.paths[1];
    int err = coil_run(&(struct coil_options){.core_count = 1}, copy_in_time, &copy);
    if (err >= 0)
        return 0;
    return file_failure_print(&copy.failure, err, copy.is_begun ? "; the copy is incomplete" : "");
}
