/* SPDX-License-Identifier: MIT */
/*
 * The one simulated kernel of a run: its clock, its chance, and what is going to happen.
 *
 *     SQ --submit--> op --its event is due--> attempt --result--> CQ, or behind it when it is full
 *                     ^                          |
 *                     +--- the file wakes it <- parked
 *
 * An operation does what it does when its event is due, not when it is submitted: until then what
 * it reads may change, and what it writes is not there yet.
 */
#ifndef COIL_SIM_WORLD_H
#define COIL_SIM_WORLD_H

#include "sim/force.h"
#include "sim/knobs.h"
#include "sim/trace.h"
#include "ring/ring.h"
#include "base/heap.h"
#include "base/list.h"

/* Something that will happen at an instant. What is due at the same one comes in a random order. */
struct coil__sim_event {
    struct coil_node node;
    coil_time at;
    uint64_t tie;
    void (*fire)(struct coil__sim_event *event);
};

enum { COIL__SIM_BUCKETS = 1024 };

/* The simulated end of a core's ring. */
struct coil__sim_ring {
    struct coil__ring *ring;
    unsigned id;
    struct coil_link ops;                             /* in flight, in the order of submission */
    struct coil_link by_user_data[COIL__SIM_BUCKETS]; /* the same, to find one in */
    struct coil_link overflow; /* completions that found the CQ full, oldest first */
    unsigned entries, cq_entries;
    unsigned sq_head, sq_tail, sq_flags;
    unsigned cq_head, cq_tail;
    bool bell_armed;
    uint32_t bell_rung;                /* by any thread */
    bool waiting;                      /* in enter(), until ... */
    unsigned wait;                     /* ... so many completions are there, or */
    coil_time deadline;                /* the deadline has passed */
    struct io_uring_buf_ring *buffers; /* group 0; NULL: none */
    unsigned buffer_count;
    uint16_t buffer_head;
};

struct coil__sim {
    struct coil__sim_knobs knobs;
    struct coil__random random;
    struct coil__sim_trace trace;
    coil_time now;
    struct coil__heap events;
    uint64_t op_count; /* submitted so far: an operation's number */
    uint64_t work_count;
    uint64_t completions;
    uint64_t overflows;            /* of a CQ, so far */
    struct coil__sim_ring **rings; /* by core; NULL: not open */
    unsigned core_count;
    bool runs;
    bool cut;        /* the power is off: nothing is done any more */
    uint64_t cut_at; /* it is cut when this operation begins; 0: nobody cuts it */
    struct coil__sim_forced forced;
};

extern struct coil__sim coil__sim;

/* Begins a world for so many cores / ends it: 0, -EINVAL for the knobs, or -ENOMEM. */
int coil__sim_begin(const char *knobs, unsigned core_count);
void coil__sim_end(void);

/* What looking at the clock takes, so that who looks until an instant gets there. */
enum { COIL__SIM_LOOK = 25 };

coil_time coil__sim_now(void);

/* Makes the event happen in `delay` ns / takes it back. */
void coil__sim_plan(struct coil__sim_event *event, int64_t delay);
void coil__sim_unplan(struct coil__sim_event *event);

/* Lets everything happen that is due. */
void coil__sim_fire(void);

/* When the next thing happens; COIL_FOREVER: nothing will. */
coil_time coil__sim_next(void);

static inline uint32_t coil__sim_below(uint32_t bound)
{
    return coil__random_below(&coil__sim.random, bound);
}

/* Whether it happens now, in a world at least as bad as `faults`. */
static inline bool coil__sim_chance(enum coil_sim_faults faults, uint32_t of_million)
{
    return coil__sim.knobs.faults >= faults && coil__random_chance(&coil__sim.random, of_million);
}

/* How long something takes that usually takes up to `usual` ns: now and then much longer. */
static inline int64_t coil__sim_delay(uint32_t usual)
{
    int64_t delay = coil__sim_below(usual);
    if (__builtin_expect(coil__sim_chance(COIL_SIM_FAULTS_MILD, 2000), 0))
        delay += (int64_t)coil__sim_below(100) * usual;
    return delay;
}

/* Puts what happened on record. */
static inline void coil__sim_record(unsigned core, enum coil__sim_fact_kind kind, unsigned opcode,
                                    const char *what, const char *subject, uint64_t number,
                                    int64_t value, int64_t more)
{
    const struct coil__sim_fact fact = {coil__sim.now,      core,   what,  subject,
                                        kind | opcode << 8, number, value, more};
    coil__sim_trace_add(&coil__sim.trace, &fact);
}

#endif
