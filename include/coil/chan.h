/* SPDX-License-Identifier: MIT */
/*
 * Channels between the coroutines of one core: queues of values of one size, which are copied in
 * and out, in memory that the caller provides. For several cores there is coil/xchan.h; this one
 * aborts when it is seen to be used on another core than where a coroutine waits for it.
 *
 *     int slots[16];
 *     struct coil_chan chan;
 *     coil_chan_init(&chan, slots, sizeof(slots[0]), 16);
 *
 *     one coroutine                               another
 *     while (...)                                 while (coil_chan_recv(&chan, &number) == 0)
 *         err = coil_chan_send(&chan, &number);       ... use number ...
 *     coil_chan_close(&chan);
 *
 * Fair: values are received in the order in which their sends began, by receivers in the order in
 * which their receives began.
 *
 * A send that is cancelled did not send, a receive that is cancelled took nothing. What has been
 * handed over is: the call returns 0, though the scope may be cancelled by then. coil_await_any()
 * selects over sends, receives, timers, locks and operations of the kernel. For a receive with a
 * timeout use coil_await_until(), which loses no value: when it times out, nothing was received.
 */
#ifndef COIL_CHAN_H
#define COIL_CHAN_H

#include <coil/base.h>
#include <coil/future.h>

COIL_BEGIN_DECLS

/* One channel. Stays where it is until all futures on it have been awaited or dropped. */
struct coil_chan {
    /* private */
    char *slots;
    size_t value_size;
    size_t slot_count, head, used;
    struct coil_link senders, receivers;
    void (*dispose)(void *value);
    bool latest;
    uint8_t state;
};

/*
 * A channel that holds `slot_count` values of `value_size` bytes in `slots`, as an array. With 0
 * slots, where `slots` may be NULL, each send waits for its receiver.
 */
void coil_chan_init(struct coil_chan *chan, void *slots, size_t value_size, size_t slot_count);

/*
 * A channel that holds the latest value only: a send never waits, and replaces a value that nobody
 * has received yet. Each value is received by one receiver at most. `slot` holds one value.
 */
void coil_chan_init_latest(struct coil_chan *chan, void *slot, size_t value_size);

/*
 * Has `dispose` called for each value that was sent and that nobody will receive: it was replaced
 * by a later one, dropped by coil_chan_close_now() or coil_chan_destroy(), or returned (see
 * coil_chan_recv()) where there was no room. For values that own something. It must not suspend,
 * and not use the channel.
 */
void coil_chan_dispose_by(struct coil_chan *chan, void (*dispose)(void *value));

/*
 * Copies *value in; waits while there is no room and nobody receives. `value` must live until the
 * future is done. Returns 0, or -EPIPE if the channel is closed and the value was not sent.
 */
COIL_SUSPENDS int coil_chan_send(struct coil_chan *chan, const void *value);
void coil_chan_send_start(struct coil_future *future, struct coil_chan *chan, const void *value);

/*
 * Copies the next value to *value; waits until there is one. Returns 0, or -EPIPE once the channel
 * is closed and empty.
 *
 * A future that has received and is dropped instead of awaited returns its value, which `value`
 * still holds: to the receiver that waits longest, else to the front of the channel. If that has no
 * slots, or senders have filled them meanwhile, or receiving has ended, the value is disposed of.
 * Who can't bear that cancels the future and awaits it: 0 then says that there is a value.
 */
COIL_SUSPENDS int coil_chan_recv(struct coil_chan *chan, void *value);
void coil_chan_recv_start(struct coil_future *future, struct coil_chan *chan, void *value);

/* As above, but return -EAGAIN in place of waiting. */
COIL_MUST_CHECK int coil_chan_try_send(struct coil_chan *chan, const void *value);
COIL_MUST_CHECK int coil_chan_try_recv(struct coil_chan *chan, void *value);

/* Ends sending: sends that wait, and later ones, return -EPIPE. What was sent can be received. */
void coil_chan_close(struct coil_chan *chan);

/* Ends receiving too: what was sent and not received is disposed of. Also after the former. */
void coil_chan_close_now(struct coil_chan *chan);

/* Ends its life: disposes of what is left. Aborts while anybody waits. */
void coil_chan_destroy(struct coil_chan *chan);

COIL_END_DECLS
#endif
