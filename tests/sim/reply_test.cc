/* SPDX-License-Identifier: MIT */
/* A reply of which a part was sent, as older kernels do whatever was asked for. */
extern "C" {
#include "sim/force.h"
}
#include "sim/simulate.h"

#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/in.h>

using namespace coil_test;

namespace {

/* Accepts one connection on `listener` and answers with what it receives, 12 bytes. Of the first
 * send it is only said that it has sent 5. */
int answer(int listener)
{
    coil_receiver receiver = {};
    void *data;
    int conn = coil_accept(listener, nullptr, nullptr, 0);
    coil_receiver_open(&receiver, conn);
    EXPECT_EQ(12, coil_receiver_next(&receiver, &data));
    coil__sim_force(IORING_OP_SEND, COIL__SIM_AT_FIRST, 5);
    EXPECT_EQ(0, coil_receiver_reply(&receiver, data, 12));
    coil_receiver_close(&receiver);
    return coil_close(conn);
}

} // namespace

TEST(SimReply, GoesOnWithWhatIsLeftWhenAPartWasSent)
{
    auto body = [] {
        sockaddr_in name = {};
        name.sin_family = AF_INET;
        name.sin_port = htons(80);
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto *addr = reinterpret_cast<sockaddr *>(&name);
        int listener = coil_tcp_listen(addr, sizeof(name), 1);
        int client = coil_socket(AF_INET, SOCK_STREAM, 0);
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [=] { return answer(listener); });
        EXPECT_EQ(0, coil_connect(client, addr, sizeof(name)));
        EXPECT_EQ(12, coil_write(client, "hello, world", 12)); /* not a send */
        char rest[16];
        EXPECT_EQ(7, coil_recv_all(client, rest, sizeof(rest) - 1, 0));
        EXPECT_EQ(", world", std::string(rest, 7));
        int result = coil_scope_close(&scope, 0);
        coil_close(listener);
        coil_close(client);
        return result;
    };
    EXPECT_EQ(0, simulate(1, body, 1, ",faults=off").result);
}
