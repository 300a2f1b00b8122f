/* SPDX-License-Identifier: MIT */
/* Cancelling what makes descriptors: they are delivered, or closed, or were never made. */
#include "cancel/cancel.h"

#include <coil/fd.h>
#include <coil/file.h>
#include <coil/net.h>
#include <cstring>
#include <support/process.h>

namespace {

using namespace coil_test;

/* One connection a round comes to a listener; the operation takes it, or it stays in the queue. */
class Accepting : public Operation {
public:
    Accepting() { may_drop = true; }

    void begin() override { from_len_ = sizeof(from_); }

    void start(coil_future *future) override
    {
        coil_accept_start(future, listener_, reinterpret_cast<sockaddr *>(&from_), &from_len_, 0);
    }

    ssize_t call() override
    {
        return coil_accept(listener_, reinterpret_cast<sockaddr *>(&from_), &from_len_, 0);
    }

    void complete() override { peer_ = connect_to(address_of(listener_)); }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result >= 0 || result == -ECANCELED);
        Fd conn(int(result >= 0 ? result : -1));
        ASSERT_EQ(result < 0, holds(listener_, POLLIN)) << "one connection, in one place";
        if (conn < 0)
            conn.reset(accept(listener_, nullptr, nullptr));
        ASSERT_EQ(1, write(conn, "!", 1));
        char byte;
        ASSERT_EQ(1, read(peer_, &byte, 1));
        ASSERT_TRUE(result < 0 || (fcntl(conn, F_GETFD) & FD_CLOEXEC) != 0);
        peer_.reset(-1);
    }

    void end_dropped() override
    {
        if (holds(listener_, POLLIN))
            Fd(accept(listener_, nullptr, nullptr));
        char byte;
        ASSERT_GE(0, read(peer_, &byte, 1)) << "nobody has the other end";
        peer_.reset(-1);
    }

private:
    Fd listener_ = make_listener(), peer_;
    sockaddr_in from_;
    socklen_t from_len_;
};

/* As above, but the multishot accept goes on for some rounds after a cancellation. */
class Acceptor : public Operation {
public:
    Acceptor()
    {
        has_future = false;
        coil_acceptor_open(&acceptor_, listener_, 0);
    }

    ~Acceptor() override { coil_acceptor_close(&acceptor_); }

    ssize_t call() override { return coil_acceptor_next(&acceptor_); }
    void complete() override { peer_ = connect_to(address_of(listener_)); }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result >= 0 || result == -ECANCELED);
        if (pick(10) == 0) {
            Fd mine(int(result >= 0 ? result : -1));
            coil_acceptor_close(&acceptor_);
            if (holds(listener_, POLLIN))
                Fd(accept(listener_, nullptr, nullptr));
            coil_acceptor_open(&acceptor_, listener_, 0);
            peer_.reset(-1);
            return;
        }
        Fd conn(int(result >= 0 ? result : coil_acceptor_next(&acceptor_)));
        ASSERT_GE(conn, 0) << "a connection was lost";
        ASSERT_EQ(1, write(conn, "!", 1));
        char byte;
        ASSERT_EQ(1, read(peer_, &byte, 1));
        peer_.reset(-1);
    }

private:
    Fd listener_ = make_listener(), peer_;
    coil_acceptor acceptor_ = {};
};

/* A file that is made by opening it: the kernel does that on a thread of its own. */
class Opening : public Operation {
public:
    Opening()
    {
        may_drop = true;
        has_peer = false;
    }

    void begin() override { unlink(path_.c_str()); }
    void start(coil_future *future) override
    {
        coil_open_start(future, path_.c_str(), O_CREAT | O_RDWR, 0600);
    }
    ssize_t call() override { return coil_open(path_.c_str(), O_CREAT | O_RDWR, 0600); }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result >= 0 || result == -ECANCELED);
        Fd file(int(result >= 0 ? result : -1));
        ASSERT_EQ(result >= 0, access(path_.c_str(), F_OK) == 0);
        ASSERT_TRUE(result < 0 || (fcntl(file, F_GETFD) & FD_CLOEXEC) != 0);
    }

private:
    TempDir folder_;
    std::string path_ = folder_.path("file");
};

class MakingSocket : public Operation {
public:
    MakingSocket()
    {
        may_drop = true;
        has_peer = false;
    }

