/* SPDX-License-Identifier: MIT */
/*
 * How long a core looks out for events before it sleeps. Sleeping and being woken costs both sides
 * tens of microseconds, so looking out pays while events are that near; it must cost nothing
 * when they are not. By default the core learns:
 *
 *     score > 0: look out at every wait; an event in time adds 1 (16 at most), none takes 4
 *     score = 0: sleep at once for `rest` waits, then try once; each failed try doubles the rest,
 *                until times have changed: 8 pieces of mail in time show that, or a light balance
 *     balance:   of every 128 look-outs that met a completion. One who serves a single peer ends 1
 *                operation or 2 for each. If there are more, the core serves many at once: what
 *                piles up while it sleeps shares one wake-up, and looking out would only serve it
 *                one by one, at a higher price. That is a failed try as well. But however many
 *                operations a request takes that end at once, if look-outs keep meeting the same
 *                coroutine, that is a single peer's.
 */
#ifndef COIL_CORE_SPIN_H
#define COIL_CORE_SPIN_H

#include <coil/runtime.h>

enum {
    COIL__SPIN_NS = 12000, /* about what sleeping costs: to look out longer can't pay */
    COIL__SPIN_SCORE_MAX = 16,
    COIL__SPIN_MISS = 4,
    COIL__SPIN_SCORE_SURE = 8, /* from here on it was no mere luck */
    COIL__SPIN_REST_MIN = 16,
    COIL__SPIN_REST_MAX = 1024,
    COIL__SPIN_WEIGHED = 128,
    COIL__SPIN_MANY = 320,  /* operations that end for so many look-outs */
    COIL__SPIN_OTHERS = 32, /* of those, which met another coroutine than the last one did */
};

struct coil__spin {
    int64_t fixed_ns; /* as in coil_options.spin_ns */
    int score;
    int rest;
    int next_rest;
    int weighed;     /* look-outs in the balance */
    int others;      /* of those, as above */
    uint32_t ended;  /* operations, when it began */
    const void *met; /* by the last one: the only coroutine that it made ready; else NULL */
};

static inline void coil__spin_init(struct coil__spin *spin, int64_t spin_ns)
{
    spin->fixed_ns = spin_ns;
    spin->score = 0;
    spin->rest = 0;
    spin->next_rest = COIL__SPIN_REST_MIN;
    spin->weighed = 0;
    spin->others = 0;
    spin->ended = 0;
    spin->met = NULL;
}

/* How long to look out now; 0: not at all. */
static inline int64_t coil__spin_span(struct coil__spin *spin)
{
    if (spin->fixed_ns != COIL_SPIN_ADAPTIVE)
        return spin->fixed_ns > 0 ? spin->fixed_ns : 0;
    if (spin->score > 0)
        return COIL__SPIN_NS;
    if (spin->rest > 0) {
        spin->rest--;
        return 0;
    }
    return COIL__SPIN_NS;
}

/* Whether the next wait is likely to look out. */
static inline bool coil__spin_is_on(const struct coil__spin *spin)
{
    return spin->fixed_ns > 0 || spin->score > 0;
}

/* Whether a wait that began now would look out, if only to try. */
static inline bool coil__spin_would(const struct coil__spin *spin)
{
    if (spin->fixed_ns != COIL_SPIN_ADAPTIVE)
        return spin->fixed_ns > 0;
    return spin->score > 0 || spin->rest == 0;
}

static inline void coil__spin_rest(struct coil__spin *spin)
{
    spin->score = 0;
    spin->weighed = 0;
    spin->rest = spin->next_rest;
    if (spin->next_rest < COIL__SPIN_REST_MAX)
        spin->next_rest *= 2;
}

static inline void coil__spin_credit(struct coil__spin *spin)
{
    if (spin->score < COIL__SPIN_SCORE_MAX)
        spin->score++;
}

/* Mail came in time. */
static inline void coil__spin_hit_mail(struct coil__spin *spin)
{
    coil__spin_credit(spin);
    if (spin->score >= COIL__SPIN_SCORE_SURE)
        spin->next_rest = COIL__SPIN_REST_MIN;
}

/* A completion came in time. `ended` is a count of all operations that have ended so far; `met` is
 * the coroutine that goes on now, if it is the only one and waits for little else, or NULL. */
static inline void coil__spin_hit(struct coil__spin *spin, uint32_t ended, const void *met)
{
    coil__spin_credit(spin);
    if (spin->weighed++ == 0) {
        spin->ended = ended;
        spin->others = 0;
    }
    spin->others += met == NULL || met != spin->met;
    spin->met = met;
    /* Both only grow, so what they say can be known early: where turns are few and long. */
    if (ended - spin->ended >= COIL__SPIN_MANY && spin->others >= COIL__SPIN_OTHERS) {
        coil__spin_rest(spin);
    } else if (spin->weighed > COIL__SPIN_WEIGHED) {
        spin->weighed = 0;
        spin->next_rest = COIL__SPIN_REST_MIN;
    }
}

/* Nothing came in time. */
static inline void coil__spin_miss(struct coil__spin *spin)
{
    spin->score -= COIL__SPIN_MISS;
    if (spin->score <= 0)
        coil__spin_rest(spin);
}

#endif
