/* SPDX-License-Identifier: MIT */
/* The memory that a ring knows in advance. */
#include "ring/fixed.h"

#include <errno.h>

int coil__fixed_add(struct coil__ring *ring, void *at, size_t size)
{
    unsigned number = 0;
    while (number < ring->memory_end && ring->memories[number].size > 0)
        number++;
    if (number == COIL_MEMORIES)
        return -ENOBUFS;
    const struct coil__ring_driver *driver = ring->driver;
    ring->memories[number] = (struct coil__ring_memory){
        .at = (uintptr_t)at,
        .size = size,
        .registered =
            driver->register_memory != NULL && driver->register_memory(ring, number, at, size) == 0,
    };
    if (number == ring->memory_end)
        ring->memory_end++;
    return (int)number;
}

void coil__fixed_remove(struct coil__ring *ring, unsigned number)
{
    struct coil__ring_memory *memory = &ring->memories[number];
    coil__assert(number < ring->memory_end && memory->in_flight == 0);
    if (memory->registered)
        ring->driver->register_memory(ring, number, NULL, 0);
    *memory = (struct coil__ring_memory){0};
    while (ring->memory_end > 0 && ring->memories[ring->memory_end - 1].size == 0)
        ring->memory_end--;
}
