/* SPDX-License-Identifier: MIT */
#include "conformance/player.h"

#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <unistd.h>

namespace conformance {

std::string in_words(int64_t result)
{
    const char *name = result < 0 ? strerrorname_np(int(-result)) : nullptr;
    return name != nullptr ? std::string("-") + name : std::to_string(result);
}

std::string quoted(const std::string &bytes)
{
    return bytes.size() <= 16
               ? "'" + bytes + "'"
               : "'" + bytes.substr(0, 8) + "..." + bytes.substr(bytes.size() - 4) + "'";
}

std::string bytes_of(const std::string &word)
{
    if (word == "''")
        return "";
    if (word[0] != '*')
        return word;
    std::string bytes(std::stoul(word.substr(1)), ' ');
    for (size_t i = 0; i < bytes.size(); i++)
        bytes[i] = char('a' + i % 23);
    return bytes;
}

Player::~Player()
{
    for (void *data : lent_)
        coil_buffer_release(data);
    for (auto &receiver : receivers_)
        coil_receiver_close(receiver.second.get());
    for (auto &acceptor : acceptors_)
        coil_acceptor_close(acceptor.second.get());
    for (auto &op : ops_)
        coil_future_drop(&op.second->future);
    for (auto &fd : fds_)
        coil_close(fd.second);
}

int Player::fd(const std::string &name) const
{
    auto open = fds_.find(name), closed = closed_.find(name);
    if (open != fds_.end())
        return open->second;
    if (closed != closed_.end())
        return closed->second;
    return isdigit(name[0]) ? std::stoi(name) : -1;
}

void Player::forget(const std::string &name)
{
    closed_[name] = fd(name);
    fds_.erase(name);
}

std::string Player::path(const std::string &word) const
{
    if (word == "''")
        return "";
    if (word == "long")
        return folder_ + "/" + std::string(300, 'x');
    return word[0] == '/' ? word : folder_ + "/" + word;
}

void Player::address(const std::string &word, Op &op) const
{
    auto inet = reinterpret_cast<sockaddr_in *>(&op.addr);
    auto local = reinterpret_cast<sockaddr_un *>(&op.addr);
    auto any = reinterpret_cast<sockaddr *>(&op.addr);
    op.addr_len = sizeof(op.addr);
    if (word.compare(0, 3, "of:") == 0) {
        if (coil_getsockname(fd(word.substr(3)), any, &op.addr_len) != 0)
            op.addr_len = 0; /* an earlier step went another way */
    } else if (word == "any" || word == "short") {
        inet->sin_family = AF_INET;
        inet->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        op.addr_len = word == "any" ? sizeof(*inet) : 4;
    } else if (word == "any6") {
        auto inet6 = reinterpret_cast<sockaddr_in6 *>(&op.addr);
        inet6->sin6_family = AF_INET6;
        inet6->sin6_addr = in6addr_loopback;
        op.addr_len = sizeof(*inet6);
    } else { /* @NAME, which is no file, or one */
        bool is_file = word[0] != '@';
        std::string name = is_file ? path(word) : word + folder_;
        local->sun_family = AF_UNIX;
        name.copy(local->sun_path, sizeof(local->sun_path) - 1);
        local->sun_path[0] = is_file ? name[0] : '\0';
        op.addr_len = socklen_t(offsetof(sockaddr_un, sun_path) + name.size() + (is_file ? 1 : 0));
    }
}

std::string Player::owner_of(const sockaddr_storage &addr, socklen_t len) const
{
    if (len <= sizeof(addr.ss_family)) /* nobody in particular */
        return "";
    for (const auto &one : fds_) {
        sockaddr_storage own = {};
        socklen_t own_len = sizeof(own);
        if (coil_getsockname(one.second, reinterpret_cast<sockaddr *>(&own), &own_len) == 0 &&
            own_len == len && memcmp(&own, &addr, len) == 0)
            return one.first;
    }
    return "";
}

std::string Player::finish(Op &op)
{
    int64_t result = coil_await(&op.future);
    return op.tell(op, result);
}

/* begin NAME VERB ... */
std::string Player::begin(const Words &words)
{
    auto op = std::make_unique<Op>();
    if (!start(*this, *op, Words(words.begin() + 2, words.end())))
        throw std::invalid_argument("can't begin " + words.at(2));
    ops_[words.at(1)] = std::move(op);
    return "begun";
}

std::string Player::take(const std::string &tag)
{
    auto op = std::move(ops_.at(tag));
    ops_.erase(tag);
    return finish(*op);
}

/* within MILLISECONDS STEP: and what its scope has to say. */
std::string Player::within(const Words &words)
{
    coil_scope scope;
    coil_scope_open(&scope, coil_after(std::stoi(words.at(1)) * COIL_MSEC));
    std::string result = play(Words(words.begin() + 2, words.end()));
    return result + ", the scope " + in_words(coil_scope_close(&scope, 0));
}

/* cancelled STEP: in a scope that is. */
std::string Player::cancelled(const Words &words)
{
    coil_scope scope;
    coil_scope_open(&scope, COIL_FOREVER);
    coil_scope_cancel(&scope);
    std::string result = play(Words(words.begin() + 1, words.end()));
    return result + ", the scope " + in_words(coil_scope_close(&scope, 0));
}

/* tcp CLIENT SERVER and the like: a connection, by way of a listener that is closed again. */
std::string Player::connection(const Words &words, int domain, const std::string &name)
{
    Op bind, to, accept, connect;
    int listener = coil_socket(domain, SOCK_STREAM, 0);
    int client = coil_socket(domain, SOCK_STREAM, 0);
    fds_["listener"] = listener;
    fds_[words.at(1)] = client;
    address(name, bind);
    int err = coil_bind(listener, reinterpret_cast<sockaddr *>(&bind.addr), bind.addr_len);
    err = err < 0 ? err : coil_listen(listener, 4);
    if (err < 0)
        return in_words(err);
    address("of:listener", to);
    coil_connect_start(&connect.future, client, reinterpret_cast<sockaddr *>(&to.addr),
                       to.addr_len);
    int server = coil_accept(listener, nullptr, nullptr, 0);
    err = int(coil_await(&connect.future));
    fds_[words.at(2)] = server;
    coil_close(listener);
    fds_.erase("listener");
    return in_words(server < 0 ? server : err);
}

/* udp ONE OTHER and the like: two that send to each other. */
std::string Player::datagrams(const Words &words, int domain)
{
    Op addresses[2];
    int err = 0;
    for (int i = 0; i < 2; i++) {
        Op bind;
        const std::string &name = words.at(size_t(i) + 1);
        int made = fds_[name] = coil_socket(domain, SOCK_DGRAM, 0);
        address(domain == AF_UNIX ? "@" + name : "any", bind);
        int bound = coil_bind(made, reinterpret_cast<sockaddr *>(&bind.addr), bind.addr_len);
        err = bound < 0 ? bound : err;
        address("of:" + name, addresses[i]);
    }
    for (int i = 0; i < 2; i++) {
        const Op &to = addresses[1 - i];
        int connected = coil_connect(fds_[words.at(size_t(i) + 1)],
                                     reinterpret_cast<const sockaddr *>(&to.addr), to.addr_len);
        err = connected < 0 ? connected : err;
    }
    return in_words(err);
}

/* acceptor NAME LISTENER, next-conn NAME CONNECTION, end-acceptor NAME */
std::string Player::accepting(const Words &words)
{
    const std::string &name = words.at(1);
    if (words[0] == "acceptor") {
        acceptors_[name] = std::make_unique<coil_acceptor>();
        coil_acceptor_open(acceptors_[name].get(), fd(words.at(2)), 0);
        return "open";
    }
    if (words[0] == "next-conn") {
        int conn = coil_acceptor_next(acceptors_.at(name).get());
        if (conn >= 0)
            keep(words.at(2), conn);
        return conn >= 0 ? "fd" : in_words(conn);
    }
    coil_acceptor_close(acceptors_.at(name).get());
    acceptors_.erase(name);
    return "closed";
}

/* receiver NAME SOCKET, lease NAME, release NAME, reply NAME, end-receiver NAME */
std::string Player::receiving(const Words &words)
{
    const std::string &name = words.at(1);
    if (words[0] == "receiver") {
        receivers_[name] = std::make_unique<coil_receiver>();
        coil_receiver_open(receivers_[name].get(), fd(words.at(2)));
        return "open";
    }
    coil_receiver *receiver = receivers_.at(name).get();
    if (words[0] == "lease") {
        void *data;
        ssize_t n = coil_receiver_next(receiver, &data);
        if (n <= 0)
            return in_words(n);
        lent_.push_back(data);
        return in_words(n) + " " + quoted(std::string(static_cast<char *>(data), size_t(n)));
    }
    if (words[0] == "end-receiver") {
        coil_receiver_close(receiver);
        receivers_.erase(name);
        return "closed";
    }
    if (lent_.empty())
        return "nothing is lent";
    void *data = lent_.front();
    lent_.erase(lent_.begin());
    if (words[0] == "reply")
        return in_words(coil_receiver_reply(receiver, data, std::stoul(words.at(2))));
    coil_buffer_release(data);
    return "released";
}

std::string Player::play(const Words &words)
{
    const std::string &verb = words.at(0);
    if (verb == "begin")
        return begin(words);
    if (verb == "await")
        return take(words.at(1));
    if (verb == "within")
        return within(words);
    if (verb == "cancelled")
        return cancelled(words);
    if (verb == "settle") /* what is on its way arrives */
        return in_words(coil_sleep(2 * COIL_MSEC));
    if (verb == "cancel") {
        coil_future_cancel(&ops_.at(words.at(1))->future);
        return "asked";
    }
    if (verb == "drop") {
        coil_future_drop(&ops_.at(words.at(1))->future);
        ops_.erase(words.at(1));
        return "dropped";
    }
    if (verb == "done")
        return coil_future_done(&ops_.at(words.at(1))->future) ? "yes" : "no";
    if (verb == "tcp")
        return connection(words, AF_INET, "any");
    if (verb == "tcp6")
        return connection(words, AF_INET6, "any6");
    if (verb == "unix")
        return connection(words, AF_UNIX, "@connection");
    if (verb == "udp")
        return datagrams(words, AF_INET);
    if (verb == "unix-dgrams")
        return datagrams(words, AF_UNIX);
    if (verb == "pipe") { /* the process's own, also in a simulated world */
        int ends[2];
        int result = pipe2(ends, O_CLOEXEC);
        keep(words.at(1), ends[0]);
        keep(words.at(2), ends[1]);
        return in_words(result);
    }
    if (verb == "acceptor" || verb == "next-conn" || verb == "end-acceptor")
        return accepting(words);
    if (verb == "receiver" || verb == "lease" || verb == "release" || verb == "reply" ||
        verb == "end-receiver")
        return receiving(words);
    Op op;
    if (!start(*this, op, words))
        throw std::invalid_argument("no such verb: " + verb);
    return finish(op);
}

} // namespace conformance
