/* SPDX-License-Identifier: MIT */
/*
 * What makes a coroutine that computes give way: coil_yield_if_needed() reads one word.
 *
 *     the word is    constant 1        the flags of the ring, 0 while the kernel has nothing for us
 *                        |  a call yields, and starts a tick  |
 *                        | ---------------------------------> |
 *                        | <--------------------------------- |
 *                             the tick is over, or a scope was cancelled
 *
 * The second also needs that the kernel has taken the tick's entry, or nothing would end it.
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
};

/* Waits for the tick that is under way, if there is one: for a loop that ends. */
void coil__tick_finish(struct coil__core *core);

#endif
