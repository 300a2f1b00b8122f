/* SPDX-License-Identifier: MIT */
/* Many connections that send bytes of their own, and know what must come back. */
#ifndef COIL_TESTS_EXAMPLES_ECHO_CLIENT_H
#define COIL_TESTS_EXAMPLES_ECHO_CLIENT_H

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace coil_test {

/* A blocking connection to the loopback, whose calls end within patience(). Throws. */
int connect_to(uint16_t port);

class EchoClients {
public:
    /* Each connection sends between nothing and `bytes_max`, then ends its sending half. */
    EchoClients(uint16_t port, unsigned count, size_t bytes_max, uint64_t seed);
    ~EchoClients();
    EchoClients(const EchoClients &) = delete;
    EchoClients &operator=(const EchoClients &) = delete;

    /* Goes on until `bytes` have come back in all, or every connection has got its bytes and the
     * end after them. Returns what went wrong, or "". */
    std::string run(size_t bytes = SIZE_MAX);

    size_t received() const { return received_; }

private:
    struct Connection {
        int fd;
        uint64_t key; /* of its bytes */
        size_t total, sent, received;
        bool is_done;
    };

    bool is_finished(size_t bytes) const;
    std::string serve(Connection *connection, short events);
    std::string send_some(Connection *connection);
    std::string receive_some(Connection *connection);

    std::vector<Connection> connections_;
    std::mt19937_64 random_;
    size_t received_ = 0, done_ = 0;
};

} // namespace coil_test

#endif
