/* SPDX-License-Identifier: MIT */
/* coil_run(): its result, what it ends, and what it leaves behind. */
#include <liburing.h>

extern "C" {
#include "core/core.h"
#include "ring/choose.h"
#include "ring/fds.h"
}

#include "support/census.h"
#include "support/process.h"
#include "support/running.h"
#include "support/sandbox.h"
#include "support/sanitizer.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <pthread.h>
#include <set>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace coil_test;

namespace {

TEST(Run, ReturnsTheResultOfItsFunction)
{
    for (int result : {0, 1, 12345, -1, -EIO, -ECANCELED})
        EXPECT_EQ(result, run([=] { return result; }));
}

TEST(Run, PassesTheArgumentOn)
{
    int argument = 0;
    auto fn = [](void *arg) { return *static_cast<int *>(arg) = 7; };
    coil_options options = cores(1);
    EXPECT_EQ(7, coil_run(&options, fn, &argument));
    EXPECT_EQ(7, argument);
}

TEST(Run, WithoutOptionsTakesEveryCpu)
{
    cpu_set_t allowed;
    ASSERT_EQ(0, sched_getaffinity(0, sizeof(allowed), &allowed));
    auto fn = [](void *) { return int(coil_core_count()); };
    EXPECT_EQ(CPU_COUNT(&allowed), coil_run(nullptr, fn, nullptr));
}

TEST(Run, StartsAsManyCoresAsAskedFor)
{
    for (unsigned count : {1u, 2u, 4u, 8u}) {
        EXPECT_EQ(0, run(
                         [=] {
                             EXPECT_EQ(count, coil_core_count());
                             EXPECT_EQ(0u, coil_core_self());
                             for (unsigned core = 0; core < count; core++)
                                 EXPECT_EQ(int(core),
                                           call(core, [] { return int(coil_core_self()); }));
                             return 0;
                         },
                         cores(count)));
    }
}

TEST(Run, NamesItsThreadsAndPinsThem)
{
    COIL_SKIP_IF_SIMULATED("all cores are on one thread");
    auto name = [] {
        char text[16] = "";
        pthread_getname_np(pthread_self(), text, sizeof(text));
        return std::string(text);
    };
    cpu_set_t allowed;
    ASSERT_EQ(0, sched_getaffinity(0, sizeof(allowed), &allowed));
    run(
        [&] {
            for (unsigned core = 0; core < 3; core++) {
                EXPECT_EQ(0, call(core, [&] {
                              EXPECT_EQ("coil-" + std::to_string(core), name());
                              cpu_set_t pinned;
                              EXPECT_EQ(0, sched_getaffinity(0, sizeof(pinned), &pinned));
                              EXPECT_EQ(1, CPU_COUNT(&pinned));
                              return 0;
                          }));
            }
            return 0;
        },
        cores(3));
    cpu_set_t after;
    ASSERT_EQ(0, sched_getaffinity(0, sizeof(after), &after));
    EXPECT_TRUE(CPU_EQUAL(&allowed, &after)) << "the caller's own thread was pinned";
}

/* How many pages this thread is the first to touch while it runs that many cores. */
long pages_touched_for(unsigned core_count)
{
    rusage before, after;
    getrusage(RUSAGE_THREAD, &before);
    EXPECT_EQ(0, run([] { return 0; }, cores(core_count)));
    getrusage(RUSAGE_THREAD, &after);
    return after.ru_minflt - before.ru_minflt;
}

/* So that it lies where the core is: on that CPU's NUMA node. */
TEST(Run, LeavesItToEachCoreToTouchItsMemoryFirst)
{
    COIL_SKIP_IF_SIMULATED("all cores are one thread's");
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer's shadow is memory as well";
    constexpr unsigned kMore = 16;
    static_assert(sizeof(coil__core) > 2 * 4096, "it would be seen if this thread touched it");
    pages_touched_for(1); /* what is touched once */
    long for_one = pages_touched_for(1), for_more = pages_touched_for(1 + kMore);
    EXPECT_LT(for_more - for_one, kMore * 2) << "one page of each thread's stack, and no other";
}

/* fn may leave nothing behind of its own; what calls of it do on other cores may go on. */
TEST(Run, EndsWhatTheFunctionLeftOnOtherCores)
{
    std::atomic<int> started{0}, cancelled{0};
    Body child = [&] {
        started++;
        int result = wait_for_ever();
        cancelled += result == -ECANCELED;
        return result;
    };
    auto fn = [&] {
        COIL_SCOPE(scope, COIL_FOREVER);
        Children children;
        for (unsigned core = 0; core < 4; core++) {
            for (int i = 0; i < 10; i++)
                EXPECT_EQ(0, coil_spawn_on(&scope, core, call_body, &child));
        }
        wait_until([&] { return started >= 20; });
        return 5; /* its scope is dropped with calls that have arrived, and perhaps others */
    };
    EXPECT_EQ(5, run(fn, cores(4)));
    EXPECT_EQ(started, cancelled);
}

TEST(Run, RefusesASecondOneAtTheSameTime)
{
    std::atomic<bool> running{false}, refused{false};
    std::thread second([&] {
        while (!running)
            std::this_thread::yield();
        EXPECT_EQ(-EBUSY, run([] { return 0; }));
        refused = true;
    });
    EXPECT_EQ(3, run([&] {
                  running = true;
                  wait_until([&] { return refused.load(); });
                  return 3;
              }));
    second.join();
    EXPECT_EQ(4, run([] { return 4; })) << "the refusal must not count as a run";
}

std::vector<std::string> log_lines;

void take_log(const char *line)
{
    log_lines.push_back(line);
}

/* The log belongs to the run that is going on, not to one that is refused. */
TEST(Run, ARefusedSecondOneLeavesTheLogToTheFirst)
{
    log_lines.clear();
    std::atomic<bool> running{false}, refused{false};
    std::thread second([&] {
        while (!running)
            std::this_thread::yield();
        EXPECT_EQ(-EBUSY, run([] { return 0; }));
        refused = true;
    });
    coil_options options = cores(1);
    options.log = take_log;
    EXPECT_EQ(0, run(
                     [&] {
                         running = true;
                         wait_until([&] { return refused.load(); });
                         return 0;
                     },
                     options));
    second.join();
    options.core_count = 5000;
    EXPECT_EQ(-EINVAL, run([] { return 0; }, options));
    EXPECT_EQ(1 + trace_lines(), log_lines.size());
}

TEST(Run, AgainAndAgainLeavesNothingBehindSlow)
{
    run([] { return 0; }, cores(2)); /* what the first one loads, stays */
    Census before = take_census();
    const int rounds = kSanitized ? 100 : 1000;
    for (int i = 0; i < rounds; i++) {
        ASSERT_EQ(i, run(
                         [=] {
                             Children children;
                             COIL_SCOPE(scope, COIL_FOREVER);
                             children.start(scope, [] { return coil_nop(); });
                             EXPECT_EQ(0, call(1, [] { return coil_nop(); }));
                             return coil_scope_close(&scope, i);
                         },
                         cores(2)));
    }
    EXPECT_EQ("", compare_census(before));
    Census after = take_census();
    if (!kSanitized) {
        EXPECT_LT(after.resident_kib, before.resident_kib + 2048);
        EXPECT_LT(after.mapping_count, before.mapping_count + 16);
    }
}

/* By which a write that fails would kill. */
const int kOfWrites[] = {SIGPIPE, SIGXFSZ};

void (*action_of(int signal))(int)
{
    struct sigaction now;
    EXPECT_EQ(0, sigaction(signal, nullptr, &now));
    return now.sa_handler;
}

/* Whether a write to a pipe without a reader kills, would be told by the disposition alone. */
TEST(Run, IgnoresSigpipeAndSigxfszWhileItRunsAndPutsTheDefaultBack)
{
    for (int signal : kOfWrites)
        ASSERT_EQ(SIG_DFL, action_of(signal));
    run([&] {
        for (int signal : kOfWrites)
            EXPECT_EQ(SIG_IGN, action_of(signal));
        int ends[2];
        EXPECT_EQ(0, pipe(ends));
        close(ends[0]);
        EXPECT_EQ(-EPIPE, coil_write(ends[1], "x", 1));
        close(ends[1]);
        return 0;
    });
    for (int signal : kOfWrites)
        EXPECT_EQ(SIG_DFL, action_of(signal));
}

TEST(Run, LeavesTheProgramsOwnHandlersOfSigpipeAndSigxfszAlone)
{
    auto own = [](int) {};
    for (int number : kOfWrites) {
        signal(number, own);
        run([&] {
            EXPECT_EQ(own, action_of(number));
            return 0;
        });
        EXPECT_EQ(own, signal(number, SIG_DFL));
    }
}

/* In a child: what comes of a write at the end of `file`, which may not grow any more. */
int write_beyond_the_limit(int file, const void *bytes, size_t size)
{
    off_t end = lseek(file, 0, SEEK_END);
    rlimit limit = {rlim_t(end), RLIM_INFINITY};
    return run([&] {
        EXPECT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
        return int(coil_pwrite(file, bytes, size, end));
    });
}

/* One to a device, where the thread of the core does it: for a kernel's worker the signal is lost.
 */
TEST(Run, AWriteBeyondTheLimitOfAFileFailsAndKillsNobody)
{
    COIL_SKIP_IF_SIMULATED("files have no limit");
    constexpr size_t kBlock = 4096;
    alignas(kBlock) static char block[kBlock];
    TempDir dir;
    int file = open(dir.path("file").c_str(), O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    if (file < 0)
        GTEST_SKIP() << "the file system has no direct transfers";
    ASSERT_EQ(ssize_t(kBlock), write(file, block, kBlock));
    ChildOutcome outcome =
        run_in_child([&] { return write_beyond_the_limit(file, block, kBlock); });
    close(file);
    EXPECT_EQ(-EFBIG, outcome.result);
}

TEST(Run, ALineOfTheLogBeyondTheLimitOfAFileKillsNobody)
{
    TempDir dir;
    write_file(dir.path("log"), "full");
    ChildOutcome outcome = run_in_child([&] {
        int log = open(dir.path("log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
        rlimit limit = {4, RLIM_INFINITY};
        if (dup2(log, STDERR_FILENO) < 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0)
            return 1;
        return run([] {
            coil_topology_print();
            return 7;
        });
    });
    EXPECT_EQ(7, outcome.result);
    EXPECT_EQ("full", read_file(dir.path("log")));
}

/* In a child: the result of a run whose stderr is a pipe that nobody reads. */
int run_unread(const coil_options &options)
{
    int ends[2];
    if (pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return 1;
    close(ends[0]);
    signal(SIGPIPE, SIG_DFL);
    coil__ring_choice_quiet = false;
    return run([] { return 0; }, options);
}

/* Before there are cores it says which driver was chosen, and what is wrong with an option. */
TEST(Run, IsNotKilledByItsFirstLines)
{
    coil_options by_poll = cores(1), wrong = cores(1);
    by_poll.ring = "poll";
    wrong.cpus = "nonsense";
    EXPECT_EQ(0, run_in_child([&] { return run_unread(by_poll); }).result);
    EXPECT_EQ(-EINVAL, run_in_child([&] { return run_unread(wrong); }).result);
}

TEST(Run, LeavesErrnoOfTheCallerInPeaceOnSuccess)
{
    errno = 77;
    EXPECT_EQ(0, run([] { return 0; }));
    EXPECT_EQ(77, errno);
}

int silent_run(unsigned count, const char *ring = nullptr)
{
    coil_options options = cores(count);
    options.ring = ring;
    options.log = [](const char *) {};
    bool ran = false;
    int result = run(
        [&] {
            ran = true;
            return 0;
        },
        options);
    EXPECT_EQ(result == 0, ran);
    return result;
}

/* With `spare` more descriptors than are open now. */
class DescriptorLimit {
public:
    explicit DescriptorLimit(int spare)
    {
        EXPECT_EQ(0, getrlimit(RLIMIT_NOFILE, &before_));
        int lowest_free = dup(0);
        EXPECT_GE(lowest_free, 0);
        close(lowest_free);
        rlimit limit = {rlim_t(lowest_free + spare), before_.rlim_max};
        EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
    }

    ~DescriptorLimit() { EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &before_)); }

    DescriptorLimit(const DescriptorLimit &) = delete;
    DescriptorLimit &operator=(const DescriptorLimit &) = delete;

private:
    rlimit before_;
};

TEST(RunStart, LeavesNothingBehindWhenAnyCoresRingCannotBeOpened)
{
    COIL_SKIP_IF_SIMULATED("a ring takes no descriptor");
    Census before = take_census();
    int refused = 0;
    for (int spare = 0; spare < 12; spare++) {
        DescriptorLimit limit(spare);
        int result = silent_run(8);
        EXPECT_TRUE(result == 0 || result == -EMFILE) << result;
        refused += result == -EMFILE;
    }
    EXPECT_GE(refused, 8);
    EXPECT_EQ(0, silent_run(8));
    EXPECT_EQ("", compare_census(before));
}

/* What a program opens gets the lowest number that is free: of one that was started without stderr,
 * that of stderr. */
TEST(Run, SaysNothingIntoAFileThatHasTheNumberOfAStderrThatWasClosed)
{
    COIL_SKIP_IF_SIMULATED("a ring takes no descriptor");
    ChildOutcome outcome = run_in_child([] {
        for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
            close(fd);
        return run([] {
            int file = -1; /* a ring may have the numbers before */
            while (file < STDERR_FILENO)
                file = memfd_create("file", MFD_CLOEXEC);
            if (file > STDERR_FILENO)
                return -1;
            coil_topology_print();
            return int(lseek(file, 0, SEEK_END));
        });
    });
    EXPECT_EQ(0, outcome.result) << "bytes in the file";
}

TEST(RunStart, SaysWhyACoreCouldNotBeSetUp)
{
    COIL_SKIP_IF_SIMULATED("a ring takes no descriptor");
    log_lines.clear();
    DescriptorLimit limit(2);
    coil_options options = cores(4);
    options.log = take_log;
    EXPECT_EQ(-EMFILE, run([] { return 0; }, options));
    std::string text;
    for (const std::string &line : log_lines)
        text += line + "\n";
    EXPECT_NE(std::string::npos, text.find("likely cause: RLIMIT_NOFILE")) << text;
    EXPECT_NE(std::string::npos, text.find("remedy: ulimit -n")) << text;
}

size_t address_space()
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    EXPECT_EQ(1, fscanf(file, "%zu", &pages));
    fclose(file);
    return pages * 4096;
}

/* What RLIMIT_DATA limits. */
size_t private_memory()
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    EXPECT_EQ(1, fscanf(file, "%*u %*u %*u %*u %*u %zu", &pages));
    fclose(file);
    return pages * 4096;
}

bool is_in_last(const char *part)
{
    return !log_lines.empty() && log_lines.back().find(part) != std::string::npos;
}

/* In a child: the result of a run, if it has said that once, and what helps; else 1. */
int run_and_look_for(const char *cause, const char *remedy)
{
    coil_options options = cores(2);
    options.stall_ns = COIL_STALL_OFF;
    options.log = take_log;
    log_lines.clear();
    int result = run([] { return 0; }, options);
    int count = 0;
    for (const std::string &line : log_lines)
        count += line.find(cause) != std::string::npos && line.find(remedy) != std::string::npos;
    return count == 1 ? result : 1;
}

TEST(RunStart, SaysWhatElseACoreCouldNotHave)
{
    COIL_SKIP_IF_SIMULATED("there are other cores");
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer needs those calls as well";
    const struct {
        long call;
        int error;
        const char *cause, *remedy;
    } refusals[] = {
        {SYS_sigaltstack, EPERM, "can't have a stack for the handler of SIGSEGV", "seccomp"},
        {SYS_sigaltstack, EACCES, "can't have a stack for the handler of SIGSEGV", "seccomp"},
        {SYS_clone3, EACCES, "core 0: can't start its thread", "seccomp"},
        {SYS_clone3, EAGAIN, "core 0: can't start its thread", "ulimit -u, pids.max"},
    };
    for (const auto &refusal : refusals) {
        ChildOutcome outcome = run_in_child([&] {
            if (!deny_system_call(refusal.call, refusal.error))
                return 99;
            return run_and_look_for(refusal.cause, refusal.remedy);
        });
        if (outcome.result == 99)
            GTEST_SKIP() << "seccomp filters are forbidden here";
        EXPECT_EQ(-refusal.error, outcome.result) << refusal.cause;
    }
}

TEST(RunStart, SaysThatThereIsNoRoomForTheFirstStack)
{
    COIL_SKIP_IF_SIMULATED("there are other cores");
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer needs its address space";
    ChildOutcome outcome = run_in_child([] {
        EXPECT_EQ(0, run([] { return 0; })); /* glibc keeps the stack of the thread */
        rlimit limit = {address_space() + (size_t(30) << 20), RLIM_INFINITY};
        if (setrlimit(RLIMIT_AS, &limit) != 0)
            return -1;
        return run_and_look_for("no stack for fn of coil_run()", "ulimit -v");
    });
    EXPECT_EQ(-ENOMEM, outcome.result);
}

/* Whichever mapping fails: of a thread, a ring, a core, a stack for signals, or the first stack. */
TEST(RunStart, LeavesNothingBehindWhenAddressSpaceRunsOutAnywhere)
{
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer needs its address space";
    silent_run(4); /* glibc keeps the stacks of its threads */
    Census before = take_census();
    std::set<int> results;
    for (size_t spare = 0; spare < (size_t(110) << 20); spare += size_t(1) << 20) {
        ChildOutcome outcome = run_in_child([=] {
            rlimit limit = {address_space() + spare, RLIM_INFINITY};
            if (setrlimit(RLIMIT_AS, &limit) != 0)
                return -1;
            Census inside = take_census();
            int result = silent_run(4);
            limit.rlim_cur = RLIM_INFINITY;
            setrlimit(RLIMIT_AS, &limit);
            return compare_census(inside).empty() && silent_run(4) == 0 ? result : -1;
        });
        results.insert(outcome.result);
    }
    EXPECT_EQ(0u, results.count(-1)) << "something was left behind";
    EXPECT_EQ(1u, results.count(0)) << "what is enough, is to be seen too";
    EXPECT_EQ(1u, results.count(-ENOMEM));
    for (int result : results)
        EXPECT_TRUE(result == 0 || result == -ENOMEM || result == -EAGAIN) << result;
    EXPECT_EQ("", compare_census(before));
}

/* In a child, with so much more address space: 0 if the run succeeds, or the last line of the log
 * says why it failed and what helps. That another driver runs would be neither. */
int run_within(size_t spare, const coil_options &options)
{
    log_lines.clear();
    rlimit limit = {address_space() + spare, RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 1;
    bool failed = run([] { return 0; }, options) < 0;
    bool is_said = is_in_last("look at: ") || is_in_last("remedy: ");
    return failed && (!is_said || is_in_last("runs on poll")) ? 2 : 0;
}

/* The table of descriptors is the largest thing that a ring needs; its queues come after it. */
TEST(RunStart, SaysWhatHelpsWhereverAddressSpaceRunsOut)
{
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer needs its address space";
    constexpr size_t kTable = COIL__FDS_SIZE * sizeof(coil__fd);
    for (const char *ring : {"", "kernel", "poll"}) {
        coil_options options = cores(1);
        options.ring = ring;
        options.stall_ns = COIL_STALL_OFF;
        options.log = take_log;
        EXPECT_EQ(0, run([] { return 0; }, options)); /* glibc keeps the stacks of its threads */
        size_t step = size_t(2) << 20;
        for (size_t spare = 0; spare < kTable + (size_t(512) << 10); spare += step) {
            step = spare < kTable ? step : size_t(32) << 10;
            ChildOutcome outcome = run_in_child([&] { return run_within(spare, options); });
            EXPECT_EQ(0, outcome.result) << "ring " << ring << ", " << spare << " bytes";
        }
    }
}

/* The remedies for a lack of memory, whoever is left without, name each limit that may be it. */
TEST(RunStart, NamesTheLimitOfPrivateMemoryWhereverThatRunsOut)
{
    COIL_SKIP_IF_SIMULATED("the last line is another");
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer needs its memory";
    coil_options options = cores(2);
    options.stall_ns = COIL_STALL_OFF;
    options.log = take_log;
    int failed = 0;
    for (size_t spare : {2u, 20u, 40u}) {
        ChildOutcome outcome = run_in_child([&] {
            rlimit limit = {private_memory() + (spare << 20), RLIM_INFINITY};
            if (setrlimit(RLIMIT_DATA, &limit) != 0)
                return 1;
            log_lines.clear();
            int result = run([] { return 0; }, options);
            return result == 0 || is_in_last("ulimit -v and -d") ? result : 1;
        });
        EXPECT_GE(0, outcome.result) << spare << " MiB: " << outcome.log;
        failed += outcome.result < 0;
    }
    EXPECT_LE(1, failed);
}

TEST(Run, LeavesItToItsCallersThreadHowToEndAfterwards)
{
    for (auto coil_run_it : {coil_run, coil_run_attached}) {
        std::thread caller([=] {
            coil_options options = cores(2);
            EXPECT_EQ(5, coil_run_it(
                             &options, [](void *) { return 5; }, nullptr));
            pthread_exit(nullptr);
        });
        caller.join();
    }
}

/* Each system call of a start, refused to the child. */
TEST(RunStart, LeavesNothingBehindWhenASystemCallIsForbidden)
{
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer makes these system calls too";
    struct Refusal {
        long number;
        int error;
        int expected;
    };
    for (Refusal refusal : {
             Refusal{SYS_io_uring_setup, EPERM, -EPERM},
             Refusal{SYS_io_uring_setup, ENOSYS, -ENOSYS},
             Refusal{SYS_io_uring_setup, ENOMEM, -ENOMEM},
             Refusal{SYS_sigaltstack, EPERM, -EPERM},
         }) {
        ChildOutcome outcome = run_in_child([=] {
            if (!deny_system_call(refusal.number, refusal.error))
                return 1;
            Census inside = take_census();
            int result = silent_run(3, "kernel");
            return compare_census(inside).empty() ? result : 2;
        });
        EXPECT_EQ(refusal.expected, outcome.result) << refusal.number << " " << refusal.error;
    }
}

TEST(RunStart, ReturnsTheErrorOfAThreadThatCannotStart)
{
    COIL_SKIP_IF_SIMULATED("all cores are on one thread");
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer has threads of its own";
    ChildOutcome outcome = run_in_child([] {
        if (!deny_system_call(SYS_clone3, EAGAIN) || !deny_system_call(SYS_clone, EAGAIN))
            return 1;
        Census inside = take_census();
        int result = silent_run(3);
        return compare_census(inside).empty() ? result : 2;
    });
    EXPECT_EQ(-EAGAIN, outcome.result);
}

struct RunDeathTest : testing::Test {
    RunDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

TEST_F(RunDeathTest, StopsARunWithinARun)
{
    EXPECT_DEATH(_exit(run([] { return run([] { return 0; }); })),
                 "coil_run: called from a coroutine; in coroutine fn of coil_run");
}

TEST_F(RunDeathTest, StopsQuestionsAboutCoresOutside)
{
    EXPECT_DEATH(coil_core_count(), "coil_core_count: called outside coil_run");
    EXPECT_DEATH(coil_core_self(), "coil_core_self: called outside coil_run");
}

} // namespace
