/* SPDX-License-Identifier: MIT */
/* The poll driver alone, with sockets. */
#include "ring/poll_ring.h"
#include "support/census.h"

#include <cstring>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
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

/* Both ends of a connection without a name. */
struct SocketPair {
    int ends[2];
    explicit SocketPair(int type) { EXPECT_EQ(0, socketpair(AF_UNIX, type, 0, ends)); }
    ~SocketPair()
    {
        close(ends[0]);
        close(ends[1]);
    }
    SocketPair(const SocketPair &) = delete;
    SocketPair &operator=(const SocketPair &) = delete;
};

/* A message with room for ten bytes and one descriptor. */
struct Message {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    char bytes[10] = {};
    iovec piece = {bytes, sizeof(bytes)};
    msghdr header = {};

    Message()
    {
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof(control);
    }
    explicit Message(int fd) : Message()
    {
        cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
    }

    /* The descriptor that came with it; -1: none. */
    int descriptor()
    {
        int fd = -1;
        if (header.msg_controllen > 0)
            memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(fd));
        return fd;
    }
};

void receive(PollRing &ring, int fd, Message &message, unsigned flags, uint64_t user_data)
{
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_recvmsg(entry, fd, &message.header, flags);
    ring.push(entry, user_data);
}

TEST(Poll, LosesNoDescriptorThatComesWithALaterPart)
{
    PollRing ring;
    SocketPair pair(SOCK_STREAM);
    Message first, second, sent(pair.ends[0]);
    receive(ring, pair.ends[1], first, MSG_WAITALL, 1);
    EXPECT_TRUE(ring.look().empty());
    ASSERT_EQ(5, send(pair.ends[0], "hello", 5, 0));
    auto taken = ring.wait();
    ASSERT_EQ(1u, taken.size());
    EXPECT_EQ(5, taken[0].res) << "what comes next may need a place for its descriptor";
    EXPECT_EQ(-1, first.descriptor());
    ASSERT_EQ(10, sendmsg(pair.ends[0], &sent.header, 0));
    receive(ring, pair.ends[1], second, MSG_WAITALL, 2);
    taken = ring.wait();
    ASSERT_EQ(1u, taken.size());
    EXPECT_EQ(10, taken[0].res);
    int received = second.descriptor();
    EXPECT_GE(received, 0);
    close(received);
}

TEST(Poll, TellsOfDescriptorsThatALaterPartBroughtAndNobodyWants)
{
    PollRing ring;
    SocketPair pair(SOCK_STREAM);
    Message received, sent(pair.ends[0]);
    received.header.msg_control = nullptr;
    received.header.msg_controllen = 0;
    sent.piece.iov_len = 5;
    receive(ring, pair.ends[1], received, MSG_WAITALL, 1);
    ASSERT_EQ(5, send(pair.ends[0], "hello", 5, 0));
    EXPECT_TRUE(ring.look().empty());
    ASSERT_EQ(5, sendmsg(pair.ends[0], &sent.header, 0));
    auto taken = ring.wait();
    ASSERT_EQ(1u, taken.size());
    EXPECT_EQ(10, taken[0].res);
    EXPECT_EQ(MSG_CTRUNC, received.header.msg_flags & MSG_CTRUNC);
}

/* A datagram socket that is connected to itself. */
int connected_datagrams()
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in addr = {};
    socklen_t len = sizeof(addr);
    auto at = reinterpret_cast<sockaddr *>(&addr);
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(0, bind(fd, at, len));
    EXPECT_EQ(0, getsockname(fd, at, &len));
    EXPECT_EQ(0, connect(fd, at, len));
    return fd;
}

TEST(Poll, LeavesNothingInAMessageThatShutdownEnds)
{
    PollRing ring;
    int fd = connected_datagrams();
    sockaddr_in name = {};
    Message message;
    message.header.msg_name = &name;
    message.header.msg_namelen = sizeof(name);
    message.header.msg_flags = MSG_TRUNC;
    receive(ring, fd, message, 0, 1);
    EXPECT_TRUE(ring.look().empty());
    EXPECT_EQ(0, shutdown(fd, SHUT_RD));
    auto taken = ring.wait();
    ASSERT_EQ(1u, taken.size());
    EXPECT_EQ(0, taken[0].res);
    EXPECT_EQ(0u, message.header.msg_namelen);
    EXPECT_EQ(0u, message.header.msg_controllen);
    EXPECT_EQ(0, message.header.msg_flags);
    close(fd);
}

