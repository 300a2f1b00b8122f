/* SPDX-License-Identifier: MIT */
/*
 * The receive buffers that the connections of one core share.
 *
 *     free (LIFO) --publish--> in the kernel's ring --filled--> waiting for its receiver
 *         ^                                                          |
 *         +------------------------ release --- lent to a coroutine <+
 *
 * Only as many are published as the kernel uses up between two turns, so that the same few stay
 * in the caches; the number doubles, up to a bound, when that was too few.
 */
#ifndef COIL_CORE_BUFFERS_H
#define COIL_CORE_BUFFERS_H

#include "core/core.h"

#include <coil/receiver.h>

enum { COIL__BUFFER_NONE = UINT16_MAX };

struct coil__buffers {
    struct io_uring_buf_ring *ring; /* what the kernel reads; NULL: it lacks such rings */
    size_t ring_size;
    char *memory;
    size_t memory_size;
    size_t size, stride; /* of one buffer; strides differ by a cache line from a power of two */
    unsigned count;
    unsigned published; /* in the ring and not filled */
    unsigned publish_goal;
    uint16_t ring_tail;
    uint16_t free_first; /* a chain through `next` */
    unsigned free_count;
    struct coil_link starved; /* receivers that wait for a buffer to be released */
    unsigned invited;         /* of those, woken and yet to take theirs: it is kept for them */
    struct coil__buffer {
        uint32_t len;  /* filled bytes */
        uint16_t next; /* in the free chain, or in a receiver's */
        bool out;      /* filled and not released */
    } table[];
};

/* Makes this core's buffers. NULL without memory. */
struct coil__buffers *coil__buffers_make(struct coil__core *core);
void coil__buffers_close(struct coil__core *core);

/* Hands free buffers to the kernel, up to the goal. */
void coil__buffers_publish(struct coil__buffers *buffers);

/* The kernel ran out of buffers between two turns: more from now on. */
void coil__buffers_raise_goal(struct coil__buffers *buffers);

/* Notes that the kernel filled buffer `id` with `len` bytes. */
void coil__buffers_filled(struct coil__buffers *buffers, uint16_t id, uint32_t len);

/* A free buffer for a private receive, where the kernel lacks rings; COIL__BUFFER_NONE if none. */
uint16_t coil__buffers_take(struct coil__buffers *buffers);

/* Whether a receiver may begin: a buffer is there that is not kept for another. */
static inline bool coil__buffers_spare(const struct coil__buffers *buffers)
{
    return buffers->published + buffers->free_count > buffers->invited;
}

/* Wakes the receiver that starved first, if there is a buffer for it. */
void coil__buffers_invite_first(struct coil__buffers *buffers);

/* As above, if any has starved. */
static inline void coil__buffers_invite(struct coil__buffers *buffers)
{
    if (__builtin_expect(!coil__list_empty(&buffers->starved), 0))
        coil__buffers_invite_first(buffers);
}

/* Gives back a buffer that is out. */
void coil__buffers_release(struct coil__buffers *buffers, uint16_t id);

static inline char *coil__buffers_at(const struct coil__buffers *buffers, uint16_t id)
{
    return buffers->memory + (size_t)id * buffers->stride;
}

/* Which buffer `data` points into; COIL__BUFFER_NONE if none. */
static inline uint16_t coil__buffers_id(const struct coil__buffers *buffers, const void *data)
{
    size_t id = (size_t)((const char *)data - buffers->memory) / buffers->stride;
    uint16_t none = COIL__BUFFER_NONE;
    return id < buffers->count ? (uint16_t)id : none;
}

/* This core's buffers, made at the first call. */
static inline struct coil__buffers *coil__buffers_of(struct coil__core *core)
{
    return __builtin_expect(core->buffers != NULL, 1) ? core->buffers : coil__buffers_make(core);
}

#endif
