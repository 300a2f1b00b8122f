/* SPDX-License-Identifier: MIT */
/*
 * Channels across cores. All that two ends decide, they decide under the lock, so that each value
 * and each wait has one fate:
 *
 *     WAITING --- an other end serves it, or closes ---> SERVED -- message home --> done
 *        |                (its link is taken out)
 *        +------- cancel, at home ------------------------------> done, -ECANCELED
 *
 * Whoever takes a wait out of its queue decides its result, and touches the channel no more once
 * the lock is left: from then on the waiting end may go on, and end the channel's life.
 */
#include "chan/slots.h"
#include "core/core.h"
#include "base/spinlock.h"

#include <coil/xchan.h>

#include <errno.h>

static struct coil_future *future_of(struct coil_crossing *crossing)
{
    return coil__container_of(crossing, struct coil_future, crossing);
}

static void served_arrives(struct coil_message *message)
{
    struct coil_crossing *crossing = coil__container_of(message, struct coil_crossing, message);
    coil__future_complete(future_of(crossing), crossing->result);
}

static bool is_waited_in(const struct coil_link *waiters)
{
    return coil__list_linked(waiters) && !coil__list_empty(waiters);
}

/* Takes out who waits longest, to end with `result`; NULL when nobody waits. Under the lock. */
static struct coil_crossing *serve(struct coil_link *waiters, int result)
{
    if (!is_waited_in(waiters))
        return NULL;
    struct coil_crossing *crossing = coil__container_of(waiters->next, struct coil_crossing, link);
    coil__list_remove(&crossing->link);
    crossing->result = result;
    return crossing;
}

/* Tells who was served, wherever that is; NULL: nobody was. After the lock. */
static void tell(struct coil_crossing *served)
{
    if (served == NULL)
        return;
    if (served->home == coil__core_here)
        coil__future_complete(future_of(served), served->result);
    else
        coil__core_post(served->home, &served->message);
}

/* Under the lock. */
static void begin_wait(struct coil_link *waiters, struct coil_future *future,
                       struct coil_xchan *xchan, void *value)
{
    future->crossing = (struct coil_crossing){
        .message.deliver = served_arrives,
        .home = coil__core_here,
        .xchan = xchan,
        .value = value,
    };
    if (!coil__list_linked(waiters))
        coil__list_init(waiters);
    coil__list_append(waiters, &future->crossing.link);
}

/* Hands a value to the receiver that waits longest, if there is one. Under the lock. */
static struct coil_crossing *hand_over(struct coil_chan *chan, const void *value)
{
    struct coil_crossing *receiver = serve(&chan->receivers, 0);
    if (receiver != NULL)
        coil__chan_copy(chan, receiver->value, value);
    return receiver;
}

/* Sends or says why not: -EAGAIN if that would have to wait. Under the lock. */
static int send_now(struct coil_chan *chan, const void *value, struct coil_crossing **served)
{
    if (chan->state != COIL__CHAN_OPEN)
        return -EPIPE;
    *served = hand_over(chan, value);
    if (*served != NULL)
        return 0;
    if (chan->used == chan->slot_count)
        return -EAGAIN;
    coil__chan_push(chan, value);
    return 0;
}

/* Receives or says why not: -EAGAIN if that would have to wait. Under the lock. */
static int recv_now(struct coil_chan *chan, void *value, struct coil_crossing **served)
{
    if (chan->state == COIL__CHAN_CLOSED) /* what is left is being disposed of */
        return -EPIPE;
    bool was_empty = chan->used == 0;
    if (!was_empty) {
        coil__chan_copy(chan, value, coil__chan_slot(chan, chan->head));
        coil__chan_drop_first(chan);
    }
    struct coil_crossing *sender = *served = serve(&chan->senders, 0);
    if (sender != NULL && was_empty)
        coil__chan_copy(chan, value, sender->value);
    else if (sender != NULL)
        coil__chan_push(chan, sender->value);
    if (!was_empty || sender != NULL)
        return 0;
    return chan->state == COIL__CHAN_OPEN ? -EAGAIN : -EPIPE;
}

static void wait_cancel(struct coil_future *future)
{
    struct coil_xchan *xchan = future->crossing.xchan;
    coil__spinlock_take(&xchan->lock);
    bool waits = coil__list_linked(&future->crossing.link);
    if (waits)
        coil__list_remove(&future->crossing.link);
    coil__spinlock_leave(&xchan->lock);
    if (waits)
        coil__future_complete(future, -ECANCELED);
}

/* A value that was received and is not wanted. */
static void recv_discard(struct coil_future *future)
{
    if (future->result < 0)
        return;
    struct coil_xchan *xchan = future->crossing.xchan;
    struct coil_chan *chan = &xchan->chan;
    void *value = future->crossing.value;
    coil__spinlock_take(&xchan->lock);
    struct coil_crossing *served = hand_over(chan, value);
    bool has_room = chan->used < chan->slot_count && chan->state != COIL__CHAN_CLOSED;
    if (served == NULL && has_room)
        coil__chan_push_first(chan, value);
    coil__spinlock_leave(&xchan->lock);
    tell(served);
    if (served == NULL && !has_room)
        coil__chan_dispose(chan, value);
}

