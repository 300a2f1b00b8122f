/* SPDX-License-Identifier: MIT */
/* The process's own descriptors in a simulated world: used for real, without waiting for them. */
#include "ops/sockets.h"
#include "sim/simulate.h"

#include <thread>

using namespace coil_test;

namespace {

void in_worlds(const Body &body)
{
    for (const char *knobs : {",faults=off", ",faults=mild"}) {
        for (uint64_t seed = 0; seed < 5; seed++) {
            SCOPED_TRACE(std::to_string(seed) + knobs);
            EXPECT_EQ(0, simulate(seed, body, 1, knobs).result);
        }
    }
}

TEST(SimOutside, AcceptsAndConnectsForReal)
{
    in_worlds([] {
        Fd listener = make_listener(), client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in addr = address_of(listener), from = {};
        socklen_t len = sizeof(from);
        COIL_FUTURE(accept);
        coil_accept_start(&accept, listener, reinterpret_cast<sockaddr *>(&from), &len, 0);
        EXPECT_EQ(-EINVAL, coil_accept(client, nullptr, nullptr, 0));
        EXPECT_EQ(0, coil_connect(client, as_sockaddr(addr), sizeof(addr)));
        EXPECT_EQ(-EISCONN, coil_connect(client, as_sockaddr(addr), sizeof(addr)));
        Fd conn(int(coil_await(&accept)));
        EXPECT_FALSE(is_simulated(conn));
        EXPECT_EQ(address_of(client).sin_port, from.sin_port);
        EXPECT_EQ(0, fcntl(listener, F_GETFL) & O_NONBLOCK) << "it is as it was";
        EXPECT_EQ(2, coil_send(client, "ab", 2, 0));
        EXPECT_EQ(0, coil_shutdown(client, SHUT_WR));
        char bytes[4];
        EXPECT_EQ(2, coil_recv(conn, bytes, sizeof(bytes), MSG_WAITALL)) << "to the end";
        EXPECT_EQ(0, coil_recv(conn, bytes, sizeof(bytes), 0));
        return coil_close(client.release());
    });
}

/* Small buffers, so that both ends wait for each other all the time, which takes no time. */
TEST(SimOutside, MovesMoreThanFitsAtOnce)
{
    in_worlds([] {
        constexpr size_t kSize = 300000;
        Pair pair = make_socketpair();
        shrink_buffer(pair.left, SO_SNDBUF, 4096);
        std::string bytes = pattern(0, kSize), got(kSize, '\0');
        Body send = [&] { return coil_send_all(pair.left, &bytes[0], kSize, 0) == kSize ? 0 : 1; };
        COIL_SCOPE(scope, coil_after(COIL_SEC));
        spawn(&scope, send);
        EXPECT_EQ(ssize_t(kSize), coil_recv(pair.right, &got[0], kSize, MSG_WAITALL));
        EXPECT_TRUE(bytes == got);
        return coil_scope_close(&scope, 0);
    });
}

TEST(SimOutside, ReceivesIntoSharedBuffers)
{
    in_worlds([] {
        Pair pair = make_tcp_pair();
        std::string got;
        coil_receiver receiver = {};
        coil_receiver_open(&receiver, pair.left);
        for (int i = 0; i < 20; i++) {
            EXPECT_EQ(5, coil_send(pair.right, "bytes", 5, 0));
            void *data;
            ssize_t n = coil_receiver_next(&receiver, &data);
            if (n <= 0)
                return int(n);
            got.append(static_cast<char *>(data), size_t(n));
            coil_buffer_release(data);
        }
        pair.right.reset(-1);
        void *data;
        EXPECT_EQ(0, coil_receiver_next(&receiver, &data));
        coil_receiver_close(&receiver);
        EXPECT_EQ(100u, got.size());
        return 0;
    });
}

/* Who has asked for that is told instead of kept waiting, as by the kernel; O_NONBLOCK does not. */
TEST(SimOutside, WaitsUnlessTheCallSaysNotTo)
{
    in_worlds([] {
        for (int flags : {0, int(SOCK_NONBLOCK)}) {
            Pair pair = make_socketpair(SOCK_STREAM | flags);
            char byte;
            EXPECT_EQ(-EAGAIN, coil_recv(pair.left, &byte, 1, MSG_DONTWAIT));
            COIL_SCOPE(limit, coil_after(COIL_SEC));
            EXPECT_EQ(-ECANCELED, coil_recv(pair.left, &byte, 1, 0));
            EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&limit, 0));
        }
        return 0;
    });
}

TEST(SimOutside, WaitsForAnotherThread)
{
    in_worlds([] {
        Pair pair = make_socketpair();
        std::thread peer([&] { EXPECT_EQ(1, write(pair.right, "x", 1)); });
        char byte = 0;
        EXPECT_EQ(1, coil_read(pair.left, &byte, 1));
        EXPECT_EQ('x', byte);
        peer.join();
        return 0;
    });
}

/* What the kernel refuses before it looks at memory. */
TEST(SimOutside, RefusesWhatIsNoMemoryOrTooMuch)
{
    in_worlds([] {
        Pair pipe = make_pipe();
        char byte;
        iovec one = {&byte, 1};
        EXPECT_EQ(-EINVAL, coil_readv(pipe.left, &one, 100000));
        EXPECT_EQ(-EINVAL, coil_writev(pipe.right, &one, -1));
        EXPECT_EQ(-EFAULT, coil_write(pipe.right, reinterpret_cast<void *>(8), 1));
        EXPECT_EQ(-EFAULT, coil_open(nullptr, O_RDONLY, 0));
        return 0;
    });
}

} // namespace
