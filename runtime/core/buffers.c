/* SPDX-License-Identifier: MIT */
/* A pool of receive buffers, and the ring that describes the published ones to the kernel. */
#include "core/buffers.h"

#include <stdlib.h>
#include <sys/mman.h>

/* An enter fills little more than one for each entry that it takes. To publish all that there are
 * would let a single burst spread over them, after which each pass takes another one in turn. */
enum { PUBLISH_GOAL = 32, PUBLISH_GOAL_MAX = 256, PUBLISH_BATCH = 8, CACHE_LINE = 64 };

static void *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void init(struct coil__buffers *buffers, const struct coil_options *options)
{
    buffers->count = options->recv_buffer_count;
    buffers->size = options->recv_buffer_size;
    buffers->stride = (buffers->size + 2 * CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    buffers->memory_size = buffers->stride * buffers->count;
    buffers->ring_size = buffers->count * sizeof(struct io_uring_buf);
    buffers->publish_goal = buffers->count < PUBLISH_GOAL ? buffers->count : PUBLISH_GOAL;
    buffers->free_first = COIL__BUFFER_NONE;
    coil__list_init(&buffers->starved);
    for (unsigned id = buffers->count; id-- > 0;) {
        buffers->table[id] = (struct coil__buffer){.next = buffers->free_first};
        buffers->free_first = (uint16_t)id;
    }
    buffers->free_count = buffers->count;
}

struct coil__buffers *coil__buffers_make(struct coil__core *core)
{
    const struct coil_options *options = core->run->options;
    struct coil__buffers *buffers =
        calloc(1, sizeof(*buffers) + options->recv_buffer_count * sizeof(buffers->table[0]));
    if (buffers == NULL)
        return NULL;
    init(buffers, options);
    buffers->memory = map(buffers->memory_size);
    if (buffers->memory == NULL)
        goto free_buffers;
    buffers->ring = map(buffers->ring_size);
    if (buffers->ring == NULL)
        goto unmap_memory;
    if (!core->ring.has_multishot_recv ||
        core->ring.driver->register_buffers(&core->ring, buffers->ring, buffers->count) < 0) {
        munmap(buffers->ring, buffers->ring_size);
        buffers->ring = NULL; /* every receive brings its own buffer then */
    }
    core->buffers = buffers;
    return buffers;

unmap_memory:
    munmap(buffers->memory, buffers->memory_size);
free_buffers:
    free(buffers);
    return NULL;
}

void coil__buffers_close(struct coil__core *core)
{
    struct coil__buffers *buffers = core->buffers;
    if (buffers == NULL)
        return;
    coil__assert(coil__list_empty(&buffers->starved) && buffers->invited == 0);
    if (buffers->ring != NULL) {
        core->ring.driver->unregister_buffers(&core->ring);
        munmap(buffers->ring, buffers->ring_size);
    }
    munmap(buffers->memory, buffers->memory_size);
    free(buffers);
    core->buffers = NULL;
}

static uint16_t pop_free(struct coil__buffers *buffers)
{
    uint16_t id = buffers->free_first;
    buffers->free_first = buffers->table[id].next;
    buffers->free_count--;
    return id;
}

__attribute__((hot)) void coil__buffers_publish(struct coil__buffers *buffers)
{
    unsigned goal = buffers->publish_goal;
    unsigned wanted = goal > buffers->published ? goal - buffers->published : 0;
    unsigned count = wanted < buffers->free_count ? wanted : buffers->free_count;
    if (buffers->ring == NULL || count == 0)
        return;
    uint16_t id = buffers->free_first;
    uint16_t tail = buffers->ring_tail;
    for (unsigned i = 0; i < count; i++) {
        /* Field by field: the ring's tail lies in the first entry's unused one. */
        struct io_uring_buf *entry = &buffers->ring->bufs[tail++ & (buffers->count - 1)];
        entry->addr = (uint64_t)(uintptr_t)coil__buffers_at(buffers, id);
        entry->len = (uint32_t)buffers->size;
        entry->bid = id;
        id = buffers->table[id].next;
    }
    buffers->free_first = id;
    buffers->free_count -= count;
    buffers->published += count;
    buffers->ring_tail = tail;
    /* Release; pairs with the kernel's acquire: the entries are written. */
    io_uring_smp_store_release(&buffers->ring->tail, tail);
}

void coil__buffers_raise_goal(struct coil__buffers *buffers)
{
    unsigned most = buffers->count < PUBLISH_GOAL_MAX ? buffers->count : PUBLISH_GOAL_MAX;
    if (buffers->free_count > 0 && buffers->publish_goal < most)
        buffers->publish_goal *= 2;
    coil__buffers_publish(buffers);
}

__attribute__((hot)) void coil__buffers_filled(struct coil__buffers *buffers, uint16_t id,
                                               uint32_t len)
{
    coil__assert(id < buffers->count && !buffers->table[id].out);
    buffers->table[id].len = len;
    buffers->table[id].out = true;
    if (--buffers->published + PUBLISH_BATCH <= buffers->publish_goal && buffers->free_count > 0)
        coil__buffers_publish(buffers);
}

uint16_t coil__buffers_take(struct coil__buffers *buffers)
{
    if (buffers->free_count == 0)
        return COIL__BUFFER_NONE;
    uint16_t id = pop_free(buffers);
    buffers->table[id].out = true;
    return id;
}

void coil__buffers_invite_first(struct coil__buffers *buffers)
{
    if (!coil__buffers_spare(buffers))
        return;
    struct coil_link *link = coil__list_pop(&buffers->starved);
    struct coil_receiver *receiver = coil__container_of(link, struct coil_receiver, starved);
    buffers->invited++;
    coil__future_complete(&receiver->future, 0);
}

__attribute__((hot)) void coil__buffers_release(struct coil__buffers *buffers, uint16_t id)
{
    coil__require(id < buffers->count && buffers->table[id].out,
                  "coil_buffer_release: not a lent buffer of this core, or released twice");
    buffers->table[id].out = false;
    buffers->table[id].next = buffers->free_first;
    buffers->free_first = id;
    buffers->free_count++;
    if (buffers->published + PUBLISH_BATCH <= buffers->publish_goal)
        coil__buffers_publish(buffers);
    coil__buffers_invite(buffers);
}
