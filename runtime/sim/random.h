/* SPDX-License-Identifier: MIT */
/* The chance of a simulated world: a seed decides all of it (splitmix64). */
#ifndef COIL_SIM_RANDOM_H
#define COIL_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct coil__random {
    uint64_t state;
};

/* A bijection under which neighbours have nothing in common. */
static inline uint64_t coil__mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t coil__random_next(struct coil__random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return coil__mix(random->state);
}

/* 0 to bound - 1; `bound` is at least 1. */
static inline uint32_t coil__random_below(struct coil__random *random, uint32_t bound)
{
    return (uint32_t)(((coil__random_next(random) >> 32) * bound) >> 32);
}

/* True `of_million` times in a million; draws nothing for 0, so that what is turned off changes
 * nothing else. */
static inline bool coil__random_chance(struct coil__random *random, uint32_t of_million)
{
    return of_million != 0 && coil__random_below(random, 1000000) < of_million;
}

#endif
