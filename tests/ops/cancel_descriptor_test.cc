/* SPDX-License-Identifier: MIT */
/* Cancelling what makes descriptors: they are delivered, or closed, or were never made. */
#include "ops/race.h"

#include <coil/file.h>
#include <coil/net.h>
#include <support/process.h>
#include <sys/un.h>

namespace {

using namespace coil_test;

constexpr int kRounds = 2000;

/* One connection a round comes to a listener; the operation takes it, or it stays in the queue. */
class Accepting : public Race {
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

TEST(CancelledAccept, LeavesTheConnectionInTheQueueOrDeliversIt)
{
    EXPECT_EQ(0, run([] {
                  Accepting race;
                  run_race(race, rounds(kRounds));
                  return 0;
              }));
}

/* As above, but the multishot accept goes on for some rounds after a cancellation. */
class Acceptor : public Race {
public:
    Acceptor()
    {
        has_future = false;
        coil_acceptor_open(&acceptor_, listener_, 0);
    }

    ~Acceptor() override { coil_acceptor_close(&acceptor_); }

    void start(coil_future *) override {}
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

TEST(CancelledAcceptor, LosesNoConnection)
{
    EXPECT_EQ(0, run([] {
                  Acceptor race;
                  run_race(race, rounds(kRounds));
                  return 0;
              }));
}

/* A file that is made by opening it: the kernel does that on a thread of its own. */
class Opening : public Race {
public:
    Opening()
    {
        may_drop = true;
        has_peer = false;
        span_ns = 60 * COIL_USEC;
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

TEST(CancelledOpen, GivesADescriptorOrMakesNoFile)
{
    EXPECT_EQ(0, run([] {
                  Opening race;
                  run_race(race, rounds(kRounds));
                  return 0;
              }));
}

/* The kernel makes a socket at once, so only a cancelled scope is faster. */
class MakingSocket : public Race {
public:
    MakingSocket()
    {
        may_drop = true;
        has_peer = false;
        may_be_cancelled = false;
        span_ns = 5 * COIL_USEC;
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

TEST(CancelledSocket, LeavesNoDescriptor)
{
    EXPECT_EQ(0, run([] {
                  MakingSocket race;
                  run_race(race, rounds(kRounds));
                  return 0;
              }));
}

/* To a listener whose queue is full until the peer takes one connection out. */
class Connecting : public Race {
public:
    Connecting()
    {
        addr_.sun_family = AF_UNIX;
        strcpy(addr_.sun_path, folder_.path("socket").c_str());
        EXPECT_EQ(0, bind(listener_, address(), sizeof(addr_)));
        EXPECT_EQ(0, listen(listener_, 0));
        EXPECT_EQ(0, connect(first_, address(), sizeof(addr_)));
    }

    void begin() override { mine_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
    void start(coil_future *future) override
    {
        coil_connect_start(future, mine_, address(), sizeof(addr_));
    }
    ssize_t call() override { return coil_connect(mine_, address(), sizeof(addr_)); }
    void complete() override { Fd(accept(listener_, nullptr, nullptr)); }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED);
        ASSERT_EQ(result == 0, holds(listener_, POLLIN)) << "it is in the queue if it says so";
        ASSERT_TRUE(result == 0 || connect(mine_, address(), sizeof(addr_)) == 0);
        first_ = std::move(mine_);
    }

private:
    const sockaddr *address() const { return reinterpret_cast<const sockaddr *>(&addr_); }

    TempDir folder_;
    sockaddr_un addr_ = {};
    Fd listener_{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    Fd first_{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)}, mine_;
};

TEST(CancelledConnect, IsConnectedOrNot)
{
    EXPECT_EQ(0, run([] {
                  Connecting race;
                  run_race(race, rounds(kRounds));
                  return 0;
              }));
}

} // namespace
