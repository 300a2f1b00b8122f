/* SPDX-License-Identifier: MIT */
/* All scenarios, and what several of them need. */
#include "sweep/scenario.h"

#include <cerrno>

namespace coil_test {

const std::vector<Scenario> &scenarios()
{
    static const std::vector<Scenario> all = [] {
        std::vector<Scenario> them;
        for (const auto *part : {&kStartScenarios, &kCoroutineScenarios, &kIoScenarios,
                                 &kServerScenarios, &kThreadScenarios})
            them.insert(them.end(), part->begin(), part->end());
        return them;
    }();
    return all;
}

std::string &scenario_folder()
{
    static std::string folder;
    return folder;
}

int listen_anywhere(Owned &listener, Address &address)
{
    address = any_port();
    listener.reset(coil_tcp_listen(address.get(), sizeof(address.name), 16));
    if (listener < 0)
        return listener;
    socklen_t len = sizeof(address.name);
    return coil_getsockname(listener, reinterpret_cast<sockaddr *>(&address.name), &len);
}

int connect_to(Owned &connection, const Address &address)
{
    connection.reset(coil_socket(AF_INET, SOCK_STREAM, 0));
    if (connection < 0)
        return connection;
    return coil_connect(connection, address.get(), sizeof(address.name));
}

int connect_pair(Owned &left, Owned &right)
{
    Owned listener;
    Address address;
    int err = listen_anywhere(listener, address);
    if (err == 0)
        err = connect_to(left, address);
    if (err < 0)
        return err;
    right.reset(coil_accept(listener, nullptr, nullptr, 0));
    return right < 0 ? right : 0;
}

} // namespace coil_test
