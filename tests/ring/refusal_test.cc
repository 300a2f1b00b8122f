/* SPDX-License-Identifier: MIT */
/* ring/refusal.h: what the administrator is told, for made-up facts and in real trouble. */
#include "support/sandbox.h"

#include <liburing.h>

extern "C" {
#include "ring/kernel.h"
#include "ring/poll.h"
#include "ring/refusal.h"
#include "base/log.h"
}

#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

using coil_test::ChildOutcome;
using coil_test::run_in_child;

std::string said;

void keep(const char *line)
{
    said += std::string(line) + "\n";
}

/* An unprivileged user on a kernel that forbids nothing. */
coil__refusal_facts plain_facts(int error)
{
    coil__refusal_facts facts = {};
    facts.what = "io_uring";
    facts.call = "io_uring_setup";
    facts.error = error;
    strcpy(facts.release, "6.12.9");
    facts.sysctl_group = -1;
    facts.uid = 1000;
    facts.memlock_soft = facts.memlock_hard = 64 * 1024;
    facts.memlock_needed = 164 * 1024;
    facts.nofile_soft = 1024;
    facts.nofile_hard = 4096;
    facts.open_descriptors = 17;
    return facts;
}

std::string say(const coil__refusal_facts &facts)
{
    said.clear();
    coil__log_to(keep);
    coil__refusal_say(&facts);
    coil__log_to(nullptr);
    return said;
}

void expect_says(const std::string &text, std::initializer_list<const char *> parts)
{
    for (const char *part : parts)
        EXPECT_NE(text.find(part), std::string::npos) << "no \"" << part << "\" in:\n" << text;
}

TEST(Refusal, FirstSaysWhatFailedAndTheFacts)
{
    coil__refusal_facts facts = plain_facts(EPERM);
    facts.sysctl_disabled = 2;
    facts.seccomp_mode = 2;
    expect_says(say(facts),
                {"coil: io_uring unavailable: io_uring_setup: EPERM (Operation not permitted)\n",
                 "kernel 6.12.9; ", "kernel.io_uring_disabled=2", "kernel.io_uring_group=-1",
                 "seccomp mode 2", "uid 1000", "RLIMIT_MEMLOCK soft 64 KiB, hard 64 KiB",
                 "needed 164 KiB for each core", "RLIMIT_NOFILE soft 1024, hard 4096",
                 "17 descriptors open"});
}

TEST(Refusal, BlamesTheSysctlThatForbidsItToAll)
{
    coil__refusal_facts facts = plain_facts(EPERM);
    facts.sysctl_disabled = 2;
    facts.is_admin = true;
    facts.seccomp_mode = 2;
    EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_SYSCTL);
    expect_says(say(facts), {"kernel.io_uring_disabled=2 keeps io_uring from everybody",
                             "sysctl -w kernel.io_uring_disabled=0"});
}

TEST(Refusal, BlamesTheSysctlThatForbidsItToTheUnprivileged)
{
    coil__refusal_facts facts = plain_facts(EPERM);
    facts.sysctl_disabled = 1;
    EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_SYSCTL);
    expect_says(say(facts), {"kernel.io_uring_disabled=1", "kernel.io_uring_group",
                             "sysctl -w kernel.io_uring_disabled=0"});
}

TEST(Refusal, DoesNotBlameASysctlThatMakesAnExceptionForUs)
{
    coil__refusal_facts facts = plain_facts(EPERM);
    facts.sysctl_disabled = 1;
    facts.is_admin = true;
    EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_LSM);
    facts.is_admin = false;
    facts.in_sysctl_group = true;
    facts.seccomp_mode = 2;
    EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_SECCOMP);
}

TEST(Refusal, BlamesSeccompForEPERMAndENOSYS)
{
    for (int error : {EPERM, ENOSYS}) {
        coil__refusal_facts facts = plain_facts(error);
        facts.seccomp_mode = 2;
        EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_SECCOMP);
        expect_says(say(facts),
                    {"seccomp filter", "allow io_uring_setup, io_uring_enter and io_uring_register",
                     "--security-opt seccomp=", "SystemCallFilter=@aio"});
    }
}

TEST(Refusal, BlamesASecurityModuleWhenNothingElseForbids)
{
    for (int error : {EPERM, EACCES}) {
        coil__refusal_facts facts = plain_facts(error);
        EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_LSM);
        expect_says(say(facts), {"SELinux", "AppArmor", "journalctl -k"});
    }
}

TEST(Refusal, BlamesTheKernelThatLacksIoUringOrPartsOfIt)
{
    for (int error : {ENOSYS, EOPNOTSUPP}) {
        coil__refusal_facts facts = plain_facts(error);
        EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_KERNEL);
        expect_says(say(facts), {"too old", "CONFIG_IO_URING=y", "5.18"});
    }
}

