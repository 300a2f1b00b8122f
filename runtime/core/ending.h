/* SPDX-License-Identifier: MIT */
/*
 * The end of a core, after coil_stop().
 *
 *     SERVING --coil_stop()--> GRACE --the grace is over--> CANCELLED --100 ms--> REPORTED
 */
#ifndef COIL_CORE_ENDING_H
#define COIL_CORE_ENDING_H

#include "core/mailbox.h"
#include "future/future.h"
#include "base/list.h"

enum coil__ending_phase { ENDING_SERVING, ENDING_GRACE, ENDING_CANCELLED, ENDING_REPORTED };

struct coil__ending {
    struct coil_message message; /* the grace has begun, or has become shorter */
    uint32_t sent;               /* it is on its way */
    uint8_t phase;               /* enum coil__ending_phase */
    bool armed;
    struct coil_timer timer;    /* the next phase */
    struct coil_link accepting; /* operations in flight that take connections */
    struct coil_link waiters;   /* coil_stop_wait() */
};

void coil__ending_init(struct coil__ending *ending);
void coil__ending_close(struct coil__ending *ending);

/* An operation that takes connections is in flight from here on, and no longer. */
static inline void coil__ending_join(struct coil__ending *ending, struct coil_future *future)
{
    coil__list_append(&ending->accepting, &future->entry.accepting);
}

static inline void coil__ending_leave(struct coil_future *future)
{
    coil__list_remove(&future->entry.accepting);
}

#endif
