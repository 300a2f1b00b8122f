/* SPDX-License-Identifier: MIT */
/*
 * For what blocks its thread and has no asynchronous form: a library's call, a long computation.
 * It runs on a thread of a pool, while the coroutine waits and its core goes on:
 *
 *     static ssize_t hash(void *arg) { ... computes for a while ... }
 *
 *     ssize_t n = coil_offload(NULL, hash, &file);
 *
 * What may hold up others gets a pool of its own, with its own limit, so that a name server that
 * does not answer never keeps a disk waiting:
 *
 *     static struct coil_pool archive = COIL_POOL("archive", 4);
 *     ssize_t n = coil_offload(&archive, fetch, &request);
 */
#ifndef COIL_OFFLOAD_H
#define COIL_OFFLOAD_H

#include <coil/base.h>
#include <coil/future.h>

COIL_BEGIN_DECLS

/* private: the threads of a pool */
struct coil__workers;

/* What runs on another thread. Returns 0 or more for success, -errno for failure. */
typedef ssize_t coil_blocking_fn(void *arg);

/*
 * Threads for one kind of work, at most `limit` at once for all cores together. Initialised by
 * COIL_POOL(), as a rule with static storage; in use from its first coil_offload() until
 * coil_run() returns, and then for the next one.
 */
struct coil_pool {
    const char *name; /* 10 characters of it name its threads */
    unsigned limit;   /* 0: coil_options.blocking_threads */
    /* private */
    struct coil__workers *workers;
    struct coil_pool *next;
};

/* The value of a pool that is not in use. */
#define COIL_POOL(name, limit)      \
    {                               \
        (name), (limit), NULL, NULL \
    }

/*
 * Runs fn(arg) on a thread of `pool` (NULL: the one that all share) and waits for its result, any
 * number. fn may block as long as it likes and may not call coil, but for what says that any thread
 * may; it returns, and does not end its thread (see coil_run()). Signals are blocked there, and it
 * may run on all CPUs of the process. Work waits in the order of its coming while all threads of
 * the pool are busy.
 *
 * Cancelled before a thread took it, fn never runs: -ECANCELED. Once it runs it is waited for, and
 * its result counts: give it a way to be told that should end early. -EAGAIN or -ENOMEM: no thread
 * could be started, and there is none. -EMFILE, -ENFILE: as of coil_promise_wait().
 */
COIL_SUSPENDS ssize_t coil_offload(struct coil_pool *pool, coil_blocking_fn *fn, void *arg);
void coil_offload_start(struct coil_future *future, struct coil_pool *pool, coil_blocking_fn *fn,
                        void *arg);

COIL_END_DECLS
#endif
