/* SPDX-License-Identifier: MIT */
/* Stacks of coroutines that have ended, in debug builds: nothing can write to them for a while. */
#include "coro/coroutines.h"
#include "support/sanitizer.h"

extern "C" {
#include "coro/fault.h"
}

#include <cerrno>
#include <fcntl.h>
#include <liburing.h>
#include <set>
#include <unistd.h>
#include <vector>

using namespace coil_test;

namespace {

/* An address of the caller's frame. A variable's may be elsewhere, where AddressSanitizer looks out
 * for uses after the return. */
inline __attribute__((always_inline)) char *own_frame()
{
    return static_cast<char *>(__builtin_frame_address(0));
}

class Quarantine : public testing::Test {
protected:
    void SetUp() override
    {
        if (!COIL__QUARANTINE_IS_ON)
            GTEST_SKIP() << "not a debug build";
    }

    /* Runs a coroutine to its end. Returns where one of its variables was. */
    char *retire(const char *name = "test")
    {
        static char *variable;
        auto body = [] { variable = own_frame(); };
        coroutines_.spawn(body, name);
        coroutines_.run();
        return variable;
    }

    /* What the kernel says to a write of one byte. */
    static ssize_t read_into(char *address)
    {
        int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        ssize_t result = read(zero, address, 1);
        int error = errno;
        close(zero);
        return result < 0 ? -error : result;
    }

    Coroutines coroutines_;
};

TEST_F(Quarantine, LetsNoSystemCallWriteToAStackThatHasEnded)
{
    EXPECT_EQ(-EFAULT, read_into(retire()));
    char own;
    EXPECT_EQ(1, read_into(&own));
}

TEST_F(Quarantine, LetsNoOperationInFlightWriteToAStackThatHasEnded)
{
    io_uring ring;
    ASSERT_EQ(0, io_uring_queue_init(4, &ring, 0));
    int pipe[2];
    ASSERT_EQ(0, pipe2(pipe, O_CLOEXEC));
    coroutines_.spawn([&] {
        io_uring_sqe *sqe = io_uring_get_sqe(&ring);
        io_uring_prep_read(sqe, pipe[0], own_frame(), 1, 0);
        EXPECT_EQ(1, io_uring_submit(&ring));
    });
    coroutines_.run();
    EXPECT_EQ(1, write(pipe[1], "!", 1));
    io_uring_cqe *cqe;
    ASSERT_EQ(0, io_uring_wait_cqe(&ring, &cqe));
    EXPECT_EQ(-EFAULT, cqe->res);
    io_uring_queue_exit(&ring);
    close(pipe[0]);
    close(pipe[1]);
}

TEST_F(Quarantine, LetsAStackGoAfterAsManyOthersAsItHolds)
{
    std::set<char *> places;
    for (int i = 0; i < COIL__QUARANTINE_SIZE; i++)
        places.insert(retire());
    EXPECT_EQ(size_t(COIL__QUARANTINE_SIZE), places.size());
    for (int i = 0; i < 10 * COIL__QUARANTINE_SIZE; i++)
        places.insert(retire());
    EXPECT_EQ(size_t(COIL__QUARANTINE_SIZE) + 1, places.size()) << "one is hot, the others rest";
    int shut = 0;
    for (char *place : places)
        shut += read_into(place) == -EFAULT;
    EXPECT_EQ(COIL__QUARANTINE_SIZE, shut);
}

TEST_F(Quarantine, HoldsStacksThatEndInOneTurn)
{
    std::vector<char *> places;
    for (int i = 0; i < 3 * COIL__QUARANTINE_SIZE; i++) {
        coroutines_.spawn([&] { places.push_back(own_frame()); });
    }
    coroutines_.run();
    int shut = 0;
    for (char *place : places)
        shut += read_into(place) == -EFAULT;
    EXPECT_EQ(COIL__QUARANTINE_SIZE, shut);
}

TEST_F(Quarantine, HoldsNothingOfOneThatIsParked)
{
    char *variable = nullptr;
    coil_task *task = coroutines_.spawn([&] {
        char local = 'x';
        variable = &local;
        Coroutines::park();
        EXPECT_EQ('\0', *static_cast<volatile char *>(variable));
    });
    coroutines_.run();
    EXPECT_EQ(1, read_into(variable));
    coil__task_wake(task);
    coroutines_.run();
}

/* In the child of a death test. */
void use_after_end(char *address)
{
    take_default_action();
    coil__fault_stack stack;
    if (coil__fault_open() < 0 || coil__fault_stack_open(&stack) < 0)
        _exit(2);
    *static_cast<volatile char *>(address) = 1;
    _exit(0);
}

TEST_F(Quarantine, NamesTheCoroutineWhoseVariableIsUsedAfterItsEnd)
{
    char *address = retire("echo (echo_server.c:34)");
    EXPECT_EXIT(use_after_end(address), testing::KilledBySignal(SIGSEGV),
                "^coil: use of the stack of coroutine 'echo \\(echo_server\\.c:34\\)', which has "
                "ended: address 0x[0-9a-f]+: a pointer to one of its variables was kept; "
                "running: 'the loop'\n$");
}

TEST_F(Quarantine, StopsOneThatEndsWithAnOperationInFlight)
{
    auto body = [] { coil__self()->in_flight = 1; };
    auto misuse = [&] {
        leave_no_core();
        coroutines_.spawn(body, "careless");
        coroutines_.run();
    };
    EXPECT_DEATH(misuse(), "in_flight == 0; in coroutine careless");
}

} // namespace
