/* SPDX-License-Identifier: MIT */
/* The operations that a script may start. */
#include "conformance/player.h"

#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sstream>

namespace conformance {

namespace {

struct Name {
    const char *word;
    int value;
};

const Name kMessageFlags[] = {
    {"peek", MSG_PEEK}, {"dontwait", MSG_DONTWAIT}, {"waitall", MSG_WAITALL}, {"trunc", MSG_TRUNC}};
const Name kOpenFlags[] = {
    {"rdonly", O_RDONLY}, {"wronly", O_WRONLY},       {"rdwr", O_RDWR},
    {"creat", O_CREAT},   {"excl", O_EXCL},           {"trunc", O_TRUNC},
    {"append", O_APPEND}, {"directory", O_DIRECTORY}, {"nofollow", O_NOFOLLOW}};
const Name kEvents[] = {{"in", POLLIN},   {"pri", POLLPRI}, {"out", POLLOUT},
                        {"err", POLLERR}, {"hup", POLLHUP}, {"rdhup", POLLRDHUP}};
const Name kHows[] = {{"rd", SHUT_RD}, {"wr", SHUT_WR}, {"rdwr", SHUT_RDWR}, {"wrong", 77}};
const Name kDomains[] = {
    {"inet", AF_INET}, {"inet6", AF_INET6}, {"unix", AF_UNIX}, {"wrong", 12345}};
const Name kTypes[] = {{"stream", SOCK_STREAM}, {"dgram", SOCK_DGRAM}, {"wrong", 9}};
const Name kStatFlags[] = {{"empty", AT_EMPTY_PATH}, {"nofollow", AT_SYMLINK_NOFOLLOW}};

/* The sum of those of the words from `from` on that are in the table. */
template <size_t N> int flags_of(const Words &words, size_t from, const Name (&names)[N])
{
    int flags = 0;
    for (size_t i = from; i < words.size(); i++) {
        for (const Name &name : names)
            flags |= words[i] == name.word ? name.value : 0;
    }
    return flags;
}

std::vector<std::string> split(const std::string &word)
{
    std::vector<std::string> parts;
    std::string part;
    std::stringstream cut(word);
    while (std::getline(cut, part, ','))
        parts.push_back(part);
    return parts;
}

/* ---- results ---- */

std::string tell_number(Op &, int64_t result)
{
    return in_words(result);
}

std::string tell_events(Op &, int64_t result)
{
    std::string text;
    for (const Name &name : kEvents)
        text += result >= 0 && (result & name.value) != 0 ? std::string(" ") + name.word : "";
    return result < 0 ? in_words(result) : text.empty() ? "none" : text.substr(1);
}

/* What was received, in one piece or several. */
std::string tell_bytes(Op &op, int64_t result)
{
    std::string bytes = op.text;
    for (const std::string &piece : op.pieces)
        bytes += piece;
    if (result < 0)
        return in_words(result);
    return in_words(result) + " " + quoted(bytes.substr(0, size_t(result)));
}

/* Behind: how many bytes there are room for. */
void into(Op &op, const std::string &word)
{
    op.text.assign(std::stoul(word), '-');
    op.tell = tell_bytes;
}

void scatter(Op &op, const std::string &word, bool sends)
{
    for (const std::string &part : split(word))
        op.pieces.push_back(sends ? bytes_of(part) : std::string(std::stoul(part), '-'));
    for (std::string &piece : op.pieces)
        op.iov.push_back({piece.data(), piece.size()});
    if (!sends)
        op.tell = tell_bytes;
}

std::function<std::string(Op &, int64_t)> keep_fd(Player &player, const std::string &name)
{
    return [&player, name](Op &, int64_t result) {
        if (result >= 0)
            player.keep(name, int(result));
        return result >= 0 ? std::string("fd") : in_words(result);
    };
}

sockaddr *addr_of(Op &op)
{
    return reinterpret_cast<sockaddr *>(&op.addr);
}

/* ---- sockets ---- */

void start_socket(Player &player, Op &op, const Words &words)
{
    op.tell = keep_fd(player, words.at(1));
    coil_socket_start(&op.future, flags_of({words.at(2)}, 0, kDomains),
                      flags_of({words.at(3)}, 0, kTypes), 0);
}

void start_bind(Player &player, Op &op, const Words &words)
{
    player.address(words.at(2), op);
    coil_bind_start(&op.future, player.fd(words.at(1)), addr_of(op), op.addr_len);
}

void start_listen(Player &player, Op &op, const Words &words)
{
    coil_listen_start(&op.future, player.fd(words.at(1)), std::stoi(words.at(2)));
}

void start_connect(Player &player, Op &op, const Words &words)
{
    player.address(words.at(2), op);
    coil_connect_start(&op.future, player.fd(words.at(1)), addr_of(op), op.addr_len);
}

/* accept LISTENER NAME: and who connected. */
void start_accept(Player &player, Op &op, const Words &words)
{
    auto keep = keep_fd(player, words.at(2));
    op.addr_len = sizeof(op.addr);
    op.tell = [&player, keep](Op &done, int64_t result) {
        std::string who = result >= 0 ? player.owner_of(done.addr, done.addr_len) : "";
        return keep(done, result) + (who.empty() ? "" : " from " + who);
    };
    coil_accept_start(&op.future, player.fd(words.at(1)), addr_of(op), &op.addr_len, 0);
}

void start_send(Player &player, Op &op, const Words &words)
{
    op.text = bytes_of(words.at(2));
    coil_send_start(&op.future, player.fd(words.at(1)), op.text.data(), op.text.size(),
                    flags_of(words, 3, kMessageFlags));
}

void start_send_zc(Player &player, Op &op, const Words &words)
{
    op.text = bytes_of(words.at(2));
    coil_send_zc_start(&op.future, player.fd(words.at(1)), op.text.data(), op.text.size(),
                       flags_of(words, 3, kMessageFlags));
}

void start_recv(Player &player, Op &op, const Words &words)
{
    into(op, words.at(2));
    coil_recv_start(&op.future, player.fd(words.at(1)), op.text.data(), op.text.size(),
                    flags_of(words, 3, kMessageFlags));
}

/* sendmsg SOCKET PIECE,PIECE [to ADDRESS] [FLAGS] */
void start_sendmsg(Player &player, Op &op, const Words &words)
{
    scatter(op, words.at(2), true);
    op.message.msg_iov = op.iov.data();
    op.message.msg_iovlen = op.iov.size();
    if (words.size() > 4 && words[3] == "to") {
        player.address(words[4], op);
        op.message.msg_name = &op.addr;
        op.message.msg_namelen = op.addr_len;
    }
    coil_sendmsg_start(&op.future, player.fd(words.at(1)), &op.message,
                       flags_of(words, 3, kMessageFlags));
}

/* recvmsg SOCKET ROOM,ROOM [FLAGS]: and from whom. */
void start_recvmsg(Player &player, Op &op, const Words &words)
{
    scatter(op, words.at(2), false);
    op.message.msg_iov = op.iov.data();
    op.message.msg_iovlen = op.iov.size();
    op.message.msg_name = &op.addr;
    op.message.msg_namelen = sizeof(op.addr);
    op.tell = [&player](Op &done, int64_t result) {
        std::string text = tell_bytes(done, result);
        if (result < 0)
            return text;
        std::string who = player.owner_of(done.addr, done.message.msg_namelen);
        text += who.empty() ? "" : " from " + who;
        return text + ((done.message.msg_flags & MSG_TRUNC) != 0 ? " truncated" : "");
    };
    coil_recvmsg_start(&op.future, player.fd(words.at(1)), &op.message,
                       flags_of(words, 3, kMessageFlags));
}

void start_shutdown(Player &player, Op &op, const Words &words)
{
    coil_shutdown_start(&op.future, player.fd(words.at(1)), flags_of({words.at(2)}, 0, kHows));
}

/* linger SOCKET: to close is to reset. reuseport SOCKET. */
void start_option(Player &player, Op &op, const Words &words)
{
    linger reset = {1, 0};
    int on = 1;
    bool lingers = words[0] == "linger";
    int result =
        lingers
            ? coil_setsockopt(player.fd(words.at(1)), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset))
            : coil_setsockopt(player.fd(words.at(1)), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    op.tell = [result](Op &, int64_t) { return in_words(result); };
    coil_nop_start(&op.future);
}

/* ---- any descriptor ---- */

void start_read(Player &player, Op &op, const Words &words)
{
    into(op, words.at(2));
    coil_read_start(&op.future, player.fd(words.at(1)), op.text.data(), op.text.size());
}

void start_write(Player &player, Op &op, const Words &words)
{
    op.text = bytes_of(words.at(2));
    coil_write_start(&op.future, player.fd(words.at(1)), op.text.data(), op.text.size());
}

void start_readv(Player &player, Op &op, const Words &words)
{
    scatter(op, words.at(2), false);
    coil_readv_start(&op.future, player.fd(words.at(1)), op.iov.data(), int(op.iov.size()));
}

void start_writev(Player &player, Op &op, const Words &words)
{
    scatter(op, words.at(2), true);
    coil_writev_start(&op.future, player.fd(words.at(1)), op.iov.data(), int(op.iov.size()));
}

void start_poll(Player &player, Op &op, const Words &words)
{
    op.tell = tell_events;
    coil_poll_start(&op.future, player.fd(words.at(1)), short(flags_of(words, 2, kEvents)));
}

void start_close(Player &player, Op &op, const Words &words)
{
    coil_close_start(&op.future, player.fd(words.at(1)));
    player.forget(words.at(1));
}

void start_nop(Player &, Op &op, const Words &)
{
    coil_nop_start(&op.future);
}

void start_sleep(Player &, Op &op, const Words &words)
{
    coil_sleep_start(&op.future, std::stoi(words.at(1)) * COIL_MSEC);
}

/* ---- files ---- */

void start_open(Player &player, Op &op, const Words &words)
{
    op.text = player.path(words.at(2));
    op.tell = keep_fd(player, words.at(1));
    coil_open_start(&op.future, op.text.c_str(), flags_of(words, 3, kOpenFlags), 0644);
}

/* pread FILE LENGTH OFFSET */
void start_pread(Player &player, Op &op, const Words &words)
{
    into(op, words.at(2));
    coil_pread_start(&op.future, player.fd(words.at(1)), op.text.data(), op.text.size(),
                     std::stol(words.at(3)));
}

void start_pwrite(Player &player, Op &op, const Words &words)
{
    op.text = bytes_of(words.at(2));
    coil_pwrite_start(&op.future, player.fd(words.at(1)), op.text.data(), op.text.size(),
                      std::stol(words.at(3)));
}

void start_preadv(Player &player, Op &op, const Words &words)
{
    scatter(op, words.at(2), false);
    coil_preadv_start(&op.future, player.fd(words.at(1)), op.iov.data(), int(op.iov.size()),
                      std::stol(words.at(3)));
}

void start_pwritev(Player &player, Op &op, const Words &words)
{
    scatter(op, words.at(2), true);
    coil_pwritev_start(&op.future, player.fd(words.at(1)), op.iov.data(), int(op.iov.size()),
                       std::stol(words.at(3)));
}

void start_fsync(Player &player, Op &op, const Words &words)
{
    if (words[0] == "fsync")
        coil_fsync_start(&op.future, player.fd(words.at(1)));
    else
        coil_fdatasync_start(&op.future, player.fd(words.at(1)));
}

/* register FILE, unregister FILE */
void start_register(Player &player, Op &op, const Words &words)
{
    int result = 0;
    if (words[0] == "register")
        result = coil_file_register(player.fd(words.at(1)));
    else
        coil_file_unregister(player.fd(words.at(1)));
    op.tell = [result](Op &, int64_t) { return in_words(result); };
    coil_nop_start(&op.future);
}

std::string tell_status(Op &op, int64_t result)
{
    const struct statx &status = op.status;
    if (result < 0)
        return in_words(result);
    if (S_ISDIR(status.stx_mode))
        return "a directory";
    return (S_ISREG(status.stx_mode) ? "a file of " : "something of ") +
           std::to_string(status.stx_size);
}

/* statx PATH, fstatx FILE */
void start_statx(Player &player, Op &op, const Words &words)
{
    bool by_fd = words[0] == "fstatx";
    op.tell = tell_status;
    op.text = by_fd ? "" : player.path(words.at(1));
    coil_statx_start(&op.future, by_fd ? player.fd(words.at(1)) : AT_FDCWD, op.text.c_str(),
                     by_fd ? AT_EMPTY_PATH : flags_of(words, 2, kStatFlags), STATX_BASIC_STATS,
                     &op.status);
}

using Start = void (*)(Player &player, Op &op, const Words &words);

const std::map<std::string, Start> kVerbs = {
    {"socket", start_socket},     {"bind", start_bind},           {"listen", start_listen},
    {"connect", start_connect},   {"accept", start_accept},       {"send", start_send},
    {"recv", start_recv},         {"sendmsg", start_sendmsg},     {"recvmsg", start_recvmsg},
    {"shutdown", start_shutdown}, {"linger", start_option},       {"reuseport", start_option},
    {"read", start_read},         {"write", start_write},         {"readv", start_readv},
    {"writev", start_writev},     {"poll", start_poll},           {"close", start_close},
    {"nop", start_nop},           {"sleep", start_sleep},         {"open", start_open},
    {"pread", start_pread},       {"pwrite", start_pwrite},       {"preadv", start_preadv},
    {"pwritev", start_pwritev},   {"fsync", start_fsync},         {"fdatasync", start_fsync},
    {"statx", start_statx},       {"fstatx", start_statx},        {"send_zc", start_send_zc},
    {"register", start_register}, {"unregister", start_register},
};

} // namespace

bool start(Player &player, Op &op, const Words &words)
{
    auto verb = kVerbs.find(words.at(0));
    if (verb == kVerbs.end())
        return false;
    op.tell = tell_number;
    verb->second(player, op, words);
    return true;
}

} // namespace conformance
