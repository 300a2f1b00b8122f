/* SPDX-License-Identifier: MIT */
/* One coroutine: a step after another, and giving everything back. */
#include "generators.h"

#include <cerrno>

namespace coil_fuzz {

namespace {

/* What a step may be: each verb in its two spellings, and the actions. */
struct Steps {
    std::vector<Verb> verbs;
    std::vector<Action> actions;

    Steps()
    {
        add_tree_verbs(verbs);
        add_lock_verbs(verbs);
        add_chan_verbs(verbs);
        add_socket_verbs(verbs);
        add_transfer_verbs(verbs);
        add_file_verbs(verbs);
        add_service_verbs(verbs);
        add_future_actions(actions);
        add_tree_actions(actions);
        add_lock_actions(actions);
        add_chan_actions(actions);
        add_socket_actions(actions);
        add_stream_actions(actions);
        add_generator_actions(actions);
        add_service_actions(actions);
        expect(2 * verbs.size() + actions.size() <= 256, "a byte is enough to choose a step");
    }

    ssize_t take(Actor &actor) const
    {
        size_t which = actor.input().below(2 * verbs.size() + actions.size());
        if (which < verbs.size()) {
            tell(actor, "", verbs[which].name);
            return actor.perform(verbs[which]);
        }
        which -= verbs.size();
        if (which < verbs.size()) {
            tell(actor, "start ", verbs[which].name);
            return actor.begin(verbs[which]);
        }
        which -= verbs.size();
        tell(actor, "", actions[which].name);
        return actions[which].act(actor);
    }

private:
    /* Among the lines of the simulator. */
    static void tell(const Actor &actor, const char *how, const char *what)
    {
        static const bool traced = getenv("COIL_SIM_TRACE") != nullptr;
        if (traced)
            fprintf(stderr, "fuzz: core %u, coroutine %u: %s%s\n", coil_core_self(),
                    actor.birth.number, how, what);
    }
};

void close_scopes(Actor &actor)
{
    while (actor.open_scopes > 0) /* ends: it counts down */
        coil_scope_drop(&actor.scopes[--actor.open_scopes]);
}

} // namespace

ssize_t note(ssize_t result)
{
    if (result == kNothing || result == kDropped)
        return result;
    static const int never[] = {EFAULT, EBADF, ENOSYS, EDEADLK, EINPROGRESS, EOPNOTSUPP};
    for (int error : never)
        expect(result != -error, "nothing of that kind is to be told", result);
    expect(result > -4096, "a result is a count or an error", result);
    return result;
}

Slot *Actor::some_slot(bool under_way)
{
    Slot *found[kFutures];
    unsigned count = 0;
    for (Slot &slot : slots) {
        if ((slot.verb != nullptr) == under_way)
            found[count++] = &slot;
    }
    if (count == 0)
        return nullptr;
    return found[under_way ? input().below(count) : 0];
}

Handle *Actor::some_handle(bool (*suits)(const Handle &))
{
    Handle *found[16];
    unsigned count = 0;
    for (Handle *handle : world->here().handles) {
        if (count < 16 && handle->open && suits(*handle))
            found[count++] = handle;
    }
    return count > 0 ? found[input().below(count)] : nullptr;
}

ssize_t Actor::note_of(const Verb &verb, ssize_t result)
{
    expect(result != -EINTR || verb.may_be_interrupted, "nobody interrupts that", result);
    was_interrupted |= result == -EINTR;
    return note(result);
}

/* One of ours, or the one that we live in; NULL: there is none. */
coil_scope *Actor::some_scope()
{
    bool outer = birth.scope != nullptr && birth.home == coil_core_self();
    unsigned count = open_scopes + (outer ? 1 : 0);
    if (count == 0)
        return nullptr;
    unsigned which = input().below(count);
    return which < open_scopes ? &scopes[which] : birth.scope;
}

/* For a coroutine of ours; NULL: there are enough. */
Birth *Actor::beget(coil_scope *scope)
{
    if (birth.depth >= 4 || world->born >= 64)
        return nullptr;
    world->born++;
    world->births.push_back({scope, coil_core_self(), birth.depth + 1, world->born});
    return &world->births.back();
}

ssize_t Actor::perform(const Verb &verb)
{
    Slot slot;
    if (verb.call == nullptr || !verb.prepare(*this, slot))
        return kNothing;
    ssize_t result = note_of(verb, verb.call(slot));
    verb.ended(*this, slot, result);
    return result;
}

ssize_t Actor::begin(const Verb &verb)
{
    Slot *slot = some_slot(false);
    if (verb.start == nullptr || slot == nullptr || !verb.prepare(*this, *slot))
        return kNothing;
    slot->verb = &verb;
    verb.start(*slot);
    return 0;
}

void Actor::collect(Slot &slot, ssize_t result)
{
    const Verb *verb = slot.verb;
    slot.verb = nullptr;
    verb->ended(*this, slot, note_of(*verb, result));
}

/* It may have had what nobody will see any more, and a reply may have been stopped. */
void Actor::end_receiver()
{
    coil_receiver_close(&receiver);
    received_from->receiving = received_from->sending = false;
    received_from->in_order = received_from->may_send = false;
    received_from = nullptr;
}

void Actor::give_back()
{
    for (Slot &slot : slots) {
        if (slot.verb != nullptr) {
            coil_future_drop(&slot.future);
            collect(slot, kDropped);
        }
    }
    Place &place = world->here();
    if (accepts)
        coil_acceptor_close(&acceptor);
    if (serves)
        coil_listener_leave(&world->listener);
    coil_signals_close(&signals);
    if (received_from != nullptr)
        end_receiver();
    if (generator != nullptr)
        end_generator(*this);
    for (void *data : lent) {
        if (data != nullptr)
            coil_buffer_release(data);
    }
    for (unsigned i = 0; i < kLocks; i++) {
        if (mutexes[i] == Hold::kHeld) {
            place.mutex_holders[i] = nullptr;
            coil_mutex_unlock(&place.mutexes[i]);
        }
    }
    if (reading == Hold::kHeld || writing == Hold::kHeld) {
        (reading == Hold::kHeld ? place.readers : place.writers)--;
        coil_rwlock_unlock(&place.rwlock);
    }
    close_scopes(*this);
}

int live(void *birth)
{
    static const Steps steps;
    Actor actor(*static_cast<Birth *>(birth));
    Input &input = world->input;
    world->living++;
    unsigned patience = 4; /* with a cancellation: what it refuses is to be seen as well */
    while (!input.ended() && patience > 0) { /* ends: each step takes a byte */
        actor.was_interrupted = false;
        ssize_t result = note(steps.take(actor));
        expect(result != -EINTR || actor.was_interrupted, "nobody interrupts that", result);
        patience -= result == -ECANCELED ? 1 : 0;
    }
    actor.give_back();
    world->living--;
    return input.byte() % 16 == 15 ? -EPROTO : 0;
}

} // namespace coil_fuzz
