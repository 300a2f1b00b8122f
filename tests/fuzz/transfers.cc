/* SPDX-License-Identifier: MIT */
/*
 * Sending, receiving, reading and writing. Byte n of each direction of a stream is the same in all
 * of them, and so is byte n of a file: whoever receives or reads one can tell whether it is right.
 */
#include "transfers.h"

#include <cerrno>
#include <cstring>

namespace coil_fuzz {

namespace {

constexpr size_t kMost = sizeof(Slot::bytes);

/* In one part, or in two. */
void divide(Slot &slot, size_t first)
{
    slot.parts[0] = {slot.bytes, first};
    slot.parts[1] = {slot.bytes + first, slot.len - first};
    slot.message = {};
    slot.message.msg_iov = slot.parts;
    slot.message.msg_iovlen = 2;
}

bool may_send(const Handle &handle)
{
    return (handle.kind == Kind::kStream && !handle.sending && handle.may_send) ||
           handle.kind == Kind::kDatagram;
}

bool may_receive(const Handle &handle)
{
    return (handle.kind == Kind::kStream && !handle.receiving) || handle.kind == Kind::kDatagram;
}

bool prepare_send(Actor &actor, Slot &slot)
{
    slot.handle = actor.some_handle(may_send);
    if (slot.handle == nullptr)
        return false;
    slot.len = 1 + actor.input().below(kMost);
    bool is_stream = slot.handle->kind == Kind::kStream;
    fill(slot.bytes, slot.len, is_stream ? slot.handle->sent : 0);
    if (is_stream)
        slot.handle->sending = true;
    else
        slot.bytes[0] = uint8_t(slot.len);
    divide(slot, slot.len / 3);
    return true;
}

bool prepare_stream_send(Actor &actor, Slot &slot)
{
    return prepare_send(actor, slot);
}

void ended_send(Actor &, Slot &slot, ssize_t result)
{
    expect(result <= ssize_t(slot.len), "no more is sent than there was", result);
    if (slot.handle->kind == Kind::kDatagram)
        return;
    slot.handle->sending = false;
    if (result >= 0)
        slot.handle->sent += uint64_t(result);
    else if (result != -ECANCELED)
        slot.handle->may_send = false;
}

/* Of all, unless the caller is cancelled, or another has closed the descriptor meanwhile. */
void ended_send_all(Actor &actor, Slot &slot, ssize_t result)
{
    ended_send(actor, slot, result);
    if (result >= 0 && result < ssize_t(slot.len) && slot.handle->open)
        expect(coil_yield() == -ECANCELED, "all is sent, or the caller is cancelled", result);
}

bool prepare_receive(Actor &actor, Slot &slot)
{
    slot.handle = actor.some_handle(may_receive);
    if (slot.handle == nullptr)
        return false;
    bool is_stream = slot.handle->kind == Kind::kStream;
    slot.len = is_stream ? 1 + actor.input().below(kMost) : kMost;
    slot.handle->receiving = is_stream;
    divide(slot, slot.len / 2);
    return true;
}

void ended_receive(Actor &, Slot &slot, ssize_t result)
{
    expect(result <= ssize_t(slot.len), "no more is received than there is room", result);
    Handle &handle = *slot.handle;
    if (handle.kind == Kind::kDatagram) {
        if (result > 0) {
            expect(slot.bytes[0] == result, "a datagram arrives whole", result);
            check(slot.bytes + 1, size_t(result) - 1, 1);
        }
        return;
    }
    handle.receiving = false;
    if (result == kDropped)
        handle.in_order = false;
    if (result > 0)
        note_received(handle, slot.bytes, size_t(result));
}

bool prepare_send_to(Actor &actor, Slot &slot)
{
    slot.handle =
        actor.some_handle([](const Handle &handle) { return handle.kind == Kind::kDatagram; });
    if (slot.handle == nullptr)
        return false;
    slot.len = 1 + actor.input().below(kMost);
    fill(slot.bytes, slot.len, 0);
    slot.bytes[0] = uint8_t(slot.len);
    divide(slot, slot.len / 3);
    auto *name = reinterpret_cast<sockaddr_in *>(&slot.name);
    *name = {};
    name->sin_family = AF_INET;
    name->sin_port = htons(uint16_t(80 + (slot.len & 1)));
    name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    slot.message.msg_name = name;
    slot.message.msg_namelen = sizeof(*name);
    return true;
}

int fd_of(const Slot &slot)
{
    return slot.handle->fd;
}

void add_sends(std::vector<Verb> &verbs)
{
    verbs.insert(
        verbs.end(),
        {{"send", prepare_send,
          [](Slot &s) { coil_send_start(&s.future, fd_of(s), s.bytes, s.len, 0); },
          [](Slot &s) { return coil_send(fd_of(s), s.bytes, s.len, 0); }, ended_send},
         {"sendmsg", prepare_send,
          [](Slot &s) { coil_sendmsg_start(&s.future, fd_of(s), &s.message, 0); },
          [](Slot &s) { return coil_sendmsg(fd_of(s), &s.message, 0); }, ended_send},
         {"send_to", prepare_send_to,
          [](Slot &s) { coil_sendmsg_start(&s.future, fd_of(s), &s.message, 0); },
          [](Slot &s) { return coil_sendmsg(fd_of(s), &s.message, 0); }, ended_send},
         {"write", prepare_send,
          [](Slot &s) { coil_write_start(&s.future, fd_of(s), s.bytes, s.len); },
          [](Slot &s) { return coil_write(fd_of(s), s.bytes, s.len); }, ended_send},
         {"writev", prepare_send,
          [](Slot &s) { coil_writev_start(&s.future, fd_of(s), s.parts, 2); },
          [](Slot &s) { return coil_writev(fd_of(s), s.parts, 2); }, ended_send},
         {"send_zc", prepare_send,
          [](Slot &s) { coil_send_zc_start(&s.future, fd_of(s), s.bytes, s.len, 0); },
          [](Slot &s) { return coil_send_zc(fd_of(s), s.bytes, s.len, 0); }, ended_send},
         {"send_zc_all", prepare_stream_send, nullptr,
          [](Slot &s) { return coil_send_zc_all(fd_of(s), s.bytes, s.len, 0); }, ended_send_all},
         {"send_all", prepare_stream_send, nullptr,
          [](Slot &s) { return coil_send_all(fd_of(s), s.bytes, s.len, 0); }, ended_send_all},
         {"write_all", prepare_stream_send, nullptr,
          [](Slot &s) { return coil_write_all(fd_of(s), s.bytes, s.len); }, ended_send_all}});
}

void add_receives(std::vector<Verb> &verbs)
{
    verbs.insert(verbs.end(),
                 {{"recv", prepare_receive,
                   [](Slot &s) { coil_recv_start(&s.future, fd_of(s), s.bytes, s.len, 0); },
                   [](Slot &s) { return coil_recv(fd_of(s), s.bytes, s.len, 0); }, ended_receive},
                  {"recvmsg", prepare_receive,
                   [](Slot &s) { coil_recvmsg_start(&s.future, fd_of(s), &s.message, 0); },
                   [](Slot &s) { return coil_recvmsg(fd_of(s), &s.message, 0); }, ended_receive},
                  {"read", prepare_receive,
                   [](Slot &s) { coil_read_start(&s.future, fd_of(s), s.bytes, s.len); },
                   [](Slot &s) { return coil_read(fd_of(s), s.bytes, s.len); }, ended_receive},
                  {"readv", prepare_receive,
                   [](Slot &s) { coil_readv_start(&s.future, fd_of(s), s.parts, 2); },
                   [](Slot &s) { return coil_readv(fd_of(s), s.parts, 2); }, ended_receive}});
}

} // namespace

void fill(unsigned char *bytes, size_t len, uint64_t from)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(from + i);
}

void check(const unsigned char *bytes, size_t len, uint64_t from)
{
    for (size_t i = 0; i < len; i++)
        expect(bytes[i] == byte_at(from + i), "each byte arrives once, in its order",
               int64_t(from + i));
}

void note_received(Handle &handle, const void *bytes, size_t len)
{
    if (handle.in_order)
        check(static_cast<const unsigned char *>(bytes), len, handle.received);
    handle.received += len;
}

void add_transfer_verbs(std::vector<Verb> &verbs)
{
    add_sends(verbs);
    add_receives(verbs);
}

} // namespace coil_fuzz