TEST(Refusal, BlamesMemlockWhereItApplies)
{
    coil__refusal_facts facts = plain_facts(ENOMEM);
    EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_MEMLOCK);
    expect_says(say(facts), {"RLIMIT_MEMLOCK is used up or too low", "ulimit -l 8192",
                             "LimitMEMLOCK=", "--ulimit memlock=", "COIL_RING_ENTRIES"});
}

TEST(Refusal, AsksForMoreMemlockWhenRingsAreLarge)
{
    coil__refusal_facts facts = plain_facts(ENOMEM);
    facts.memlock_needed = 4096 * 1024;
    expect_says(say(facts), {"ulimit -l 32768"});
}

/* Which is used up, by many cores or by others of the same user. */
TEST(Refusal, AsksForMoreMemlockThanThereIs)
{
    coil__refusal_facts facts = plain_facts(ENOMEM);
    facts.memlock_soft = facts.memlock_hard = 8192 * 1024;
    expect_says(say(facts), {"ulimit -l 16384 (as root);"});
    facts.memlock_hard = UINT64_MAX;
    facts.memlock_soft = 65536 * 1024;
    expect_says(say(facts), {"ulimit -l 131072;"});
}

TEST(Refusal, BlamesMemoryWhereMemlockDoesNotApply)
{
    coil__refusal_facts facts = plain_facts(ENOMEM);
    facts.may_lock_memory = true;
    EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_MEMORY);
    facts.may_lock_memory = false;
    facts.memlock_soft = facts.memlock_hard = UINT64_MAX;
    EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_MEMORY);
    expect_says(say(facts),
                {"RLIMIT_MEMLOCK soft unlimited", "no memory is left", "ulimit -v and -d",
                 "memory.max", "vm.overcommit_memory", "vm.max_map_count"});
}

TEST(Refusal, NamesTheHardLimitOfDescriptorsAsTheRemedy)
{
    coil__refusal_facts facts = plain_facts(EMFILE);
    EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_DESCRIPTORS);
    expect_says(say(facts),
                {"RLIMIT_NOFILE: no descriptor is left", "ulimit -n 4096;", "LimitNOFILE="});
}

TEST(Refusal, SaysWhenOnlyRootMayRaiseALimit)
{
    coil__refusal_facts facts = plain_facts(EMFILE);
    facts.nofile_hard = facts.nofile_soft;
    expect_says(say(facts), {"ulimit -n 2048 (as root);"});
    facts.nofile_soft = facts.nofile_hard = 4;
    expect_says(say(facts), {"ulimit -n 1024 (as root);"});

    facts = plain_facts(ENOMEM);
    expect_says(say(facts), {"ulimit -l 8192 (as root);"});
    facts.memlock_hard = UINT64_MAX;
    expect_says(say(facts), {"ulimit -l 8192;"});
}

TEST(Refusal, TellsTheProcessFromTheSystemWithoutDescriptors)
{
    coil__refusal_facts facts = plain_facts(ENFILE);
    EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_DESCRIPTORS);
    expect_says(say(facts), {"the whole system", "fs.file-max"});
}

TEST(Refusal, SuspectsTheProgramWhenTheDescriptorOfTheRingIsGone)
{
    for (int error : {EBADF, EBADFD}) {
        coil__refusal_facts facts = plain_facts(error);
        EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_CLOSED);
        expect_says(say(facts), {"has closed a descriptor", "strace -f -y -e trace=close"});
    }
}

TEST(Refusal, AdmitsThatItDoesNotKnow)
{
    coil__refusal_facts facts = plain_facts(ENXIO);
    EXPECT_EQ(coil__refusal_decide(&facts), COIL__REFUSAL_UNKNOWN);
    expect_says(say(facts), {"ENXIO", "likely cause: unknown", "strace"});
}

TEST(Refusal, CollectsWhatIsTrueOfThisProcess)
{
    coil__refusal_facts facts;
    rlimit nofile;
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &nofile), 0);
    coil__refusal_collect(&facts, "io_uring_enter", EPERM, 12345);
    EXPECT_STREQ(facts.call, "io_uring_enter");
    EXPECT_EQ(facts.error, EPERM);
    EXPECT_EQ(facts.memlock_needed, 12345u);
    EXPECT_EQ(facts.uid, geteuid());
    EXPECT_EQ(facts.nofile_soft, nofile.rlim_cur);
    EXPECT_GE(facts.open_descriptors, 1u);
    EXPECT_GE(facts.seccomp_mode, 0);

    uint64_t before = facts.open_descriptors;
    int fd = open("/dev/null", O_RDONLY);
    coil__refusal_collect(&facts, "io_uring_enter", EPERM, 12345);
    EXPECT_EQ(facts.open_descriptors, before + 1);
    close(fd);
}

