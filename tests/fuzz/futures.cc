/* SPDX-License-Identifier: MIT */
/* What one can do with futures that are under way, one or several. */
#include "actor.h"

#include <cerrno>

namespace coil_fuzz {

namespace {

/* All that are under way, as coil takes them. */
struct Several {
    explicit Several(Actor &actor)
    {
        for (Slot &slot : actor.slots) {
            if (slot.verb != nullptr) {
                slots[count] = &slot;
                futures[count++] = &slot.future;
            }
        }
    }

    Slot *slots[Actor::kFutures];
    coil_future *futures[Actor::kFutures];
    size_t count = 0;
};

ssize_t await(Actor &actor)
{
    Slot *slot = actor.some_slot(true);
    if (slot == nullptr)
        return kNothing;
    ssize_t result = coil_await(&slot->future);
    actor.collect(*slot, result);
    return result;
}

ssize_t await_until(Actor &actor)
{
    Slot *slot = actor.some_slot(true);
    if (slot == nullptr)
        return kNothing;
    ssize_t result = coil_await_until(&slot->future, coil_after(actor.input().span()));
    actor.collect(*slot, result);
    return result;
}

ssize_t cancel(Actor &actor)
{
    Slot *slot = actor.some_slot(true);
    if (slot == nullptr)
        return kNothing;
    coil_future_cancel(&slot->future);
    return 0;
}

ssize_t drop(Actor &actor)
{
    Slot *slot = actor.some_slot(true);
    if (slot == nullptr)
        return kNothing;
    coil_future_drop(&slot->future);
    actor.collect(*slot, kDropped);
    return 0;
}

/* Of a future that is done. */
ssize_t take_result(Actor &actor, Slot &slot)
{
    expect(coil_future_done(&slot.future), "a future that was said to be done is");
    ssize_t result = coil_await(&slot.future);
    actor.collect(slot, result);
    return result;
}

ssize_t await_any(Actor &actor)
{
    Several several(actor);
    if (several.count == 0)
        return kNothing;
    int which = coil_await_any(several.futures, several.count);
    return which < 0 ? which : take_result(actor, *several.slots[which]);
}

ssize_t await_all(Actor &actor)
{
    Several several(actor);
    if (several.count == 0)
        return kNothing;
    int err = coil_await_all(several.futures, several.count);
    for (size_t i = 0; i < several.count; i++)
        take_result(actor, *several.slots[i]);
    return err;
}

/* Each in the order in which they are done. */
ssize_t await_next(Actor &actor)
{
    Several several(actor);
    int which = -ENOENT;
    for (size_t left = several.count; left > 0; left--) {
        which = coil_await_next(several.futures, several.count);
        expect(which != -ENOENT, "there is another future");
        if (which < 0)
            return which;
        take_result(actor, *several.slots[which]);
    }
    if (several.count > 0)
        expect(coil_await_next(several.futures, several.count) < 0, "no future is done twice");
    return 0;
}

ssize_t race(Actor &actor)
{
    Several several(actor);
    if (several.count == 0)
        return kNothing;
    int which = coil_await_race(several.futures, several.count);
    ssize_t result = which;
    if (which >= 0)
        result = take_result(actor, *several.slots[which]);
    for (size_t i = 0; i < several.count; i++) {
        if (int(i) != which)
            actor.collect(*several.slots[i], kDropped);
    }
    return result;
}

} // namespace

void add_future_actions(std::vector<Action> &actions)
{
    actions.insert(actions.end(), {{"await", await},
                                   {"await_until", await_until},
                                   {"cancel", cancel},
                                   {"drop", drop},
                                   {"await_any", await_any},
                                   {"await_all", await_all},
                                   {"await_next", await_next},
                                   {"race", race}});
}

} // namespace coil_fuzz