static const struct coil_future_kind send_kind = {.name = "channel between cores, to send",
                                                  .cancel = wait_cancel};
static const struct coil_future_kind recv_kind = {
    .name = "channel between cores, to receive", .cancel = wait_cancel, .discard = recv_discard};

/* A wait only reads what it sends. */
static inline void *unconst(const void *value)
{
    return (void *)(uintptr_t)value;
}

void coil_xchan_send_start(struct coil_future *future, struct coil_xchan *xchan, const void *value)
{
    if (!coil__future_begin(future, &send_kind))
        return;
    struct coil_crossing *served = NULL;
    coil__spinlock_take(&xchan->lock);
    int result = send_now(&xchan->chan, value, &served);
    if (result == -EAGAIN)
        begin_wait(&xchan->chan.senders, future, xchan, unconst(value));
    coil__spinlock_leave(&xchan->lock);
    tell(served);
    if (result != -EAGAIN)
        coil__future_complete(future, result);
}

void coil_xchan_recv_start(struct coil_future *future, struct coil_xchan *xchan, void *value)
{
    if (!coil__future_begin(future, &recv_kind))
        return;
    struct coil_crossing *served = NULL;
    coil__spinlock_take(&xchan->lock);
    int result = recv_now(&xchan->chan, value, &served);
    if (result == -EAGAIN)
        begin_wait(&xchan->chan.receivers, future, xchan, value);
    coil__spinlock_leave(&xchan->lock);
    tell(served);
    if (result == -EAGAIN)
        return;
    future->crossing.xchan = xchan; /* should the value not be wanted */
    future->crossing.value = value;
    coil__future_complete(future, result);
}

int coil_xchan_try_send(struct coil_xchan *xchan, const void *value)
{
    (void)coil__self();
    struct coil_crossing *served = NULL;
    coil__spinlock_take(&xchan->lock);
    int result = send_now(&xchan->chan, value, &served);
    coil__spinlock_leave(&xchan->lock);
    tell(served);
    return result;
}

int coil_xchan_try_recv(struct coil_xchan *xchan, void *value)
{
    (void)coil__self();
    struct coil_crossing *served = NULL;
    coil__spinlock_take(&xchan->lock);
    int result = recv_now(&xchan->chan, value, &served);
    coil__spinlock_leave(&xchan->lock);
    tell(served);
    return result;
}

int coil_xchan_send(struct coil_xchan *xchan, const void *value)
{
    struct coil_task *task = coil__self();
    if (__builtin_expect(task->cancelled, 0))
        return coil__future_refuse(task);
    int result = coil_xchan_try_send(xchan, value);
    if (result != -EAGAIN)
        return result;
    struct coil_future future;
    coil_xchan_send_start(&future, xchan, value);
    return (int)coil__await(&future);
}

int coil_xchan_recv(struct coil_xchan *xchan, void *value)
{
    struct coil_task *task = coil__self();
    if (__builtin_expect(task->cancelled, 0))
        return coil__future_refuse(task);
    int result = coil_xchan_try_recv(xchan, value);
    if (result != -EAGAIN)
        return result;
    struct coil_future future;
    coil_xchan_recv_start(&future, xchan, value);
    return (int)coil__await(&future);
}

void coil_xchan_init(struct coil_xchan *xchan, void *slots, size_t value_size, size_t slot_count)
{
    coil_chan_init(&xchan->chan, slots, value_size, slot_count);
    xchan->lock = 0;
}

void coil_xchan_dispose_by(struct coil_xchan *xchan, void (*dispose)(void *value))
{
    coil_chan_dispose_by(&xchan->chan, dispose);
}

/* Goes on to `state`, unless it is there or beyond; true: it was not. Ends all waits. */
static bool close_to(struct coil_xchan *xchan, enum coil__chan_state state)
{
    (void)coil__self();
    struct coil_chan *chan = &xchan->chan;
    bool moved = false;
    struct coil_crossing *served;
    do { /* ends: nobody begins to wait any more */
        coil__spinlock_take(&xchan->lock);
        if (chan->state < state) {
            chan->state = (uint8_t)state;
            moved = true;
        }
        served = serve(&chan->senders, -EPIPE);
        if (served == NULL)
            served = serve(&chan->receivers, -EPIPE);
        coil__spinlock_leave(&xchan->lock);
        tell(served);
    } while (served != NULL);
    return moved;
}

void coil_xchan_close(struct coil_xchan *xchan)
{
    close_to(xchan, COIL__CHAN_DRAINING);
}

void coil_xchan_close_now(struct coil_xchan *xchan)
{
    /* The values belong to who closed it: nobody else touches them from then on. */
    if (close_to(xchan, COIL__CHAN_CLOSED))
        coil__chan_dispose_of_all(&xchan->chan);
}

void coil_xchan_destroy(struct coil_xchan *xchan)
{
    struct coil_chan *chan = &xchan->chan;
    coil__spinlock_take(&xchan->lock); /* after whoever served us has left it */
    bool waited_for = is_waited_in(&chan->senders) || is_waited_in(&chan->receivers);
    coil__spinlock_leave(&xchan->lock);
    coil__require(!waited_for, "coil_xchan_destroy: a coroutine waits for it");
    coil__chan_dispose_of_all(chan);
    *xchan = (struct coil_xchan)COIL_ZERO;
}