void receive(PollRing &ring, int fd, char *to, unsigned flags, uint64_t user_data)
{
    io_uring_sqe *entry = ring.sqe();
    io_uring_prep_recv(entry, fd, to, 1, int(flags));
    ring.push(entry, user_data);
}

TEST(Poll, AsksForWhatMayNotWaitThoughOthersWait)
{
    PollRing ring;
    int fd = connected_datagrams();
    char bytes[2];
    receive(ring, fd, &bytes[0], 0, 1);
    receive(ring, fd, &bytes[1], MSG_DONTWAIT, 2);
    auto taken = ring.look();
    ASSERT_EQ(1u, taken.size());
    EXPECT_EQ(2u, taken[0].user_data);
    EXPECT_EQ(-EAGAIN, taken[0].res);
    close(fd);
}

TEST(Poll, AsksForBytesOutOfBandThoughOthersWaitForTheOrdinaryOnes)
{
    PollRing ring;
    SocketPair pair(SOCK_STREAM);
    char bytes[2];
    receive(ring, pair.ends[1], &bytes[0], 0, 1);
    receive(ring, pair.ends[1], &bytes[1], MSG_OOB, 2);
    auto taken = ring.look();
    ASSERT_EQ(1u, taken.size());
    EXPECT_EQ(2u, taken[0].user_data);
    EXPECT_EQ(-EINVAL, taken[0].res) << "there are none";
}

TEST(Poll, ServesADatagramToWhoWaitsBehindSomebodyThatWaitsForErrors)
{
    PollRing ring;
    int fd = connected_datagrams();
    Message message;
    char byte;
    receive(ring, fd, message, MSG_ERRQUEUE, 1);
    receive(ring, fd, &byte, 0, 2);
    EXPECT_TRUE(ring.look().empty());
    ASSERT_EQ(1, send(fd, "x", 1, 0));
    auto taken = ring.wait();
    ASSERT_EQ(1u, taken.size());
    EXPECT_EQ(2u, taken[0].user_data);
    EXPECT_EQ(1, taken[0].res);
    EXPECT_EQ('x', byte);
    close(fd);
}

TEST(Poll, WaitsForWhatComesToAnErrorQueue)
{
    PollRing ring;
    int fd = connected_datagrams();
    int on = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &on, sizeof(on)));
    Message message;
    receive(ring, fd, message, MSG_ERRQUEUE, 1);
    EXPECT_TRUE(ring.look().empty());
    ASSERT_EQ(1, send(fd, "x", 1, 0));
    auto taken = ring.wait();
    ASSERT_EQ(1u, taken.size());
    EXPECT_GE(taken[0].res, 0) << "when it was sent";
    EXPECT_EQ(MSG_ERRQUEUE, message.header.msg_flags & MSG_ERRQUEUE);
    close(fd);
}

/* Memory that holds zeros, and takes up none. */
struct Zeros {
    size_t len;
    char *bytes;
    explicit Zeros(size_t length) : len(length)
    {
        const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        bytes = static_cast<char *>(mmap(nullptr, len, PROT_READ, flags, -1, 0));
        EXPECT_NE(MAP_FAILED, bytes);
    }
    ~Zeros() { munmap(bytes, len); }
    Zeros(const Zeros &) = delete;
    Zeros &operator=(const Zeros &) = delete;
};

constexpr size_t kMost = 0x7ffff000; /* bytes that one system call moves */