    void start(coil_future *future) override { coil_socket_start(future, AF_INET, SOCK_STREAM, 0); }
    ssize_t call() override { return coil_socket(AF_INET, SOCK_STREAM, 0); }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result >= 0 || result == -ECANCELED);
        Fd file(int(result >= 0 ? result : -1));
        ASSERT_TRUE(result < 0 || (fcntl(file, F_GETFD) & FD_CLOEXEC) != 0);
    }
};

/* To a listener whose queue is full until the peer takes one connection out. */
class Connecting : public Operation {
public:
    /* A worker of the kernel's waits for the room: before it does, no cancel finds it. */
    /* The poll driver tries again every 2 ms. */
    Connecting()
    {
        bool polls = std::string(coil_ring_name()) == "poll";
        lead_ns = polls ? 3 * COIL_MSEC : 400 * COIL_USEC;
    }

    void begin() override { mine_.reset(listener_.socket()); }
    void start(coil_future *future) override
    {
        coil_connect_start(future, mine_, listener_.addr(), listener_.len());
    }
    ssize_t call() override { return coil_connect(mine_, listener_.addr(), listener_.len()); }
    void complete() override { Fd(accept(listener_, nullptr, nullptr)); }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED);
        ASSERT_EQ(result == 0, holds(listener_, POLLIN)) << "it is in the queue if it says so";
        ASSERT_TRUE(result == 0 || connect(mine_, listener_.addr(), listener_.len()) == 0);
        first_ = std::move(mine_);
    }

private:
    UnixListener listener_;
    Fd first_{listener_.connect()}, mine_;
};

/* A listening socket is made of a fresh one. */
class Listening : public Operation {
public:
    Listening()
    {
        may_drop = true;
        has_peer = false;
    }

    void begin() override
    {
        sockaddr_in addr = loopback();
        fd_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(0, bind(fd_, as_sockaddr(addr), sizeof(addr)));
    }
    void start(coil_future *future) override { coil_listen_start(future, fd_, 5); }
    ssize_t call() override { return coil_listen(fd_, 5); }

    void end(ssize_t result) override
    {
        int listens = -1;
        socklen_t len = sizeof(listens);
        ASSERT_TRUE(result == 0 || result == -ECANCELED);
        ASSERT_EQ(0, getsockopt(fd_, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len));
        ASSERT_EQ(result == 0, listens == 1);
        fd_.reset(-1);
    }
    void end_dropped() override { fd_.reset(-1); }

private:
    Fd fd_;
};

class Binding : public Operation {
public:
    Binding()
    {
        may_drop = true;
        has_peer = false;
    }

    void begin() override { fd_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
    void start(coil_future *future) override
    {
        coil_bind_start(future, fd_, as_sockaddr(addr_), sizeof(addr_));
    }
    ssize_t call() override { return coil_bind(fd_, as_sockaddr(addr_), sizeof(addr_)); }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED);
        ASSERT_EQ(result == 0, address_of(fd_).sin_port != 0);
        fd_.reset(-1);
    }
    void end_dropped() override { fd_.reset(-1); }

private:
    sockaddr_in addr_ = loopback();
    Fd fd_;
};

/* Of several steps: what the first ones made is closed when a later one is refused. */
class TcpListening : public Operation {
public:
    TcpListening() { has_future = has_peer = false; }

    ssize_t call() override
    {
        sockaddr_in addr = loopback();
        return coil_tcp_listen(as_sockaddr(addr), sizeof(addr), 5);
    }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result >= 0 || result == -ECANCELED);
        Fd listener(int(result >= 0 ? result : -1));
        if (result >= 0)
            Fd client(connect_to(address_of(listener)));
    }
};

class OpeningListener : public Operation {
public:
    OpeningListener()
    {
        has_future = false;
        has_peer = false;
    }

    ssize_t call() override
    {
        sockaddr_in addr = loopback();
        return coil_listener_open(&listener_, as_sockaddr(addr), sizeof(addr), 5,
                                  COIL_BALANCE_KERNEL);
    }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED);
        coil_listener_destroy(&listener_);
    }

private:
    coil_listener listener_ = {};
};

