/* SPDX-License-Identifier: MIT */
/* The poll driver alone, with sockets. */
#include "ring/poll_ring.h"

#include <sys/socket.h>
#include <sys/un.h>

using namespace coil_test;

namespace {

/* A Unix socket that listens, and whose backlog is full. */
class FullListener {
public:
    FullListener() : fd_(socket(AF_UNIX, SOCK_STREAM, 0)), first_(socket(AF_UNIX, SOCK_STREAM, 0))
    {
        addr.sun_family = AF_UNIX;
        EXPECT_EQ(0, bind(fd_, as_sockaddr(), sizeof(sa_family_t))); /* to a name of its choice */
        EXPECT_EQ(0, getsockname(fd_, as_sockaddr(), &len));
        EXPECT_EQ(0, listen(fd_, 0));
        EXPECT_EQ(0, connect(first_, as_sockaddr(), len));
    }
    ~FullListener()
    {
        close(first_);
        close(fd_);
    }
    FullListener(const FullListener &) = delete;
    FullListener &operator=(const FullListener &) = delete;

    sockaddr *as_sockaddr() { return reinterpret_cast<sockaddr *>(&addr); }

    sockaddr_un addr = {};
    socklen_t len = sizeof(addr);

private:
    int fd_, first_;
};

/* Begins to connect to it, which has to wait. Returns the socket. */
int connect_to(FullListener &listener, PollRing &ring, uint64_t user_data)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_connect(entry, fd, listener.as_sockaddr(), listener.len);
    ring.push(entry, user_data);
    EXPECT_TRUE(ring.look().empty());
    return fd;
}

TEST(Poll, EndsAConnectThatIsTriedAgainWhenItsSocketIsClosed)
{
    PollRing ring;
    FullListener listener;
    int fd = connect_to(listener, ring, 1);
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_close(entry, fd);
    ring.push(entry, 2);
    auto taken = ring.look();
    ASSERT_EQ(2u, taken.size()) << "it would connect the next socket of that number";
    EXPECT_EQ(1u, taken[0].user_data);
    EXPECT_EQ(-ECANCELED, taken[0].res);
    EXPECT_EQ(0, taken[1].res);
}

TEST(Poll, CancelsAConnectThatIsTriedAgainByItsDescriptor)
{
    PollRing ring;
    FullListener listener;
    int fd = connect_to(listener, ring, 1), other = connect_to(listener, ring, 30);
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_cancel_fd(entry, fd, IORING_ASYNC_CANCEL_ALL);
    ring.push(entry, 2);
    auto taken = ring.look();
    ASSERT_EQ(2u, taken.size());
    EXPECT_EQ(1u, taken[0].user_data);
    EXPECT_EQ(-ECANCELED, taken[0].res);
    EXPECT_EQ(1, taken[1].res) << "how many";
    close(fd);
    close(other);
}

} // namespace
