/* SPDX-License-Identifier: MIT */
/* Acceptors and receivers: one of each for a coroutine. */
#include "transfers.h"

#include <cerrno>

namespace coil_fuzz {

namespace {

ssize_t open_acceptor(Actor &actor)
{
    Handle *listener =
        actor.some_handle([](const Handle &handle) { return handle.kind == Kind::kListener; });
    if (listener == nullptr || actor.accepts)
        return kNothing;
    actor.acceptor = COIL_ZERO;
    actor.accepts = true;
    coil_acceptor_open(&actor.acceptor, listener->fd, 0);
    return 0;
}

ssize_t accept_next(Actor &actor)
{
    if (!actor.accepts)
        return kNothing;
    int conn = coil_acceptor_next(&actor.acceptor);
    if (conn >= 0)
        world->adopt(conn, Kind::kStream);
    return conn;
}

ssize_t close_acceptor(Actor &actor)
{
    if (!actor.accepts)
        return kNothing;
    coil_acceptor_close(&actor.acceptor);
    actor.accepts = false;
    return 0;
}

void receive_from(Actor &actor, Handle *conn)
{
    conn->receiving = conn->sending = true;
    actor.received_from = conn;
    actor.receiver = COIL_ZERO;
    coil_receiver_open(&actor.receiver, conn->fd);
}

ssize_t open_receiver(Actor &actor)
{
    if (actor.received_from != nullptr)
        return kNothing;
    Handle *conn = actor.some_handle([](const Handle &handle) {
        return handle.kind == Kind::kStream && !handle.receiving && !handle.sending &&
               handle.may_send;
    });
    if (conn == nullptr)
        return kNothing;
    receive_from(actor, conn);
    return 0;
}

/* A connection with a receiver, for which there is something to receive. */
ssize_t begin_conversation(Actor &actor)
{
    Handle *listener, *client;
    if (actor.received_from != nullptr)
        return kNothing;
    ssize_t result = meet(actor, &listener, &client);
    if (result < 0 || !listener->open)
        return result < 0 ? result : kNothing;
    result = coil_accept(listener->fd, nullptr, nullptr, 0);
    if (result < 0)
        return result;
    receive_from(actor, world->adopt(int(result), Kind::kStream));
    if (!client->open || client->sending || !client->may_send)
        return kNothing;
    unsigned char bytes[96];
    size_t len = 1 + actor.input().below(sizeof(bytes));
    fill(bytes, len, client->sent);
    client->sending = true;
    result = coil_send(client->fd, bytes, len, 0);
    client->sending = false;
    if (result >= 0)
        client->sent += uint64_t(result);
    else if (result != -ECANCELED)
        client->may_send = false;
    return result;
}

/* What it lends is kept, sent back, or given back. */
ssize_t receive_next(Actor &actor)
{
    Handle *conn = actor.received_from;
    if (conn == nullptr)
        return kNothing;
    void *data = nullptr;
    ssize_t len = coil_receiver_next(&actor.receiver, &data);
    if (len <= 0)
        return len;
    note_received(*conn, data, size_t(len));
    unsigned fate = actor.input().below(3);
    if (fate == 0) {
        coil_buffer_release(data);
    } else if (fate == 1) {
        fill(static_cast<unsigned char *>(data), size_t(len), conn->sent);
        conn->sent += uint64_t(len);
        return coil_receiver_reply(&actor.receiver, data, size_t(len));
    } else {
        void *&kept = actor.lent[actor.lent[0] != nullptr ? 1 : 0];
        if (kept != nullptr)
            coil_buffer_release(kept);
        kept = data;
    }
    return len;
}

ssize_t release_lent(Actor &actor)
{
    for (void *&data : actor.lent) {
        if (data != nullptr)
            coil_buffer_release(data);
        data = nullptr;
    }
    return kNothing;
}

ssize_t close_receiver(Actor &actor)
{
    if (actor.received_from == nullptr)
        return kNothing;
    actor.end_receiver();
    return 0;
}

} // namespace

void add_stream_actions(std::vector<Action> &actions)
{
    actions.insert(actions.end(), {{"open_acceptor", open_acceptor},
                                   {"accept_next", accept_next},
                                   {"close_acceptor", close_acceptor},
                                   {"open_receiver", open_receiver},
                                   {"begin_conversation", begin_conversation},
                                   {"receive_next", receive_next},
                                   {"release_lent", release_lent},
                                   {"close_receiver", close_receiver}});
}

} // namespace coil_fuzz
