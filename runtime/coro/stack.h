/* SPDX-License-Identifier: MIT */
/*
 * The stacks of one core, with the task struct at the top of each:
 *
 *     slot:  | guard ...... | stack, grows down <----- | struct coil_task | colour |
 *            base                                                                  base + slot_size
 *
 *     FRESH --grow--> USED --put--> HOT --trim--> COLD --grow--> USED
 *                      ^-----get----'
 *
 * A fresh slot is address space, without even a guard. A hot one keeps its memory, and its context
 * waits in the entry loop for the next task; the last one put is the next one given. A cold one has
 * only its guard left. Slots come in chunks, each mapped right below the one before, so that the
 * kernel sees one mapping however many stacks there are.
 */
#ifndef COIL_CORO_STACK_H
#define COIL_CORO_STACK_H

#include "base/list.h"

struct coil__chunk;

/* A core's stacks. Only that core's thread uses them; may not be moved while open. */
struct coil__stacks {
    struct coil_link hot; /* idle tasks by their `sibling` link, most recently used first */
    size_t hot_count;
    size_t hot_low;    /* least hot_count since the last trim: what nobody needed */
    size_t used_count; /* slots given out */
    size_t size; /* as it was asked for: guard and stack together, but for one page of the guard */
    size_t slot_size, guard_size, chunk_size;
    struct coil__chunk *chunks; /* newest first */
    struct coil__chunk *vacant; /* those with fresh or cold slots */
    bool guards_by_mprotect;    /* no MADV_GUARD_INSTALL: each slot costs two mappings */
};

/* Prepares an empty pool. `size`, of a guard and its stack: a power of two, 16 KiB to 1 GiB.
 * Returns 0 or -EINVAL. */
int coil__stacks_open(struct coil__stacks *stacks, size_t size);

/* Unmaps everything. No slot may be in use. */
void coil__stacks_close(struct coil__stacks *stacks);

/* A slot that was not hot made usable, with its task zeroed and `context` NULL; NULL without memory
 * or when the process has all the mappings it may have. The slow path of coil__stacks_get(). */
struct coil_task *coil__stacks_grow(struct coil__stacks *stacks);

/* Gives memory of slots that stayed hot since the last call back to the kernel, `max` of them at
 * most. Returns how many were. */
size_t coil__stacks_trim(struct coil__stacks *stacks, size_t max);

/* What an address is to this pool and whose slot it is in; safe in a signal handler. Unless the
 * answer is ELSEWHERE, `*task` is set, also when nobody uses the slot. */
enum coil__stack_place { COIL__STACK_ELSEWHERE, COIL__STACK_INSIDE, COIL__STACK_GUARD };
enum coil__stack_place coil__stacks_find(const struct coil__stacks *stacks, const void *address,
                                         const struct coil_task **task);

/* The lowest usable address of a task's stack, and its size up to the task struct. */
void *coil__stack_bottom(const struct coil__stacks *stacks, const struct coil_task *task);
size_t coil__stack_size(const struct coil__stacks *stacks, const struct coil_task *task);

#endif
