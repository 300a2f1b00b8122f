/* SPDX-License-Identifier: MIT */
/*
 * A queue with many producers and one consumer, who takes everything at once. Intrusive: an
 * element begins with its link. Producers never wait; each producer's elements keep their order.
 */
#ifndef COIL_BASE_MPSC_H
#define COIL_BASE_MPSC_H

#include <stdbool.h>
#include <stddef.h>

struct coil__mpsc_node {
    struct coil__mpsc_node *next;
};

struct coil__mpsc {
    struct coil__mpsc_node *newest;
};

static inline void coil__mpsc_push(struct coil__mpsc *queue, struct coil__mpsc_node *node)
{
    struct coil__mpsc_node *newest = __atomic_load_n(&queue->newest, __ATOMIC_RELAXED);
    do { /* ends: a failed exchange means that another producer got on */
        node->next = newest;
        /* Release; pairs with the acquire in coil__mpsc_take(): the element is written. And
         * sequentially consistent, for who then asks whether the consumer sleeps. */
    } while (!__atomic_compare_exchange_n(&queue->newest, &newest, node, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
}

static inline bool coil__mpsc_empty(const struct coil__mpsc *queue)
{
    return __atomic_load_n(&queue->newest, __ATOMIC_RELAXED) == NULL;
}

/* As above, for a consumer that has just said that it sleeps. */
static inline bool coil__mpsc_empty_in_order(const struct coil__mpsc *queue)
{
    return __atomic_load_n(&queue->newest, __ATOMIC_SEQ_CST) == NULL;
}

/* Takes all elements, oldest first, as a list that ends with NULL. */
static inline struct coil__mpsc_node *coil__mpsc_take(struct coil__mpsc *queue)
{
    /* Acquire; pairs with the release in coil__mpsc_push(). */
    struct coil__mpsc_node *node = __atomic_exchange_n(&queue->newest, NULL, __ATOMIC_ACQUIRE);
    struct coil__mpsc_node *oldest = NULL;
    while (node != NULL) {
        struct coil__mpsc_node *next = node->next;
        node->next = oldest;
        oldest = node;
        node = next;
    }
    return oldest;
}

#endif