/* The only core that has not left, so that all connections are its own. */
class Serving : public Operation {
public:
    Serving()
    {
        has_future = false;
        sockaddr_in addr = loopback();
        socklen_t len = sizeof(addr_);
        EXPECT_EQ(0, coil_listener_open(&listener_, as_sockaddr(addr), sizeof(addr), 50,
                                        COIL_BALANCE_LEAST));
        EXPECT_EQ(0, coil_listener_address(&listener_, reinterpret_cast<sockaddr *>(&addr_), &len));
        EXPECT_EQ(0, call_body_on_one([this] { coil_listener_leave(&listener_); }));
    }
    ~Serving() override
    {
        coil_listener_leave(&listener_);
        coil_listener_destroy(&listener_);
    }

    ssize_t call() override { return coil_listener_next(&listener_); }
    void complete() override { peer_ = connect_to(addr_); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result >= 0 || result == -ECANCELED);
        Fd conn(int(result >= 0 ? result : coil_listener_next(&listener_)));
        ASSERT_GE(conn, 0) << "a connection was lost";
        coil_listener_done(&listener_);
        ASSERT_EQ(0u, coil_listener_load(&listener_, 0));
        peer_.reset(-1);
    }

private:
    template <class Function> static int call_body_on_one(Function function)
    {
        return coil_test::call(1, [&] {
            function();
            return 0;
        });
    }

    coil_listener listener_ = {};
    sockaddr_in addr_ = {};
    Fd peer_;
};

class Shutting : public Operation {
public:
    /* The kernel has a worker do it. */
    Shutting()
    {
        has_peer = false;
        is_instant = strcmp(coil_ring_name(), "poll") == 0;
    }

    void begin() override { pair_ = make_socketpair(); }
    void start(coil_future *future) override { coil_shutdown_start(future, pair_.left, SHUT_WR); }
    ssize_t call() override { return coil_shutdown(pair_.left, SHUT_WR); }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED);
        ASSERT_EQ(result == 0, holds(pair_.right, POLLIN)) << "the end of the stream";
        pair_ = Pair();
    }

private:
    Pair pair_;
};

class Closing : public Operation {
public:
    Closing()
    {
        may_drop = true;
        has_peer = false;
    }

    void begin() override { fd_ = open("/dev/null", O_RDONLY | O_CLOEXEC); }
    void start(coil_future *future) override { coil_close_start(future, fd_); }
    ssize_t call() override { return coil_close(fd_); }

    void end(ssize_t result) override
    {
        ASSERT_EQ(0, result);
        end_dropped();
    }
    void end_dropped() override { ASSERT_EQ(-1, fcntl(fd_, F_GETFD)); }

private:
    int fd_ = -1;
};

constexpr const char *kAtOnce = "the kernel does it while it takes the entry";
constexpr const char *kCleanup = "cleanup must not be stopped";
constexpr const char *kInside = "what it makes is in the simulated world, where we can't look";

const CancelRow kRows[] = {
    /* call                before    in flight racing    after */
    {"coil_accept", REFUSED, STOPPED, EITHER, HAPPENED, "", make<Accepting>},
    {"coil_acceptor_next", REFUSED, STOPPED, EITHER, HAPPENED, "", make<Acceptor>},
    {"coil_open", REFUSED, EITHER, EITHER, HAPPENED, "", make<Opening>, kInside},
    {"coil_socket", REFUSED, HAPPENED, HAPPENED, HAPPENED, kAtOnce, make<MakingSocket>, kInside},
    {"coil_connect", REFUSED, STOPPED, EITHER, HAPPENED, "", make<Connecting>},
    {"coil_bind", REFUSED, HAPPENED, HAPPENED, HAPPENED, kAtOnce, make<Binding>},
    {"coil_listen", REFUSED, HAPPENED, HAPPENED, HAPPENED, kAtOnce, make<Listening>},
    {"coil_tcp_listen", REFUSED, STOPPED, EITHER, HAPPENED, "", make<TcpListening>, kInside},
    {"coil_listener_open", REFUSED, STOPPED, EITHER, HAPPENED, "", make<OpeningListener>},
    {"coil_listener_next", REFUSED, STOPPED, EITHER, HAPPENED, "", make<Serving>, kInside},
    {"coil_shutdown", REFUSED, EITHER, EITHER, HAPPENED, "", make<Shutting>},
    {"coil_close", HAPPENED, HAPPENED, HAPPENED, HAPPENED, kCleanup, make<Closing>},
};
INSTANTIATE_TEST_SUITE_P(Descriptor, CancelledOperation, testing::ValuesIn(kRows), name_of_row);

} // namespace
