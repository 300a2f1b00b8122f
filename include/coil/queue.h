/* SPDX-License-Identifier: MIT */
/*
 * Work queues: how the coroutines of a core share its time.
 *
 *     struct coil_queue batch;
 *     err = coil_queue_create(&batch, "batch", 20, 0);
 *     ...
 *     coil_spawn_in(&scope, batch, compact, &table);
 *
 * Each coroutine belongs to one queue, and what it spawns or calls to the same one, until somebody
 * chooses: coil_spawn_in(). When several queues have ready coroutines, they get time in proportion
 * to their shares; within a queue, who became ready first runs first. Nobody is interrupted: who
 * runs keeps the core until it waits, yields or ends, and its queue gets less later.
 *
 * A program that creates no queue has one, the default queue, and pays nothing. With several, a
 * switch takes longer by about a look at the clock.
 */
#ifndef COIL_QUEUE_H
#define COIL_QUEUE_H

#include <coil/base.h>
#include <coil/scope.h>
#include <coil/time.h>

COIL_BEGIN_DECLS

/* How many queues a coil_run() may have, with the default queue. */
#define COIL_QUEUES 16

/* The most shares that a queue may have, and those of the default queue. */
#define COIL_SHARES_MAX 1000
#define COIL_SHARES_DEFAULT 100

/* Names a queue, on all cores of a coil_run(). Copy it freely. Zeroed, the default queue. */
struct coil_queue {
    /* private */
    uint32_t run;
    uint32_t number;
};

/*
 * Creates a queue on every core, for as long as coil_run() lasts; `name` must live until then.
 *
 * `shares` are from 1 to COIL_SHARES_MAX, and say how much time the queue gets beside others that
 * are ready; but each gets about one part in a hundred, however few it has.
 *
 * `latency_goal` is in nanoseconds. 0: none. Coroutines of a queue that has one go first: when one
 * becomes ready, who runs is the last one before it. Of several such queues the one whose goal is
 * nearest goes first. The shares hold all the same: a queue that went first for too long waits.
 *
 * Returns 0; -EINVAL when shares or goal are out of range; -ENOSPC when there are COIL_QUEUES.
 */
COIL_MUST_CHECK int coil_queue_create(struct coil_queue *queue, const char *name, unsigned shares,
                                      int64_t latency_goal);

/* The queue of the calling coroutine. */
struct coil_queue coil_queue_self(void);

/* As coil_spawn(), in that queue. */
#define coil_spawn_in(scope, queue, fn, arg) \
    coil__spawn_in((scope), (queue), (fn), (arg), COIL__SITE(#fn))

/* private: the word that says whether somebody wants the core */
extern __thread const volatile uint32_t *coil__yield_wish
    __attribute__((tls_model("initial-exec")));
COIL_MUST_CHECK int coil__yield_now(void);

/*
 * coil_yield(), when it is time to: for loops that compute. Costs a few instructions and no system
 * call while it is not. It is time when the kernel has something for this core, be it for a
 * coroutine of any queue; and from time to time, for others that are ready, for timers, and for
 * messages: after a millisecond, sooner if a timer or the latency goal of a queue is nearer. On the
 * poll and simulated drivers, which can't tell, it is always time. Several coroutines of one queue
 * that compute in this way at once take turns, each for as long as that.
 *
 * Returns 0, or -ECANCELED when the scope is cancelled; among cancelled and other coroutines that
 * all compute, perhaps not before the time has come again.
 */
COIL_SUSPENDS static inline int coil_yield_if_needed(void)
{
    return __builtin_expect(*coil__yield_wish != 0, 0) ? coil__yield_now() : 0;
}

/* What a queue did on one core. */
struct coil_queue_stats {
    const char *name;
    unsigned shares;
    int64_t latency_goal;
    /* How long its coroutines ran, and how long some of them were ready while those of other queues
     * ran. Counted on a core from when a second queue is first used there; to be exact, until the
     * calling coroutine last became the running one. */
    int64_t run_ns, wait_ns;
    size_t length; /* coroutines that are ready now */
};

/* Tells what `queue` did on the calling core. Takes time in proportion to its length. */
void coil_queue_read(struct coil_queue queue, struct coil_queue_stats *stats);

/* private: behind the macro above */
COIL_MUST_CHECK int coil__spawn_in(struct coil_scope *scope, struct coil_queue queue, coil_fn *fn,
                                   void *arg, const char *site);

COIL_END_DECLS
#endif
