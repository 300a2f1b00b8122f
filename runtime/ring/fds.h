/* SPDX-License-Identifier: MIT */
/*
 * What is known of each descriptor number, by a ring and by all. Whoever keeps a number for longer
 * than one operation can tell by `closes` whether it still means the same file; whoever closes it,
 * by `in_flight`, whether there is anything to stop, for which the kernel looks through all that is
 * in flight.
 */
#ifndef COIL_RING_FDS_H
#define COIL_RING_FDS_H

#include <stdbool.h>
#include <stdint.h>

struct coil__fd {
    uint32_t in_flight;   /* operations begun with that number and not ended */
    uint32_t closes : 31; /* how often coil_close() was called for it */
    uint32_t stops : 1;   /* the last one has told some of those in flight to stop */
};

/* More descriptors than the kernel lets a process have by default: larger numbers share places. */
enum { COIL__FDS_SIZE = 1 << 20 };

/* The number of an operation that is on none. Counted as well, which is less than to ask. */
enum { COIL__NO_FD = -1 };

/* A table with a place for each number, all zero, / gives it back. NULL: no memory. */
struct coil__fd *coil__fds_open(void);
void coil__fds_close(struct coil__fd *fds);

/* What a descriptor means, as far as coil has made it itself and not closed it. */
enum coil__fd_kind {
    COIL__FD_UNKNOWN, /* also every other one */
    COIL__FD_SOCKET,
    COIL__FD_UNIX_DATAGRAMS, /* a socket whose driver loses messages: ops/datagrams.c */
};

/* By number, on whichever core. */
extern uint8_t coil__fd_kinds[COIL__FDS_SIZE];

/* Relaxed: a number means another file only after the kernel has closed it, which comes between. */
static inline enum coil__fd_kind coil__fds_kind(int fd)
{
    return (unsigned)fd < COIL__FDS_SIZE
               ? (enum coil__fd_kind)__atomic_load_n(&coil__fd_kinds[fd], __ATOMIC_RELAXED)
               : COIL__FD_UNKNOWN;
}

static inline void coil__fds_note_kind(int fd, enum coil__fd_kind kind)
{
    if ((unsigned)fd < COIL__FDS_SIZE)
        __atomic_store_n(&coil__fd_kinds[fd], (uint8_t)kind, __ATOMIC_RELAXED);
}

/* The place of a number, also of a wrong one. */
static inline struct coil__fd *coil__fds_at(struct coil__fd *fds, int fd)
{
    return &fds[(unsigned)fd & (COIL__FDS_SIZE - 1)];
}

#endif
