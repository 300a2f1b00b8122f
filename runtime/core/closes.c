/* SPDX-License-Identifier: MIT */
/* The account is address space; the kernel fills in pages as they are written to. */
#include "core/closes.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

static const size_t size = COIL__CLOSES_SIZE * sizeof(uint32_t);

int coil__closes_open(struct coil__closes *closes)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    closes->counts = memory;
    return 0;
}

void coil__closes_close(struct coil__closes *closes)
{
    munmap(closes->counts, size);
    closes->counts = NULL;
}
