/* SPDX-License-Identifier: MIT */
/* Threads of the library's own: which signals they hear, how much stack they have, and that they
 * return. */
#include "support/running.h"

extern "C" {
#include "base/start.h"
}

#include <csignal>
#include <cstddef>
#include <pthread.h>
#include <unistd.h>

namespace {

using namespace coil_test;

/* What a thread finds when it runs. */
struct Found {
    sigset_t mask;
    size_t stack_size;
};

void *look(void *arg)
{
    auto *found = static_cast<Found *>(arg);
    pthread_attr_t attributes;
    pthread_sigmask(SIG_SETMASK, nullptr, &found->mask);
    EXPECT_EQ(0, pthread_getattr_np(pthread_self(), &attributes));
    EXPECT_EQ(0, pthread_attr_getstacksize(&attributes, &found->stack_size));
    pthread_attr_destroy(&attributes);
    return nullptr;
}

Found start(bool deaf)
{
    Found found = {};
    pthread_t thread;
    EXPECT_EQ(0, coil__start_thread(&thread, deaf, look, &found));
    EXPECT_EQ(0, pthread_join(thread, nullptr));
    return found;
}

TEST(Start, OfADeafThreadLeavesItNoSignalButFaults)
{
    Found found = start(true);
    for (int signal : {SIGTERM, SIGINT, SIGUSR1, SIGCHLD, SIGURG})
        EXPECT_EQ(1, sigismember(&found.mask, signal)) << signal;
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL})
        EXPECT_EQ(0, sigismember(&found.mask, fault)) << fault;
}

TEST(Start, OfAnotherLeavesItTheMaskOfTheCallerAndFaults)
{
    sigset_t set, before, after;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGSEGV);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    Found found = start(false);
    pthread_sigmask(SIG_SETMASK, &before, &after);
    EXPECT_EQ(1, sigismember(&found.mask, SIGTERM));
    EXPECT_EQ(0, sigismember(&found.mask, SIGSEGV));
    EXPECT_EQ(0, sigismember(&found.mask, SIGUSR1));
    EXPECT_EQ(1, sigismember(&after, SIGSEGV)) << "the caller's own is as it was";
}

/* As after ulimit -s, which a program has looked at when it began. */
class StackSize {
public:
    explicit StackSize(size_t size)
    {
        pthread_attr_t now;
        EXPECT_EQ(0, pthread_getattr_default_np(&before_));
        EXPECT_EQ(0, pthread_attr_init(&now));
        EXPECT_EQ(0, pthread_attr_setstacksize(&now, size));
        EXPECT_EQ(0, pthread_setattr_default_np(&now));
        pthread_attr_destroy(&now);
    }
    ~StackSize()
    {
        EXPECT_EQ(0, pthread_setattr_default_np(&before_));
        pthread_attr_destroy(&before_);
    }
    StackSize(const StackSize &) = delete;
    StackSize &operator=(const StackSize &) = delete;

private:
    pthread_attr_t before_;
};

TEST(Start, LeavesRoomOnTheStackThoughTheLimitIsSmall)
{
    StackSize small(size_t(32) << 10);
    EXPECT_LE(size_t(256) << 10, start(true).stack_size);
    EXPECT_LE(size_t(256) << 10, start(false).stack_size);
}

TEST(Start, LeavesAStackTheSizeOfALargerLimit)
{
    StackSize large(size_t(3) << 20);
    EXPECT_LE(size_t(3) << 20, start(true).stack_size);
}

struct StartDeathTest : testing::Test {
    StartDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

constexpr const char *kEnded = "has ended a thread of coil_run";

void join_one_that(void *(*work)(void *))
{
    pthread_t thread;
    EXPECT_EQ(0, coil__start_thread(&thread, false, work, nullptr));
    EXPECT_EQ(0, pthread_join(thread, nullptr));
}

void *exit_though_it_must_return(void *)
{
    coil__thread_must_return(true);
    pthread_exit(nullptr);
}

void *exit_when_it_may(void *)
{
    coil__thread_must_return(true);
    coil__thread_must_return(false);
    pthread_exit(nullptr);
}

TEST_F(StartDeathTest, StopsAThreadThatMustReturnAndExits)
{
    EXPECT_EXIT(join_one_that(exit_though_it_must_return), testing::KilledBySignal(SIGABRT),
                kEnded);
}

TEST(Start, LetsAThreadExitThatNeedNotReturnAnyMore)
{
    join_one_that(exit_when_it_may);
}

TEST_F(StartDeathTest, DoesWithoutAKeyToNoticeThatAThreadExits)
{
    EXPECT_EXIT(
        {
            pthread_key_t key;
            while (pthread_key_create(&key, nullptr) == 0) /* ends: there are 1024 */
                ;
            join_one_that(exit_though_it_must_return);
            _exit(0);
        },
        testing::ExitedWithCode(0), "^$");
}

} // namespace
