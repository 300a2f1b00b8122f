/* SPDX-License-Identifier: MIT */
/*
 * Where debug builds keep the stacks of the last coroutines that ended, out of reach: a late write
 * of the kernel fails with -EFAULT, and a stray pointer is caught in the act. In other builds a
 * stack goes back to its pool at once.
 *
 *     used --put--> open --settle, at the end of a turn--> shut --put--> hot
 *                     +---------------- put ---------------------------^
 *
 * When more end in one turn than there is room for, only the last of them are shut: so a program
 * that ends a million coroutines at once does not pay for each.
 */
#ifndef COIL_CORO_QUARANTINE_H
#define COIL_CORO_QUARANTINE_H

#include "coro/hooks.h"
#include "coro/stack.h"

#include <stdbool.h>

enum { COIL__QUARANTINE_SIZE = 16 };

#ifdef COIL_QUARANTINE
enum { COIL__QUARANTINE_IS_ON = true };
#else
enum { COIL__QUARANTINE_IS_ON = false };
#endif

/* The stacks of one core that are out of reach, in a ring. */
struct coil__quarantine {
    struct coil__retired {
        struct coil_task *task;
        const char *name;              /* of the coroutine that ended */
        struct coil__hooks_task hooks; /* of the stack, which can't be read while it is shut */
        bool shut;
    } slots[COIL__QUARANTINE_SIZE];
    unsigned put_count, taken_count;
};

/* Takes the stack of a coroutine that has ended, which may be the running one; gives the oldest
 * back to the pool when there are too many. */
void coil__quarantine_put(struct coil__quarantine *quarantine, struct coil__stacks *stacks,
                          struct coil_task *task);

/* Shuts those that are still open. The caller runs on another stack. */
void coil__quarantine_settle(struct coil__quarantine *quarantine,
                             const struct coil__stacks *stacks);

/* Gives all of them back to the pool. */
void coil__quarantine_drain(struct coil__quarantine *quarantine, struct coil__stacks *stacks);

/* The stack in quarantine that the address lies in; NULL if none. Safe in a signal handler. */
const struct coil__retired *coil__quarantine_find(const struct coil__quarantine *quarantine,
                                                  const struct coil__stacks *stacks,
                                                  const void *address);

#endif
