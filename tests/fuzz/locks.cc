/* SPDX-License-Identifier: MIT */
/* Locks and signals of a core. */
#include "actor.h"

#include <cerrno>

namespace coil_fuzz {

namespace {

/* ---- the mutexes ---- */

bool prepare_mutex(Actor &actor, Slot &slot)
{
    slot.index = actor.input().below(kLocks);
    if (actor.mutexes[slot.index] != Hold::kNone)
        return false;
    actor.mutexes[slot.index] = Hold::kWanted;
    return true;
}

void ended_mutex(Actor &actor, Slot &slot, ssize_t result)
{
    actor.mutexes[slot.index] = result == 0 ? Hold::kHeld : Hold::kNone;
    if (result != 0)
        return;
    const void *&holder = world->here().mutex_holders[slot.index];
    expect(holder == nullptr, "a mutex has one holder");
    holder = &actor;
}

ssize_t unlock_mutex(Actor &actor)
{
    unsigned which = actor.input().below(kLocks);
    if (actor.mutexes[which] != Hold::kHeld)
        return kNothing;
    Place &place = world->here();
    expect(place.mutex_holders[which] == &actor, "a mutex stays its holder's");
    place.mutex_holders[which] = nullptr;
    actor.mutexes[which] = Hold::kNone;
    coil_mutex_unlock(&place.mutexes[which]);
    return 0;
}

ssize_t try_mutex(Actor &actor)
{
    unsigned which = actor.input().below(kLocks);
    if (actor.mutexes[which] == Hold::kWanted ||
        !coil_mutex_try_lock(&world->here().mutexes[which]))
        return kNothing;
    expect(actor.mutexes[which] == Hold::kNone, "a mutex is locked once");
    Slot slot;
    slot.index = which;
    ended_mutex(actor, slot, 0);
    return 0;
}

/* ---- readers and writers ---- */

void note_rwlock(Actor &actor, bool writes)
{
    Place &place = world->here();
    (writes ? actor.writing : actor.reading) = Hold::kHeld;
    (writes ? place.writers : place.readers)++;
    expect(place.writers <= 1 && (place.writers == 0 || place.readers == 0), "a writer is alone",
           place.readers);
}

bool idle_rwlock(const Actor &actor)
{
    return actor.reading == Hold::kNone && actor.writing == Hold::kNone;
}

bool prepare_read(Actor &actor, Slot &)
{
    if (!idle_rwlock(actor))
        return false;
    actor.reading = Hold::kWanted;
    return true;
}

bool prepare_write(Actor &actor, Slot &)
{
    if (!idle_rwlock(actor))
        return false;
    actor.writing = Hold::kWanted;
    return true;
}

void ended_read(Actor &actor, Slot &, ssize_t result)
{
    actor.reading = Hold::kNone;
    if (result == 0)
        note_rwlock(actor, false);
}

void ended_write(Actor &actor, Slot &, ssize_t result)
{
    actor.writing = Hold::kNone;
    if (result == 0)
        note_rwlock(actor, true);
}

ssize_t unlock_rwlock(Actor &actor)
{
    if (actor.reading != Hold::kHeld && actor.writing != Hold::kHeld)
        return kNothing;
    Place &place = world->here();
    (actor.reading == Hold::kHeld ? place.readers : place.writers)--;
    actor.reading = actor.writing = Hold::kNone;
    coil_rwlock_unlock(&place.rwlock);
    return 0;
}

ssize_t try_rwlock(Actor &actor)
{
    bool writes = actor.input().flag();
    if (!idle_rwlock(actor))
        return kNothing;
    coil_rwlock *rwlock = &world->here().rwlock;
    bool got_it = writes ? coil_rwlock_try_write(rwlock) : coil_rwlock_try_read(rwlock);
    if (got_it)
        note_rwlock(actor, writes);
    return kNothing;
}

/* ---- the others ---- */

bool nothing(Actor &, Slot &)
{
    return true;
}

void ignore(Actor &, Slot &, ssize_t) {}

void ended_sem(Actor &, Slot &, ssize_t result)
{
    if (result == 0)
        world->here().permits--;
    expect(world->here().permits >= 0, "no permit is made up", world->here().permits);
}

ssize_t try_sem(Actor &)
{
    if (coil_sem_try_acquire(&world->here().sem))
        world->here().permits--;
    return kNothing;
}

ssize_t release_sem(Actor &)
{
    world->here().permits++;
    coil_sem_release(&world->here().sem);
    return kNothing;
}

ssize_t change_event(Actor &actor)
{
    coil_event *event = &world->here().event;
    bool set = actor.input().flag();
    if (set)
        coil_event_set(event);
    else
        coil_event_clear(event);
    expect(coil_event_is_set(event) == set, "an event is as it was set", set);
    return kNothing;
}

ssize_t change_group(Actor &actor)
{
    Place &place = world->here();
    unsigned more = actor.input().below(3);
    if (more > 0) {
        coil_wait_group_add(&place.group, more);
        place.todo += more;
    } else if (place.todo > 0) {
        coil_wait_group_done(&place.group);
        place.todo--;
    }
    return kNothing;
}

int do_once(void *)
{
    Place &place = world->here();
    expect(!place.in_once, "it is done by one at a time");
    place.in_once = true;
    int err = coil_sleep(world->input.span());
    place.in_once = false;
    return err < 0 ? err : world->input.flag() ? -EAGAIN : 0;
}

/* As a future, with something done meanwhile. */
ssize_t wait_for_cond_later(Actor &actor)
{
    Place &place = world->here();
    COIL_FUTURE(wait);
    place.in_monitor = false;
    coil_cond_wait_start(&wait, &place.cond, &place.monitor);
    ssize_t err = coil_sleep(actor.input().span());
    unsigned way = actor.input().below(4);
    if (way == 3) {
        coil_future_drop(&wait); /* the mutex with it */
        return kDropped;
    }
    if (way == 2)
        coil_future_cancel(&wait);
    err = way == 1 ? coil_await_until(&wait, coil_after(actor.input().span())) : coil_await(&wait);
    expect(!place.in_monitor, "one at a time is in the monitor");
    place.in_monitor = true;
    return err;
}

ssize_t wait_for_cond(Actor &)
{
    Place &place = world->here();
    place.in_monitor = false;
    ssize_t err = coil_cond_wait(&place.cond, &place.monitor);
    expect(!place.in_monitor, "one at a time is in the monitor");
    place.in_monitor = true;
    return err;
}

/*
 * Some steps with a mutex for which others may have to wait, cancelled or not: so they end by
 * themselves, and are steps of this kind only.
 */
ssize_t visit_monitor(Actor &actor)
{
    Place &place = world->here();
    ssize_t err = coil_mutex_lock(&place.monitor);
    if (err < 0)
        return err;
    expect(!place.in_monitor, "one at a time is in the monitor");
    place.in_monitor = true;
    for (unsigned left = 1 + actor.input().below(4); left > 0 && err != kDropped; left--) {
        unsigned what = actor.input().below(5);
        if (what == 0)
            err = wait_for_cond(actor);
        else if (what == 1)
            err = wait_for_cond_later(actor);
        else if (what == 2)
            err = coil_sleep(actor.input().span());
        else if (what == 3)
            coil_cond_signal(&place.cond);
        else
            coil_cond_broadcast(&place.cond);
    }
    if (err == kDropped)
        return err;
    place.in_monitor = false;
    coil_mutex_unlock(&place.monitor);
    return err;
}

} // namespace

void add_lock_verbs(std::vector<Verb> &verbs)
{
    verbs.insert(
        verbs.end(),
        {{"mutex", prepare_mutex,
          [](Slot &s) { coil_mutex_lock_start(&s.future, &world->here().mutexes[s.index]); },
          [](Slot &s) -> ssize_t { return coil_mutex_lock(&world->here().mutexes[s.index]); },
          ended_mutex},
         {"read_lock", prepare_read,
          [](Slot &s) { coil_rwlock_read_start(&s.future, &world->here().rwlock); },
          [](Slot &) -> ssize_t { return coil_rwlock_read(&world->here().rwlock); }, ended_read},
         {"write_lock", prepare_write,
          [](Slot &s) { coil_rwlock_write_start(&s.future, &world->here().rwlock); },
          [](Slot &) -> ssize_t { return coil_rwlock_write(&world->here().rwlock); }, ended_write},
         {"sem", nothing, [](Slot &s) { coil_sem_acquire_start(&s.future, &world->here().sem); },
          [](Slot &) -> ssize_t { return coil_sem_acquire(&world->here().sem); }, ended_sem},
         {"event", nothing, [](Slot &s) { coil_event_wait_start(&s.future, &world->here().event); },
          [](Slot &) -> ssize_t { return coil_event_wait(&world->here().event); }, ignore},
         {"barrier", nothing,
          [](Slot &s) { coil_barrier_wait_start(&s.future, &world->here().barrier); },
          [](Slot &) -> ssize_t { return coil_barrier_wait(&world->here().barrier); }, ignore},
         {"group", nothing,
          [](Slot &s) { coil_wait_group_wait_start(&s.future, &world->here().group); },
          [](Slot &) -> ssize_t { return coil_wait_group_wait(&world->here().group); }, ignore}});
}

void add_lock_actions(std::vector<Action> &actions)
{
    actions.insert(actions.end(), {{"unlock_mutex", unlock_mutex},
                                   {"try_mutex", try_mutex},
                                   {"unlock_rwlock", unlock_rwlock},
                                   {"try_rwlock", try_rwlock},
                                   {"try_sem", try_sem},
                                   {"release_sem", release_sem},
                                   {"change_event", change_event},
                                   {"change_group", change_group},
                                   {"once",
                                    [](Actor &) -> ssize_t {
                                        return coil_once_run(&world->here().once, do_once, nullptr);
                                    }},
                                   {"visit_monitor", visit_monitor}});
}

} // namespace coil_fuzz
