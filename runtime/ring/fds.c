/* SPDX-License-Identifier: MIT */
/* The table is address space; the kernel fills in pages as they are written to. */
#include "ring/fds.h"

#include <stddef.h>
#include <sys/mman.h>

uint8_t coil__fd_kinds[COIL__FDS_SIZE];

static const size_t size = COIL__FDS_SIZE * sizeof(struct coil__fd);

struct coil__fd *coil__fds_open(void)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

void coil__fds_close(struct coil__fd *fds)
{
    munmap(fds, size);
}
