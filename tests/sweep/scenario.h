/* SPDX-License-Identifier: MIT */
/*
 * What the sweep runs: small programs that touch one thing each, and come to an end whatever fails.
 * Each returns 0, or the first error it got; -EBADMSG says that the library has told it something
 * untrue.
 */
#ifndef COIL_TESTS_SWEEP_SCENARIO_H
#define COIL_TESTS_SWEEP_SCENARIO_H

#include "support/running.h"

#include <cerrno>
#include <netinet/in.h>
#include <set>
#include <string>
#include <vector>

namespace coil_test {

struct Scenario {
    const char *name;
    unsigned cores;
    int (*body)();       /* fn of coil_run() */
    const char *drivers; /* k: kernel, a: whatever there is, p: poll, s: sim; l, at the end: with
                          * the loss of its ring, in a process for each point */
    std::set<int> also = {}; /* results that what failed explains, in a way of its own */
    size_t stack_size = 0;   /* of coil_options */
    int64_t stall_ns = COIL_STALL_OFF;
    int (*outside)() = nullptr; /* in place of coil_run() */
};

const std::vector<Scenario> &scenarios();

/* Each file of them has its part. */
extern const std::vector<Scenario> kStartScenarios, kCoroutineScenarios, kIoScenarios,
    kServerScenarios, kThreadScenarios;

/* Where files may be made. */
std::string &scenario_folder();

constexpr int kWrong = -EBADMSG;

/* A descriptor that is closed by coil_close(), with its block. */
class Owned {
public:
    explicit Owned(ssize_t fd = -1) : fd_(int(fd)) {}
    Owned(const Owned &) = delete;
    Owned &operator=(const Owned &) = delete;
    ~Owned() { reset(-1); }

    operator int() const { return fd_; }
    void reset(ssize_t fd)
    {
        if (fd_ >= 0)
            coil_close(fd_);
        fd_ = int(fd);
    }

private:
    int fd_;
};

/* A listener on a port of its own. */
struct Address {
    sockaddr_in name;
    const sockaddr *get() const { return reinterpret_cast<const sockaddr *>(&name); }
};

inline Address any_port()
{
    Address address = {};
    address.name.sin_family = AF_INET;
    address.name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* Its descriptor, or an error. */
int listen_anywhere(Owned &listener, Address &address);

/* A connection to it / both ends of one. */
int connect_to(Owned &connection, const Address &address);
int connect_pair(Owned &left, Owned &right);

} // namespace coil_test

#endif
