/* SPDX-License-Identifier: MIT */
/* A program that was started without stdin, stdout and stderr. */
#include "support/running.h"
#include "support/sandbox.h"

#include <coil/port.h>
#include <coil/promise.h>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

using namespace coil_test;

namespace {

int count_streams()
{
    int count = 0;
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return count;
}

/* As many as are open once this core has all descriptors that a core may have; or -errno. */
int count_with_a_bell()
{
    COIL_PROMISE(promise);
    COIL_PORT(port);
    int err = coil_port_open(&port);
    if (err < 0)
        return err;
    std::thread setter([&] { EXPECT_EQ(0, coil_promise_set(&promise, 0)); });
    ssize_t woken = coil_promise_wait(&promise);
    setter.join();
    return woken < 0 ? int(woken) : count_streams();
}

TEST(StandardStreams, AreNotTakenByCoilWhereTheProgramHasNone)
{
    for (const char *ring : {"kernel", "poll"}) {
        ChildOutcome outcome = run_in_child([ring] {
            for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
                close(fd);
            coil_options options = cores(2);
            options.ring = ring;
            auto count = [] {
                int here = count_with_a_bell();
                int there = call(1, count_with_a_bell);
                return here != 0 ? here : there;
            };
            return run(count, options);
        });
        EXPECT_EQ(0, outcome.result) << ring << ": " << outcome.log;
    }
}

} // namespace
