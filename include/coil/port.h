/* SPDX-License-Identifier: MIT */
/*
 * Messages to a core: from another core, or through a port from any thread of the program.
 *
 *     struct request {
 *         struct coil_message message;
 *         ...
 *     };
 *     static void serve(struct coil_message *message)       on the core, outside of any coroutine
 *     {
 *         struct request *request = (struct request *)message;
 *         coil_spawn(&scope, handle, request);
 *     }
 *
 *     COIL_PORT(port);                                      a coroutine
 *     err = coil_port_open(&port);
 *     request.message.deliver = serve;                      any thread
 *     err = coil_post(&port, &request.message);
 *
 * A message is the caller's memory and begins with its link, so that posting it takes no memory and
 * cannot wait; from the post to its delivery it belongs to the core. Each message is delivered
 * once, and those of one thread to one core arrive in the order in which they were posted.
 */
#ifndef COIL_PORT_H
#define COIL_PORT_H

#include <coil/base.h>

COIL_BEGIN_DECLS

/* private: the core of a coil_run() */
struct coil__core;

/*
 * Something to be done on a core. `deliver` runs there, between the coroutines. It may reuse or
 * free the message, post, set a promise, and spawn into a scope of that core; it may not suspend.
 */
struct coil_message {
    struct coil_message *next; /* private */
    void (*deliver)(struct coil_message *message);
};

/*
 * Leaves a message for `core`; it may be the caller's own. From a core only; never waits. It goes
 * when the caller's turn ends, at the latest, as everything that goes to the kernel.
 *
 * Returns 0; -EINVAL: there is no such core; -ESHUTDOWN: all coroutines of the run have ended, and
 * this was called by a last delivery. Then the message was not posted.
 */
COIL_MUST_CHECK int coil_post_core(unsigned core, struct coil_message *message);

/* Where any thread may leave messages for the core that opened it. Zero-initialised or declared by
 * COIL_PORT(). Must live until the last coil_post() on it has returned. */
struct coil_port {
    /* private */
    struct coil__core *core;
    uint32_t run;
    uint32_t door;
};

/* Declares a port that is closed however its block is left. Only where nobody posts afterwards. */
#define COIL_PORT(name) struct coil_port name __attribute__((cleanup(coil_port_close))) = COIL_ZERO

/*
 * Opens a port to this core. While it is open a message may always come, so that coroutines which
 * wait for each other are no deadlock. May be opened again once it was closed and nobody posts.
 * Returns 0; -EMFILE, -ENFILE or -ENOMEM: the descriptor by which threads wake this core, made by
 * its first port or wait for a promise, was not to be had.
 */
COIL_MUST_CHECK int coil_port_open(struct coil_port *port);

/*
 * Leaves a message for the core of `port`, waking it if it sleeps. From any thread, whether it is a
 * core or not; never waits. What the caller did before is done for who gets the message.
 *
 * Returns 0, or -ESHUTDOWN when the port is closed, or in a child of fork(), where no core runs:
 * then the message was not posted.
 */
COIL_MUST_CHECK int coil_post(struct coil_port *port, struct coil_message *message);

/*
 * Closes the port: later posts are refused, and when it returns all earlier ones are delivered. On
 * its core only, and by the end of coil_run() at the latest. Idempotent.
 */
COIL_UNCANCELLABLE void coil_port_close(struct coil_port *port);

COIL_END_DECLS
#endif
