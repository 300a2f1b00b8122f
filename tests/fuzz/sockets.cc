/* SPDX-License-Identifier: MIT */
/* Descriptors: making, naming and closing them. */
#include "actor.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>

namespace coil_fuzz {

namespace {

enum { kTcp, kTcp6, kUdp, kUnix, kSocketKinds };

/* A few names, so that they meet. */
void choose_name(Slot &slot, unsigned byte)
{
    memset(&slot.name, 0, sizeof(slot.name));
    uint16_t port = htons(uint16_t(byte >> 4 & 3 ? 80 + (byte >> 4 & 1) : 0));
    if ((byte & 3) == kTcp6) {
        auto *name = reinterpret_cast<sockaddr_in6 *>(&slot.name);
        name->sin6_family = AF_INET6;
        name->sin6_port = port;
        name->sin6_addr = (byte & 4) != 0 ? in6addr_any : in6addr_loopback;
        slot.name_len = sizeof(*name);
    } else if ((byte & 3) == kUnix) {
        auto *name = reinterpret_cast<sockaddr_un *>(&slot.name);
        name->sun_family = AF_UNIX;
        name->sun_path[0] = char('a' + (byte >> 4 & 1));
        slot.name_len = sizeof(name->sun_family) + 2;
    } else {
        auto *name = reinterpret_cast<sockaddr_in *>(&slot.name);
        name->sin_family = AF_INET;
        name->sin_port = port;
        name->sin_addr.s_addr = htonl((byte & 4) != 0 ? INADDR_ANY : INADDR_LOOPBACK);
        slot.name_len = sizeof(*name);
    }
}

sockaddr *name_of(Slot &slot)
{
    return reinterpret_cast<sockaddr *>(&slot.name);
}

/* ---- socket, bind, listen ---- */

bool prepare_socket(Actor &actor, Slot &slot)
{
    slot.index = actor.input().below(kSocketKinds);
    return true;
}

int domain_of(const Slot &slot)
{
    return slot.index == kUnix ? AF_UNIX : slot.index == kTcp6 ? AF_INET6 : AF_INET;
}

int type_of(const Slot &slot)
{
    return slot.index == kUdp ? SOCK_DGRAM : SOCK_STREAM;
}

void ended_socket(Actor &, Slot &slot, ssize_t result)
{
    if (result >= 0)
        world->adopt(int(result), slot.index == kUdp ? Kind::kDatagram : Kind::kFresh);
}

bool prepare_bind(Actor &actor, Slot &slot)
{
    slot.handle = actor.some_handle([](const Handle &handle) {
        return (handle.kind == Kind::kFresh || handle.kind == Kind::kDatagram) && !handle.sending;
    });
    if (slot.handle == nullptr)
        return false;
    choose_name(slot, actor.input().byte());
    return true;
}

bool prepare_fresh(Actor &actor, Slot &slot)
{
    slot.handle = actor.some_handle(
        [](const Handle &handle) { return handle.kind == Kind::kFresh && !handle.sending; });
    if (slot.handle == nullptr)
        return false;
    slot.handle->sending = true;
    return true;
}

void ignore(Actor &, Slot &, ssize_t) {}

void ended_listen(Actor &, Slot &slot, ssize_t result)
{
    slot.handle->sending = false;
    slot.handle->kind = result == 0 ? Kind::kListener : Kind::kSpent;
}

bool prepare_tcp_listen(Actor &actor, Slot &slot)
{
    choose_name(slot, actor.input().byte());
    return slot.name.ss_family != AF_UNIX;
}

void ended_tcp_listen(Actor &, Slot &, ssize_t result)
{
    if (result >= 0)
        world->adopt(int(result), Kind::kListener);
}

/* ---- connections ---- */

bool prepare_connect(Actor &actor, Slot &slot)
{
    if (!prepare_fresh(actor, slot))
        return false;
    choose_name(slot, actor.input().byte());
    return true;
}

void ended_connect(Actor &, Slot &slot, ssize_t result)
{
    slot.handle->sending = false;
    slot.handle->kind = result == 0 ? Kind::kStream : Kind::kSpent;
}

bool prepare_accept(Actor &actor, Slot &slot)
{
    slot.handle =
        actor.some_handle([](const Handle &handle) { return handle.kind == Kind::kListener; });
    slot.name_len = sizeof(slot.name);
    return slot.handle != nullptr;
}

void ended_accept(Actor &, Slot &slot, ssize_t result)
{
    if (result < 0)
        return;
    expect(slot.name_len <= sizeof(slot.name), "the peer's name fits", slot.name_len);
    world->adopt(int(result), Kind::kStream);
}

bool any(const Handle &)
{
    return true;
}

bool prepare_poll(Actor &actor, Slot &slot)
{
    slot.handle = actor.some_handle(any);
    if (slot.handle == nullptr)
        return false;
    static const short events[] = {POLLIN, POLLOUT, POLLIN | POLLOUT, POLLPRI, POLLRDHUP};
    slot.number = unsigned(events[actor.input().below(5)]);
    return true;
}

void ended_poll(Actor &, Slot &, ssize_t result)
{
    expect(result != 0, "a poll tells an event");
}

bool prepare_shutdown(Actor &actor, Slot &slot)
{
    slot.handle = actor.some_handle([](const Handle &handle) {
        return handle.kind == Kind::kStream || handle.kind == Kind::kListener;
    });
    if (slot.handle == nullptr)
        return false;
    slot.number = actor.input().below(3);
    slot.handle->may_send &= slot.number == SHUT_RD;
    return true;
}

bool prepare_close(Actor &actor, Slot &slot)
{
    slot.handle = actor.some_handle(any);
    if (slot.handle == nullptr)
        return false;
    slot.handle->open = false;
    return true;
}

/* ---- actions ---- */

ssize_t ask_name(Actor &actor)
{
    Handle *handle = actor.some_handle(any);
    if (handle == nullptr)
        return kNothing;
    sockaddr_storage name;
    socklen_t len = sizeof(name);
    int one = 1;
    int err = coil_getsockname(handle->fd, reinterpret_cast<sockaddr *>(&name), &len);
    expect(err <= 0 && err != -EBADF, "an open descriptor has a name, or none", err);
    err = coil_setsockopt(handle->fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    expect(err <= 0 && err != -EBADF, "an open descriptor has options, or none", err);
    return kNothing;
}

ssize_t make_connection(Actor &actor)
{
    Handle *listener, *client;
    return meet(actor, &listener, &client);
}

} // namespace

ssize_t visit(const sockaddr *addr, socklen_t len, Handle **client)
{
    int fd = coil_socket(addr->sa_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    *client = world->adopt(fd, Kind::kFresh);
    (*client)->sending = true;
    int err = coil_connect(fd, addr, len);
    (*client)->sending = false;
    (*client)->kind = err == 0 ? Kind::kStream : Kind::kSpent;
    return err;
}

ssize_t meet(Actor &actor, Handle **listener, Handle **client)
{
    Slot slot;
    choose_name(slot, 16 | (actor.input().byte() & 1));
    int fd = coil_tcp_listen(name_of(slot), slot.name_len, 4);
    if (fd < 0)
        return fd;
    *listener = world->adopt(fd, Kind::kListener);
    return visit(name_of(slot), slot.name_len, client);
}

void add_socket_verbs(std::vector<Verb> &verbs)
{
    verbs.insert(
        verbs.end(),
        {{"socket", prepare_socket,
          [](Slot &s) { coil_socket_start(&s.future, domain_of(s), type_of(s), 0); },
          [](Slot &s) -> ssize_t { return coil_socket(domain_of(s), type_of(s), 0); },
          ended_socket},
         {"bind", prepare_bind,
          [](Slot &s) { coil_bind_start(&s.future, s.handle->fd, name_of(s), s.name_len); },
          [](Slot &s) -> ssize_t { return coil_bind(s.handle->fd, name_of(s), s.name_len); },
          ignore},
         {"listen", prepare_fresh, [](Slot &s) { coil_listen_start(&s.future, s.handle->fd, 2); },
          [](Slot &s) -> ssize_t { return coil_listen(s.handle->fd, 2); }, ended_listen},
         {"tcp_listen", prepare_tcp_listen, nullptr,
          [](Slot &s) -> ssize_t { return coil_tcp_listen(name_of(s), s.name_len, 4); },
          ended_tcp_listen},
         {"connect", prepare_connect,
          [](Slot &s) { coil_connect_start(&s.future, s.handle->fd, name_of(s), s.name_len); },
          [](Slot &s) -> ssize_t { return coil_connect(s.handle->fd, name_of(s), s.name_len); },
          ended_connect},
         {"accept", prepare_accept,
          [](Slot &s) {
              coil_accept_start(&s.future, s.handle->fd, name_of(s), &s.name_len, SOCK_NONBLOCK);
          },
          [](Slot &s) -> ssize_t { return coil_accept(s.handle->fd, name_of(s), &s.name_len, 0); },
          ended_accept},
         {"poll", prepare_poll,
          [](Slot &s) { coil_poll_start(&s.future, s.handle->fd, short(s.number)); },
          [](Slot &s) -> ssize_t { return coil_poll(s.handle->fd, short(s.number)); }, ended_poll},
         {"shutdown", prepare_shutdown,
          [](Slot &s) { coil_shutdown_start(&s.future, s.handle->fd, int(s.number)); },
          [](Slot &s) -> ssize_t { return coil_shutdown(s.handle->fd, int(s.number)); }, ignore},
         {"close", prepare_close, [](Slot &s) { coil_close_start(&s.future, s.handle->fd); },
          [](Slot &s) -> ssize_t { return coil_close(s.handle->fd); }, ignore, true}});
}

void add_socket_actions(std::vector<Action> &actions)
{
    actions.insert(actions.end(), {{"ask_name", ask_name}, {"make_connection", make_connection}});
}

} // namespace coil_fuzz
