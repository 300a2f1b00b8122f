/* SPDX-License-Identifier: MIT */
/* A file without a name, so that nothing is left on disk however the benchmark ends. */
#ifndef BENCH_SCRATCH_FILE_H
#define BENCH_SCRATCH_FILE_H

#include <stddef.h>

/*
 * Makes a file of `size` bytes of noise, on disk, beside the running program: where people build
 * is a real disk more often than /tmp is. Returns a descriptor; ends the process on an error.
 */
int scratch_file_open(size_t size);

/* Opens the same file once more, with open(2)'s flags. Returns -1 if the file system refuses. */
int scratch_file_reopen(int fd, int flags);

#endif
