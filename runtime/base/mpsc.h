/* SPDX-License-Identifier: MIT */
/*
 * A queue with many producers and one consumer. Intrusive: an element begins with its link.
 * Producers never wait, and the elements of each keep their order.
 *
 *     oldest -> a -> b -> c    d <- newest        c is not linked to d yet: who put d there is
 *                                                 between its two steps
 *
 * The consumer then finds c last, though the queue is not empty: it must come again. The stub is an
 * element of nobody's, which goes behind the last one so that it can be taken. Producers write to
 * `newest` and to the newest element, the consumer reads the oldest: while there are several, no
 * two threads touch the same cache line but that of the element which is handed over.
 */
#ifndef COIL_BASE_MPSC_H
#define COIL_BASE_MPSC_H

#include <stdbool.h>
#include <stddef.h>

struct coil__mpsc_node {
    struct coil__mpsc_node *next;
};

struct coil__mpsc {
    struct coil__mpsc_node *newest; /* the producers' */
    char pad[64 - sizeof(struct coil__mpsc_node *)];
    struct coil__mpsc_node *oldest; /* the consumer's */
    struct coil__mpsc_node stub;
};

static inline void coil__mpsc_init(struct coil__mpsc *queue)
{
    queue->newest = &queue->stub;
    queue->oldest = &queue->stub;
    queue->stub.next = NULL;
}

/* Puts several elements there at once, which are linked from `first` to `last`. */
static inline void coil__mpsc_push_chain(struct coil__mpsc *queue, struct coil__mpsc_node *first,
                                         struct coil__mpsc_node *last)
{
    __atomic_store_n(&last->next, NULL, __ATOMIC_RELAXED);
    /* Acquire and release: who pushes behind us finds our link empty. And sequentially consistent,
     * for who then asks whether the consumer sleeps. */
    struct coil__mpsc_node *before = __atomic_exchange_n(&queue->newest, last, __ATOMIC_SEQ_CST);
    /* Release; pairs with the acquire in coil__mpsc_pop(): the elements are written. */
    __atomic_store_n(&before->next, first, __ATOMIC_RELEASE);
}

static inline void coil__mpsc_push(struct coil__mpsc *queue, struct coil__mpsc_node *node)
{
    coil__mpsc_push_chain(queue, node, node);
}

/* Whether the consumer finds nothing. One that is just being put there may be missed. */
static inline bool coil__mpsc_empty(const struct coil__mpsc *queue)
{
    return queue->oldest == &queue->stub &&
           __atomic_load_n(&queue->stub.next, __ATOMIC_RELAXED) == NULL;
}

/* Whether nothing is there, not even what is just being put there. By any thread; of use to a
 * consumer that has just said that it sleeps. */
static inline bool coil__mpsc_empty_in_order(const struct coil__mpsc *queue)
{
    return __atomic_load_n(&queue->newest, __ATOMIC_SEQ_CST) == &queue->stub;
}

/* Takes the oldest element; NULL when there is none, or the next one is just being put there. */
static inline struct coil__mpsc_node *coil__mpsc_pop(struct coil__mpsc *queue)
{
    struct coil__mpsc_node *node = queue->oldest;
    struct coil__mpsc_node *next = __atomic_load_n(&node->next, __ATOMIC_ACQUIRE);
    if (node == &queue->stub) {
        if (next == NULL)
            return NULL;
        queue->oldest = node = next;
        next = __atomic_load_n(&node->next, __ATOMIC_ACQUIRE);
    }
    if (next == NULL) { /* the last one: something has to be behind it */
        if (__atomic_load_n(&queue->newest, __ATOMIC_RELAXED) == node)
            coil__mpsc_push(queue, &queue->stub);
        next = __atomic_load_n(&node->next, __ATOMIC_ACQUIRE);
        if (next == NULL)
            return NULL;
    }
    queue->oldest = next;
    __builtin_prefetch(next); /* on its way while the caller works on this one */
    return node;
}

#endif
