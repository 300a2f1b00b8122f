/* SPDX-License-Identifier: MIT */
/* Pipes and sockets for tests: made by plain system calls, closed at the end of their block. Those
 * that coil has made may be a simulated world's, of which the system knows nothing. */
#ifndef COIL_TESTS_OPS_SOCKETS_H
#define COIL_TESTS_OPS_SOCKETS_H

extern "C" {
#include "sim/force.h"
}

#include "support/running.h"

#include <cstdint>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace coil_test {

/* Whether it is open in a simulated world, if at all. */
inline bool is_simulated(int fd)
{
    return fd >= 1000 && is_simulated(); /* as <coil/sim.h> says */
}

/* A descriptor that is closed with its block. */
class Fd {
public:
    explicit Fd(int fd = -1) : fd_(fd) {}
    Fd(Fd &&other) noexcept : fd_(other.release()) {}
    Fd &operator=(Fd &&other) noexcept
    {
        reset(other.release());
        return *this;
    }
    ~Fd() { reset(-1); }

    operator int() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    void reset(int fd)
    {
        if (!is_simulated(fd_) && fd_ >= 0)
            close(fd_);
        else if (coil_sim_running() && fd_ >= 0)
            coil_close(fd_);
        fd_ = fd;
    }

private:
    int fd_;
};

/* Lets this process have `more` descriptors beyond those it has, to the end of the block. */
class FewDescriptors {
public:
    explicit FewDescriptors(int more)
    {
        getrlimit(RLIMIT_NOFILE, &before_);
        Fd next(dup(0)); /* the lowest that is free; those above are free too */
        rlimit limit = {rlim_t(next + more), before_.rlim_max};
        EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
    }
    ~FewDescriptors() { lift(); }
    void lift() { setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_;
};

struct Pair {
    Fd left, right;
};

inline Pair make_pipe(int size = 0)
{
    int fds[2];
    EXPECT_EQ(0, pipe2(fds, O_CLOEXEC));
    EXPECT_LE(size, size == 0 ? 0 : fcntl(fds[1], F_SETPIPE_SZ, size));
    return {Fd(fds[0]), Fd(fds[1])};
}

inline Pair make_socketpair(int type = SOCK_STREAM)
{
    int fds[2];
    EXPECT_EQ(0, socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds));
    return {Fd(fds[0]), Fd(fds[1])};
}

inline void shrink_buffer(int fd, int name, int size)
{
    EXPECT_EQ(0, setsockopt(fd, SOL_SOCKET, name, &size, sizeof(size)));
}

inline sockaddr_in loopback(uint16_t port = 0)
{
    sockaddr_in addr = {};
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addr.sin_port = htons(port);
    return addr;
}

inline const sockaddr *as_sockaddr(const sockaddr_in &addr)
{
    return reinterpret_cast<const sockaddr *>(&addr);
}

/* Of one that is not simulated, on any thread. */
inline sockaddr_in address_of(int fd)
{
    sockaddr_in addr = {};
    sockaddr *at = reinterpret_cast<sockaddr *>(&addr);
    socklen_t len = sizeof(addr);
    EXPECT_EQ(0, is_simulated(fd) ? coil_getsockname(fd, at, &len) : getsockname(fd, at, &len));
    return addr;
}

/* Of a simulated one there is nothing to see. */
inline bool closes_on_exec(int fd)
{
    return is_simulated(fd) || fcntl(fd, F_GETFD) == FD_CLOEXEC;
}

inline Fd make_listener(int backlog = 512)
{
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in addr = loopback();
    EXPECT_EQ(0, bind(fd, as_sockaddr(addr), sizeof(addr)));
    EXPECT_EQ(0, listen(fd, backlog));
    return fd;
}

/* A connection to `addr`, from outside of coil. */
inline Fd connect_to(const sockaddr_in &addr)
{
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(0, connect(fd, as_sockaddr(addr), sizeof(addr))) << strerror(errno);
    return fd;
}

inline Pair make_tcp_pair()
{
    Fd listener = make_listener();
    Fd right = connect_to(address_of(listener));
    Fd left(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    return {std::move(left), std::move(right)};
}

/* A local listener with room for one connection, under an address without a file. */
class UnixListener {
public:
    UnixListener()
    {
        addr_.sun_family = AF_UNIX; /* with no more than that, the kernel picks a name */
        EXPECT_EQ(0, bind(fd_, addr(), sizeof(addr_.sun_family)));
        EXPECT_EQ(0, getsockname(fd_, reinterpret_cast<sockaddr *>(&addr_), &len_));
        EXPECT_EQ(0, listen(fd_, 0));
    }

    operator int() const { return fd_; }
    const sockaddr *addr() const { return reinterpret_cast<const sockaddr *>(&addr_); }
    socklen_t len() const { return len_; }

    static int socket() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }
    int connect() const
    {
        int fd = socket();
        EXPECT_EQ(0, ::connect(fd, addr(), len_));
        return fd;
    }

private:
    sockaddr_un addr_ = {};
    socklen_t len_ = sizeof(addr_);
    Fd fd_{socket()};
};

/* Ends a connection with RST in place of FIN. */
inline void reset_connection(Fd &fd)
{
    linger now = {1, 0};
    EXPECT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
    fd.reset(-1);
}

/* Whether poll(2) says so now, without waiting. */
inline bool holds(int fd, short events)
{
    pollfd entry = {fd, events, 0};
    return poll(&entry, 1, 0) == 1 && (entry.revents & events) != 0;
}

inline size_t bytes_waiting(int fd)
{
    int count = 0;
    EXPECT_EQ(0, ioctl(fd, FIONREAD, &count));
    return size_t(count);
}

inline int open_descriptors()
{
    int count = int(coil__sim_files_count());
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != nullptr)
        count++;
    closedir(folder);
    return count;
}

/* What byte `at` of every test's stream is: a lost, doubled or moved one shows. */
inline char pattern(uint64_t at)
{
    return char((at * 0x9E3779B97F4A7C15u) >> 56);
}

inline std::string pattern(uint64_t from, size_t len)
{
    std::string text(len, '\0');
    for (size_t i = 0; i < len; i++)
        text[i] = pattern(from + i);
    return text;
}

} // namespace coil_test

#endif
