/* SPDX-License-Identifier: MIT */
/* A Unix socket that receives datagrams, and others that send to it until it is full. */
#ifndef COIL_TESTS_OPS_FULL_QUEUE_H
#define COIL_TESTS_OPS_FULL_QUEUE_H

#include "ops/sockets.h"

#include <coil/net.h>
#include <sys/un.h>

namespace coil_test {

/* What sendmsg() takes, for one text. */
struct Message {
    msghdr header = {};
    iovec part = {};

    void set(const std::string &text)
    {
        part = {const_cast<char *>(text.data()), text.size()};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
    }
};

/* Beside the sender under test, which coil has made and which is connected or says the name in
 * `message`, everything is done by system calls, on whichever thread. */
class FullQueue {
public:
    static constexpr const char *kFiller = "filler";

    explicit FullQueue(bool is_connected) : is_connected_(is_connected)
    {
        name_.sun_family = AF_UNIX; /* with no more than that, the kernel picks a name */
        EXPECT_EQ(0, bind(receiver, as_sockaddr(), sizeof(sa_family_t)));
        EXPECT_EQ(0, getsockname(receiver, as_sockaddr(), &len_));
        if (!is_connected) {
            message.header.msg_name = &name_;
            message.header.msg_namelen = len_;
        }
    }

    /* In a coroutine. A simulated socket would not reach it. */
    void open(int flags = 0)
    {
        int type = SOCK_DGRAM | SOCK_CLOEXEC | flags;
        sender.reset(coil_sim_running() ? socket(AF_UNIX, type, 0) : coil_socket(AF_UNIX, type, 0));
        EXPECT_LE(0, sender);
        EXPECT_EQ(0, is_connected_ ? connect(sender, as_sockaddr(), len_) : 0);
    }

    /* Returns how many that took. */
    size_t fill()
    {
        size_t count = 0;
        while (sendto(filler_, kFiller, strlen(kFiller), MSG_DONTWAIT, as_sockaddr(), len_) > 0)
            count++; /* ends: the queue is short */
        return count;
    }

    /* The first message there; "" if there is none, "(empty)" if it is. */
    std::string take() const
    {
        char text[256];
        ssize_t n = recv(receiver, text, sizeof(text), MSG_DONTWAIT);
        return n > 0 ? std::string(text, size_t(n)) : n == 0 ? "(empty)" : "";
    }

    Fd receiver{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    Fd sender{-1};
    Message message;

private:
    sockaddr *as_sockaddr() { return reinterpret_cast<sockaddr *>(&name_); }

    bool is_connected_;
    sockaddr_un name_ = {};
    socklen_t len_ = sizeof(name_);
    Fd filler_{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

} // namespace coil_test

#endif
