/* SPDX-License-Identifier: MIT */
/*
 * Channels whose senders and receivers may be on different cores: as in coil/chan.h, with any
 * number of ends on any core of one coil_run(). Within a core a coil_chan costs a fraction.
 *
 *     static int slots[64];
 *     static struct coil_xchan chan;
 *     coil_xchan_init(&chan, slots, sizeof(slots[0]), 64);
 *
 *     a coroutine of one core                      of another
 *     while (...)                                  while (coil_xchan_recv(&chan, &number) == 0)
 *         err = coil_xchan_send(&chan, &number);       ... use number ...
 *     coil_xchan_close(&chan);
 *
 * What is said there about order, cancellation, timeouts and dropped futures holds here too. Values
 * are copied by whichever core comes second, also to and from the memory of an end that waits.
 *
 * This is also how an open descriptor, on which nothing is in flight, gets to a given core (for
 * connections a coil_listener does it). Who sent it has it no more, but keeps it when the send
 * fails. Have it closed if nobody receives it, and end the receiving core's part with
 * coil_xchan_close_now(), however it ends:
 *
 *     static void close_unwanted(void *fd) { close(*(int *)fd); }
 *     coil_xchan_dispose_by(&chan, close_unwanted);
 */
#ifndef COIL_XCHAN_H
#define COIL_XCHAN_H

#include <coil/base.h>
#include <coil/chan.h>
#include <coil/future.h>

COIL_BEGIN_DECLS

/* One channel. Stays where it is until no call on it runs, and all futures on it have been awaited
 * or dropped. */
struct coil_xchan {
    /* private */
    struct coil_chan chan;
    uint32_t lock;
};

/* A channel that holds `slot_count` values of `value_size` bytes in `slots`, as an array. With 0
 * slots, where `slots` may be NULL, each send waits for its receiver. By any thread. */
void coil_xchan_init(struct coil_xchan *xchan, void *slots, size_t value_size, size_t slot_count);

/* As coil_chan_dispose_by(), before the first use. `dispose` is called on any core. */
void coil_xchan_dispose_by(struct coil_xchan *xchan, void (*dispose)(void *value));

/* As coil_chan_send(): 0, or -EPIPE if the channel is closed and the value was not sent. */
COIL_SUSPENDS int coil_xchan_send(struct coil_xchan *xchan, const void *value);
void coil_xchan_send_start(struct coil_future *future, struct coil_xchan *xchan, const void *value);

/* As coil_chan_recv(): 0, or -EPIPE once the channel is closed and empty. */
COIL_SUSPENDS int coil_xchan_recv(struct coil_xchan *xchan, void *value);
void coil_xchan_recv_start(struct coil_future *future, struct coil_xchan *xchan, void *value);

/* As above, but return -EAGAIN in place of waiting. */
COIL_MUST_CHECK int coil_xchan_try_send(struct coil_xchan *xchan, const void *value);
COIL_MUST_CHECK int coil_xchan_try_recv(struct coil_xchan *xchan, void *value);

/* Ends sending: sends that wait, and later ones, return -EPIPE. What was sent can be received. By
 * either end, on any core. */
void coil_xchan_close(struct coil_xchan *xchan);

/* Ends receiving too: what was sent and not received is disposed of. Also after the former. */
void coil_xchan_close_now(struct coil_xchan *xchan);

/* Ends its life: disposes of what is left. Aborts while anybody waits. */
void coil_xchan_destroy(struct coil_xchan *xchan);

COIL_END_DECLS
#endif
