/* SPDX-License-Identifier: MIT */
/* What a service has besides its connections: a listener of all cores, blocking work, signals. */
#include "actor.h"

#include <cerrno>
#include <csignal>

namespace coil_fuzz {

namespace {

/* ---- blocking work ---- */

coil_pool narrow = COIL_POOL("narrow", 1);

coil_pool *pool_of(const Slot &slot)
{
    return slot.index == 0 ? &narrow : nullptr;
}

ssize_t work(void *arg)
{
    Slot *slot = static_cast<Slot *>(arg);
    slot->len++;
    return ssize_t(slot->number);
}

bool prepare_work(Actor &actor, Slot &slot)
{
    slot.index = actor.input().below(2);
    slot.number = actor.input().byte();
    slot.len = 0; /* how often it was done */
    return true;
}

void ended_work(Actor &, Slot &slot, ssize_t result)
{
    expect(slot.len <= 1, "work is done once", int64_t(slot.len));
    if (result >= 0)
        expect(slot.len == 1 && result == slot.number, "work has its result", result);
    else if (result != kDropped)
        expect(slot.len == 0, "work that was given up is not done", result);
}

/* ---- signals: two that kill nobody who does not wait for them ---- */

constexpr uint64_t kSignals = COIL_SIGNAL(SIGURG) | COIL_SIGNAL(SIGWINCH);

/* What is caught might come from outside at any time: no deadlock would be seen. */
bool prepare_signal(Actor &actor, Slot &slot)
{
    if (!actor.catches && !world->may_deadlock) {
        int err = coil_signals_open(&actor.signals, kSignals);
        expect(err == 0, "signals can be caught", err);
        actor.catches = true;
    }
    slot.signals = &actor.signals;
    return actor.catches;
}

void ended_signal(Actor &, Slot &, ssize_t result)
{
    expect(result < 0 || result == SIGURG || result == SIGWINCH, "a signal is what came", result);
}

ssize_t send_signal(Actor &actor)
{
    int err = raise(actor.input().flag() ? SIGURG : SIGWINCH);
    expect(err == 0, "a signal can be sent", err);
    return kNothing;
}

/* ---- the listener of all cores ---- */

/* One of each core takes them, as long as it lives. */
ssize_t take_connection(Actor &actor)
{
    if (!world->listens || (world->here().served && !actor.serves))
        return kNothing;
    world->here().served = actor.serves = true;
    int conn = coil_listener_next(&world->listener);
    if (conn >= 0) {
        world->adopt(conn, Kind::kStream);
        coil_listener_done(&world->listener);
    }
    return conn;
}

ssize_t visit_listener(Actor &)
{
    sockaddr_in addr = address_of_listener();
    Handle *client;
    return visit(reinterpret_cast<sockaddr *>(&addr), sizeof(addr), &client);
}

} // namespace

void add_service_verbs(std::vector<Verb> &verbs)
{
    verbs.insert(
        verbs.end(),
        {{"offload", prepare_work,
          [](Slot &s) { coil_offload_start(&s.future, pool_of(s), work, &s); },
          [](Slot &s) { return coil_offload(pool_of(s), work, &s); }, ended_work},
         {"signal", prepare_signal, [](Slot &s) { coil_signal_wait_start(&s.future, s.signals); },
          [](Slot &s) -> ssize_t { return coil_signal_wait(s.signals); }, ended_signal}});
}

void add_service_actions(std::vector<Action> &actions)
{
    actions.insert(actions.end(), {{"send_signal", send_signal},
                                   {"take_connection", take_connection},
                                   {"visit_listener", visit_listener}});
}

} // namespace coil_fuzz
