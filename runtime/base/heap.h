/* SPDX-License-Identifier: MIT */
/*
 * An intrusive pairing heap. Equal nodes come out in the order they went in.
 *
 *     top ── child ──> youngest child          The children of a node form a ring by `next`, from
 *                       │next     ^            eldest to youngest and back to the eldest, so that
 *                       v         │next        both ends are at hand. `prev` leads back, and from
 *                     eldest ──> second        the eldest to the parent: hence a node is the eldest
 *                                              if prev->next is another, and the youngest if
 *                                              next->prev is another.
 *
 * "Elder" is what makes the order stable: of two equal nodes in different children, the one that
 * was pushed first is below the elder; of a node and an equal one below it, it is the upper one.
 */
#ifndef COIL_BASE_HEAP_H
#define COIL_BASE_HEAP_H

#include "base/assert.h"

#include <coil/future.h>

/* A top is its own `next` and `prev`; a node in no heap has neither. */
struct coil__heap {
    struct coil_node *top; /* NULL: empty */
};

/* Whether `a` must come before `b`. Give the same static inline function to every call. */
typedef bool coil__heap_less(const struct coil_node *a, const struct coil_node *b);

static inline void coil__heap_init(struct coil__heap *heap)
{
    heap->top = NULL;
}

static inline bool coil__heap_empty(const struct coil__heap *heap)
{
    return heap->top == NULL;
}

/* The first node; NULL when there is none. */
static inline struct coil_node *coil__heap_top(const struct coil__heap *heap)
{
    return heap->top;
}

static inline void coil__heap_set_top(struct coil__heap *heap, struct coil_node *tree)
{
    heap->top = tree;
    if (tree == NULL)
        return;
    tree->next = tree;
    tree->prev = tree;
}

/* Hangs `tree` below `parent`, which has no children. */
static inline void coil__heap_adopt_only(struct coil_node *parent, struct coil_node *tree)
{
    tree->next = tree;
    tree->prev = parent;
    parent->child = tree;
}

static inline void coil__heap_adopt_eldest(struct coil_node *parent, struct coil_node *tree)
{
    struct coil_node *youngest = parent->child;
    if (youngest == NULL) {
        coil__heap_adopt_only(parent, tree);
        return;
    }
    tree->next = youngest->next;
    tree->prev = parent;
    tree->next->prev = tree;
    youngest->next = tree;
}

static inline void coil__heap_adopt_youngest(struct coil_node *parent, struct coil_node *tree)
{
    struct coil_node *youngest = parent->child;
    if (youngest == NULL) {
        coil__heap_adopt_only(parent, tree);
        return;
    }
    tree->next = youngest->next;
    tree->prev = youngest;
    youngest->next = tree;
    parent->child = tree;
}

/* One tree of two, of which only the `child` counts: `next` and `prev` of the result are stale. */
static inline __attribute__((always_inline)) struct coil_node *
coil__heap_merge(struct coil_node *elder, struct coil_node *younger, coil__heap_less *less)
{
    if (less(younger, elder)) {
        coil__heap_adopt_eldest(younger, elder);
        return younger;
    }
    coil__heap_adopt_youngest(elder, younger);
    return elder;
}

/*
 * One tree of a ring of siblings: neighbours in pairs from the eldest on, then the pairs from the
 * youngest back. Only neighbours merge, so elder stays elder; the two passes are what makes a
 * pop O(log n) amortised.
 */
static inline __attribute__((always_inline)) struct coil_node *
coil__heap_join(struct coil_node *youngest, coil__heap_less *less)
{
    struct coil_node *rest = youngest->next;
    struct coil_node *pairs = NULL; /* youngest first, by `next` */
    youngest->next = NULL;
    while (rest != NULL) {
        struct coil_node *pair = rest;
        struct coil_node *younger = rest->next;
        rest = younger;
        if (younger != NULL) {
            rest = younger->next;
            pair = coil__heap_merge(pair, younger, less);
        }
        pair->next = pairs;
        pairs = pair;
    }

    coil__assert(pairs != NULL); /* a ring has a member */
    struct coil_node *tree = pairs;
    pairs = pairs->next;
    while (pairs != NULL) {
        struct coil_node *elder = pairs;
        pairs = elder->next;
        tree = coil__heap_merge(elder, tree, less);
    }
    return tree;
}

/* Makes `tree` the next younger sibling of `node`. */
static inline void coil__heap_insert_after(struct coil_node *node, struct coil_node *tree)
{
    struct coil_node *next = node->next;
    bool youngest = next->prev != node;
    tree->next = next;
    tree->prev = node;
    node->next = tree;
    if (youngest)
        next->prev->child = tree;
    else
        next->prev = tree;
}

/* Takes `node` out of the ring of its siblings. */
static inline void coil__heap_cut(struct coil_node *node)
{
    struct coil_node *next = node->next;
    struct coil_node *prev = node->prev;
    bool eldest = prev->next != node;
    bool youngest = next->prev != node;
    if (youngest)
        next->prev->child = eldest ? NULL : prev;
    else
        next->prev = prev;
    if (!eldest)
        prev->next = next;
    else if (!youngest)
        prev->child->next = next;
}

/* Adds `node`, which is in no heap. O(1). */
static inline __attribute__((always_inline)) void
coil__heap_push(struct coil__heap *heap, struct coil_node *node, coil__heap_less *less)
{
    node->child = NULL;
    if (heap->top != NULL)
        node = coil__heap_merge(heap->top, node, less);
    coil__heap_set_top(heap, node);
}

/* Removes `node`, which is in the heap. O(1) for a node with no children, O(log n) amortised. */
static inline __attribute__((always_inline)) void
coil__heap_remove(struct coil__heap *heap, struct coil_node *node, coil__heap_less *less)
{
    coil__assert(node->prev != NULL);
    struct coil_node *tree = node->child != NULL ? coil__heap_join(node->child, less) : NULL;
    if (node == heap->top) {
        coil__heap_set_top(heap, tree);
    } else {
        /* What was below takes its place: nowhere else would it be as old. */
        if (tree != NULL)
            coil__heap_insert_after(node, tree);
        coil__heap_cut(node);
    }
    node->child = NULL;
    node->next = NULL;
    node->prev = NULL;
}

/* The first node, removed; NULL when there is none. O(log n) amortised. */
static inline __attribute__((always_inline)) struct coil_node *
coil__heap_pop(struct coil__heap *heap, coil__heap_less *less)
{
    struct coil_node *top = heap->top;
    if (top != NULL)
        coil__heap_remove(heap, top, less);
    return top;
}

#endif
