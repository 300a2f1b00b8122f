/* SPDX-License-Identifier: MIT */
/* Files. Whoever writes one writes the same bytes to the same places. */
#include "transfers.h"

#include <coil/sim.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>

namespace coil_fuzz {

namespace {

constexpr unsigned char kFlat = 0x5a; /* each byte of a file that is written at its position */

const char *path_of(const Slot &slot)
{
    static const char *const paths[] = {"coil-fuzz-a", "coil-fuzz-b", "coil-fuzz-flat", "."};
    return paths[slot.index];
}

int flags_of(const Slot &slot)
{
    if (slot.index == 3)
        return O_RDONLY | O_DIRECTORY;
    static const int flags[] = {O_RDWR | O_CREAT, O_RDWR, O_RDWR | O_CREAT | O_TRUNC,
                                O_RDWR | O_CREAT | O_EXCL};
    return flags[slot.number] | (slot.index == 2 ? O_APPEND : 0);
}

bool prepare_open(Actor &actor, Slot &slot)
{
    slot.index = actor.input().below(4);
    slot.number = actor.input().below(4);
    return true;
}

void ended_open(Actor &, Slot &slot, ssize_t result)
{
    static const Kind kinds[] = {Kind::kFile, Kind::kFile, Kind::kFlatFile, Kind::kDirectory};
    if (result >= 0)
        world->adopt(int(result), kinds[slot.index]);
}

bool choose_place(Actor &actor, Slot &slot)
{
    slot.handle =
        actor.some_handle([](const Handle &handle) { return handle.kind == Kind::kFile; });
    if (slot.handle == nullptr)
        return false;
    unsigned byte = actor.input().byte();
    slot.at = byte * INT64_C(53);
    slot.len = 1 + (byte * 31 + 7) % sizeof(slot.bytes);
    slot.parts[0] = {slot.bytes, slot.len / 2};
    slot.parts[1] = {slot.bytes + slot.len / 2, slot.len - slot.len / 2};
    return true;
}

bool prepare_pwrite(Actor &actor, Slot &slot)
{
    if (!choose_place(actor, slot))
        return false;
    fill(slot.bytes, slot.len, uint64_t(slot.at));
    return true;
}

void ended_write(Actor &, Slot &slot, ssize_t result)
{
    expect(result <= ssize_t(slot.len), "no more is written than there was", result);
}

/* Where nobody has written, or the power was cut, are zeros. */
void check_file(const unsigned char *bytes, ssize_t len, int64_t from, bool is_flat)
{
    for (ssize_t i = 0; i < len; i++) {
        unsigned char right = is_flat ? kFlat : byte_at(uint64_t(from + i));
        expect(bytes[i] == right || bytes[i] == 0, "a file holds what was written", from + i);
    }
}

void ended_pread(Actor &, Slot &slot, ssize_t result)
{
    expect(result <= ssize_t(slot.len), "no more is read than there is room", result);
    check_file(slot.bytes, result, slot.at, false);
}

bool prepare_flat(Actor &actor, Slot &slot)
{
    slot.handle =
        actor.some_handle([](const Handle &handle) { return handle.kind == Kind::kFlatFile; });
    if (slot.handle == nullptr)
        return false;
    slot.len = 1 + actor.input().below(sizeof(slot.bytes));
    memset(slot.bytes, kFlat, slot.len);
    return true;
}

void ended_read_flat(Actor &, Slot &slot, ssize_t result)
{
    expect(result <= ssize_t(slot.len), "no more is read than there is room", result);
    check_file(slot.bytes, result, 0, true);
}

bool prepare_sync(Actor &actor, Slot &slot)
{
    slot.handle = actor.some_handle([](const Handle &handle) {
        return handle.kind == Kind::kFile || handle.kind == Kind::kFlatFile ||
               handle.kind == Kind::kDirectory;
    });
    return slot.handle != nullptr;
}

bool prepare_statx(Actor &actor, Slot &slot)
{
    slot.index = actor.input().below(4);
    return true;
}

void ignore(Actor &, Slot &, ssize_t) {}

int fd_of(const Slot &slot)
{
    return slot.handle->fd;
}

void add_writes(std::vector<Verb> &verbs)
{
    verbs.insert(
        verbs.end(),
        {{"pwrite", prepare_pwrite,
          [](Slot &s) { coil_pwrite_start(&s.future, fd_of(s), s.bytes, s.len, s.at); },
          [](Slot &s) { return coil_pwrite(fd_of(s), s.bytes, s.len, s.at); }, ended_write},
         {"pwritev", prepare_pwrite,
          [](Slot &s) { coil_pwritev_start(&s.future, fd_of(s), s.parts, 2, s.at); },
          [](Slot &s) { return coil_pwritev(fd_of(s), s.parts, 2, s.at); }, ended_write},
         {"pwrite_all", prepare_pwrite, nullptr,
          [](Slot &s) { return coil_pwrite_all(fd_of(s), s.bytes, s.len, s.at); }, ended_write},
         {"write_flat", prepare_flat,
          [](Slot &s) { coil_write_start(&s.future, fd_of(s), s.bytes, s.len); },
          [](Slot &s) { return coil_write_all(fd_of(s), s.bytes, s.len); }, ended_write}});
}

void add_reads(std::vector<Verb> &verbs)
{
    verbs.insert(
        verbs.end(),
        {{"pread", choose_place,
          [](Slot &s) { coil_pread_start(&s.future, fd_of(s), s.bytes, s.len, s.at); },
          [](Slot &s) { return coil_pread(fd_of(s), s.bytes, s.len, s.at); }, ended_pread},
         {"preadv", choose_place,
          [](Slot &s) { coil_preadv_start(&s.future, fd_of(s), s.parts, 2, s.at); },
          [](Slot &s) { return coil_preadv(fd_of(s), s.parts, 2, s.at); }, ended_pread},
         {"pread_all", choose_place, nullptr,
          [](Slot &s) { return coil_pread_all(fd_of(s), s.bytes, s.len, s.at); }, ended_pread},
         {"read_flat", prepare_flat,
          [](Slot &s) { coil_read_start(&s.future, fd_of(s), s.bytes, s.len); },
          [](Slot &s) { return coil_read_all(fd_of(s), s.bytes, s.len); }, ended_read_flat}});
}

} // namespace

int check_what_is_left(void *)
{
    Slot slot;
    for (slot.index = 0; slot.index < 3; slot.index++) {
        int fd = coil_open(path_of(slot), O_RDWR, 0);
        ssize_t len = 0;
        for (slot.at = 0; fd >= 0; slot.at += len) { /* ends with the file */
            len = coil_pread(fd, slot.bytes, sizeof(slot.bytes), slot.at);
            expect(len >= 0, "what a power cut has left can be read", len);
            if (len == 0)
                break;
            check_file(slot.bytes, len, slot.at, slot.index == 2);
        }
        expect(fd == -ENOENT || coil_close(fd) == 0, "a file is there or is not", fd);
    }
    return 0;
}

void add_file_verbs(std::vector<Verb> &verbs)
{
    verbs.insert(
        verbs.end(),
        {{"open", prepare_open,
          [](Slot &s) { coil_open_start(&s.future, path_of(s), flags_of(s), 0600); },
          [](Slot &s) -> ssize_t { return coil_open(path_of(s), flags_of(s), 0600); }, ended_open,
          true},
         {"fsync", prepare_sync, [](Slot &s) { coil_fsync_start(&s.future, fd_of(s)); },
          [](Slot &s) -> ssize_t { return coil_fsync(fd_of(s)); }, ignore},
         {"fdatasync", prepare_sync, [](Slot &s) { coil_fdatasync_start(&s.future, fd_of(s)); },
          [](Slot &s) -> ssize_t { return coil_fdatasync(fd_of(s)); }, ignore},
         {"statx", prepare_statx,
          [](Slot &s) {
              coil_statx_start(&s.future, AT_FDCWD, path_of(s), 0, STATX_SIZE, &s.stat);
          },
          [](Slot &s) -> ssize_t {
              return coil_statx(AT_FDCWD, path_of(s), 0, STATX_SIZE, &s.stat);
          },
          ignore, true}});
    add_writes(verbs);
    add_reads(verbs);
}

} // namespace coil_fuzz
