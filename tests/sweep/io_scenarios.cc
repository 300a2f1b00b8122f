/* SPDX-License-Identifier: MIT */
/* Files and sockets. */
#include "sweep/scenario.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/stat.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>

namespace coil_test {
namespace {

constexpr size_t kSize = 3000;

int make_file(const std::string &path, const std::string &text)
{
    Owned file(coil_open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    if (file < 0)
        return file;
    auto written = int(coil_write_all(file, text.data(), text.size()));
    return written < 0 ? written : coil_fsync(file);
}

int copy_contents(int from, int to, size_t *copied)
{
    char buffer[1000];
    for (*copied = 0;;) { /* ends with the file */
        ssize_t len = coil_pread(from, buffer, sizeof(buffer), off_t(*copied));
        if (len <= 0)
            return int(len);
        ssize_t written = coil_pwrite_all(to, buffer, size_t(len), off_t(*copied));
        if (written < 0)
            return int(written);
        *copied += size_t(written);
    }
}

int check_file(const std::string &path, const std::string &text)
{
    std::string found(text.size() + 1, '\0');
    Owned file(coil_open(path.c_str(), O_RDONLY, 0));
    if (file < 0)
        return file;
    iovec pieces[] = {{&found[0], 10}, {&found[10], found.size() - 10}};
    auto len = int(coil_preadv(file, pieces, 2, 0));
    if (len < 0)
        return len;
    return found.compare(0, size_t(len), text) == 0 ? 0 : kWrong;
}

int copy_file()
{
    std::string text(kSize, 'c');
    std::string from = scenario_folder() + "/from", to = scenario_folder() + "/to";
    struct statx about = {};
    size_t copied = 0;
    int err = make_file(from, text);
    if (err < 0)
        return err;
    Owned source(coil_open(from.c_str(), O_RDONLY, 0));
    if (source < 0)
        return source;
    Owned target(coil_open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    if (target < 0)
        return target;
    err = coil_statx(AT_FDCWD, from.c_str(), 0, STATX_SIZE, &about);
    if (err == 0)
        err = copy_contents(source, target, &copied);
    if (err == 0)
        err = coil_fdatasync(target);
    if (err == 0 && (about.stx_size != kSize || copied != kSize))
        return kWrong;
    return err < 0 ? err : check_file(to, text);
}

/* Several at once, on the same descriptor, some of which are stopped. */
int read_at_once()
{
    std::string text(kSize, 'r'), path = scenario_folder() + "/read";
    int err = make_file(path, text);
    if (err < 0)
        return err;
    Owned file(coil_open(path.c_str(), O_RDONLY, 0));
    if (file < 0)
        return file;
    char buffers[6][100];
    COIL_FUTURE(first);
    COIL_FUTURE(second);
    COIL_FUTURE(third);
    COIL_FUTURE(dropped);
    coil_pread_start(&first, file, buffers[0], 100, 0);
    coil_pread_start(&second, file, buffers[1], 100, 100);
    coil_pread_start(&third, file, buffers[2], 100, off_t(kSize - 50));
    coil_pread_start(&dropped, file, buffers[3], 100, 300);
    coil_future *const all[] = {&first, &second, &third};
    err = coil_await_all(all, 3);
    if (err < 0)
        return err;
    ssize_t lengths[] = {coil_await(&first), coil_await(&second), coil_await(&third)};
    return lengths[0] == 100 && lengths[1] == 100 && lengths[2] == 50 ? 0 : kWrong;
}

int echo_until_the_end(int fd)
{
    char buffer[500];
    for (;;) { /* ends with the stream */
        ssize_t len = coil_recv(fd, buffer, sizeof(buffer), 0);
        if (len <= 0)
            return int(len);
        ssize_t sent = coil_send_all(fd, buffer, size_t(len), 0);
        if (sent < 0)
            return int(sent);
    }
}

int serve(int listener, int connections)
{
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = 0;
    for (int i = 0; i < connections && err == 0; i++) {
        int fd = coil_accept(listener, nullptr, nullptr, 0);
        err = fd < 0 ? fd : children.spawn(scope, [fd] {
            Owned connection(fd);
            return echo_until_the_end(connection);
        });
        if (fd >= 0 && err < 0)
            coil_close(fd);
    }
    return coil_scope_close(&scope, err);
}

int ask(const Address &address)
{
    Owned connection;
    int err = connect_to(connection, address);
    if (err < 0)
        return err;
    std::string said(700, 'e'), heard(700, '\0');
    auto moved = int(coil_send_all(connection, said.data(), said.size(), 0));
    if (moved >= 0)
        moved = int(coil_recv_all(connection, &heard[0], heard.size(), 0));
    if (moved < 0)
        return moved;
    return size_t(moved) == said.size() && heard == said ? 0 : -EPIPE;
}

int echo()
{
    Owned listener;
    Address address;
    int err = listen_anywhere(listener, address);
    if (err < 0)
        return err;
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    err = children.spawn(scope, [&] { return serve(listener, 2); });
    for (int i = 0; i < 2 && err == 0; i++)
        err = children.spawn(scope, [&] { return ask(address); });
    return coil_scope_close(&scope, err);
}

int messages()
{
    Owned left, right;
    int err = connect_pair(left, right);
    if (err < 0)
        return err;
    char out[] = "a message in pieces", in[sizeof(out)] = "";
    iovec pieces[] = {{out, 5}, {out + 5, sizeof(out) - 5}};
    iovec places[] = {{in, 9}, {in + 9, sizeof(in) - 9}};
    msghdr message = {};
    message.msg_iov = pieces;
    message.msg_iovlen = 2;
    auto moved = int(coil_sendmsg(left, &message, 0));
    message.msg_iov = places;
    if (moved >= 0)
        moved = int(coil_recvmsg(right, &message, 0));
    if (moved >= 0)
        moved = int(coil_writev(right, places, 2));
    if (moved >= 0)
        moved = int(coil_readv(left, pieces, 2));
    if (moved >= 0)
        moved = coil_shutdown(left, SHUT_WR);
    if (moved >= 0)
        moved = int(coil_read(right, in, sizeof(in)));
    return moved <= 0 ? moved : kWrong;
}

int read_into(coil_memory &memory, const std::string &path, const std::string &text)
{
    Owned file(coil_open(path.c_str(), O_RDWR, 0));
    if (file < 0)
        return file;
    auto len = int(coil_pread_all(file, memory.at + 100, text.size(), 0));
    if (len >= 0 && text.compare(0, text.size(), memory.at + 100, size_t(len)) != 0)
        return kWrong;
    return len < 0 ? len : int(coil_pwrite(file, memory.at + 100, size_t(len), len));
}

int read_into_memory()
{
    std::string path = scenario_folder() + "/memory", text(kSize, 'm');
    int err = make_file(path, text);
    coil_memory memory;
    if (err == 0)
        err = coil_memory_open(&memory, 2 * kSize);
    if (err < 0)
        return err;
    err = read_into(memory, path, text);
    coil_memory_close(&memory);
    return err < 0 ? err : 0;
}

int copy_registered(int from, int to)
{
    size_t copied = 0;
    int err = coil_file_register(from);
    if (err == 0)
        err = coil_file_register(to);
    if (err == 0)
        err = copy_contents(from, to, &copied);
    if (err == 0)
        err = coil_fsync(to);
    coil_file_unregister(to);
    return err < 0 || copied == kSize ? err : kWrong;
}

/* One is unregistered before it is closed, the other by that. */
int registered_files()
{
    std::string text(kSize, 'r');
    std::string from = scenario_folder() + "/from", to = scenario_folder() + "/to";
    int err = make_file(from, text);
    if (err < 0)
        return err;
    Owned source(coil_open(from.c_str(), O_RDONLY, 0));
    Owned target(coil_open(to.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
    if (source < 0 || target < 0)
        return source < 0 ? source : target;
    err = copy_registered(source, target);
    return err < 0 ? err : check_file(to, text);
}

/* There and back. */
int without_a_copy()
{
    Owned left, right;
    int err = connect_pair(left, right);
    if (err < 0)
        return err;
    std::string said(40'000, 'z'), heard(said.size(), '\0');
    COIL_FUTURE(sending);
    coil_send_zc_start(&sending, left, said.data(), said.size(), MSG_WAITALL);
    auto moved = int(coil_await(&sending));
    if (moved >= 0)
        moved = int(coil_recv_all(right, &heard[0], heard.size(), 0));
    if (moved >= 0)
        moved = int(coil_send_zc_all(right, heard.data(), heard.size(), 0));
    said.assign(said.size(), '\0');
    if (moved >= 0)
        moved = int(coil_recv_all(left, &said[0], said.size(), 0));
    if (moved < 0)
        return moved;
    return said == std::string(said.size(), 'z') ? 0 : kWrong;
}

/* Of a stop that comes as they wait. */
int closes()
{
    Owned left, right;
    int err = connect_pair(left, right);
    if (err < 0)
        return err;
    char byte;
    COIL_FUTURE(receive);
    COIL_FUTURE(ready);
    coil_recv_start(&receive, left, &byte, 1, 0);
    coil_poll_start(&ready, left, POLLIN);
    err = coil_yield();
    left.reset(-1); /* and with it both of them */
    auto received = int(coil_await(&receive)), told = int(coil_await(&ready));
    if (err < 0 || (received < 0 && received != -ECANCELED))
        return err < 0 ? err : received;
    return told == -ECANCELED ? 0 : told < 0 ? told : kWrong;
}

} // namespace

const std::vector<Scenario> kIoScenarios = {
    {"copy", 1, copy_file, "kpsl"},
    {"read_at_once", 1, read_at_once, "kps"},
    {"echo", 1, echo, "kpsl", {-EPIPE, -ECONNRESET}},
    {"messages", 1, messages, "kps"},
    {"memory", 1, read_into_memory, "kps"},
    {"registered", 1, registered_files, "kps"},
    {"without_a_copy", 1, without_a_copy, "kps"},
    {"close", 1, closes, "kps"},
};

} // namespace coil_test
