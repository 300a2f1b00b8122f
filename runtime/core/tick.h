/* SPDX-License-Identifier: MIT */
/*
 * What makes a coroutine that computes give way: coil_yield_if_needed() reads one word.
 *
 *     the word is    constant 1        the flags of the ring, 0 while the kernel has nothing for us
 *                        |  the tick is under way, and a call begins a slice  |
 *                        | -------------------------------------------------> |
 *                        | <------------------------------------------------- |
 *                             the slice is over, or a scope was cancelled
 *
 * Until a slice begins every call yields, so that all who are ready run in between, and all who
 * compute ask once: that is a pass. The next one begins with the first who asks again, and it is he
 * who may begin a slice, if the tick, which the first call has started, is under way: the kernel
 * has taken its entry, or nothing would end it. At the slice's end he asks once more in his pass:
 * so the next pass begins with the one behind him, and each gets a slice in turn.
 *
 * The tick is a timeout of the ring. Its end raises IORING_SQ_TASKRUN in those flags, like any
 * other completion, while the coroutine runs: no signal, and no thread. It starts only when
 * somebody asks whether to yield, so that nobody else pays. Where the flags tell nothing, every
 * call yields.
 */
#ifndef COIL_CORE_TICK_H
#define COIL_CORE_TICK_H

#include <coil/future.h>
#include <coil/queue.h>
#include <linux/time_types.h>

struct coil__core;

struct coil__tick {
    struct coil_future future;
    struct __kernel_timespec span; /* read by the kernel when the entry is submitted */
    unsigned entry;                /* where in the submission queue that is */
    uint32_t ended;                /* the burst in which the last slice was over */
    uint32_t passes[COIL_QUEUES];  /* that have begun, by work queue */
};

/* Waits for the tick that is under way, if there is one: for a loop that ends. */
void coil__tick_finish(struct coil__core *core);

#endif
