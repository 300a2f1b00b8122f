/* SPDX-License-Identifier: MIT */
/* Who rings may be the handler of a signal that has interrupted whatever else is here: so nobody
 * holds a lock. */
#include "sim/bell.h"

#include "sim/op.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint32_t rings; /* how often any bell has rung: for this the stage's thread waits */
static unsigned armed; /* only the stage's thread touches it */
static coil_time told; /* to other threads; relaxed: nothing else is told with it */

void coil__sim_bell_ring(struct coil__sim_ring *ring)
{
    /* Release; pairs with the acquire in find_rung(). The count comes after it: who finds no bell
     * rung waits for another count than the one that comes with it. */
    __atomic_store_n(&ring->bell_rung, 1, __ATOMIC_RELEASE);
    __atomic_add_fetch(&rings, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &rings, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
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

/* One that is rung and armed; NULL: there is none. */
static struct coil__sim_ring *find_rung(void)
{
    for (unsigned i = 0; i < coil__sim.core_count; i++) {
        struct coil__sim_ring *ring = coil__sim.rings[i];
        /* Acquire; pairs with the release in coil__sim_bell_ring(). */
        if (ring != NULL && ring->bell_armed && __atomic_load_n(&ring->bell_rung, __ATOMIC_ACQUIRE))
            return ring;
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
    while ((ring = find_rung()) != NULL) { /* ends: each is disarmed */
        /* Acquire, as in find_rung(): who has rung again meanwhile has left its message before. */
        __atomic_exchange_n(&ring->bell_rung, 0, __ATOMIC_ACQUIRE);
        coil__sim_bell_disarm(ring);
        coil__sim_post_alone(ring, COIL__TAG_BELL, 0);
    }
}

bool coil__sim_bells_wait(void)
{
    if (armed == 0)
        return false;
    for (;;) { /* ends when a thread of the program rings */
        /* Acquire; pairs with the release in coil__sim_bell_ring(). */
        uint32_t seen = __atomic_load_n(&rings, __ATOMIC_ACQUIRE);
        if (find_rung() != NULL)
            return true;
        syscall(SYS_futex, &rings, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    }
}
