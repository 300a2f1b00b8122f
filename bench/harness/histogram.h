/* SPDX-License-Identifier: MIT */
/* Latencies in buckets that are 1/128 of their value wide, so that a percentile is exact to 0.4 %.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BITS = 7, HISTOGRAM_SIZE = (65 - HISTOGRAM_BITS) << HISTOGRAM_BITS };

struct histogram {
    uint64_t total;
    uint32_t counts[HISTOGRAM_SIZE];
};

void histogram_clear(struct histogram *histogram);

/* The value below which `share` (0..1) of all lie; 0 when there are none. */
double histogram_percentile(const struct histogram *histogram, double share);

/* Values up to 2^8 have a bucket each; above, every power of two has 2^7. */
static inline unsigned histogram_index(uint64_t value)
{
    if (value < (UINT64_C(2) << HISTOGRAM_BITS))
        return (unsigned)value;
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
    return (shift << HISTOGRAM_BITS) + (unsigned)(value >> shift);
}

static inline void histogram_add(struct histogram *histogram, int64_t value)
{
    histogram->counts[histogram_index(value < 0 ? 0 : (uint64_t)value)]++;
    histogram->total++;
}

#endif
