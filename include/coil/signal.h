/* SPDX-License-Identifier: MIT */
/*
 * Signals as something to wait for, such as those that ask a program to end:
 *
 *     COIL_SIGNALS(end);
 *     int err = coil_signals_open(&end, COIL_SIGNAL(SIGTERM) | COIL_SIGNAL(SIGINT));
 *     ...
 *     int signal = coil_signal_wait(&end);
 *
 * From coil_signals_open() until coil_run() returns these signals do nothing but this, whatever
 * they did before, and whether or not anybody waits: none is missed between two waits, and none
 * kills the program any more.
 */
#ifndef COIL_SIGNAL_H
#define COIL_SIGNAL_H

#include <coil/base.h>
#include <coil/future.h>

COIL_BEGIN_DECLS

/* private: the core of a coil_run() */
struct coil__core;

/* A set of one signal, to be joined to others by `|`. */
#define COIL_SIGNAL(number) (UINT64_C(1) << ((number)-1))

/* A set of signals to wait for, on one core. Zero-initialised or declared by COIL_SIGNALS(). Must
 * not move while open, and stay until the futures that wait for it are dropped. */
struct coil_signals {
    /* private */
    struct coil_link link;
    struct coil_link waiters;
    struct coil__core *home;
    uint64_t wanted;
    uint64_t pending;
};

/* Declares a set that is closed however its block is left. */
#define COIL_SIGNALS(name) \
    struct coil_signals name __attribute__((cleanup(coil_signals_close))) = COIL_ZERO

/*
 * Begins to note the signals of `set` that the process gets. Several may be open for the same
 * signal, on any cores: each of them notes it. A core's thread that opens one has them unblocked,
 * and keeps them so: the thread that called coil_run_attached(), too.
 *
 * Returns 0; -EINVAL: the set is empty, or one of it can't be caught (SIGKILL, SIGSTOP) or reports
 * a fault; -EBUSY: coil itself uses one, which the program had left alone when coil_run() began:
 * SIGURG while stalls are watched for (coil_options.stall_ns), and with the poll driver SIGSTKFLT
 * or else the highest real-time signal; -EMFILE, -ENFILE or -ENOMEM: as of coil_promise_wait(). If
 * it fails, all of them mean what they meant before.
 */
COIL_MUST_CHECK int coil_signals_open(struct coil_signals *signals, uint64_t set);

/*
 * Waits for the next of its signals and returns its number: at once if one was noted. As ever, one
 * that came again before anybody took it counts once. When several coroutines wait for the same
 * set, the one that waits longest gets it. On the core that opened it.
 */
COIL_SUSPENDS int coil_signal_wait(struct coil_signals *signals);
void coil_signal_wait_start(struct coil_future *future, struct coil_signals *signals);

/* Forgets what was noted. Nobody may wait any more. Idempotent. On the core that opened it. */
void coil_signals_close(struct coil_signals *signals);

COIL_END_DECLS
#endif
