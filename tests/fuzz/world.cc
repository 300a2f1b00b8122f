/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <coil/sim.h>
#include <cerrno>
#include <liburing.h>
#include <string>
extern "C" {
#include "sim/force.h"
#include "ring/op.h"
}

namespace coil_fuzz {

World *world;
void (*when_begun)();

namespace {

constexpr unsigned kMostBytes = 4096;
constexpr int64_t kPatience = 2 * COIL_SEC; /* of the program */
/* All has ended long before, even if a silent peer is given up on only after a quarter of an hour,
 * for each of the calls that a program makes. */
constexpr coil_time kEnd = 365 * 24 * 3600 * COIL_SEC;

void dispose(void *value)
{
    world->values.arrived(*static_cast<Value *>(value));
}

int open_place(void *arg)
{
    Place &place = *static_cast<Place *>(arg);
    coil_barrier_init(&place.barrier, kBarrier);
    coil_chan_init(&place.chans[0], nullptr, sizeof(Value), 0);
    coil_chan_init(&place.chans[1], place.slots, sizeof(Value), kSlots);
    coil_chan_init_latest(&place.chans[2], &place.latest, sizeof(Value));
    for (coil_chan &chan : place.chans)
        coil_chan_dispose_by(&chan, dispose);
    for (unsigned i = 0; i < kPromises; i++) {
        coil_promise_init(&place.promises[i]);
        place.promised[i] = -1;
    }
    return 0;
}

void check_locks(Place &place)
{
    for (coil_mutex &mutex : place.mutexes)
        coil_mutex_destroy(&mutex);
    coil_mutex_destroy(&place.monitor);
    coil_rwlock_destroy(&place.rwlock);
    coil_cond_destroy(&place.cond);
    coil_event_destroy(&place.event);
    coil_barrier_destroy(&place.barrier);
    coil_wait_group_destroy(&place.group);
    coil_once_destroy(&place.once);
    while (place.permits > 0) { /* ends: it counts down */
        expect(coil_sem_try_acquire(&place.sem), "no permit is lost", place.permits);
        place.permits--;
    }
    expect(!coil_sem_try_acquire(&place.sem), "no permit is made up");
    coil_sem_destroy(&place.sem);
}

/* On a bad day a close tells what of the file is lost, and is done all the same. */
bool is_end_of_descriptor(int err)
{
    return err == 0 || err == -EIO || err == -ENOSPC || err == -EDQUOT || err == -EINTR;
}

void close_place(Place &place)
{
    for (Handle *handle : place.handles) {
        if (handle->open) {
            int err = coil_close(handle->fd);
            expect(is_end_of_descriptor(err) || world->was_cut, "a descriptor can be closed", err);
        }
    }
    check_locks(place);
    for (coil_chan &chan : place.chans)
        coil_chan_destroy(&chan);
    for (coil_promise &promise : place.promises)
        coil_promise_drop(&promise);
    expect(coil__ring_here->in_flight == 0, "nothing is in flight", coil__ring_here->in_flight);
}

/* Cleans a core up when all others have ended, also if all were cancelled: hence on that core,
 * where a shield helps. Not before then, as a program that is stuck shall be seen to be. */
int keep(void *)
{
    bool none;
    world->kept++;
    int err = coil_xchan_recv(&world->end, &none);
    COIL_SCOPE(cleanup, coil_after(kEnd));
    coil_scope_shield(&cleanup);
    if (err == -ECANCELED) /* some may not even have begun */
        err = coil_xchan_recv(&world->end, &none);
    expect(err == -EPIPE, "the end comes", err);
    expect(world->living == 0, "all coroutines end", world->living);
    close_place(world->here());
    return coil_scope_close(&cleanup, 0);
}

void open_all(coil_scope &scope)
{
    for (coil_xchan &xchan : world->xchans) {
        bool has_slots = &xchan != world->xchans;
        coil_xchan_init(&xchan, world->xslots, sizeof(Value), has_slots ? kSlots : 0);
        coil_xchan_dispose_by(&xchan, dispose);
    }
    coil_xchan_init(&world->end, nullptr, sizeof(bool), 0);
    for (unsigned core = 0; core < world->core_count; core++) {
        int err = coil_call(core, open_place, &world->places[core]);
        expect(err == 0, "a call is done", err);
        err = coil_spawn_on(&scope, core, keep, nullptr);
        expect(err == 0, "a coroutine can be spawned", err);
    }
    /* One that is cancelled before it has begun would never run, and close nothing. */
    while (world->kept < world->core_count) { /* ends: nobody is there yet to cancel them */
        int err = coil_yield();
        expect(err == 0, "a keeper begins", err);
    }
    int err = coil_queue_create(&world->queue, "other", 1 + world->input.byte(), 0);
    expect(err == 0, "a queue can be made", err);
    sockaddr_in addr = address_of_listener();
    err = coil_listener_open(&world->listener, reinterpret_cast<sockaddr *>(&addr), sizeof(addr), 4,
                             coil_balance(world->input.byte() & 1));
    world->listens = err == 0;
}

void check_all()
{
    for (coil_xchan &xchan : world->xchans)
        coil_xchan_destroy(&xchan);
    coil_xchan_destroy(&world->end);
    if (world->listens)
        coil_listener_destroy(&world->listener);
    world->values.expect_all_arrived();
    expect(world->locals == 0, "local values are destroyed", world->locals);
    if (!world->was_cut)
        expect(coil__sim_files_count() == 0, "no descriptor is open", coil__sim_files_count());
    expect(coil_now() < kEnd, "all ends in time", coil_now());
}

void grow()
{
    COIL_SCOPE(scope, world->may_deadlock ? COIL_FOREVER : coil_after(kPatience));
    for (unsigned core = 0; core < world->core_count; core++) {
        world->born++;
        world->births.push_back({&scope, 0, 0, world->born});
        int err = coil_spawn_on(&scope, core, live, &world->births.back());
        expect(err == 0, "a coroutine can be spawned", err);
    }
    int ignored = coil_scope_close(&scope, 0);
    (void)ignored;
}

/* The first coroutine. It may be cancelled itself. */
int root(void *)
{
    if (when_begun != nullptr)
        when_begun();
    COIL_SCOPE(keepers, COIL_FOREVER);
    open_all(keepers);
    grow();
    coil_xchan_close(&world->end);
    int err = coil_scope_close(&keepers, 0);
    check_all();
    return err == -ECANCELED ? 0 : err;
}

void hush(const char *) {}

} // namespace

sockaddr_in address_of_listener()
{
    sockaddr_in addr = {};
    addr.sin_family = AF_INET;
    addr.sin_port = htons(90);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return addr;
}

Handle *World::adopt(int fd, Kind kind)
{
    handles.push_back({fd, kind, true, false, false, true, true, 0, 0});
    here().handles.push_back(&handles.back());
    return &handles.back();
}

uint64_t run_program(const uint8_t *bytes, size_t count)
{
    Input input(bytes, count < kMostBytes ? count : kMostBytes);
    World all(input);
    world = &all;
    uint8_t seed = input.byte(), shape = input.byte();
    all.may_deadlock = (shape & 16) != 0;
    /* Who accepts tries on for ever when there are no descriptors: that is no deadlock. */
    const char *const few = all.may_deadlock ? "mild" : "mild,descriptors=6";
    const char *const faults[] = {"mild", "off", "harsh", few};
    std::string ring = "sim:" + std::to_string(seed) + ",faults=" + faults[shape >> 2 & 3];
    coil_options options = COIL_ZERO;
    all.core_count = 1 + (shape & 3);
    options.core_count = all.core_count;
    options.ring = ring.c_str();
    options.ring_entries = (shape & 32) != 0 ? 2 : 16;
    options.recv_buffer_size = 64;
    options.recv_buffer_count = (shape & 64) != 0 ? 2 : 16;
    options.stall_ns = COIL_STALL_OFF;
    options.log = hush;
    int result = coil_run(&options, root, nullptr);
    expect(result == 0 || (result == -EDEADLK && all.may_deadlock) || all.was_cut,
           "the program ends well", result);
    expect(all.posted == all.delivered, "each message is delivered once", all.delivered);
    world = nullptr;
    uint64_t trace = coil_sim_trace();
    options.ring = "sim:0,faults=off";
    if (all.was_cut)
        expect(coil_run(&options, check_what_is_left, nullptr) == 0, "life goes on");
    return trace;
}

} // namespace coil_fuzz
