/* SPDX-License-Identifier: MIT */
/*
 * A coroutine of a program, and what it can do: verbs are what has two spellings, a call and a
 * start of a future; actions are all else.
 */
#ifndef COIL_TESTS_FUZZ_ACTOR_H
#define COIL_TESTS_FUZZ_ACTOR_H

#include "world.h"

#include <climits>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <vector>

namespace coil_fuzz {

struct Actor;
struct Generator;
struct Slot;

/* In place of a result: the future was dropped, so that nobody knows. */
constexpr ssize_t kDropped = LONG_MIN;

/* In place of a result: nothing was done, since it would not be allowed now. */
constexpr ssize_t kNothing = LONG_MAX;

struct Verb {
    const char *name;
    bool (*prepare)(Actor &, Slot &); /* chooses what to do it with; false: not now */
    void (*start)(Slot &);
    ssize_t (*call)(Slot &); /* NULL: there is none */
    void (*ended)(Actor &, Slot &, ssize_t result);
    bool may_be_interrupted = false; /* by a file system, or who stops the process */
};

struct Action {
    const char *name;
    ssize_t (*act)(Actor &); /* returns what the call returned, or kNothing */
};

/* A verb under way, its future, and its memory. */
struct Slot {
    coil_future future = COIL_ZERO;
    const Verb *verb = nullptr; /* NULL: nothing is under way */
    Handle *handle;
    unsigned index, number; /* which of several; and what else it takes */
    size_t len;
    int64_t at; /* an instant, or a place in a file */
    Value value;
    coil_scope *scope;
    Birth *birth;
    coil_signals *signals;
    unsigned char bytes[96];
    iovec parts[2];
    msghdr message;
    sockaddr_storage name;
    socklen_t name_len;
    struct statx stat;
};

enum class Hold : uint8_t { kNone, kWanted, kHeld };

/* What one coroutine has; all on its stack. */
struct Actor {
    explicit Actor(const Birth &given) : birth(given) {}

    static constexpr unsigned kFutures = 3;
    static constexpr unsigned kScopes = 3;

    const Birth &birth;
    Slot slots[kFutures];
    coil_scope scopes[kScopes];
    unsigned open_scopes = 0;
    Hold mutexes[kLocks] = {};
    Hold reading = Hold::kNone, writing = Hold::kNone;

    coil_acceptor acceptor = COIL_ZERO;
    bool accepts = false;
    coil_receiver receiver = COIL_ZERO;
    Handle *received_from = nullptr; /* NULL: the receiver is closed */
    void *lent[2] = {};
    Generator *generator = nullptr;
    coil_signals signals = COIL_ZERO;
    bool catches = false;         /* signals */
    bool serves = false;          /* takes the listener's connections on this core */
    bool was_interrupted = false; /* in the step that it does, a verb that may be */

    Input &input() { return world->input; }
    Slot *some_slot(bool under_way);
    Handle *some_handle(bool (*suits)(const Handle &));
    coil_scope *some_scope();
    Birth *beget(coil_scope *scope);

    ssize_t begin(const Verb &verb);
    ssize_t perform(const Verb &verb);
    void collect(Slot &slot, ssize_t result);
    ssize_t note_of(const Verb &verb, ssize_t result);
    void end_receiver();
    void give_back();
};

/* Looks at a result that came from coil. */
ssize_t note(ssize_t result);

/* What takes many steps otherwise. A socket that is connected to that address; and one that listens
 * with one that is connected to it. Return 0 or -errno. */
ssize_t visit(const sockaddr *addr, socklen_t len, Handle **client);
ssize_t meet(Actor &actor, Handle **listener, Handle **client);

/* What each file adds to the tables; the order is that of the input's bytes. */
void add_future_actions(std::vector<Action> &actions);
void add_tree_actions(std::vector<Action> &actions);
void add_lock_actions(std::vector<Action> &actions);
void add_chan_actions(std::vector<Action> &actions);
void add_socket_actions(std::vector<Action> &actions);
void add_stream_actions(std::vector<Action> &actions);
void add_generator_actions(std::vector<Action> &actions);
void add_service_actions(std::vector<Action> &actions);
void add_tree_verbs(std::vector<Verb> &verbs);
void add_lock_verbs(std::vector<Verb> &verbs);
void add_chan_verbs(std::vector<Verb> &verbs);
void add_socket_verbs(std::vector<Verb> &verbs);
void add_transfer_verbs(std::vector<Verb> &verbs);
void add_file_verbs(std::vector<Verb> &verbs);
void add_service_verbs(std::vector<Verb> &verbs);

} // namespace coil_fuzz

#endif