/* As if all but five bytes of what one call can move had gone out. */
TEST(Poll, EndsAMessageWhereOneSystemCallWould)
{
    PollRing ring;
    SocketPair pair(SOCK_STREAM);
    Zeros zeros(size_t(1) << 30);
    iovec pieces[3] = {
        {zeros.bytes, zeros.len}, {zeros.bytes, zeros.len}, {zeros.bytes, zeros.len}};
    msghdr message = {};
    message.msg_iov = pieces;
    message.msg_iovlen = 3;
    coil__poll_op op = {};
    io_uring_prep_sendmsg(&op.sqe, pair.ends[0], &message, MSG_WAITALL);
    op.done = kMost - 5;
    EXPECT_EQ(int(kMost), coil__poll_try_sendmsg(nullptr, &op));
    char received[10];
    EXPECT_EQ(5, recv(pair.ends[1], received, sizeof(received), MSG_DONTWAIT));
}

TEST(Poll, CutsTheRestOfATransferWhereOneSystemCallWould)
{
    iovec pieces[3] = {{nullptr, 10}, {nullptr, kMost - 15}, {nullptr, 10}}, rest[3];
    ASSERT_EQ(3, coil__poll_rest(pieces, 3, 4, rest, 3));
    EXPECT_EQ(6u, rest[0].iov_len);
    EXPECT_EQ(kMost - 15, rest[1].iov_len);
    EXPECT_EQ(5u, rest[2].iov_len);
    ASSERT_EQ(1, coil__poll_rest(pieces, 3, kMost - 2, rest, 3));
    EXPECT_EQ(2u, rest[0].iov_len);
}

/* Whether something wakes it, though nothing happens, however often it looks. */
bool stays_awake(PollRing &ring)
{
    pollfd set = {static_cast<coil__poll *>(ring.ring.own)->epoll_fd, POLLIN, 0};
    for (int i = 0; i < 1000; i++) {
        EXPECT_TRUE(ring.look().empty());
        if (poll(&set, 1, 0) == 0)
            return false;
    }
    return true;
}

TEST(Poll, SleepsThoughAnErrorQueueIsUnreadAndHearsOfADatagram)
{
    PollRing ring;
    int fd = connected_datagrams();
    int on = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    char bytes[3];
    ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &on, sizeof(on)));
    ASSERT_EQ(1, send(fd, "x", 1, 0));
    ASSERT_EQ(1, recv(fd, bytes, 1, 0)) << "when it was sent is in the error queue";
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 3; i++)
            receive(ring, fd, &bytes[i], 0, i);
        EXPECT_FALSE(stays_awake(ring));
        for (unsigned i = 0; i < 3; i++) {
            ASSERT_EQ(1, send(fd, "x", 1, 0));
            auto taken = ring.wait();
            ASSERT_EQ(1u, taken.size());
            EXPECT_EQ(i, taken[0].user_data);
            EXPECT_EQ(1, taken[0].res);
        }
    }
    close(fd);
}

/* A Unix socket that is not connected may always send, as epoll sees it. */
TEST(Poll, SleepsThoughAReceiverOfDatagramsIsFullAndSendsWhenItIsNot)
{
    PollRing ring;
    sockaddr_un addr = {};
    socklen_t len = sizeof(addr);
    auto at = reinterpret_cast<sockaddr *>(&addr);
    addr.sun_family = AF_UNIX;
    int full = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    ASSERT_EQ(0, bind(full, at, sizeof(sa_family_t)));
    ASSERT_EQ(0, getsockname(full, at, &len));
    while (sendto(sender, "x", 1, MSG_DONTWAIT, at, len) == 1) { /* ends: nobody receives */
    }
    Message message(sender);
    message.header.msg_name = &addr;
    message.header.msg_namelen = len;
    for (uint64_t i = 0; i < 2; i++) {
        io_uring_sqe *entry = ring.sqe();
        io_uring_prep_sendmsg(entry, sender, &message.header, 0);
        ring.push(entry, i);
    }
    EXPECT_FALSE(stays_awake(ring));
    for (uint64_t i = 0; i < 2; i++) {
        char byte;
        ASSERT_EQ(1, recv(full, &byte, 1, 0));
        auto taken = ring.wait();
        ASSERT_EQ(1u, taken.size());
        EXPECT_EQ(10, taken[0].res);
    }
    close(sender);
    close(full);
}

} // namespace
