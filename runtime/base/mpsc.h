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
 * to be fetched but that line. Notes are numbered, and while nothing was pushed since, the word is
 * the number of the last one. Who knows that the consumer has read that one takes the room by
 * raising the number: it says which of both is older, a note or what is pushed, and nobody has to
 * give the room back.
 *
 * Whoever leaves a note may look out for an answer, which comes in the same line:
 *
 *     NONE --leave--> awaited --answer--> answered --take--> NONE
 *                        +------- give up ---------------------^
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
    void (*deliver)(const struct coil__note *note);
    void *about;
    coil_fn *fn;
    void *arg;
    const char *site;
    uint64_t answer; /* awaited: its number as well; answered: the result, in the upper half */
    uint16_t from;
    uint8_t queue;
    uint8_t odd; /* as its number, once it is written */
};

struct coil__mpsc {
    uintptr_t newest; /* the last one that was pushed, or the last note's number; with bits below */
    struct coil__note note;
    char pad[64 - sizeof(uintptr_t) - sizeof(struct coil__note)];
    uintptr_t read;                 /* by the consumer: the number of the last note that it took */
    uintptr_t free;                 /* the same, once it has done with it: for producers */
    struct coil__mpsc_node *oldest; /* of those that were taken */
};

enum {
    COIL__MPSC_MARK = 1,
    COIL__MPSC_NUMBER = 2, /* it is a number */
    COIL__MPSC_ODD = 4,    /* the number's lowest bit, also beside an element */
    COIL__MPSC_BITS = 7,
    COIL__MPSC_FIRST = COIL__MPSC_NUMBER, /* the number of a note that was never left */
    COIL__MPSC_NEXT = COIL__MPSC_ODD,     /* from one number to the next */
};

/* The lowest bits of an answer. */
enum { COIL__NOTE_NONE = 0, COIL__NOTE_ANSWERED = 1, COIL__NOTE_AWAITED = 3 };

static inline void coil__mpsc_init(struct coil__mpsc *queue)
{
    queue->newest = COIL__MPSC_FIRST;
    queue->note.odd = COIL__MPSC_FIRST & COIL__MPSC_ODD;
    queue->note.answer = COIL__NOTE_NONE;
    queue->read = COIL__MPSC_FIRST;
    queue->free = COIL__MPSC_FIRST;
    queue->oldest = NULL;
}

/* Puts several elements there at once, which are linked from the newest to the oldest. Returns
 * whether the mark is set. */
