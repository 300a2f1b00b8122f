/* SPDX-License-Identifier: MIT */
/* The values in a channel, of either sort. */
#ifndef COIL_CHAN_SLOTS_H
#define COIL_CHAN_SLOTS_H

#include <coil/chan.h>
#include <string.h>

enum coil__chan_state {
    COIL__CHAN_OPEN,
    COIL__CHAN_DRAINING, /* no more sends */
    COIL__CHAN_CLOSED,   /* and nothing to receive */
};

static inline char *coil__chan_slot(const struct coil_chan *chan, size_t index)
{
    size_t wrapped = index < chan->slot_count ? index : index - chan->slot_count;
    return chan->slots + wrapped * chan->value_size;
}

/* Most values are a pointer or a number. */
static inline void coil__chan_copy(const struct coil_chan *chan, void *to, const void *from)
{
    if (chan->value_size == sizeof(uint64_t))
        memcpy(to, from, sizeof(uint64_t));
    else
        memcpy(to, from, chan->value_size);
}

static inline void coil__chan_dispose(const struct coil_chan *chan, void *value)
{
    if (chan->dispose != NULL)
        chan->dispose(value);
}

static inline void coil__chan_push(struct coil_chan *chan, const void *value)
{
    coil__chan_copy(chan, coil__chan_slot(chan, chan->head + chan->used), value);
    chan->used++;
}

static inline void coil__chan_drop_first(struct coil_chan *chan)
{
    chan->head = chan->head + 1 < chan->slot_count ? chan->head + 1 : 0;
    chan->used--;
}

/* A value that was received and is given back: it is older than all that are there. */
static inline void coil__chan_push_first(struct coil_chan *chan, const void *value)
{
    chan->head = (chan->head > 0 ? chan->head : chan->slot_count) - 1;
    coil__chan_copy(chan, coil__chan_slot(chan, chan->head), value);
    chan->used++;
}

static inline void coil__chan_dispose_of_all(struct coil_chan *chan)
{
    while (chan->used > 0) {
        coil__chan_dispose(chan, coil__chan_slot(chan, chan->head));
        coil__chan_drop_first(chan);
    }
}

#endif
