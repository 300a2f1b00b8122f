/* SPDX-License-Identifier: MIT */
/* What the operations share: the two spellings, lengths, and results that are descriptors. */
#ifndef COIL_OPS_OP_H
#define COIL_OPS_OP_H

#include "core/core.h"

#include <coil/fd.h>

/* The kernel moves no more in one operation, whatever is asked. */
enum { COIL__LENGTH_MAX = 0x7ffff000 };

static inline unsigned coil__op_length(size_t len)
{
    return len < COIL__LENGTH_MAX ? (unsigned)len : COIL__LENGTH_MAX;
}

/* What several steps come to when one has failed: what moved wins over a cancellation. */
static inline ssize_t coil__op_outcome(size_t done, ssize_t err)
{
    return err == -ECANCELED && done > 0 ? (ssize_t)done : err;
}

/* How often coil_close() was called for that number on this core. Another count later means that by
 * then the number may be another file's. */
static inline uint32_t coil__op_closes(int fd)
{
    return *coil__closes_at(&coil__core_here->closes, fd);
}

/* Closes a descriptor that was made for somebody who no longer wants it. */
static inline void coil__op_discard_fd(struct coil_future *future)
{
    if (future->result >= 0)
        coil_close((int)future->result);
}

#endif
