/* SPDX-License-Identifier: MIT */
/*
 * A queue with many producers and one consumer. Intrusive: an element begins with its link.
 *
 *     newest -> e -> d -> c        the producers': each puts its own in front
 *     oldest -> a -> b             the consumer's: what it took, all there was, and turned round
 *
 * Producers never wait, and the elements of each keep their order. All that the threads share is
 * one word: so a push takes one cache line from the consumer, which looks at it while it waits, and
 * the elements come in another. The lowest bit of the word is a mark that the consumer may leave in
 * the empty queue, and that one of those who push afterwards takes away: it wants to be woken.
 */
#ifndef COIL_BASE_MPSC_H
#define COIL_BASE_MPSC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct coil__mpsc_node {
    struct coil__mpsc_node *next;
};

struct coil__mpsc {
    uintptr_t newest; /* the last one that was pushed, and the mark */
    char pad[64 - sizeof(uintptr_t)];
    struct coil__mpsc_node *oldest; /* of those that were taken */
};

enum { COIL__MPSC_MARK = 1 };

static inline void coil__mpsc_init(struct coil__mpsc *queue)
{
    queue->newest = 0;
    queue->oldest = NULL;
}

/* Puts several elements there at once, which are linked from the newest to the oldest. Returns
 * whether the mark is set. */
static inline bool coil__mpsc_push_chain(struct coil__mpsc *queue, struct coil__mpsc_node *newest,
                                         struct coil__mpsc_node *oldest)
{
    /* Most often it is empty: to look first would move the line twice. */
    uintptr_t before = 0;
    do { /* ends: the others get on whenever we do not */
        oldest->next = (struct coil__mpsc_node *)(before & ~(uintptr_t)COIL__MPSC_MARK);
        /* Release; pairs with the acquire in coil__mpsc_pop(): the elements are written. And
         * sequentially consistent, for who then asks what the consumer has said before. */
    } while (!__atomic_compare_exchange_n(&queue->newest, &before,
                                          (uintptr_t)newest | (before & COIL__MPSC_MARK), false,
                                          __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    return (before & COIL__MPSC_MARK) != 0;
}

static inline bool coil__mpsc_push(struct coil__mpsc *queue, struct coil__mpsc_node *node)
{
    return coil__mpsc_push_chain(queue, node, node);
}

/* Whether nothing is there but what the consumer took. By any thread. */
static inline bool coil__mpsc_nothing_new(const struct coil__mpsc *queue)
{
    /* Relaxed: who takes what is there sees it. */
    return (__atomic_load_n(&queue->newest, __ATOMIC_RELAXED) & ~(uintptr_t)COIL__MPSC_MARK) == 0;
}

/* Whether the consumer finds nothing. */
static inline bool coil__mpsc_empty(const struct coil__mpsc *queue)
{
    return queue->oldest == NULL && coil__mpsc_nothing_new(queue);
}

/* Leaves the mark, by the consumer; false when the queue is not empty. */
static inline bool coil__mpsc_mark(struct coil__mpsc *queue)
{
    uintptr_t nothing = 0;
    return queue->oldest == NULL &&
           __atomic_compare_exchange_n(&queue->newest, &nothing, COIL__MPSC_MARK, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Takes the mark away. Of several who do so, one returns true. */
static inline bool coil__mpsc_unmark(struct coil__mpsc *queue)
{
    /* Relaxed: the mark itself is all that is handed over. */
    return (__atomic_load_n(&queue->newest, __ATOMIC_RELAXED) & COIL__MPSC_MARK) != 0 &&
           (__atomic_fetch_and(&queue->newest, ~(uintptr_t)COIL__MPSC_MARK, __ATOMIC_RELAXED) &
            COIL__MPSC_MARK) != 0;
}

/* Takes all there is, and the mark. Returns the oldest, which it is linked from. */
static inline struct coil__mpsc_node *coil__mpsc_take(struct coil__mpsc *queue)
{
    /* Acquire; pairs with the release in coil__mpsc_push_chain(). */
    uintptr_t word = __atomic_exchange_n(&queue->newest, 0, __ATOMIC_ACQUIRE);
    struct coil__mpsc_node *node = (struct coil__mpsc_node *)(word & ~(uintptr_t)COIL__MPSC_MARK);
    struct coil__mpsc_node *newer = NULL;
    while (node != NULL) { /* ends: no push reaches what was taken */
        struct coil__mpsc_node *older = node->next;
        node->next = newer;
        newer = node;
        node = older;
    }
    return newer;
}

/* Takes the oldest element; NULL when there is none. */
static inline struct coil__mpsc_node *coil__mpsc_pop(struct coil__mpsc *queue)
{
    struct coil__mpsc_node *node = queue->oldest;
    if (node == NULL) {
        if (coil__mpsc_nothing_new(queue))
            return NULL;
        node = coil__mpsc_take(queue);
    }
    queue->oldest = node->next;
    return node;
}

#endif
