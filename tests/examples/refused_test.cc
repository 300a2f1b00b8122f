/* SPDX-License-Identifier: MIT */
/* An example where io_uring is refused, in each of the ways that there are, with real clients. */
#include "examples/echo_client.h"
#include "examples/program.h"
#include "support/sandbox.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace coil_test;

namespace {

bool deny_io_uring(int error)
{
    for (long call : {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register}) {
        if (!deny_system_call(call, error))
            return false;
    }
    return true;
}

/* Serves, having been denied what `deny` denies. */
void expect_service(const Callable<void> &deny)
{
    const std::string before = getenv("COIL_RING") != nullptr ? getenv("COIL_RING") : "";
    unsetenv("COIL_RING");
    Server server("echo_server", {"--grace", "100"}, deny);
    if (!before.empty())
        setenv("COIL_RING", before.c_str(), 1);
    ASSERT_NE(0, server.port());
    EXPECT_TRUE(server.has_open("[eventpoll]"));
    EXPECT_FALSE(server.has_open("[io_uring]"));
    EchoClients clients(server.port(), 20, 100000, 1);
    EXPECT_EQ("", clients.run());
    EXPECT_GT(clients.received(), 100000u);
    server.signal(SIGTERM);
    EXPECT_EQ(0, server.wait().status);
}

/* As the profiles of container runtimes do, old and new; and as kernel.io_uring_disabled does. */
TEST(EchoServerWithoutIoUring, ServesUnderAFilterOfSystemCalls)
{
    for (int error : {EPERM, ENOSYS}) {
        ChildOutcome probe = run_in_child([=] { return deny_io_uring(error) ? 0 : 99; });
        if (probe.result == 99)
            GTEST_SKIP() << "seccomp filters are forbidden here";
        expect_service([=] {
            if (!deny_io_uring(error))
                _exit(99);
        });
    }
}

TEST(EchoServerWithoutIoUring, ServesAUserWithoutLockedMemory)
{
    if (!is_root())
        GTEST_SKIP() << "needs root, to become a user without locked memory";
    ChildOutcome probe = run_in_child([] {
        become_nobody(0);
        io_uring ring;
        if (io_uring_queue_init(256, &ring, 0) == 0)
            return 98;
        return access(example("echo_server").c_str(), X_OK) == 0 ? 0 : 99;
    });
    if (probe.result == 98)
        GTEST_SKIP() << "this kernel does not count rings as locked memory";
    if (probe.result == 99)
        GTEST_SKIP() << "another user may not run what was built here";
    expect_service([] { become_nobody(0); });
}

} // namespace
