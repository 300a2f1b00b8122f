/* SPDX-License-Identifier: MIT */
/* Timers: the wheel, and when its slots go to the heap. */
#include "future/timers.h"

enum { END = COIL__TIMERS_LEVELS * COIL__TIMERS_SLOTS }; /* no slot */

#define TICK_MASK ((INT64_C(1) << COIL__TIMERS_SHIFT) - 1)

_Static_assert(sizeof(struct coil_timer) == 40, "a future and a scope contain one");
_Static_assert(COIL__TIMERS_SHIFT + COIL__TIMERS_LEVELS * COIL__TIMERS_DIGIT == 64,
               "the top level must reach COIL_FOREVER");

static inline struct coil_timer *timer_of(struct coil_node *node)
{
    return coil__container_of(node, struct coil_timer, node);
}

static inline bool earlier(const struct coil_node *a, const struct coil_node *b)
{
    return coil__container_of(a, const struct coil_timer, node)->deadline <
           coil__container_of(b, const struct coil_timer, node)->deadline;
}

static inline unsigned slot_shift(unsigned level)
{
    return COIL__TIMERS_SHIFT + COIL__TIMERS_DIGIT * level;
}

/* Where a deadline beyond the horizon belongs. */
static inline unsigned slot_of(const struct coil__timers *timers, coil_time deadline)
{
    uint64_t differs = (uint64_t)(deadline ^ timers->horizon) >> COIL__TIMERS_SHIFT;
    unsigned level = (63 - (unsigned)__builtin_clzll(differs)) / COIL__TIMERS_DIGIT;
    unsigned digit = (unsigned)(deadline >> slot_shift(level)) % COIL__TIMERS_SLOTS;
    return level * COIL__TIMERS_SLOTS + digit;
}

/* The first instant of a slot in use: the horizon's digits above the slot's own, then zeros. */
static coil_time slot_start(const struct coil__timers *timers, unsigned slot)
{
    unsigned shift = slot_shift(slot / COIL__TIMERS_SLOTS);
    uint64_t above = (uint64_t)timers->horizon >> shift & ~(uint64_t)(COIL__TIMERS_SLOTS - 1);
    return (coil_time)((above | slot % COIL__TIMERS_SLOTS) << shift);
}

/* The earliest slot that is not empty; END when all are. */
static unsigned first_slot(const struct coil__timers *timers)
{
    for (unsigned level = 0; level < COIL__TIMERS_LEVELS; level++)
        if (timers->used[level] != 0)
            return level * COIL__TIMERS_SLOTS + (unsigned)__builtin_ctzll(timers->used[level]);
    return END;
}

static inline void mark_used(struct coil__timers *timers, unsigned slot)
{
    timers->used[slot / COIL__TIMERS_SLOTS] |= UINT64_C(1) << slot % COIL__TIMERS_SLOTS;
}

static inline void mark_empty(struct coil__timers *timers, unsigned slot)
{
    timers->used[slot / COIL__TIMERS_SLOTS] &= ~(UINT64_C(1) << slot % COIL__TIMERS_SLOTS);
}

void coil__timers_init(struct coil__timers *timers, coil_time now)
{
    coil__assert(now >= 0);
    timers->armed = 0;
    coil__heap_init(&timers->near);
    timers->horizon = now | TICK_MASK;
    for (unsigned level = 0; level < COIL__TIMERS_LEVELS; level++)
        timers->used[level] = 0;
    for (unsigned slot = 0; slot < END; slot++)
        coil__list_init(&timers->slots[slot]);
}

/* Puts a timer where it belongs relative to the horizon. */
static void place(struct coil__timers *timers, struct coil_timer *timer)
{
    if (timer->deadline <= timers->horizon) {
        coil__heap_push(&timers->near, &timer->node, earlier);
        return;
    }
    unsigned slot = slot_of(timers, timer->deadline);
    coil__list_append(&timers->slots[slot], &timer->link);
    mark_used(timers, slot);
}

void coil__timers_arm(struct coil__timers *timers, struct coil_timer *timer)
{
    timers->armed++;
    place(timers, timer);
}

void coil__timers_disarm(struct coil__timers *timers, struct coil_timer *timer)
{
    if (timer->deadline <= timers->horizon) {
        coil__heap_remove(&timers->near, &timer->node, earlier);
        timers->armed--;
        return;
    }
    coil__assert(coil__list_linked(&timer->link));
    timers->armed--;
    struct coil_link *neighbour = timer->link.next;
    coil__list_remove(&timer->link);
    /* Nobody else is there: then the neighbour was the slot itself. */
    if (coil__list_empty(neighbour))
        mark_empty(timers, (unsigned)(neighbour - timers->slots));
}

/* Moves all that begins at `now` or before out of its slots, the earliest slot first. Each round
 * empties a slot, so it ends. */
static void take_due(struct coil__timers *timers, coil_time now, struct coil_link *due)
{
    unsigned slot = first_slot(timers);
    while (slot != END && slot_start(timers, slot) <= now) {
        coil__assert(!coil__list_empty(&timers->slots[slot]));
        coil__list_splice(due, &timers->slots[slot]);
        mark_empty(timers, slot);
        slot = first_slot(timers);
    }
}

/* Moves the horizon to the end of the level-0 slot of `now`. However long the jump, each timer
 * moves once: what is not due is armed again relative to the new horizon. The slots that keep their
 * timers begin after `now`, so their highest digit that differs from the horizon's is the same. */
static void advance(struct coil__timers *timers, coil_time now)
{
    struct coil_link due;
    coil__list_init(&due);
    take_due(timers, now, &due);
    timers->horizon = now | TICK_MASK;
    struct coil_link *link;
    while ((link = coil__list_pop(&due)) != NULL)
        place(timers, coil__container_of(link, struct coil_timer, link));
}

struct coil_timer *coil__timers_pop(struct coil__timers *timers, coil_time now)
{
    if (now > timers->horizon)
        advance(timers, now);
    struct coil_node *top = coil__heap_top(&timers->near);
    if (top == NULL || timer_of(top)->deadline > now)
        return NULL;
    coil__heap_remove(&timers->near, top, earlier);
    timers->armed--;
    return timer_of(top);
}

__attribute__((hot)) coil_time coil__timers_next(const struct coil__timers *timers)
{
    if (coil__timers_empty(timers))
        return COIL_FOREVER;
    struct coil_node *top = coil__heap_top(&timers->near);
    if (top != NULL)
        return timer_of(top)->deadline;
    unsigned slot = first_slot(timers);
    /* A lone timer tells its deadline. It spares an idle program waking up at each level. */
    const struct coil_link *only = timers->slots[slot].next;
    if (only->next == &timers->slots[slot])
        return coil__container_of(only, const struct coil_timer, link)->deadline;
    return slot_start(timers, slot);
}
