/* SPDX-License-Identifier: MIT */
/*
 * Memory that a driver knows in advance, by its number. An operation to or from it is counted while
 * it is in flight, whoever drives, so that the memory is not given back too early.
 */
#ifndef COIL_RING_FIXED_H
#define COIL_RING_FIXED_H

#include "ring/op.h"

/* Adds memory / takes it out, with nothing in flight to or from it. Returns its number, or
 * -ENOBUFS. That the driver refuses it is no error. */
int coil__fixed_add(struct coil__ring *ring, void *at, size_t size);
void coil__fixed_remove(struct coil__ring *ring, unsigned number);

/* The number of the memory in which `at` lies; -1: in none. */
static inline int coil__fixed_find(const struct coil__ring *ring, uint64_t at)
{
    for (unsigned i = 0; i < ring->memory_end; i++) {
        if (at - ring->memories[i].at < ring->memories[i].size)
            return (int)i;
    }
    return -1;
}

/* Queues an entry to or from the memory of that number. Its kind is one that is `to_memory`, and
 * its opcode becomes `fixed` if the driver knows all of the memory that it names. */
static inline void coil__fixed_fire(struct coil__ring *ring, unsigned number,
                                    struct io_uring_sqe *sqe, struct coil_future *future,
                                    uint8_t fixed)
{
    struct coil__ring_memory *memory = &ring->memories[number];
    bool is_within = sqe->len <= memory->size - (sqe->addr - memory->at);
    if (memory->registered && is_within) {
        sqe->opcode = fixed;
        sqe->buf_index = (uint16_t)number;
    }
    memory->in_flight++;
    future->entry.memory = number;
    coil__ring_push(ring, sqe, (uint64_t)(uintptr_t)future | COIL__TAG_TRANSFER);
}

/* Queues the filled entry, which reads or writes one piece of memory; `counted` and `fixed` are for
 * when that lies in one of these. */
static inline void coil__op_fire_transfer(struct io_uring_sqe *sqe, struct coil_future *future,
                                          const struct coil_future_kind *counted, uint8_t fixed)
{
    struct coil__ring *ring = coil__ring_here;
    int number = coil__fixed_find(ring, sqe->addr);
    if (number < 0) {
        coil__op_fire(sqe, future);
    } else {
        future->kind = counted;
        coil__fixed_fire(ring, (unsigned)number, sqe, future, fixed);
    }
    coil__ring_pushed_transfer(ring);
}

#endif
