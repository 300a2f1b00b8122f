/* SPDX-License-Identifier: MIT */
/* Where io_uring is forbidden a run goes by epoll and threads, and says so in one line. */
#include <liburing.h>

extern "C" {
#include "ring/choose.h"
#include "ring/refusal.h"
#include "base/log.h"
}

#include "support/census.h"
#include "support/process.h"
#include "support/running.h"
#include "support/sandbox.h"
#include "support/sanitizer.h"

#include <coil/file.h>
#include <coil/net.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace coil_test;

namespace {

const long kCalls[] = {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register};

/* The environment of whoever runs the tests says nothing here. */
struct Fallback : testing::Test {
    Fallback()
    {
        unsetenv("COIL_RING");
        coil__ring_choice_quiet = false;
    }
    ~Fallback() override
    {
        unsetenv("COIL_RING"); /* also when a test has ended early */
        coil__ring_choice_quiet = true;
    }
};

std::string said;

void keep(const char *line)
{
    said += std::string(line) + "\n";
}

size_t count_lines(const std::string &text)
{
    return size_t(std::count(text.begin(), text.end(), '\n'));
}

/* In a child: what is wrong with what was said; 0: nothing. It is one line with these parts. */
int check_line(std::initializer_list<const char *> parts)
{
    int wrong = count_lines(said) == 1 ? 0 : 50;
    for (const char *part : parts)
        wrong = said.find(part) == std::string::npos ? 51 : wrong;
    if (wrong != 0)
        fprintf(stderr, "%s", said.c_str());
    return wrong;
}

coil_options keeping(coil_options options)
{
    options.log = keep;
    return options;
}

/* A little of everything, on two cores. Returns 0 when it runs on `ring` and all is well. */
int work_on(const char *ring)
{
    said.clear();
    return run(
        [=] {
            if (strcmp(ring, coil_ring_name()) != 0)
                return 1;
            int ends[2];
            if (pipe(ends) != 0)
                return 2;
            Children children;
            COIL_SCOPE(scope, coil_after(20 * COIL_SEC));
            char byte = 0;
            children.start(scope, [&] { return int(coil_read(ends[0], &byte, 1)) - 1; });
            children.start(scope, [&] { return int(coil_write(ends[1], "x", 1)) - 1; });
            int err = coil_scope_close(&scope, 0);
            int file = coil_open("/proc/self/comm", O_RDONLY, 0);
            char text[32];
            bool is_read = file >= 0 && coil_read(file, text, sizeof(text)) > 0;
            bool is_called = call(1, [] { return coil_sleep(COIL_MSEC) == 0 ? 5 : 0; }) == 5;
            coil_close(file);
            coil_close(ends[0]);
            coil_close(ends[1]);
            return err == 0 && byte == 'x' && is_read && is_called ? 0 : 3;
        },
        keeping(cores(2)));
}

TEST_F(Fallback, RunsUnderAFilterOfSystemCalls)
{
    for (int error : {EPERM, ENOSYS}) {
        ChildOutcome outcome = run_in_child([=] {
            for (long call : kCalls) {
                if (!deny_system_call(call, error))
                    return 99;
            }
            int result = work_on("poll");
            return result != 0
                       ? result
                       : check_line({"runs on poll", "io_uring_setup", strerrorname_np(error),
                                     "a seccomp filter", "To have it: allow io_uring_setup"});
        });
        if (outcome.result == 99)
            GTEST_SKIP() << "seccomp filters are forbidden here";
        EXPECT_EQ(0, outcome.result) << error;
    }
}

TEST_F(Fallback, RunsWhereOnlyOneOfTheCallsIsForbidden)
{
    if (kThreadSanitizer)
        GTEST_SKIP() << "it does not see how liburing unmaps the ring that was refused, and takes "
                        "the next one in that place for a race";
    for (long call : {SYS_io_uring_enter, SYS_io_uring_register}) {
        ChildOutcome outcome = run_in_child([=] {
            if (!deny_system_call(call, EPERM))
                return 99;
            int result = work_on("poll");
            return result != 0 ? result : check_line({"runs on poll"});
        });
        if (outcome.result == 99)
            GTEST_SKIP() << "seccomp filters are forbidden here";
        EXPECT_EQ(0, outcome.result) << call;
    }
}

/* Of which a ring needs some and a stack can do without. */
TEST_F(Fallback, RunsWhereAdviceOnMemoryIsForbidden)
{
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer takes it for granted that it may advise";
    for (int error : {EPERM, EACCES, ENOSYS}) {
        ChildOutcome outcome = run_in_child([=] {
            if (!deny_system_call(SYS_madvise, error))
                return 99;
            int result = work_on("poll");
            return result != 0 ? result : check_line({"runs on poll", "madvise(MADV_DONTFORK)"});
        });
        if (outcome.result == 99)
            GTEST_SKIP() << "seccomp filters are forbidden here";
        EXPECT_EQ(0, outcome.result) << error;
    }
}

TEST_F(Fallback, WaitsForWholeMillisecondsWhereLessIsForbidden)
{
    for (int error : {EPERM, EACCES, ENOSYS}) {
        ChildOutcome outcome = run_in_child([=] {
            if (!deny_system_call(SYS_epoll_pwait2, error))
                return 99;
            setenv("COIL_RING", "poll", 1);
            return work_on("poll");
        });
        if (outcome.result == 99)
            GTEST_SKIP() << "seccomp filters are forbidden here";
        EXPECT_EQ(0, outcome.result) << error;
    }
}

TEST_F(Fallback, RunsWithoutLockedMemory)
{
    if (!is_root())
        GTEST_SKIP() << "needs root, to become a user without locked memory";
    ChildOutcome outcome = run_in_child([] {
        become_nobody(0);
        int result = work_on("poll");
        return result == 1 ? 99 : result != 0 ? result : check_line({"RLIMIT_MEMLOCK"});
    });
    if (outcome.result == 99)
        GTEST_SKIP() << "this kernel does not count rings as locked memory";
    EXPECT_EQ(0, outcome.result);
}

/* What cannot be done to the machine of a test: the facts are made up. */
TEST_F(Fallback, NamesTheSysctlThatForbidsIoUring)
{
    coil__refusal_facts facts = {};
    facts.what = "io_uring";
    facts.call = "io_uring_setup";
    facts.error = EPERM;
    facts.sysctl_disabled = 2;
    said.clear();
    coil__log_to(keep);
    coil__refusal_say_instead(&facts, "poll");
    coil__log_to(nullptr);
    EXPECT_EQ(1u, count_lines(said)) << said;
    for (const char *part : {"runs on poll", "EPERM", "kernel.io_uring_disabled=2",
                             "sysctl -w kernel.io_uring_disabled=0"})
        EXPECT_NE(std::string::npos, said.find(part)) << said;
}

TEST_F(Fallback, IsNotForWhoAsksForTheKernel)
{
    ChildOutcome outcome = run_in_child([] {
        if (!deny_system_call(SYS_io_uring_setup, EPERM))
            return 99;
        said.clear();
        int result = run([] { return 0; }, keeping(on_kernel()));
        return said.find("remedy: ") != std::string::npos ? result : 1;
    });
    if (outcome.result == 99)
        GTEST_SKIP() << "seccomp filters are forbidden here";
    EXPECT_EQ(-EPERM, outcome.result);
}

TEST_F(Fallback, LeavesNothingBehind)
{
    ChildOutcome outcome = run_in_child([] {
        if (!deny_system_call(SYS_io_uring_setup, EPERM))
            return 99;
        if (work_on("poll") != 0)
            return 1;
        Census before = take_census();
        for (int i = 0; i < 20; i++) {
            if (work_on("poll") != 0)
                return 2;
        }
        return compare_census(before).empty() ? 0 : 3;
    });
    if (outcome.result == 99)
        GTEST_SKIP() << "seccomp filters are forbidden here";
    EXPECT_EQ(0, outcome.result);
}

/* Started by the next one. */
TEST_F(Fallback, DISABLED_WorksOnPollForValgrindsSake)
{
    EXPECT_EQ(0, work_on("poll"));
    EXPECT_EQ(0, check_line({"runs on poll", "valgrind", "COIL_RING=kernel"}));
}

/* Which keeps its lock in io_uring_enter(2), so that a core waiting there stops all others. */
TEST_F(Fallback, RunsUnderValgrind)
{
    if (kSanitized)
        GTEST_SKIP() << "valgrind does not run sanitizers";
    if (run_shell("valgrind --version").status != 0)
        GTEST_SKIP() << "there is no valgrind";
    std::string self = "/proc/" + std::to_string(getpid()) + "/exe";
    Outcome outcome = run_shell("COIL_STALL_NS=0 timeout -s KILL 120 "
                                "valgrind --error-exitcode=99 --leak-check=no " +
                                self +
                                " --gtest_also_run_disabled_tests --gtest_filter="
                                "Fallback.DISABLED_WorksOnPollForValgrindsSake");
    if (outcome.output.find("debuginfo reader") != std::string::npos)
        GTEST_SKIP() << "this valgrind cannot read what this compiler wrote for debuggers";
    EXPECT_EQ(0, outcome.status) << outcome.output;
    EXPECT_NE(std::string::npos, outcome.output.find("PASSED  ] 1 test")) << outcome.output;
}

TEST_F(Fallback, SaysInOneLineThatPollWasChosen)
{
    coil_options options = keeping(cores(2));
    options.ring = "poll";
    said.clear();
    EXPECT_EQ(0, run(
                     [] {
                         EXPECT_STREQ("poll", coil_ring_name());
                         return 0;
                     },
                     options));
    EXPECT_EQ(1u, count_lines(said)) << said;
    EXPECT_EQ(0u, said.find("coil: runs on poll")) << said;
    EXPECT_NE(std::string::npos, said.find("\"kernel\" is io_uring")) << said;
}

TEST_F(Fallback, LetsTheEnvironmentChoose)
{
    coil__ring_choice_quiet = true;
    for (const char *ring : {"poll", "kernel"}) {
        setenv("COIL_RING", ring, 1);
        EXPECT_EQ(0, work_on(ring));
    }
    unsetenv("COIL_RING");
    EXPECT_EQ(0, work_on("kernel"));
}

} // namespace
