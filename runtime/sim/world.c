/* SPDX-License-Identifier: MIT */
#include "sim/world.h"

#include "sim/bell.h"
#include "sim/replay.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

struct coil__sim coil__sim;

/* Whether this is the thread of all cores: others must not touch what the seed decides. */
static _Thread_local bool on_stage;

static inline struct coil__sim_event *event_of(const struct coil_node *node)
{
    return coil__container_of(node, struct coil__sim_event, node);
}

static inline bool earlier(const struct coil_node *a, const struct coil_node *b)
{
    const struct coil__sim_event *first = event_of(a);
    const struct coil__sim_event *second = event_of(b);
    return first->at != second->at ? first->at < second->at : first->tie < second->tie;
}

int coil__sim_begin(const char *knobs, unsigned core_count)
{
    struct coil__sim_knobs read;
    int err = coil__sim_knobs_read(knobs, &read);
    if (err < 0)
        return err;
    coil__sim = (struct coil__sim){.knobs = read, .now = COIL_SEC, .core_count = core_count};
    coil__sim.random.state = coil__mix(read.seed ^ UINT64_C(0x5851f42d4c957f2d));
    coil__heap_init(&coil__sim.events);
    coil__sim_trace_begin(&coil__sim.trace, read.seed);
    coil__sim.rings = calloc(core_count, sizeof(struct coil__sim_ring *));
    if (coil__sim.rings == NULL)
        return -ENOMEM;
    coil__sim.runs = true;
    on_stage = true;
    coil__sim_replay_begin(read.seed);
    coil__clock_source = coil__sim_now;
    return 0;
}

void coil__sim_end(void)
{
    coil__clock_source = coil__clock_monotonic;
    coil__sim.runs = false;
    on_stage = false;
    free(coil__sim.rings);
    coil__sim.rings = NULL;
    coil__sim_replay_end();
    coil__log("sim seed %llu trace %016llx", (unsigned long long)coil__sim.knobs.seed,
              (unsigned long long)coil__sim.trace.hash);
}

coil_time coil__sim_now(void)
{
    return on_stage ? coil__sim.now += COIL__SIM_LOOK : coil__sim_bells_now();
}

void coil__sim_plan(struct coil__sim_event *event, int64_t delay)
{
    int64_t left = COIL_FOREVER - 1 - coil__sim.now;
    event->at = coil__sim.now + (delay < left ? delay : left);
    event->tie = coil__random_next(&coil__sim.random);
    coil__heap_push(&coil__sim.events, &event->node, earlier);
}

void coil__sim_unplan(struct coil__sim_event *event)
{
    coil__heap_remove(&coil__sim.events, &event->node, earlier);
}

void coil__sim_fire(void)
{
    struct coil_node *top;
    /* Ends: what an event plans is later than it, and the clock stands still meanwhile. */
    while ((top = coil__heap_top(&coil__sim.events)) != NULL &&
           event_of(top)->at <= coil__sim.now) {
        coil__heap_remove(&coil__sim.events, top, earlier);
        event_of(top)->fire(event_of(top));
    }
}

coil_time coil__sim_next(void)
{
    const struct coil_node *top = coil__heap_top(&coil__sim.events);
    return top != NULL ? event_of(top)->at : COIL_FOREVER;
}

bool coil_sim_running(void)
{
    return coil__sim.runs;
}

void coil_sim_set_faults(enum coil_sim_faults faults)
{
    coil__require(faults <= COIL_SIM_FAULTS_HARSH, "coil_sim_set_faults: no such faults");
    if (coil__sim.runs)
        coil__sim.knobs.faults = faults;
}

uint64_t coil_sim_seed(void)
{
    return coil__sim.knobs.seed;
}

uint64_t coil_sim_trace(void)
{
    return coil__sim.trace.hash;
}

uint64_t coil_sim_random(void)
{
    return on_stage ? coil__random_next(&coil__sim.random) : 0;
}

bool coil__sim_buggify(const char *function, int line)
{
    if (!on_stage || coil__sim.knobs.faults == COIL_SIM_FAULTS_OFF)
        return false;
    uint64_t place = coil__mix(coil__sim.knobs.seed + (uint64_t)line);
    for (; *function != '\0'; function++)
        place = coil__mix(place ^ (uint64_t)(unsigned char)*function);
    bool is_on = place % 4 == 0;
    return is_on && coil__sim_below(4) == 0;
}
