/* SPDX-License-Identifier: MIT */
/*
 * Coming to an end gracefully: no new connections, time for what is under way, then the rest is
 * cancelled. All cores at once:
 *
 *     while ((conn = coil_acceptor_next(&acceptor)) >= 0)
 *         ... spawn a coroutine that serves it ...
 *     coil_acceptor_close(&acceptor);
 *     return coil_scope_close(&connections, conn == -ESHUTDOWN ? 0 : conn);
 *
 * and elsewhere, say when a signal has come (coil/signal.h):
 *
 *     coil_stop(5 * COIL_SEC);
 *
 * The program ends as soon as its coroutines have, at the latest when the grace is over and they
 * were cancelled. If any were, the coil_scope_close() above returns -ECANCELED, and coil_run() with
 * it. Whoever has not ended 100 ms later is named to the log: where it was spawned, and what it
 * waits for; those that are alike, in one line.
 */
#ifndef COIL_STOP_H
#define COIL_STOP_H

#include <coil/base.h>
#include <coil/future.h>

COIL_BEGIN_DECLS

/*
 * Begins the end of the whole coil_run(), and returns at once. On every core
 *
 *   1. nobody waits for connections any more: coil_accept() and coil_acceptor_next() return
 *      -ESHUTDOWN, also to who waits there already, once all are taken that the kernel has
 *      connected. It goes on with that until the socket is closed: whoever gets into its queue
 *      between that -ESHUTDOWN and the close finds the connection reset, but for a coil_listener,
 *      which lets nobody in any more;
 *   2. coil_stop_wait() returns;
 *   3. after `grace_ns` (COIL_FOREVER: never) all coroutines are cancelled, fn of coil_run() too.
 *      A shield (coil/scope.h) holds that off, but coil_call() and coil_spawn_on() are refused.
 *
 * coil_run() returns as ever when fn has returned and all coroutines have ended. May be called
 * again, on any core: the earliest end of the grace counts, so that 0 cuts it short. From a
 * coroutine only; another thread can send a signal, or a message to a port.
 */
void coil_stop(int64_t grace_ns);

/* Whether coil_stop() was called, as far as this core has heard. */
bool coil_stopping(void);

/* Waits for coil_stop(), for work that nobody would miss: returns 0, at once if it was called. */
COIL_SUSPENDS int coil_stop_wait(void);
void coil_stop_wait_start(struct coil_future *future);

COIL_END_DECLS
#endif
