/* SPDX-License-Identifier: MIT */
/* Chunks of slots, and the way of a slot from address space to a hot stack and back. */
#include "coro/stack.h"

#include "coro/task.h"
#include "base/forbidden.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SLOT_SIZE_MIN = 16 << 10,
    SLOT_SIZE_MAX = 1 << 30,
    CHUNK_SIZE = 32 << 20, /* or twice a slot, if that is more */
    GUARD_SIZE = 64 << 10, /* or half a slot, if that is less */

    /* If all tasks lay at the same place of their page, they would compete for the same few sets of
     * the first-level cache: so a slot's number decides how far below the end its task begins. The
     * lowest one still leaves half a page to the first frames. */
    COLOUR_COUNT = 24,
    COLOUR_STEP = 64,

    ADVICE_GUARD_INSTALL = 102, /* MADV_GUARD_INSTALL: since Linux 6.13 */
};

/* A run of slots, one mapping, at a multiple of its size. */
struct coil__chunk {
    struct coil__chunk *next;   /* in stacks->chunks: the one mapped before */
    struct coil__chunk *vacant; /* in stacks->vacant */
    char *base;
    unsigned slot_count;
    unsigned fresh; /* the first slot that was never used; those after it were not either */
    unsigned cold_count;
    uint16_t cold[]; /* slots with a guard and no memory */
};

/* The last line of a slot, above its task. */
struct slot_end {
    struct coil__chunk *chunk; /* the slot's; valid while it is hot or used */
} __attribute__((aligned(64)));

static_assert(CHUNK_SIZE / SLOT_SIZE_MIN <= UINT16_MAX, "a slot's number must fit chunk->cold");
static_assert(sizeof(struct slot_end) + (COLOUR_COUNT - 1) * COLOUR_STEP +
                      sizeof(struct coil_task) + 64 + 1536 <=
                  4096,
              "the task and the first frames of a coroutine must fit into one page");

static char *slot_base(const struct coil__stacks *stacks, const void *address)
{
    size_t offset = (uintptr_t)address & (stacks->chunk_size - 1);
    return (char *)address - offset % stacks->slot_size;
}

static struct slot_end *slot_end(const struct coil__stacks *stacks, char *base)
{
    return (struct slot_end *)(base + stacks->slot_size) - 1;
}

static char *slot_at(const struct coil__stacks *stacks, const struct coil__chunk *chunk,
                     unsigned slot)
{
    return chunk->base + slot * stacks->slot_size;
}

static struct coil_task *task_at(const struct coil__stacks *stacks, const struct coil__chunk *chunk,
                                 unsigned slot)
{
    char *end = (char *)slot_end(stacks, slot_at(stacks, chunk, slot));
    end -= slot % COLOUR_COUNT * COLOUR_STEP + sizeof(struct coil_task);
    return (struct coil_task *)((uintptr_t)end & ~(uintptr_t)63);
}

static bool is_vacant(const struct coil__chunk *chunk)
{
    return chunk->fresh < chunk->slot_count || chunk->cold_count > 0;
}

