/* SPDX-License-Identifier: MIT */
/*
 * Files that a driver knows in advance. Each has a place in the driver's table, which an entry may
 * name instead of the descriptor. A place is given in a call of its own, at once, and emptied by an
 * entry, in the order of all others: those queued before still find the file there.
 */
#ifndef COIL_RING_REGISTERED_H
#define COIL_RING_REGISTERED_H

#include "ring/op.h"

/* Descriptors that may have a place: more than the kernel lets a process have by default. */
enum { COIL__REGISTERED_FDS = 1 << 20 };

/* Gives a file a place, instead of the one that its number has, if any. Returns 0, -EBADF, -ENOMEM
 * or -ENOBUFS. That the driver refuses it is no error. */
int coil__registered_add(struct coil__ring *ring, int fd);

/* Takes its place from a file, if it has one. */
void coil__registered_remove(struct coil__ring *ring, int fd);

/* Gives back what the places took, when the ring is closed. */
void coil__registered_close(struct coil__ring *ring);

/* The place of a descriptor, plus 1; 0: it has none. */
static inline unsigned coil__registered_place(const struct coil__ring *ring, int fd)
{
    const uint16_t *places = ring->files.places;
    if (__builtin_expect(places == NULL, 1) || (unsigned)fd >= COIL__REGISTERED_FDS)
        return 0;
    return places[fd];
}

/* Stops the process if a number has a place that was just made for another file. */
static inline void coil__registered_made(const struct coil__ring *ring, int fd)
{
    coil__require(coil__registered_place(ring, fd) == 0,
                  "a registered file was closed, but not by coil_close() on its core");
}

/* Lets the filled entry find its file in the table, if it is there. */
static inline void coil__registered_use(const struct coil__ring *ring, struct io_uring_sqe *sqe)
{
    unsigned place = coil__registered_place(ring, sqe->fd);
    if (__builtin_expect(place == 0, 1))
        return;
    place--;
    if ((ring->files.known[place / 64] & UINT64_C(1) << place % 64) == 0)
        return;
    sqe->fd = (int)place;
    sqe->flags |= IOSQE_FIXED_FILE;
}

#endif
