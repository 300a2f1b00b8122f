/* SPDX-License-Identifier: MIT */
/* Latencies in buckets that are 1/128 of their value wide, so that a percentile is exact to 0.4 %.
 */
#include "harness/histogram.h"

#include <string.h>

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
}

/* The inverse of histogram_index(): the middle of the bucket. */
static double middle(unsigned index)
{
    if (index < (2U << HISTOGRAM_BITS))
        return (double)index;
    unsigned shift = (index >> HISTOGRAM_BITS) - 1;
    double low = (double)(((uint64_t)index - ((uint64_t)shift << HISTOGRAM_BITS)) << shift);
    return low + (double)(UINT64_C(1) << shift) / 2;
}

double histogram_percentile(const struct histogram *histogram, double share)
{
    uint64_t rank = (uint64_t)(share * (double)histogram->total);
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_SIZE; i++) {
        seen += histogram->counts[i];
        if (seen > rank)
            return middle(i);
    }
    return 0;
}
