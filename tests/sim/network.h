/* SPDX-License-Identifier: MIT */
/* Connections of the simulated network, for tests of what becomes of them. */
#ifndef COIL_TESTS_SIM_NETWORK_H
#define COIL_TESTS_SIM_NETWORK_H

#include <coil.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace coil_test {

inline sockaddr_in loopback(uint16_t port)
{
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return name;
}

inline int listen_at(uint16_t port, int backlog = 16)
{
    sockaddr_in name = loopback(port);
    return coil_tcp_listen(reinterpret_cast<sockaddr *>(&name), sizeof(name), backlog);
}

/* A descriptor, or -errno. */
inline int connect_to(uint16_t port)
{
    sockaddr_in name = loopback(port);
    int fd = coil_socket(AF_INET, SOCK_STREAM, 0);
    int err = coil_connect(fd, reinterpret_cast<sockaddr *>(&name), sizeof(name));
    if (err >= 0)
        return fd;
    coil_close(fd);
    return err;
}

/* Two ends of a connection. */
struct Pair {
    int client, server;
};

inline Pair connected()
{
    int listener = listen_at(80);
    coil_future accepted;
    coil_accept_start(&accepted, listener, nullptr, nullptr, 0);
    int client = connect_to(80);
    int server = int(coil_await(&accepted));
    EXPECT_GE(listener, 1000);
    EXPECT_GE(client, 1000);
    EXPECT_GE(server, 1000);
    coil_close(listener);
    return {client, server};
}

inline void close_both(Pair pair)
{
    EXPECT_EQ(0, coil_close(pair.client));
    EXPECT_EQ(0, coil_close(pair.server));
}

} // namespace coil_test

#endif
