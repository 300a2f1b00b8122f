/* SPDX-License-Identifier: MIT */
/* A second thread for what a benchmark does between two. */
#include "harness/peer.h"

#include <err.h>

static void *pinned_work(void *arg)
{
    const struct peer *peer = arg;
    placement_pin(peer->cpu);
    return peer->work(peer->arg);
}

void peer_start(struct peer *peer, const struct window *window, void *(*work)(void *arg), void *arg)
{
    *peer = (struct peer){.work = work, .arg = arg, .cpu = window->peer_cpu};
    if (pthread_create(&peer->thread, NULL, pinned_work, peer) != 0)
        errx(1, "no thread");
}

void peer_join(const struct peer *peer)
{
    pthread_join(peer->thread, NULL);
}