/* Opens a ring as a core does and closes it. */
int try_ring(unsigned entries, const coil__ring_driver &driver = coil__ring_kernel)
{
    coil__ring ring = {};
    coil__ring_options options = {entries, nullptr, 0, "", nullptr, 0};
    int err = driver.open(&ring, &options);
    if (err == 0)
        driver.close(&ring);
    return err;
}

TEST(Refused, BySeccompWithEPERM)
{
    ChildOutcome outcome = run_in_child(
        [] { return coil_test::deny_system_call(SYS_io_uring_setup, EPERM) ? try_ring(64) : 1; });
    if (outcome.result == 1)
        GTEST_SKIP() << "seccomp filters are forbidden here";
    EXPECT_EQ(outcome.result, -EPERM);
    expect_says(outcome.log, {"io_uring_setup: EPERM", "seccomp mode 2", "a seccomp filter"});
}

TEST(Refused, BySeccompWithENOSYS)
{
    ChildOutcome outcome = run_in_child(
        [] { return coil_test::deny_system_call(SYS_io_uring_setup, ENOSYS) ? try_ring(64) : 1; });
    if (outcome.result == 1)
        GTEST_SKIP() << "seccomp filters are forbidden here";
    EXPECT_EQ(outcome.result, -ENOSYS);
    expect_says(outcome.log, {"io_uring_setup: ENOSYS", "seccomp mode 2", "a seccomp filter"});
}

/* A profile that was written before the third call was needed. */
TEST(Refused, BySeccompInOneOfTheOtherCalls)
{
    for (long call : {SYS_io_uring_enter, SYS_io_uring_register}) {
        ChildOutcome outcome = run_in_child(
            [=] { return coil_test::deny_system_call(call, EPERM) ? try_ring(64) : 1; });
        if (outcome.result == 1)
            GTEST_SKIP() << "seccomp filters are forbidden here";
        EXPECT_EQ(outcome.result, -EPERM);
        expect_says(outcome.log, {call == SYS_io_uring_enter ? "io_uring_enter: EPERM"
                                                             : "io_uring_register: EPERM",
                                  "a seccomp filter"});
    }
}

TEST(Refused, BySeccompWhatThePollDriverNeeds)
{
    ChildOutcome outcome = run_in_child([] {
        return coil_test::deny_system_call(SYS_eventfd2, EPERM) ? try_ring(64, coil__ring_poll) : 1;
    });
    if (outcome.result == 1)
        GTEST_SKIP() << "seccomp filters are forbidden here";
    EXPECT_EQ(outcome.result, -EPERM);
    expect_says(outcome.log, {"the poll driver unavailable: eventfd2: EPERM", "allow eventfd2 in",
                              "SystemCallFilter=eventfd2"});
    EXPECT_EQ(outcome.log.find("io_uring_setup"), std::string::npos) << outcome.log;
}

TEST(Refused, WithoutDescriptors)
{
    ChildOutcome outcome = run_in_child([] {
        rlimit limit = {64, 64};
        setrlimit(RLIMIT_NOFILE, &limit);
        while (dup(STDIN_FILENO) >= 0)
            continue;
        return try_ring(64);
    });
    EXPECT_EQ(outcome.result, -EMFILE);
    expect_says(outcome.log, {"io_uring_setup: EMFILE", "RLIMIT_NOFILE soft 64, hard 64",
                              "64 descriptors open", "ulimit -n"});
}

TEST(Refused, ByMemlock)
{
    if (!coil_test::is_root())
        GTEST_SKIP() << "needs root, to become a user without locked memory";
    ChildOutcome outcome = run_in_child([] {
        coil_test::become_nobody(0);
        return try_ring(256);
    });
    if (outcome.result == 0)
        GTEST_SKIP() << "this kernel does not count rings as locked memory";
    EXPECT_EQ(outcome.result, -ENOMEM);
    expect_says(outcome.log, {"io_uring_setup: ENOMEM", "RLIMIT_MEMLOCK soft 0 KiB, hard 0 KiB",
                              "needed 52 KiB", "ulimit -l"});
}

TEST(Refused, IsExplainedOnceForAllCoresOfARun)
{
    coil__kernel_lacks.setup_flags = IORING_SETUP_CQSIZE;
    said.clear();
    coil__log_to(keep);
    EXPECT_EQ(try_ring(64), -ENOSYS);
    EXPECT_EQ(try_ring(64), -ENOSYS);
    coil__log_to(nullptr);
    coil__kernel_lacks.setup_flags = 0;
    EXPECT_EQ(said.find("io_uring unavailable"), said.rfind("io_uring unavailable")) << said;
    expect_says(said, {"EOPNOTSUPP", "too old"});
}

} // namespace
