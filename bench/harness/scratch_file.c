/* SPDX-License-Identifier: MIT */
/* A file without a name, so that nothing is left on disk however the benchmark ends. */
#include "harness/scratch_file.h"
#include "harness/process.h"

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK_SIZE = 1 << 20 };

static int open_nameless(void)
{
    char path[4096];
    process_beside(path, sizeof(path), "");
    int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    /* Not every file system can do that. */
    process_beside(path, sizeof(path), "scratch-XXXXXX");
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        err(1, "cannot make a file: %s", path);
    unlink(path);
    return fd;
}

/* Blocks that differ, so that no layer below can store them as one. */
static void fill_noise(uint64_t *words, size_t count, uint64_t *state)
{
    for (size_t i = 0; i < count; i++) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        words[i] = *state;
    }
}

int scratch_file_open(size_t size)
{
    int fd = open_nameless();
    uint64_t *block = malloc(BLOCK_SIZE);
    if (block == NULL)
        errx(1, "no memory");
    uint64_t state = UINT64_C(88172645463325252);
    for (size_t done = 0; done < size;) {
        size_t length = size - done < BLOCK_SIZE ? size - done : BLOCK_SIZE;
        fill_noise(block, BLOCK_SIZE / sizeof(*block), &state);
        ssize_t n = pwrite(fd, block, length, (off_t)done);
        if (n <= 0)
            err(1, "cannot write a file of %zu bytes", size);
        done += (size_t)n;
    }
    free(block);
    if (fdatasync(fd) < 0)
        err(1, "fdatasync");
    return fd;
}

int scratch_file_reopen(int fd, int flags)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, flags | O_CLOEXEC);
}
