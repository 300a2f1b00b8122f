/* SPDX-License-Identifier: MIT */
/*
 * Channels. While senders wait there is no room, and while receivers wait there is no value: so
 * never do both, and what is handed over or overtaken is decided by looking at one end.
 */
#include "chan/slots.h"
#include "future/waiters.h"

/* Hands a value to the receiver that waits longest, if there is one. */
static inline bool hand_over(struct coil_chan *chan, const void *value)
{
    struct coil_future *receiver = coil__waiters_pop(&chan->receivers);
    if (receiver == NULL)
        return false;
    coil__chan_copy(chan, receiver->waiting.value, value);
    coil__future_complete(receiver, 0);
    return true;
}

/* Sends or says why not: -EAGAIN if that would have to wait. */
static inline int send_now(struct coil_chan *chan, const void *value)
{
    if (__builtin_expect(chan->state != COIL__CHAN_OPEN, 0))
        return -EPIPE;
    if (hand_over(chan, value))
        return 0;
    if (chan->used == chan->slot_count) {
        if (!chan->latest)
            return -EAGAIN;
        coil__chan_dispose(chan, coil__chan_slot(chan, chan->head));
        coil__chan_drop_first(chan);
    }
    coil__chan_push(chan, value);
    return 0;
}

/* Takes the value of the sender that waits longest, for `push` or a receiver. */
static inline bool take_from_sender(struct coil_chan *chan, void *value)
{
    struct coil_future *sender = coil__waiters_pop(&chan->senders);
    if (sender == NULL)
        return false;
    coil__chan_copy(chan, value, sender->waiting.value);
    coil__future_complete(sender, 0);
    return true;
}

/* Receives or says why not: -EAGAIN if that would have to wait. */
static inline int recv_now(struct coil_chan *chan, void *value)
{
    if (chan->used == 0) {
        if (take_from_sender(chan, value))
            return 0;
        return chan->state == COIL__CHAN_OPEN ? -EAGAIN : -EPIPE;
    }
    coil__chan_copy(chan, value, coil__chan_slot(chan, chan->head));
    coil__chan_drop_first(chan);
    if (take_from_sender(chan, coil__chan_slot(chan, chan->head + chan->used)))
        chan->used++;
    return 0;
}

static void send_cancel(struct coil_future *future)
{
    struct coil_chan *chan = future->waiting.object;
    coil__waiters_cancel(&chan->senders, future);
}

static void recv_cancel(struct coil_future *future)
{
    struct coil_chan *chan = future->waiting.object;
    coil__waiters_cancel(&chan->receivers, future);
}

/* A value that was received and is not wanted. */
static void recv_discard(struct coil_future *future)
{
    struct coil_chan *chan = future->waiting.object;
    if (future->result < 0 || hand_over(chan, future->waiting.value))
        return;
    if (chan->used == chan->slot_count || chan->state == COIL__CHAN_CLOSED) {
        coil__chan_dispose(chan, future->waiting.value);
        return;
    }
    coil__chan_push_first(chan, future->waiting.value);
}

static const struct coil_future_kind send_kind = {.name = "channel, to send",
                                                  .cancel = send_cancel};
static const struct coil_future_kind recv_kind = {
    .name = "channel, to receive", .cancel = recv_cancel, .discard = recv_discard};

static void begin_wait(struct coil_link *waiters, struct coil_future *future,
                       struct coil_chan *chan, void *value)
{
    future->waiting.object = chan;
    future->waiting.value = value;
    coil__waiters_append(waiters, future);
}

/* The waiting record serves both directions. */
static inline void *unconst(const void *value)
{
    return (void *)(uintptr_t)value;
}

void coil_chan_send_start(struct coil_future *future, struct coil_chan *chan, const void *value)
{
    if (!coil__future_begin(future, &send_kind))
        return;
    int result = send_now(chan, value);
    if (result == -EAGAIN)
        begin_wait(&chan->senders, future, chan, unconst(value));
    else
        coil__future_complete(future, result);
}

void coil_chan_recv_start(struct coil_future *future, struct coil_chan *chan, void *value)
{
    if (!coil__future_begin(future, &recv_kind))
        return;
    int result = recv_now(chan, value);
    if (result == -EAGAIN) {
        begin_wait(&chan->receivers, future, chan, value);
        return;
    }
    future->waiting.object = chan;
    future->waiting.value = value;
    coil__future_complete(future, result);
}

/* Waits in one of the queues, when nothing can be done at once. */
static int wait_for_turn(struct coil_link *waiters, const struct coil_future_kind *kind,
                         struct coil_chan *chan, void *value)
{
    struct coil_future future;
    if (coil__future_begin(&future, kind))
        begin_wait(waiters, &future, chan, value);
    return (int)coil__await(&future);
}

int coil_chan_send(struct coil_chan *chan, const void *value)
{
    struct coil_task *task = coil__self();
    if (__builtin_expect(task->cancelled, 0))
        return coil__future_refuse(task);
    int result = send_now(chan, value);
    return result == -EAGAIN ? wait_for_turn(&chan->senders, &send_kind, chan, unconst(value))
                             : result;
}

int coil_chan_recv(struct coil_chan *chan, void *value)
{
    struct coil_task *task = coil__self();
    if (__builtin_expect(task->cancelled, 0))
        return coil__future_refuse(task);
    int result = recv_now(chan, value);
    return result == -EAGAIN ? wait_for_turn(&chan->receivers, &recv_kind, chan, value) : result;
}

int coil_chan_try_send(struct coil_chan *chan, const void *value)
{
    (void)coil__self();
    return send_now(chan, value);
}

int coil_chan_try_recv(struct coil_chan *chan, void *value)
{
    (void)coil__self();
    return recv_now(chan, value);
}

void coil_chan_init(struct coil_chan *chan, void *slots, size_t value_size, size_t slot_count)
{
    coil__require(value_size > 0, "coil_chan_init: values without a size");
    coil__require(slot_count == 0 || slots != NULL, "coil_chan_init: no memory for the slots");
    *chan = (struct coil_chan){
        .slots = slots,
        .value_size = value_size,
        .slot_count = slot_count,
    };
}

void coil_chan_init_latest(struct coil_chan *chan, void *slot_memory, size_t value_size)
{
    coil_chan_init(chan, slot_memory, value_size, 1);
    chan->latest = true;
}

void coil_chan_dispose_by(struct coil_chan *chan, void (*dispose_value)(void *value))
{
    chan->dispose = dispose_value;
}

void coil_chan_close(struct coil_chan *chan)
{
    (void)coil__self();
    if (chan->state == COIL__CHAN_OPEN)
        chan->state = COIL__CHAN_DRAINING;
    coil__waiters_complete(&chan->senders, -EPIPE);
    coil__waiters_complete(&chan->receivers, -EPIPE);
}

void coil_chan_close_now(struct coil_chan *chan)
{
    coil_chan_close(chan);
    chan->state = COIL__CHAN_CLOSED;
    coil__chan_dispose_of_all(chan);
}

void coil_chan_destroy(struct coil_chan *chan)
{
    coil__require(coil__waiters_empty(&chan->senders) && coil__waiters_empty(&chan->receivers),
                  "coil_chan_destroy: a coroutine waits for it");
    coil__chan_dispose_of_all(chan);
    *chan = (struct coil_chan)COIL_ZERO;
}
