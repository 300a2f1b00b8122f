/* SPDX-License-Identifier: MIT */
/* Two threads with a bare ring between them: how many values a second. */
#include "bare/ring_pair.h"
#include "bare/mpsc_ring.h"
#include "harness/clock.h"
#include "harness/peer.h"

enum { CHUNK = 10000 }; /* values between two looks at the clock, and before the first */

static const uint64_t last_value = UINT64_MAX;
static struct mpsc_ring ring;
static uint64_t sum;

static void *receive_all(void *arg)
{
    (void)arg;
    uint64_t value;
    while ((value = mpsc_ring_pop(&ring)) != last_value)
        sum += value;
    return NULL;
}

const char *measure_ring_pair(const struct window *window, double figures[METRIC_MAX])
{
    struct peer peer;
    mpsc_ring_init(&ring);
    peer_start(&peer, window, receive_all, NULL);
    uint64_t sent = 0;
    int64_t start = 0, elapsed = 0;
    while (start == 0 || elapsed < window->length_ns) {
        for (int i = 0; i < CHUNK; i++)
            mpsc_ring_push(&ring, sent++);
        if (start == 0)
            start = clock_ns();
        elapsed = clock_ns() - start;
    }
    mpsc_ring_push(&ring, last_value);
    peer_join(&peer);
    figures[0] = (double)(sent - CHUNK) * 1e9 / (double)elapsed;
    return NULL;
}
