/* SPDX-License-Identifier: MIT */
/*
 * One address that all cores serve.
 *
 *     one core                              a coroutine of each core
 *     err = coil_listener_open(&all, ...);  while ((conn = coil_listener_next(&all)) >= 0) {
 *                                               ... serve it, and at its end:
 *                                               coil_listener_done(&all);
 *                                           }
 *     coil_listener_destroy(&all);          coil_listener_leave(&all);
 */
#ifndef COIL_LISTENER_H
#define COIL_LISTENER_H

#include <coil/base.h>
#include <sys/socket.h>

COIL_BEGIN_DECLS

/* How connections come to the cores. */
enum coil_balance {
    /* Each core has a socket of its own (SO_REUSEPORT), to which the kernel sends a connection by a
     * hash of its addresses. Nothing crosses cores; but with few connections some cores have twice
     * as many as others, for as long as they last, and one that is busy is sent no fewer. */
    COIL_BALANCE_KERNEL,

    /* The core that opened the listener accepts for all, and hands each connection to the core that
     * has the fewest open ones. They differ by one at most when connections come, however many at
     * once, unless a core is as far behind with taking them as the backlog (but 64 to 4096), when
     * the one that accepts keeps some; each costs a message. */
    COIL_BALANCE_LEAST,
};

/* private: what a core has of it */
struct coil_listener_core;

/* Shared by all cores: must live until it is destroyed. */
struct coil_listener {
    /* private */
    struct coil_listener_core *cores;
    unsigned core_count, home;
    enum coil_balance balance;
};

/*
 * Listens on a TCP address, as coil_tcp_listen(), for all cores. On whichever core is to accept if
 * one does. Returns 0, -ENOMEM, or an error of coil_tcp_listen().
 */
COIL_SUSPENDS int coil_listener_open(struct coil_listener *listener, const struct sockaddr *addr,
                                     socklen_t addrlen, int backlog, enum coil_balance balance);

/* Which address that has become, if its port was 0. Returns 0 or -errno. Never suspends. */
COIL_MUST_CHECK int coil_listener_address(const struct coil_listener *listener,
                                          struct sockaddr *addr, socklen_t *addrlen);

/*
 * Waits for the next connection of the calling core and returns its descriptor, which is the
 * caller's. By one coroutine of each core; with COIL_BALANCE_LEAST connections come to any core
 * only while the one that opened the listener is in here. Errors are those of coil_acceptor_next(),
 * and -EPIPE: this core has left, or the one that accepts for all has, without a coil_stop().
 *
 * After coil_stop() all come that were connected, also those whose handshake ends within 10 ms, and
 * then, on every core, -ESHUTDOWN: if each core that gets it leaves, no client finds its connection
 * reset. Who begins to connect meanwhile hears nothing, asks again after a second, as TCP does, and
 * is refused.
 */
COIL_SUSPENDS int coil_listener_next(struct coil_listener *listener);

/* Says that a connection of the calling core has ended. */
void coil_listener_done(struct coil_listener *listener);

/* How many connections of `core` have not ended. On any core. */
unsigned coil_listener_load(const struct coil_listener *listener, unsigned core);

/* Takes no more connections on this core, and closes those that were handed to it and not taken. By
 * the coroutine that called coil_listener_next(), before it ends; the others go on. Idempotent. */
COIL_UNCANCELLABLE void coil_listener_leave(struct coil_listener *listener);

/* Ends its life, when every core that called coil_listener_next() has left. On the core that opened
 * it. */
COIL_UNCANCELLABLE void coil_listener_destroy(struct coil_listener *listener);

COIL_END_DECLS
#endif
