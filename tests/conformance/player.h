/* SPDX-License-Identifier: MIT */
/* Plays scripts: operations by name, and their results in words. */
#ifndef COIL_TESTS_CONFORMANCE_PLAYER_H
#define COIL_TESTS_CONFORMANCE_PLAYER_H

#include "conformance/script.h"

#include <coil.h>

#include <functional>
#include <map>
#include <memory>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

namespace conformance {

using Results = std::vector<std::string>;

/* An operation with all that it points to. */
struct Op {
    coil_future future = {};
    std::string text;                /* what it sends, or receives into; a path */
    std::vector<std::string> pieces; /* the same, of one with an iovec */
    std::vector<iovec> iov;
    msghdr message = {};
    sockaddr_storage addr = {};
    socklen_t addr_len = 0;
    struct statx status = {};
    std::string made; /* the name of the descriptor it makes */
    std::function<std::string(Op &op, int64_t result)> tell;
};

class Player {
public:
    explicit Player(std::string folder) : folder_(std::move(folder)) {}
    ~Player();
    Player(const Player &) = delete;
    Player &operator=(const Player &) = delete;

    /* Does one step, from a coroutine. */
    std::string play(const Words &words);

    /* The descriptor of a name, which may be closed; a number is itself; -1: there is none. */
    int fd(const std::string &name) const;
    void keep(const std::string &name, int fd) { fds_[name] = fd; }
    void forget(const std::string &name);

    /* The address that a word means. */
    void address(const std::string &word, Op &op) const;

    /* Where a path of a script lies. */
    std::string path(const std::string &word) const;

    /* Who of the script's has that address; "": nobody. */
    std::string owner_of(const sockaddr_storage &addr, socklen_t len) const;

private:
    std::string finish(Op &op);
    std::string begin(const Words &words);
    std::string within(const Words &words);
    std::string cancelled(const Words &words);
    std::string take(const std::string &tag);
    std::string connection(const Words &words, int domain, const std::string &name);
    std::string datagrams(const Words &words, int domain);
    std::string accepting(const Words &words);
    std::string receiving(const Words &words);

    std::string folder_;
    std::map<std::string, int> fds_, closed_;
    std::map<std::string, std::unique_ptr<Op>> ops_;
    std::map<std::string, std::unique_ptr<coil_acceptor>> acceptors_;
    std::map<std::string, std::unique_ptr<coil_receiver>> receivers_;
    std::vector<void *> lent_; /* by receivers, oldest first */
};

/* Starts the operation that the words describe; false: there is no such verb. */
bool start(Player &player, Op &op, const Words &words);

/* Bytes of a script: themselves, '' for none, *N for so many. */
std::string bytes_of(const std::string &word);

/* A result in words: a number or the name of an error. */
std::string in_words(int64_t result);

/* Bytes in words, of which many are cut short. */
std::string quoted(const std::string &bytes);

} // namespace conformance

#endif
