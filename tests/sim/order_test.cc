/* SPDX-License-Identifier: MIT */
/* What overtakes what in the simulated network and on its disk, what is lost, and what is short. */
#include "sim/simulate.h"

#include <arpa/inet.h>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <netinet/in.h>
#include <set>
#include <sys/un.h>

using namespace coil_test;

namespace {

struct Name {
    sockaddr_storage text = {};
    socklen_t len = 0;

    static Name port(uint16_t number)
    {
        Name name;
        auto in = reinterpret_cast<sockaddr_in *>(&name.text);
        in->sin_family = AF_INET;
        in->sin_port = htons(number);
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        name.len = sizeof(*in);
        return name;
    }

    static Name path(const char *path)
    {
        Name name;
        auto un = reinterpret_cast<sockaddr_un *>(&name.text);
        un->sun_family = AF_UNIX;
        strncpy(un->sun_path, path, sizeof(un->sun_path) - 1);
        name.len = sizeof(*un);
        return name;
    }

    int domain() const { return text.ss_family; }
    const sockaddr *get() const { return reinterpret_cast<const sockaddr *>(&text); }
};

int bound(const Name &name, int type)
{
    int fd = coil_socket(name.domain(), type, 0);
    EXPECT_EQ(0, coil_bind(fd, name.get(), name.len));
    return fd;
}

int connected(const Name &name, int type)
{
    int fd = coil_socket(name.domain(), type, 0);
    EXPECT_EQ(0, coil_connect(fd, name.get(), name.len));
    return fd;
}

void close_all(const std::vector<int> &fds)
{
    for (int fd : fds)
        EXPECT_EQ(0, coil_close(fd));
}

/* Sends each number in a datagram of its own, and returns them as they arrive. */
std::vector<char> arrivals(const Name &name)
{
    int to = bound(name, SOCK_DGRAM), from = connected(name, SOCK_DGRAM);
    std::vector<char> order;
    for (char i = 0; i < 10; i++)
        EXPECT_EQ(1, coil_send(from, &i, 1, 0));
    EXPECT_EQ(0, coil_sleep(COIL_SEC));
    for (char byte; coil_recv(to, &byte, 1, MSG_DONTWAIT) == 1;)
        order.push_back(byte);
    close_all({to, from});
    return order;
}

const std::vector<char> kInOrder = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

} // namespace

/* Of two connections, what was sent first over one may arrive after what was sent over the other;
 * over one it never does. */
TEST(SimOrder, IsKeptWithinAConnectionAndNotBetweenThem)
{
    std::map<std::string, int> orders;
    for (uint64_t seed = 0; seed < 100; seed++) {
        simulate(seed, [&] {
            Name name = Name::port(80);
            int listener = bound(name, SOCK_STREAM);
            EXPECT_EQ(0, coil_listen(listener, 4));
            int clients[2], servers[2];
            for (int i = 0; i < 2; i++) {
                clients[i] = connected(name, SOCK_STREAM);
                servers[i] = coil_accept(listener, nullptr, nullptr, 0);
            }
            std::string order;
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            for (int i = 0; i < 2; i++) {
                children.start(scope, [&, i] {
                    for (char byte; coil_recv(servers[i], &byte, 1, 0) == 1;)
                        order += byte;
                    return 0;
                });
            }
            EXPECT_EQ(1, coil_send(clients[0], "a", 1, 0));
            EXPECT_EQ(1, coil_send(clients[0], "b", 1, 0));
            EXPECT_EQ(1, coil_send(clients[1], "X", 1, 0));
            close_all({clients[0], clients[1]});
            int err = coil_scope_close(&scope, 0);
            close_all({servers[0], servers[1], listener});
            orders[order]++;
            return err;
        });
    }
    EXPECT_EQ(3u, orders.size()) << orders.begin()->first;
    for (const char *order : {"abX", "aXb", "Xab"})
        EXPECT_GT(orders[order], 3) << order;
}

TEST(SimOrder, IsKeptByDatagramsOfUnixSocketsAlone)
{
    int disorders = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        simulate(seed, [&] {
            EXPECT_EQ(kInOrder, arrivals(Name::path("/local")));
            std::vector<char> order = arrivals(Name::port(53));
            disorders += order != kInOrder ? 1 : 0;
            EXPECT_EQ(std::set<char>(kInOrder.begin(), kInOrder.end()),
                      std::set<char>(order.begin(), order.end()));
            EXPECT_EQ(kInOrder.size(), order.size());
            return 0;
        });
    }
    EXPECT_GT(disorders, 10);
}

TEST(SimDatagram, IsLostOnBadDaysUnlessItIsLocal)
{
    size_t got = 0, local = 0;
    constexpr size_t seeds = 40;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        simulate(seed, [&] {
            Name names[] = {Name::port(53), Name::path("/local")};
            for (const Name &name : names) {
                int to = bound(name, SOCK_DGRAM), from = connected(name, SOCK_DGRAM);
                coil_sim_set_faults(COIL_SIM_FAULTS_HARSH);
                size_t sent = 0, here = 0;
                while (sent < 50) /* ends: an error is rare */
                    sent += coil_send(from, "x", 1, 0) == 1 ? 1 : 0;
                EXPECT_EQ(0, coil_sleep(COIL_SEC));
                coil_sim_set_faults(COIL_SIM_FAULTS_OFF);
                for (char byte; coil_recv(to, &byte, 1, MSG_DONTWAIT) == 1;)
                    here++;
                (name.domain() == AF_UNIX ? local : got) += here;
                close_all({to, from});
            }
            return 0;
        });
    }
    EXPECT_EQ(50 * seeds, local);
    EXPECT_LT(got, 50 * seeds - 10);
    EXPECT_GT(got, 40 * seeds);
}

TEST(SimUnixName, IsNoFileAndGoesWithItsSocket)
{
    simulate(1, [] {
        Name name = Name::path("/local");
        for (int round = 0; round < 2; round++) {
            int listener = bound(name, SOCK_STREAM);
            int other = coil_socket(AF_UNIX, SOCK_STREAM, 0);
            EXPECT_EQ(-EADDRINUSE, coil_bind(other, name.get(), name.len));
            EXPECT_EQ(-ENOENT, coil_open("/local", O_RDONLY, 0));
            close_all({listener, other});
        }
        return 0;
    });
}

TEST(SimDisk, MovesLessThanWasAskedForNowAndThen)
{
    std::map<std::string, std::map<bool, int>> shorts;
    for (const char *knobs : {"", ",faults=off"}) {
        for (uint64_t seed = 0; seed < 100; seed++) {
            simulate(
                seed,
                [&] {
                    char data[1000] = {};
                    int fd = coil_open("notes", O_RDWR | O_CREAT, 0600);
                    ssize_t written = coil_pwrite(fd, data, sizeof(data), 0);
                    ssize_t got = coil_pread(fd, data, sizeof(data), 0);
                    EXPECT_GT(got, 0);
                    EXPECT_LE(got, written);
                    shorts[knobs][false] += written < 1000 ? 1 : 0;
                    shorts[knobs][true] += got < written ? 1 : 0;
                    return coil_close(fd);
                },
                1, knobs);
        }
    }
    EXPECT_GT(shorts[""][false], 0);
    EXPECT_GT(shorts[""][true], 0);
    EXPECT_EQ(0, shorts[",faults=off"][false] + shorts[",faults=off"][true]);
}
