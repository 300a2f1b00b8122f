/* SPDX-License-Identifier: MIT */
#include "examples/echo_client.h"

#include "examples/program.h"

#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace coil_test {
namespace {

constexpr size_t kPieceMax = 16 * 1024;

/* The byte at `offset` of what the connection with this key sends. */
char byte_at(uint64_t key, size_t offset)
{
    uint64_t mixed = (key ^ offset) * 0x9e3779b97f4a7c15;
    return char(mixed >> 56);
}

std::string failed(const char *what)
{
    return std::string(what) + ": " + strerror(errno);
}

} // namespace

int connect_to(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    timeval limit = {patience(), 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof(address)) < 0) {
        std::string reason = failed("connect");
        close(fd);
        throw std::runtime_error(reason);
    }
    return fd;
}

EchoClients::EchoClients(uint16_t port, unsigned count, size_t bytes_max, uint64_t seed)
    : random_(seed)
{
    std::uniform_int_distribution<size_t> total(0, bytes_max);
    for (unsigned i = 0; i < count; i++)
        connections_.push_back({connect_to(port), random_(), total(random_), 0, 0, false});
}

EchoClients::~EchoClients()
{
    for (const Connection &connection : connections_)
        close(connection.fd);
}

bool EchoClients::is_finished(size_t bytes) const
{
    return received_ >= bytes || done_ == connections_.size();
}

std::string EchoClients::run(size_t bytes)
{
    std::vector<pollfd> ready(connections_.size());
    while (!is_finished(bytes)) {
        for (size_t i = 0; i < ready.size(); i++) {
            const Connection &connection = connections_[i];
            bool may_send = connection.sent <= connection.total;
            short events = short(may_send ? POLLIN | POLLOUT : POLLIN);
            ready[i] = {connection.is_done ? -1 : connection.fd, events, 0};
        }
        if (poll(ready.data(), ready.size(), patience() * 1000) <= 0)
            return "nothing happened for a long time";
        for (size_t i = 0; i < ready.size() && !is_finished(bytes); i++) {
            std::string error = serve(&connections_[i], ready[i].revents);
            if (!error.empty())
                return "connection " + std::to_string(i) + ": " + error;
        }
    }
    return "";
}

std::string EchoClients::serve(Connection *connection, short events)
{
    std::string error;
    if (events & POLLOUT)
        error = send_some(connection);
    if (error.empty() && (events & ~POLLOUT))
        error = receive_some(connection);
    return error;
}

std::string EchoClients::send_some(Connection *connection)
{
    if (connection->sent == connection->total) {
        connection->sent++; /* the end counts as one more */
        return shutdown(connection->fd, SHUT_WR) < 0 ? failed("shutdown") : "";
    }
    char piece[kPieceMax];
    std::uniform_int_distribution<size_t> length(1, kPieceMax);
    size_t len = std::min(length(random_), connection->total - connection->sent);
    for (size_t i = 0; i < len; i++)
        piece[i] = byte_at(connection->key, connection->sent + i);
    ssize_t n = send(connection->fd, piece, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN ? "" : failed("send");
    connection->sent += size_t(n);
    return "";
}

std::string EchoClients::receive_some(Connection *connection)
{
    char piece[kPieceMax];
    ssize_t n = recv(connection->fd, piece, sizeof(piece), MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN ? "" : failed("recv");
    if (n == 0) {
        connection->is_done = true;
        done_++;
        return connection->received == connection->total
                   ? ""
                   : "ended after " + std::to_string(connection->received) + " of " +
                         std::to_string(connection->total) + " bytes";
    }
    for (ssize_t i = 0; i < n; i++) {
        if (piece[i] != byte_at(connection->key, connection->received + size_t(i)))
            return "wrong byte at " + std::to_string(connection->received + size_t(i));
    }
    connection->received += size_t(n);
    received_ += size_t(n);
    return "";
}

} // namespace coil_test
