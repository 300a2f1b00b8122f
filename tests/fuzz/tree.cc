/* SPDX-License-Identifier: MIT */
/* Coroutines, scopes, calls between cores, time, and the end. */
#include "actor.h"

#include <coil/sim.h>
#include <cerrno>

namespace coil_fuzz {

namespace {

void ignore(Actor &, Slot &, ssize_t) {}

bool nothing(Actor &, Slot &)
{
    return true;
}

/* ---- verbs ---- */

bool prepare_span(Actor &actor, Slot &slot)
{
    slot.at = actor.input().span();
    return true;
}

bool prepare_instant(Actor &actor, Slot &slot)
{
    slot.at = coil_after(actor.input().span());
    return true;
}

void ended_sleep(Actor &, Slot &slot, ssize_t result)
{
    expect(result != 0 || coil_now() >= slot.at, "nobody wakes early", coil_now());
}

bool prepare_promise(Actor &actor, Slot &slot)
{
    slot.index = actor.input().below(kPromises);
    return !world->may_deadlock; /* a thread might set it */
}

void ended_promise(Actor &, Slot &slot, ssize_t result)
{
    if (result >= 0)
        expect(result == world->here().promised[slot.index], "a promise gives its value", result);
}

bool prepare_child(Actor &actor, Slot &slot)
{
    slot.scope = actor.some_scope();
    if (slot.scope == nullptr)
        return false;
    slot.birth = actor.beget(nullptr);
    return slot.birth != nullptr;
}

bool prepare_call(Actor &actor, Slot &slot)
{
    slot.index = actor.input().below(world->core_count);
    slot.birth = actor.beget(nullptr);
    return slot.birth != nullptr;
}

/* ---- actions ---- */

ssize_t rename(Actor &)
{
    coil_task_rename("fuzz");
    return kNothing;
}

void destroy_local(void *value)
{
    expect(value == &world->locals, "a local value is what was set");
    world->locals--;
}

void *inherit_local(void *value)
{
    world->locals++;
    return value;
}

ssize_t set_local(Actor &)
{
    static coil_local kept = {destroy_local, nullptr, 0},
                      passed_on = {destroy_local, inherit_local, 0};
    for (coil_local *key : {&kept, &passed_on}) {
        world->locals += coil_local_get(key) == nullptr ? 1 : 0;
        coil_local_set(key, &world->locals);
    }
    return kNothing;
}

ssize_t open_scope(Actor &actor)
{
    if (actor.open_scopes == Actor::kScopes)
        return kNothing;
    int64_t span = actor.input().span();
    coil_scope_open(&actor.scopes[actor.open_scopes++],
                    span == 0 ? COIL_FOREVER : coil_after(span));
    return 0;
}

/* A cleanup, which needs a bound. */
ssize_t open_shield(Actor &actor)
{
    if (actor.open_scopes == Actor::kScopes)
        return kNothing;
    coil_scope *scope = &actor.scopes[actor.open_scopes++];
    coil_scope_open(scope, coil_after(actor.input().span()));
    coil_scope_shield(scope);
    return 0;
}

ssize_t close_scope(Actor &actor)
{
    if (actor.open_scopes == 0)
        return kNothing;
    int outcome = actor.input().below(4) == 3 ? -EPROTO : 0;
    return coil_scope_close(&actor.scopes[--actor.open_scopes], outcome);
}

ssize_t drop_scope(Actor &actor)
{
    if (actor.open_scopes == 0)
        return kNothing;
    coil_scope_drop(&actor.scopes[--actor.open_scopes]);
    return 0;
}

ssize_t cancel_scope(Actor &actor)
{
    coil_scope *scope = actor.some_scope();
    if (scope == nullptr)
        return kNothing;
    coil_scope_cancel(scope);
    expect(coil_scope_cancelled(scope), "a scope that was cancelled is so");
    return 0;
}

int cancel_over_there(void *scope)
{
    coil_scope_cancel(static_cast<coil_scope *>(scope));
    return 0;
}

/* The one that we live in, which stays open as long as we live. */
ssize_t cancel_home(Actor &actor)
{
    if (actor.birth.scope == nullptr || actor.birth.depth == 0)
        return kNothing;
    return coil_call(actor.birth.home, cancel_over_there, actor.birth.scope);
}

ssize_t move_deadline(Actor &actor)
{
    if (actor.open_scopes == 0)
        return kNothing;
    unsigned which = actor.input().below(actor.open_scopes);
    coil_scope_deadline(&actor.scopes[which], coil_after(actor.input().span()));
    return 0;
}

int live_in_copy(void *birth)
{
    return live(*static_cast<Birth **>(birth));
}

ssize_t spawn(Actor &actor, int (*spawn_into)(coil_scope *, Birth *))
{
    coil_scope *scope = actor.some_scope();
    Birth *birth = scope != nullptr ? actor.beget(scope) : nullptr;
    if (birth == nullptr)
        return kNothing;
    if (scope == actor.birth.scope)
        birth->home = actor.birth.home;
    return spawn_into(scope, birth);
}

ssize_t spawn_here(Actor &actor)
{
    return spawn(actor,
                 [](coil_scope *scope, Birth *birth) { return coil_spawn(scope, live, birth); });
}

ssize_t spawn_copy(Actor &actor)
{
    return spawn(actor, [](coil_scope *scope, Birth *birth) {
        return coil_spawn_copy(scope, live_in_copy, &birth, sizeof(birth));
    });
}

ssize_t spawn_in(Actor &actor)
{
    return spawn(actor, [](coil_scope *scope, Birth *birth) {
        return coil_spawn_in(scope, world->queue, live, birth);
    });
}

ssize_t spawn_on(Actor &actor)
{
    return spawn(actor, [](coil_scope *scope, Birth *birth) {
        return coil_spawn_on(scope, world->input.below(world->core_count), live, birth);
    });
}

ssize_t read_queue(Actor &)
{
    coil_queue_stats stats;
    coil_queue_read(world->queue, &stats);
    coil_queue_read(coil_queue_self(), &stats);
    return kNothing;
}

struct Letter {
    coil_message message;
    unsigned core;
};

void deliver(coil_message *message)
{
    Letter *letter = reinterpret_cast<Letter *>(message);
    expect(letter->core == coil_core_self(), "a message comes to its core", letter->core);
    world->delivered++;
    delete letter;
}

ssize_t post(Actor &actor)
{
    unsigned core = actor.input().below(world->core_count);
    Letter *letter = new Letter{{nullptr, deliver}, core};
    world->posted++;
    int err = coil_post_core(core, &letter->message);
    expect(err == 0, "a message can be posted", err);
    return kNothing;
}

ssize_t post_through_port(Actor &actor)
{
    if (world->may_deadlock) /* a thread might post */
        return kNothing;
    COIL_PORT(port);
    int err = coil_port_open(&port);
    expect(err == 0, "a port can be opened", err);
    for (unsigned left = actor.input().below(4); left > 0; left--) {
        Letter *letter = new Letter{{nullptr, deliver}, coil_core_self()};
        world->posted++;
        err = coil_post(&port, &letter->message);
        expect(err == 0, "a message can be posted through a port", err);
    }
    return 0;
}

ssize_t keep_promise(Actor &actor)
{
    Place &place = world->places[actor.input().below(world->core_count)];
    unsigned which = actor.input().below(kPromises);
    unsigned value = actor.input().byte();
    int err = coil_promise_set(&place.promises[which], value);
    bool first = place.promised[which] < 0;
    expect(err == (first ? 0 : -EALREADY), "a promise is set once", err);
    if (first)
        place.promised[which] = value;
    return kNothing;
}

ssize_t stop(Actor &actor)
{
    coil_stop(actor.input().span());
    return coil_stopping() ? 0 : kNothing;
}

ssize_t set_faults(Actor &actor)
{
    coil_sim_set_faults(coil_sim_faults(actor.input().below(3)));
    return kNothing;
}

ssize_t cut_power(Actor &)
{
    world->was_cut = true;
    coil_sim_crash();
    return 0;
}

} // namespace

void add_tree_verbs(std::vector<Verb> &verbs)
{
    verbs.insert(
        verbs.end(),
        {{"sleep", prepare_span, [](Slot &s) { coil_sleep_start(&s.future, s.at); },
          [](Slot &s) -> ssize_t { return coil_sleep(s.at); }, ignore},
         {"sleep_until", prepare_instant, [](Slot &s) { coil_sleep_until_start(&s.future, s.at); },
          [](Slot &s) -> ssize_t { return coil_sleep_until(s.at); }, ended_sleep},
         {"nop", nothing, [](Slot &s) { coil_nop_start(&s.future); },
          [](Slot &) -> ssize_t { return coil_nop(); }, ignore},
         {"stop_wait", nothing, [](Slot &s) { coil_stop_wait_start(&s.future); },
          [](Slot &) -> ssize_t { return coil_stop_wait(); }, ignore},
         {"promise", prepare_promise,
          [](Slot &s) { coil_promise_wait_start(&s.future, &world->here().promises[s.index]); },
          [](Slot &s) -> ssize_t { return coil_promise_wait(&world->here().promises[s.index]); },
          ended_promise},
         {"child", prepare_child,
          [](Slot &s) { coil_spawn_start(&s.future, s.scope, live, s.birth); }, nullptr, ignore},
         {"call", prepare_call, [](Slot &s) { coil_call_start(&s.future, s.index, live, s.birth); },
          [](Slot &s) -> ssize_t { return coil_call(s.index, live, s.birth); }, ignore}});
}

void add_tree_actions(std::vector<Action> &actions)
{
    actions.insert(actions.end(),
                   {{"yield", [](Actor &) -> ssize_t { return coil_yield(); }},
                    {"yield_if_needed", [](Actor &) -> ssize_t { return coil_yield_if_needed(); }},
                    {"rename", rename},
                    {"set_local", set_local},
                    {"open_scope", open_scope},
                    {"open_shield", open_shield},
                    {"close_scope", close_scope},
                    {"drop_scope", drop_scope},
                    {"cancel_scope", cancel_scope},
                    {"cancel_home", cancel_home},
                    {"move_deadline", move_deadline},
                    {"spawn", spawn_here},
                    {"spawn_copy", spawn_copy},
                    {"spawn_in", spawn_in},
                    {"spawn_on", spawn_on},
                    {"read_queue", read_queue},
                    {"post", post},
                    {"post_through_port", post_through_port},
                    {"keep_promise", keep_promise},
                    {"stop", stop},
                    {"set_faults", set_faults},
                    {"cut_power", cut_power}});
}

} // namespace coil_fuzz
