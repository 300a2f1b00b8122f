/* SPDX-License-Identifier: MIT */
/*
 * What happens in a simulated world, as a hash and, with COIL_SIM_TRACE=1, in lines on stderr.
 * Nothing goes into it that another run of the same seed might not repeat: no address, no time of
 * the machine's, no order of a table by addresses.
 */
#ifndef COIL_SIM_TRACE_H
#define COIL_SIM_TRACE_H

#include "sim/random.h"

#include <coil/time.h>

struct coil__sim_trace {
    uint64_t hash;
    uint64_t events;
    bool prints;
};

/* One thing that happened: to which core, what, to operation `number`, and what it came to. */
struct coil__sim_fact {
    coil_time at;
    unsigned core;
    const char *what;    /* a word for the lines: not hashed, `kind` is */
    const char *subject; /* likewise: the name of the operation */
    uint32_t kind;       /* enum coil__sim_fact_kind, and the opcode above it */
    uint64_t number;
    int64_t value;
    int64_t more;
};

enum coil__sim_fact_kind { COIL__FACT_SUBMIT, COIL__FACT_COMPLETE, COIL__FACT_NOTE };

void coil__sim_trace_begin(struct coil__sim_trace *trace, uint64_t seed);

/* Prints the fact. */
void coil__sim_trace_print(const struct coil__sim_fact *fact);

static inline void coil__sim_trace_add(struct coil__sim_trace *trace,
                                       const struct coil__sim_fact *fact)
{
    uint64_t hash = trace->hash;
    hash = (hash ^ (uint64_t)fact->at) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 32 ^ fact->number ^ (uint64_t)fact->kind << 40 ^
            (uint64_t)fact->core << 56) *
           UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 29 ^ (uint64_t)fact->value ^ (uint64_t)fact->more << 32) *
           UINT64_C(0x94d049bb133111eb);
    trace->hash = hash;
    trace->events++;
    if (__builtin_expect(trace->prints, 0))
        coil__sim_trace_print(fact);
}

#endif
