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
 *
 * The rest of the word's cache line is room for one element by value, a note, so that nothing has
 * to be fetched but that line. Only the empty queue takes one: it is older than all that is pushed
 * afterwards. The second bit of the word says that the room is taken; the consumer gives it back
 * when there is time, some time after it has read the note.
 */
#ifndef COIL_BASE_MPSC_H
#define COIL_BASE_MPSC_H

#include "base/relax.h"

#include <coil/base.h>

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct coil__mpsc_node {
    struct coil__mpsc_node *next;
};

/* An element by value. */
struct coil__note {
    void (*deliver)(const struct coil__note *note); /* NULL: it is being written */
    void *about;
    coil_fn *fn;
    void *arg;
    const char *site;
    int32_t result;
    uint16_t from;
    uint8_t queue;
};

struct coil__mpsc {
    uintptr_t newest; /* the last one that was pushed, and the bits below */
    struct coil__note note;
    char pad[64 - sizeof(uintptr_t) - sizeof(struct coil__note)];
    uintptr_t read;                 /* COIL__MPSC_ROOM: the consumer has read the note */
    struct coil__mpsc_node *oldest; /* of those that were taken */
};

enum { COIL__MPSC_MARK = 1, COIL__MPSC_ROOM = 2, COIL__MPSC_BITS = 3 };

static inline void coil__mpsc_init(struct coil__mpsc *queue)
{
    queue->newest = 0;
    queue->note.deliver = NULL;
    queue->read = 0;
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
        oldest->next = (struct coil__mpsc_node *)(before & ~(uintptr_t)COIL__MPSC_BITS);
        /* Release; pairs with the acquire in coil__mpsc_pop(): the elements are written. And
         * sequentially consistent, for who then asks what the consumer has said before. */
    } while (!__atomic_compare_exchange_n(&queue->newest, &before,
                                          (uintptr_t)newest | (before & COIL__MPSC_BITS), false,
                                          __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    return (before & COIL__MPSC_MARK) != 0;
}

static inline bool coil__mpsc_push(struct coil__mpsc *queue, struct coil__mpsc_node *node)
{
    return coil__mpsc_push_chain(queue, node, node);
}

/* Takes the room for a note, which the caller fills in but for `deliver`. NULL: the queue is not
 * empty. */
static inline struct coil__note *coil__mpsc_claim(struct coil__mpsc *queue)
{
    uintptr_t nothing = 0;
    /* Acquire; pairs with the release in coil__mpsc_give_back(): the last note was read. */
    bool taken = __atomic_compare_exchange_n(&queue->newest, &nothing, COIL__MPSC_ROOM, false,
                                             __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
    return taken ? &queue->note : NULL;
}

/* Leaves the note that the caller has filled in. */
static inline void coil__mpsc_leave(struct coil__note *note,
                                    void (*deliver)(const struct coil__note *note))
{
    /* Release; pairs with the acquire in coil__mpsc_note(). */
    __atomic_store_n(&note->deliver, deliver, __ATOMIC_RELEASE);
}

/* Whether nothing is there but what the consumer took. By any thread, while the consumer sleeps. */
static inline bool coil__mpsc_nothing_new(const struct coil__mpsc *queue)
{
    /* Relaxed: who takes what is there sees it. */
    return (__atomic_load_n(&queue->newest, __ATOMIC_RELAXED) & ~(uintptr_t)COIL__MPSC_MARK) == 0;
}

/* Whether the consumer finds nothing. */
static inline bool coil__mpsc_empty(const struct coil__mpsc *queue)
{
    uintptr_t word = __atomic_load_n(&queue->newest, __ATOMIC_RELAXED);
    return queue->oldest == NULL && (word & ~(uintptr_t)COIL__MPSC_MARK) == queue->read;
}

/* Who has claimed the room fills it in a few nanoseconds: when it is empty after some more, it does
 * not run, and may need our CPU. */
static inline __attribute__((cold)) void coil__note_wait(const struct coil__note *note)
{
    /* Ends: see above. Acquire; pairs with the release in coil__mpsc_leave(). */
    for (unsigned i = 1; __atomic_load_n(&note->deliver, __ATOMIC_ACQUIRE) == NULL; i++) {
        if (i % 256 == 0)
            sched_yield();
        else
            coil__relax();
    }
}

/* What comes next, if that is a note; else NULL. By the consumer. */
static inline const struct coil__note *coil__mpsc_note(const struct coil__mpsc *queue)
{
    uintptr_t word = __atomic_load_n(&queue->newest, __ATOMIC_RELAXED);
    if (queue->oldest != NULL || (word & COIL__MPSC_ROOM) == queue->read)
        return NULL;
    /* Acquire; pairs with the release in coil__mpsc_leave(). */
    if (__builtin_expect(__atomic_load_n(&queue->note.deliver, __ATOMIC_ACQUIRE) == NULL, 0))
        coil__note_wait(&queue->note);
    return &queue->note;
}

/* Takes away the note that comes next, and delivers it. It stays until coil__mpsc_give_back(). */
static inline void coil__mpsc_deliver(struct coil__mpsc *queue)
{
    void (*deliver)(const struct coil__note *note) = queue->note.deliver;
    /* Relaxed: the room is given back afterwards. */
    __atomic_store_n(&queue->note.deliver, NULL, __ATOMIC_RELAXED);
    queue->read = COIL__MPSC_ROOM;
    deliver(&queue->note);
}

/* Lets others use the room of a note that was read. */
static inline void coil__mpsc_give_back(struct coil__mpsc *queue)
{
    if (queue->read == 0)
        return;
    queue->read = 0;
    /* Release; pairs with the acquire in coil__mpsc_claim(). */
    __atomic_fetch_and(&queue->newest, ~(uintptr_t)COIL__MPSC_ROOM, __ATOMIC_RELEASE);
}

/* Leaves the mark, by the consumer; false when the queue is not empty. */
static inline bool coil__mpsc_mark(struct coil__mpsc *queue)
{
    uintptr_t nothing = 0;
    coil__mpsc_give_back(queue);
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

/* Takes all there is but a note, which was read, and the mark. Returns the oldest, which it is
 * linked from. */
static inline struct coil__mpsc_node *coil__mpsc_take(struct coil__mpsc *queue)
{
    /* Acquire; pairs with the release in coil__mpsc_push_chain(). Release: as giving back. */
    uintptr_t word = __atomic_exchange_n(&queue->newest, 0, __ATOMIC_ACQ_REL);
    struct coil__mpsc_node *node = (struct coil__mpsc_node *)(word & ~(uintptr_t)COIL__MPSC_BITS);
    queue->read = 0;
    struct coil__mpsc_node *newer = NULL;
    while (node != NULL) { /* ends: no push reaches what was taken */
        struct coil__mpsc_node *older = node->next;
        node->next = newer;
        newer = node;
        node = older;
    }
    return newer;
}

/* Takes the oldest element; NULL when there is none, or a note is older. */
static inline struct coil__mpsc_node *coil__mpsc_pop(struct coil__mpsc *queue)
{
    struct coil__mpsc_node *node = queue->oldest;
    if (node == NULL) {
        uintptr_t word = __atomic_load_n(&queue->newest, __ATOMIC_RELAXED);
        if (word < COIL__MPSC_BITS + 1 || (word & COIL__MPSC_ROOM) != queue->read)
            return NULL;
        node = coil__mpsc_take(queue);
    }
    queue->oldest = node->next;
    return node;
}

#endif
