/* SPDX-License-Identifier: MIT */
/* Memory that the kernel knows. */
#include "ops/op.h"
#include "ring/fixed.h"

#include <coil/memory.h>
#include <errno.h>
#include <sys/mman.h>

static const size_t page_size = 4096;
static const size_t size_max = (size_t)1 << 30; /* the kernel's, of one piece */

int coil_memory_open(struct coil_memory *memory, size_t size)
{
    (void)coil__self(); /* outside of a coroutine there may be no core either */
    if (size == 0 || size > size_max)
        return -EINVAL;
    size = (size + page_size - 1) & ~(page_size - 1);
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return -ENOMEM;
    int number = coil__fixed_add(coil__ring_here, at, size);
    if (number < 0) {
        munmap(at, size);
        return number;
    }
    *memory = (struct coil_memory){.at = at, .size = size, .number = (uint32_t)number};
    return 0;
}

void coil_memory_close(struct coil_memory *memory)
{
    (void)coil__self();
    struct coil__ring *ring = coil__ring_here;
    const struct coil__ring_memory *known = &ring->memories[memory->number % COIL_MEMORIES];
    coil__require(memory->size > 0 && known->at == (uintptr_t)memory->at,
                  "coil_memory_close: it is not open, or another core opened it");
    coil__require(known->in_flight == 0,
                  "coil_memory_close: an operation to or from it is in flight");
    coil__fixed_remove(ring, memory->number);
    munmap(memory->at, memory->size);
    *memory = (struct coil_memory){0};
}
