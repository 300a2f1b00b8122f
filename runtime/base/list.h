/* SPDX-License-Identifier: MIT */
/* An intrusive, circular, doubly linked list. A list is its head; an element not linked is {0}. */
#ifndef COIL_BASE_LIST_H
#define COIL_BASE_LIST_H

#include "base/assert.h"

#include <coil/base.h>

/* The struct that holds `pointer` as its `member`. */
#define coil__container_of(pointer, type, member) \
    ((type *)((char *)(pointer)-offsetof(type, member)))

static inline void coil__list_init(struct coil_link *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool coil__list_empty(const struct coil_link *list)
{
    return list->next == list;
}

static inline bool coil__list_linked(const struct coil_link *link)
{
    return link->next != NULL;
}

/* Inserts before `next`; before a list's head means at its end. */
static inline void coil__list_insert(struct coil_link *next, struct coil_link *link)
{
    link->next = next;
    link->prev = next->prev;
    next->prev->next = link;
    next->prev = link;
}

static inline void coil__list_append(struct coil_link *list, struct coil_link *link)
{
    coil__list_insert(list, link);
}

static inline void coil__list_prepend(struct coil_link *list, struct coil_link *link)
{
    coil__list_insert(list->next, link);
}

static inline void coil__list_remove(struct coil_link *link)
{
    link->next->prev = link->prev;
    link->prev->next = link->next;
    link->next = NULL;
    link->prev = NULL;
}

/* The first element, removed; NULL when there is none. */
static inline struct coil_link *coil__list_pop(struct coil_link *list)
{
    struct coil_link *first = list->next;
    if (first == list)
        return NULL;
    coil__list_remove(first);
    return first;
}

/* Moves all elements of `from` to the end of `list`. */
static inline void coil__list_splice(struct coil_link *list, struct coil_link *from)
{
    if (coil__list_empty(from))
        return;
    from->next->prev = list->prev;
    list->prev->next = from->next;
    from->prev->next = list;
    list->prev = from->prev;
    coil__list_init(from);
}

#endif
