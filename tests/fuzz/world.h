/* SPDX-License-Identifier: MIT */
/*
 * What the coroutines of one program share. A program is made of the bytes of an input:
 *
 *     seed and options ▸ a tree of coroutines, each of which does one thing after another ▸ the end
 *
 * It never does what the headers call a bug, so that whatever goes wrong is one of coil's.
 */
#ifndef COIL_TESTS_FUZZ_WORLD_H
#define COIL_TESTS_FUZZ_WORLD_H

#include "values.h"

#include <coil.h>

#include <deque>
#include <netinet/in.h>

namespace coil_fuzz {

constexpr unsigned kCoresMax = 4;
constexpr unsigned kLocks = 2;
constexpr unsigned kPromises = 2;
constexpr unsigned kChans = 3;
constexpr unsigned kSlots = 2;
constexpr unsigned kBarrier = 2;

/* What a descriptor is to those who use it. */
enum class Kind { kFresh, kListener, kStream, kDatagram, kFile, kFlatFile, kDirectory, kSpent };

/* A descriptor. It is its core's, and whoever closes it says so before. */
struct Handle {
    int fd;
    Kind kind;
    bool open, receiving, sending;
    bool may_send;           /* it is known how much was sent */
    bool in_order;           /* it is known how much was received */
    uint64_t sent, received; /* bytes of the stream */
};

/* What the coroutines of a core share. */
struct Place {
    coil_mutex mutexes[kLocks] = {};
    const void *mutex_holders[kLocks] = {};
    coil_rwlock rwlock = COIL_ZERO;
    unsigned readers = 0, writers = 0;
    coil_sem sem = COIL_ZERO;
    int64_t permits = 0; /* that nobody holds */
    coil_mutex monitor = COIL_ZERO;
    coil_cond cond = COIL_ZERO;
    bool in_monitor = false;
    coil_event event = COIL_ZERO;
    coil_barrier barrier;
    coil_wait_group group = COIL_ZERO;
    unsigned todo = 0;
    coil_once once = COIL_ZERO;
    bool in_once = false;
    coil_chan chans[kChans]; /* without slots, with some, and with the latest value */
    Value slots[kSlots], latest;
    coil_promise promises[kPromises];
    int64_t promised[kPromises]; /* -1: not set */
    bool served = false;         /* somebody takes, or took, the listener's connections */
    std::deque<Handle *> handles;
};

/* One program, from its first byte to its last check. */
struct World {
    explicit World(Input &bytes) : input(bytes) {}

    Input &input;
    Values values;
    unsigned core_count = 1;
    unsigned kept = 0;         /* cores whose keeper ran */
    bool may_deadlock = false; /* nothing ends it but that: no thread may be waited for */
    bool was_cut = false;      /* the power */
    unsigned living = 0;       /* coroutines of ours */
    unsigned born = 0;
    int posted = 0;
    int delivered = 0;
    int locals = 0;
    coil_queue queue = COIL_ZERO;
    coil_listener listener;
    bool listens = false; /* the listener is open */
    Place places[kCoresMax];
    coil_xchan xchans[2];
    Value xslots[kSlots];
    coil_xchan end; /* closed when all but those who clean up have ended */
    std::deque<Handle> handles;
    std::deque<struct Birth> births;

    Place &here() { return places[coil_core_self()]; }
    Handle *adopt(int fd, Kind kind);
};

/* Where the listener of all cores is. */
sockaddr_in address_of_listener();

/* The one that runs. */
extern World *world;

/* Called when its simulation has begun; NULL: nothing is. */
extern void (*when_begun)();

/* A coroutine's first argument; stays until the run has ended. */
struct Birth {
    coil_scope *scope; /* that it lives in; NULL: somebody awaits it */
    unsigned home;     /* the core of who opened that */
    unsigned depth, number;
};

/* A coroutine's function: does what the input says. The argument is its Birth. */
int live(void *birth);

/* A program of its own: reads all files after a power cut. No argument. */
int check_what_is_left(void *);

/* Runs the program and checks what always holds, aborting where it does not. Returns
 * the hash of all that happened. */
uint64_t run_program(const uint8_t *bytes, size_t count);

} // namespace coil_fuzz

#endif
