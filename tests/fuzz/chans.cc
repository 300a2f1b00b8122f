/* SPDX-License-Identifier: MIT */
/* Channels, within a core and between cores. */
#include "actor.h"

#include <cerrno>

namespace coil_fuzz {

namespace {

coil_chan *chan_of(const Slot &slot)
{
    return &world->here().chans[slot.index];
}

coil_xchan *xchan_of(const Slot &slot)
{
    return &world->xchans[slot.index];
}

template <unsigned count> bool prepare_send(Actor &actor, Slot &slot)
{
    slot.index = actor.input().below(count);
    slot.value = world->values.offer();
    return true;
}

template <unsigned count> bool prepare_receive(Actor &actor, Slot &slot)
{
    slot.index = actor.input().below(count);
    slot.value = {};
    return true;
}

void ended_send(Actor &, Slot &slot, ssize_t result)
{
    if (result == 0)
        world->values.sent(slot.value);
    else if (result != kDropped)
        world->values.refused(slot.value);
}

void ended_receive(Actor &, Slot &slot, ssize_t result)
{
    if (result == 0)
        world->values.arrived(slot.value);
}

ssize_t try_send(Actor &actor)
{
    Slot slot;
    prepare_send<kChans>(actor, slot);
    bool crosses = actor.input().flag();
    slot.index %= crosses ? 2 : kChans;
    ssize_t err = crosses ? coil_xchan_try_send(xchan_of(slot), &slot.value)
                          : coil_chan_try_send(chan_of(slot), &slot.value);
    ended_send(actor, slot, err);
    return err;
}

ssize_t try_receive(Actor &actor)
{
    Slot slot;
    prepare_receive<kChans>(actor, slot);
    bool crosses = actor.input().flag();
    slot.index %= crosses ? 2 : kChans;
    ssize_t err = crosses ? coil_xchan_try_recv(xchan_of(slot), &slot.value)
                          : coil_chan_try_recv(chan_of(slot), &slot.value);
    ended_receive(actor, slot, err);
    return err;
}

ssize_t close_chan(Actor &actor)
{
    coil_chan *chan = &world->here().chans[actor.input().below(kChans)];
    if (actor.input().flag())
        coil_chan_close_now(chan);
    else
        coil_chan_close(chan);
    return kNothing;
}

ssize_t close_xchan(Actor &actor)
{
    coil_xchan *xchan = &world->xchans[actor.input().below(2)];
    if (actor.input().flag())
        coil_xchan_close_now(xchan);
    else
        coil_xchan_close(xchan);
    return kNothing;
}

} // namespace

void add_chan_verbs(std::vector<Verb> &verbs)
{
    verbs.insert(
        verbs.end(),
        {{"send_value", prepare_send<kChans>,
          [](Slot &s) { coil_chan_send_start(&s.future, chan_of(s), &s.value); },
          [](Slot &s) -> ssize_t { return coil_chan_send(chan_of(s), &s.value); }, ended_send},
         {"recv_value", prepare_receive<kChans>,
          [](Slot &s) { coil_chan_recv_start(&s.future, chan_of(s), &s.value); },
          [](Slot &s) -> ssize_t { return coil_chan_recv(chan_of(s), &s.value); }, ended_receive},
         {"send_value_across", prepare_send<2>,
          [](Slot &s) { coil_xchan_send_start(&s.future, xchan_of(s), &s.value); },
          [](Slot &s) -> ssize_t { return coil_xchan_send(xchan_of(s), &s.value); }, ended_send},
         {"recv_value_across", prepare_receive<2>,
          [](Slot &s) { coil_xchan_recv_start(&s.future, xchan_of(s), &s.value); },
          [](Slot &s) -> ssize_t { return coil_xchan_recv(xchan_of(s), &s.value); },
          ended_receive}});
}

void add_chan_actions(std::vector<Action> &actions)
{
    actions.insert(actions.end(), {{"try_send", try_send},
                                   {"try_receive", try_receive},
                                   {"close_chan", close_chan},
                                   {"close_xchan", close_xchan}});
}

} // namespace coil_fuzz
