/* SPDX-License-Identifier: MIT */
#include "sim/bell.h"

#include "sim/op.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t rung = PTHREAD_COND_INITIALIZER;
static unsigned armed; /* only the stage's thread touches it */
static coil_time told; /* to other threads; relaxed: nothing else is told with it */

void coil__sim_bell_ring(struct coil__sim_ring *ring)
{
    pthread_mutex_lock(&lock);
    ring->bell_rung = true;
    pthread_cond_signal(&rung);
    pthread_mutex_unlock(&lock);
}

void coil__sim_bell_arm(struct coil__sim_ring *ring)
{
    armed += ring->bell_armed ? 0 : 1;
    ring->bell_armed = true;
}

void coil__sim_bell_disarm(struct coil__sim_ring *ring)
{
    armed -= ring->bell_armed ? 1 : 0;
    ring->bell_armed = false;
}

/* Takes one that is rung and armed; NULL: there is none. Under the lock. */
static struct coil__sim_ring *take_rung(void)
{
    for (unsigned i = 0; i < coil__sim.core_count; i++) {
        struct coil__sim_ring *ring = coil__sim.rings[i];
        if (ring != NULL && ring->bell_armed && ring->bell_rung) {
            ring->bell_rung = false;
            return ring;
        }
    }
    return NULL;
}

coil_time coil__sim_bells_now(void)
{
    static _Thread_local coil_time heard, seen;
    coil_time now = __atomic_load_n(&told, __ATOMIC_RELAXED);
    if (now < heard) /* this is another world */
        seen = now;
    heard = now;
    seen = (now > seen ? now : seen) + COIL__SIM_LOOK;
    return seen;
}

void coil__sim_bells_hear(void)
{
    __atomic_store_n(&told, coil__sim.now, __ATOMIC_RELAXED); /* pairs with coil__sim_bells_now() */
    if (armed == 0)
        return;
    struct coil__sim_ring *ring;
    pthread_mutex_lock(&lock);
    while ((ring = take_rung()) != NULL) { /* ends: each is disarmed */
        coil__sim_bell_disarm(ring);
        coil__sim_post_alone(ring, COIL__TAG_BELL, 0);
    }
    pthread_mutex_unlock(&lock);
}

static bool any_rung(void)
{
    for (unsigned i = 0; i < coil__sim.core_count; i++) {
        const struct coil__sim_ring *ring = coil__sim.rings[i];
        if (ring != NULL && ring->bell_armed && ring->bell_rung)
            return true;
    }
    return false;
}

bool coil__sim_bells_wait(void)
{
    if (armed == 0)
        return false;
    pthread_mutex_lock(&lock);
    while (!any_rung()) /* ends when a thread of the program rings */
        pthread_cond_wait(&rung, &lock);
    pthread_mutex_unlock(&lock);
    return true;
}
