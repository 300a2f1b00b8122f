/* SPDX-License-Identifier: MIT */
/* A bare ring for several producers and one consumer, who both spin: what a message costs at least.
 */
#ifndef BENCH_BARE_MPSC_RING_H
#define BENCH_BARE_MPSC_RING_H

#include "harness/relax.h"

#include <stdatomic.h>
#include <stdint.h>

enum { MPSC_RING_SIZE = 64 };

struct mpsc_slot {
    atomic_ullong turn; /* the index that may be written here; one more: it may be read */
    uint64_t value;
};

struct mpsc_ring {
    struct mpsc_slot slots[MPSC_RING_SIZE];
    _Alignas(64) atomic_ullong tail; /* of the producers */
    _Alignas(64) uint64_t head;      /* of the consumer */
};

static inline void mpsc_ring_init(struct mpsc_ring *ring)
{
    *ring = (struct mpsc_ring){.head = 0};
    for (unsigned i = 0; i < MPSC_RING_SIZE; i++)
        ring->slots[i].turn = i;
}

/* Waits while it is full. */
static inline void mpsc_ring_push(struct mpsc_ring *ring, uint64_t value)
{
    unsigned long long tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    for (;;) {
        struct mpsc_slot *slot = &ring->slots[tail % MPSC_RING_SIZE];
        if (atomic_load_explicit(&slot->turn, memory_order_acquire) != tail) {
            relax_cpu();
            tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(
                       &ring->tail, &tail, tail + 1, memory_order_relaxed, memory_order_relaxed)) {
            slot->value = value;
            atomic_store_explicit(&slot->turn, tail + 1, memory_order_release);
            return;
        }
    }
}

/* Waits while it is empty. */
static inline uint64_t mpsc_ring_pop(struct mpsc_ring *ring)
{
    struct mpsc_slot *slot = &ring->slots[ring->head % MPSC_RING_SIZE];
    while (atomic_load_explicit(&slot->turn, memory_order_acquire) != ring->head + 1)
        relax_cpu();
    uint64_t value = slot->value;
    atomic_store_explicit(&slot->turn, ring->head + MPSC_RING_SIZE, memory_order_release);
    ring->head++;
    return value;
}

#endif