static void *map_at(void *hint, size_t size, int flags)
{
    return mmap(hint, size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

/* Maps `size` bytes right below `above`, which is aligned; MAP_FAILED when they are not free. */
static void *map_below(char *above, size_t size)
{
    if ((uintptr_t)above <= size)
        return MAP_FAILED;
    void *memory = map_at(above - size, size, MAP_FIXED_NOREPLACE);
    if (memory == MAP_FAILED || memory == above - size)
        return memory;
    munmap(memory, size); /* a kernel before 4.17 takes the flag for a wish */
    return MAP_FAILED;
}

/* Maps `size` bytes, a power of two, at a multiple of that, wherever there is room. */
static void *map_aligned(size_t size)
{
    char *memory = map_at(NULL, 2 * size, 0);
    if (memory == MAP_FAILED)
        return MAP_FAILED;
    size_t below = -(uintptr_t)memory & (size - 1);
    if (below > 0)
        munmap(memory, below);
    munmap(memory + below + size, size - below);
    return memory + below;
}

static struct coil__chunk *open_chunk(struct coil__stacks *stacks)
{
    size_t size = stacks->chunk_size;
    unsigned slot_count = (unsigned)(size / stacks->slot_size);
    struct coil__chunk *chunk = malloc(sizeof(*chunk) + slot_count * sizeof(chunk->cold[0]));
    if (chunk == NULL)
        return NULL;
    void *base = MAP_FAILED;
    if (stacks->chunks != NULL)
        base = map_below(stacks->chunks->base, size);
    if (base == MAP_FAILED)
        base = map_aligned(size);
    if (base == MAP_FAILED) {
        free(chunk);
        return NULL;
    }
    /* A huge page would give every stack the memory of sixteen. Where the kernel has none, the call
     * fails and nothing is lost. */
    madvise(base, size, MADV_NOHUGEPAGE);
    *chunk = (struct coil__chunk){
        .next = stacks->chunks, .vacant = stacks->vacant, .base = base, .slot_count = slot_count};
    stacks->chunks = chunk;
    stacks->vacant = chunk;
    return chunk;
}

static void close_chunk(const struct coil__stacks *stacks, struct coil__chunk *chunk)
{
    munmap(chunk->base, stacks->chunk_size);
    free(chunk);
}

int coil__stacks_open(struct coil__stacks *stacks, size_t size)
{
    bool power_of_two = (size & (size - 1)) == 0;
    if (!power_of_two || size < SLOT_SIZE_MIN || size > SLOT_SIZE_MAX)
        return -EINVAL;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t guard_size = size / 2 < GUARD_SIZE ? size / 2 : GUARD_SIZE;
    if (guard_size % page != 0)
        return -EINVAL;
    /* The TLB has sets, as a cache has, and finds them by the last bits of a page's number: were
     * slots a power of two apart, their top pages would compete for a few of them. So the guard has
     * one page more. */
    *stacks = (struct coil__stacks){
        .size = size,
        .slot_size = size + page,
        .guard_size = guard_size + page,
        .chunk_size = size < CHUNK_SIZE ? CHUNK_SIZE : 2 * size,
    };
    coil__list_init(&stacks->hot);
    return 0;
}

void coil__stacks_close(struct coil__stacks *stacks)
{
    coil__assert(stacks->used_count == 0);
    struct coil_link *hot = &stacks->hot;
    for (struct coil_link *link = hot->next; link != hot; link = link->next)
        coil__hooks_destroy(&coil__container_of(link, struct coil_task, sibling)->hooks);
    while (stacks->chunks != NULL) {
        struct coil__chunk *chunk = stacks->chunks;
        stacks->chunks = chunk->next;
        close_chunk(stacks, chunk);
    }
    *stacks = (struct coil__stacks){0};
}

/* Makes the low end of a fresh slot fault. Once is enough: giving memory back keeps the guard. */
static bool install_guard(struct coil__stacks *stacks, char *base)
{
    if (!stacks->guards_by_mprotect) {
        if (madvise(base, stacks->guard_size, ADVICE_GUARD_INSTALL) == 0)
            return true;
        /* Else the kernel doesn't know it, or won't have it in locked memory, or a filter of system
         * calls forbids all advice. */
        if (errno != EINVAL && !coil__is_forbidden(errno))
            return false;
        stacks->guards_by_mprotect = true;
    }
    return mprotect(base, stacks->guard_size, PROT_NONE) == 0;
}

struct coil_task *coil__stacks_grow(struct coil__stacks *stacks)
{
    coil__require(stacks->slot_size != 0, "coil_spawn: called by a thread that is no core");
    struct coil__chunk *chunk = stacks->vacant != NULL ? stacks->vacant : open_chunk(stacks);
    if (chunk == NULL)
        return NULL;
    unsigned slot = chunk->fresh;
    if (chunk->cold_count > 0)
        slot = chunk->cold[--chunk->cold_count];
    else if (install_guard(stacks, slot_at(stacks, chunk, slot)))
        chunk->fresh++;
    else
        return NULL;
    if (!is_vacant(chunk))
        stacks->vacant = chunk->vacant;

    char *base = slot_at(stacks, chunk, slot);
    slot_end(stacks, base)->chunk = chunk;
    struct coil_task *task = task_at(stacks, chunk, slot);
    memset(task, 0, sizeof(*task));
    /* The task counts as part of its stack: what only task->arg points to is no leak. */
    coil__hooks_create(&task->hooks, base + stacks->guard_size,
                       stacks->slot_size - stacks->guard_size);
    stacks->used_count++;
    return task;
}

/* Takes context and memory from a slot that is on no list any more. */
static void make_cold(struct coil__stacks *stacks, struct coil_task *task)
{
    char *base = slot_base(stacks, task);
    struct coil__chunk *chunk = slot_end(stacks, base)->chunk;
    coil__hooks_destroy(&task->hooks);
    /* Fails for locked memory, which stays, then. */
    madvise(base + stacks->guard_size, stacks->slot_size - stacks->guard_size, MADV_DONTNEED);
    if (!is_vacant(chunk)) {
        chunk->vacant = stacks->vacant;
        stacks->vacant = chunk;
    }
    chunk->cold[chunk->cold_count++] = (uint16_t)((size_t)(base - chunk->base) / stacks->slot_size);
}

size_t coil__stacks_trim(struct coil__stacks *stacks, size_t max)
{
    size_t count = stacks->hot_low < max ? stacks->hot_low : max;
    for (size_t i = 0; i < count; i++) {
        struct coil_link *link = stacks->hot.prev;
        coil__assert(link != &stacks->hot);
        coil__assert(coil__list_linked(link));
        coil__list_remove(link);
        make_cold(stacks, coil__container_of(link, struct coil_task, sibling));
    }
    stacks->hot_count -= count;
    stacks->hot_low = stacks->hot_count;
    return count;
}

enum coil__stack_place coil__stacks_find(const struct coil__stacks *stacks, const void *address,
                                         const struct coil_task **task)
{
    for (const struct coil__chunk *chunk = stacks->chunks; chunk != NULL; chunk = chunk->next) {
        size_t offset = (uintptr_t)address - (uintptr_t)chunk->base;
        if (offset >= chunk->fresh * stacks->slot_size)
            continue; /* outside, or in a slot that was never used */
        *task = task_at(stacks, chunk, (unsigned)(offset / stacks->slot_size));
        bool in_guard = offset % stacks->slot_size < stacks->guard_size;
        return in_guard ? COIL__STACK_GUARD : COIL__STACK_INSIDE;
    }
    return COIL__STACK_ELSEWHERE;
}

void *coil__stack_bottom(const struct coil__stacks *stacks, const struct coil_task *task)
{
    return slot_base(stacks, task) + stacks->guard_size;
}

size_t coil__stack_size(const struct coil__stacks *stacks, const struct coil_task *task)
{
    return (size_t)((const char *)task - (const char *)coil__stack_bottom(stacks, task));
}