static inline bool coil__mpsc_push_chain(struct coil__mpsc *queue, struct coil__mpsc_node *newest,
                                         struct coil__mpsc_node *oldest)
{
    /* Most often it is empty: to look first would move the line twice. */
    uintptr_t before = COIL__MPSC_FIRST;
    do { /* ends: the others get on whenever we do not */
        bool is_number = (before & COIL__MPSC_NUMBER) != 0;
        oldest->next =
            is_number ? NULL : (struct coil__mpsc_node *)(before & ~(uintptr_t)COIL__MPSC_BITS);
        /* Release; pairs with the acquire in coil__mpsc_pop(): the elements are written. And
         * sequentially consistent, for who then asks what the consumer has said before. */
    } while (!__atomic_compare_exchange_n(
        &queue->newest, &before, (uintptr_t)newest | (before & (COIL__MPSC_MARK | COIL__MPSC_ODD)),
        false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    return (before & COIL__MPSC_MARK) != 0;
}

static inline bool coil__mpsc_push(struct coil__mpsc *queue, struct coil__mpsc_node *node)
{
    return coil__mpsc_push_chain(queue, node, node);
}

static inline bool coil__mpsc_raise(struct coil__mpsc *queue, uintptr_t *number)
{
    return __atomic_compare_exchange_n(&queue->newest, number, *number + COIL__MPSC_NEXT, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* As below, when the last note is another one. */
static inline __attribute__((cold)) bool coil__mpsc_raise_other(struct coil__mpsc *queue,
                                                                uintptr_t number)
{
    /* Acquire; pairs with the release in coil__mpsc_end_note(): that note was read. Unless nothing
     * but a note is there, this is not the word. The second likewise, with who looked out. */
    return __atomic_load_n(&queue->free, __ATOMIC_ACQUIRE) == number &&
           __atomic_load_n(&queue->note.answer, __ATOMIC_ACQUIRE) == COIL__NOTE_NONE &&
           coil__mpsc_raise(queue, &number);
}

/* Takes the room for a note, of which coil__mpsc_leave() says what the caller does not fill in.
 * `*last` is a note of which the caller knows that nobody needs it any more, best the last one, or
 * COIL__MPSC_FIRST; it becomes the new one's number. NULL: the queue is not empty. */
static inline struct coil__note *coil__mpsc_claim(struct coil__mpsc *queue, uintptr_t *last)
{
    uintptr_t number = *last;
    if (!coil__mpsc_raise(queue, &number) && !coil__mpsc_raise_other(queue, number))
        return NULL;
    *last = number + COIL__MPSC_NEXT;
    return &queue->note;
}

/* Leaves the note that the caller has filled in, and says whether he looks out for the answer. */
static inline void coil__mpsc_leave(struct coil__note *note, uintptr_t number, bool awaited,
                                    void (*deliver)(const struct coil__note *note))
{
    note->deliver = deliver;
    uint64_t answer = awaited ? number | COIL__NOTE_AWAITED : (uint64_t)COIL__NOTE_NONE;
    /* Relaxed: what follows releases it. */
    __atomic_store_n(&note->answer, answer, __ATOMIC_RELAXED);
    /* Release; pairs with the acquire in coil__mpsc_is_left(). */
    __atomic_store_n(&note->odd, (uint8_t)(number & COIL__MPSC_ODD), __ATOMIC_RELEASE);
}

/* By the consumer: what to answer a note with, or NONE: nobody looks out for it. */
static inline uint64_t coil__note_awaited(const struct coil__note *note)
{
    /* Relaxed: who has given up by then has not answered anything. */
    return __atomic_load_n(&note->answer, __ATOMIC_RELAXED);
}

/* Answers the note that was awaited as that; false when nobody looks out any more. */
static inline bool coil__note_answer(struct coil__note *note, uint64_t awaited, int32_t result)
{
    /* Release; pairs with the acquire in coil__note_answered(). */
    return __atomic_compare_exchange_n(&note->answer, &awaited,
                                       (uint64_t)(uint32_t)result << 32 | COIL__NOTE_ANSWERED,
                                       false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/* By who looks out: whether the answer is there. */
static inline bool coil__note_answered(const struct coil__note *note, int32_t *result)
{
    /* Acquire; pairs with the release in coil__note_answer(). */
    uint64_t answer = __atomic_load_n(&note->answer, __ATOMIC_ACQUIRE);
    *result = (int32_t)(uint32_t)(answer >> 32);
    return (answer & COIL__NOTE_AWAITED) == COIL__NOTE_ANSWERED;
}

/* Looks out no more, once the answer is there / before; false: it is. */
static inline void coil__note_take_answer(struct coil__note *note)
{
    /* Release; pairs with the acquire in coil__mpsc_raise_other(). */
    __atomic_store_n(&note->answer, COIL__NOTE_NONE, __ATOMIC_RELEASE);
}

static inline bool coil__note_give_up(struct coil__note *note, uintptr_t number)
{
    uint64_t awaited = number | COIL__NOTE_AWAITED;
    /* Release, as above. */
    return __atomic_compare_exchange_n(&note->answer, &awaited, (uint64_t)COIL__NOTE_NONE, false,
                                       __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/* Whether nothing is there but what the consumer took. By any thread, while the consumer sleeps. */
static inline bool coil__mpsc_nothing_new(const struct coil__mpsc *queue)
{
    /* Relaxed: who takes what is there sees it. */
    uintptr_t word = __atomic_load_n(&queue->newest, __ATOMIC_RELAXED);
    return (word & ~(uintptr_t)COIL__MPSC_MARK) == __atomic_load_n(&queue->free, __ATOMIC_RELAXED);
}

/* Whether the consumer finds nothing. */
static inline bool coil__mpsc_empty(const struct coil__mpsc *queue)
{
    uintptr_t word = __atomic_load_n(&queue->newest, __ATOMIC_RELAXED);
    return queue->oldest == NULL && (word & ~(uintptr_t)COIL__MPSC_MARK) == queue->read;
}

/* Whether the note after number `read` is written. */
static inline bool coil__mpsc_is_left(const struct coil__mpsc *queue)
{
    /* Acquire; pairs with the release in coil__mpsc_leave(). */
    return __atomic_load_n(&queue->note.odd, __ATOMIC_ACQUIRE) !=
           (uint8_t)(queue->read & COIL__MPSC_ODD);
}

/* Who has taken the room fills it in a few nanoseconds: when it is empty after some more, it does
 * not run, and may need our CPU. */
static inline __attribute__((cold)) void coil__mpsc_wait(const struct coil__mpsc *queue)
{
    for (unsigned i = 1; !coil__mpsc_is_left(queue); i++) { /* ends: see above */
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
    if (queue->oldest != NULL || ((word ^ queue->read) & COIL__MPSC_ODD) == 0)
        return NULL;
    if (__builtin_expect(!coil__mpsc_is_left(queue), 0))
        coil__mpsc_wait(queue);
    return &queue->note;
}

/* What there is, if that is one note and nothing else; else NULL. By the consumer, awake. */
static inline const struct coil__note *coil__mpsc_only_note(const struct coil__mpsc *queue)
{
    uintptr_t word = __atomic_load_n(&queue->newest, __ATOMIC_RELAXED);
    if (word != queue->read + COIL__MPSC_NEXT || queue->oldest != NULL)
        return NULL;
    if (__builtin_expect(!coil__mpsc_is_left(queue), 0))
        coil__mpsc_wait(queue);
    return &queue->note;
}

/* Takes away the note that comes next. Nobody writes over it until it was answered, or is done
 * with. */
static inline void coil__mpsc_take_note(struct coil__mpsc *queue)
{
    queue->read += COIL__MPSC_NEXT;
}

static inline void coil__mpsc_end_note(struct coil__mpsc *queue)
{
    /* Release; pairs with the acquire in coil__mpsc_raise_other(). */
    __atomic_store_n(&queue->free, queue->read, __ATOMIC_RELEASE);
}

/* Takes away the note that comes next, and delivers it, which is all that is done with it. */
static inline void coil__mpsc_deliver(struct coil__mpsc *queue)
{
    coil__mpsc_take_note(queue);
    queue->note.deliver(&queue->note);
    coil__mpsc_end_note(queue);
}

/* Leaves the mark, by the consumer; false when the queue is not empty. */
static inline bool coil__mpsc_mark(struct coil__mpsc *queue)
{
    uintptr_t nothing = queue->read;
    return queue->oldest == NULL &&
           __atomic_compare_exchange_n(&queue->newest, &nothing, nothing | COIL__MPSC_MARK, false,
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

/* Takes all there is, and the mark, when that are elements alone. Returns the oldest, which it is
 * linked from. */
static inline struct coil__mpsc_node *coil__mpsc_take(struct coil__mpsc *queue)
{
    /* Acquire; pairs with the release in coil__mpsc_push_chain(). */
    uintptr_t word = __atomic_exchange_n(&queue->newest, queue->read, __ATOMIC_ACQ_REL);
    struct coil__mpsc_node *node = (struct coil__mpsc_node *)(word & ~(uintptr_t)COIL__MPSC_BITS);
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
        if ((word & COIL__MPSC_NUMBER) != 0 || ((word ^ queue->read) & COIL__MPSC_ODD) != 0)
            return NULL;
        node = coil__mpsc_take(queue);
    }
    queue->oldest = node->next;
    return node;
}

#endif
