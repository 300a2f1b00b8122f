/* SPDX-License-Identifier: MIT */
/* Two bare timer queues, written for speed alone: what coil's timers stand beside. */
#include "bare/timers.h"

#include <string.h>

void wheel_open(struct wheel *wheel, int64_t now_ns)
{
    memset(wheel, 0, sizeof(*wheel));
    wheel->now_tick = (uint64_t)now_ns >> WHEEL_TICK_BITS;
}

static void put(struct heap *heap, size_t at, struct heap_entry entry)
{
    heap->entries[at] = entry;
    entry.timer->at = at;
}

/* Moves the hole at `at` up to where `entry` belongs, and puts it there. */
static void sift_up(struct heap *heap, size_t at, struct heap_entry entry)
{
    while (at > 0) {
        size_t parent = (at - 1) / 4;
        if (heap->entries[parent].deadline_ns <= entry.deadline_ns)
            break;
        put(heap, at, heap->entries[parent]);
        at = parent;
    }
    put(heap, at, entry);
}

static size_t earliest_child(const struct heap *heap, size_t first)
{
    size_t end = first + 4 < heap->count ? first + 4 : heap->count;
    size_t earliest = first;
    for (size_t child = first + 1; child < end; child++) {
        if (heap->entries[child].deadline_ns < heap->entries[earliest].deadline_ns)
            earliest = child;
    }
    return earliest;
}

static void sift_down(struct heap *heap, size_t at, struct heap_entry entry)
{
    size_t first;
    while ((first = 4 * at + 1) < heap->count) {
        size_t child = earliest_child(heap, first);
        if (heap->entries[child].deadline_ns >= entry.deadline_ns)
            break;
        put(heap, at, heap->entries[child]);
        at = child;
    }
    put(heap, at, entry);
}

void heap_arm(struct heap *heap, struct heap_timer *timer, int64_t deadline_ns)
{
    sift_up(heap, heap->count++, (struct heap_entry){deadline_ns, timer});
}

/* The last entry fills the hole, and moves up or down from there. */
void heap_cancel(struct heap *heap, struct heap_timer *timer)
{
    size_t at = timer->at;
    struct heap_entry last = heap->entries[--heap->count];
    if (at == heap->count)
        return;
    if (at > 0 && heap->entries[(at - 1) / 4].deadline_ns > last.deadline_ns)
        sift_up(heap, at, last);
    else
        sift_down(heap, at, last);
}
