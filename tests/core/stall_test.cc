/* SPDX-License-Identifier: MIT */
/* Stalls that are injected, each until it is noticed: so that a slow machine makes no difference.
 */
#include "support/running.h"
#include "support/sandbox.h"
#include "support/sanitizer.h"

extern "C" {
#include "core/stall.h"
}

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <sched.h>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace coil_test;

namespace {

std::mutex lock;
std::vector<std::string> lines;

void take_line(const char *line)
{
    std::lock_guard<std::mutex> guard(lock);
    lines.push_back(line);
}

coil_options watched(int64_t limit, unsigned core_count = 1)
{
    coil_options options = cores(core_count);
    options.stall_ns = limit;
    options.log = take_line;
    return options;
}

size_t count_lines(const std::string &part)
{
    std::lock_guard<std::mutex> guard(lock);
    return size_t(std::count_if(lines.begin(), lines.end(), [&](const std::string &line) {
        return line.find(part) != std::string::npos;
    }));
}

constexpr int64_t kLimit = 5 * COIL_MSEC;
constexpr coil_time kPatience = 60 * COIL_SEC;

/* Keeps the core until that is noticed. */
__attribute__((noinline)) void stall()
{
    uint32_t before = coil__stall_count();
    coil_time give_up = coil_after(kPatience);
    while (coil__stall_count() == before && coil_now() < give_up) {
        for (volatile int i = 0; i < 10000; i = i + 1)
            ;
    }
}

/* By another thread than the one that is stalled. */
void wait_for_count(uint32_t count)
{
    coil_time give_up = coil_after(kPatience);
    while (coil__stall_count() < count && coil_now() < give_up)
        sched_yield();
}

/* Keeps the core for that long. */
void compute(int64_t span)
{
    coil_time end = coil_after(span);
    while (coil_now() < end)
        ;
}

/* Without addr2line, which takes its time for each line, where a test doesn't read them. */
struct Stall : testing::Test {
    std::string path = getenv("PATH");
    uint32_t before = coil__stall_count();

    Stall()
    {
        lines.clear();
        setenv("PATH", "/nonexistent", 1);
    }
    ~Stall() override { use_addr2line(); }

    void SetUp() override { COIL_SKIP_IF_SIMULATED("a stall is a matter of real time"); }

    void use_addr2line() { setenv("PATH", path.c_str(), 1); }
};

TEST_F(Stall, IsReportedWithNameAndQueueAndBacktrace)
{
    use_addr2line();
    EXPECT_EQ(0, run(
                     [] {
                         coil_queue queue = {};
                         EXPECT_EQ(0, coil_queue_create(&queue, "batch", 100, 0));
                         Body body = [] {
                             coil_task_rename("the guilty one");
                             stall();
                             return 0;
                         };
                         COIL_SCOPE(scope, COIL_FOREVER);
                         EXPECT_EQ(0, coil_spawn_in(&scope, queue, call_body, &body));
                         return coil_scope_close(&scope, 0);
                     },
                     watched(kLimit)));
    if (kThreadSanitizer)
        GTEST_SKIP() << "ThreadSanitizer holds signals back";
    ASSERT_FALSE(lines.empty());
    EXPECT_EQ("coil: stall: the guilty one (queue batch) keeps core 0 for 5 ms and more, at",
              lines[0]);
    ASSERT_GE(lines.size(), 4u);
    /* Its line, or, where no addr2line is, the place in the program to ask it for. */
    size_t own = count_lines("stall_test.cc:") + count_lines("coil_core_tests+0x");
    EXPECT_GE(own, 2u) << lines[1];
}

TEST_F(Stall, InAGeneratorIsReportedWithWhereItIs)
{
    EXPECT_EQ(0, run(
                     [] {
                         auto body = [](coil_gen *gen, void *) {
                             stall();
                             return coil_gen_yield(gen, gen, nullptr);
                         };
                         COIL_GEN(gen, body, nullptr);
                         EXPECT_NE(nullptr, coil_gen_next(&gen));
                         return 0;
                     },
                     watched(kLimit)));
    if (kThreadSanitizer)
        GTEST_SKIP() << "ThreadSanitizer holds signals back";
    EXPECT_EQ(1u, count_lines("stall: fn of coil_run() (queue default) keeps core 0"));
    EXPECT_EQ(1u, count_lines(", in generator body ("));
    EXPECT_GE(count_lines("stall_test.cc:") + count_lines("coil_core_tests+0x"), 2u);
}

/* Without the tables by which stacks are unwound; but it has a frame. Returns once *done is set. */
extern "C" void spin_until(const int *done);
#if defined(__x86_64__)
asm(".text\n.type spin_until, @function\nspin_until:\n\t"
    "push %rbp\n\tmov %rsp, %rbp\n"
    "1:\tpause\n\tcmpl $0, (%rdi)\n\tje 1b\n\t"
    "pop %rbp\n\tret\n.size spin_until, . - spin_until\n");
#elif defined(__aarch64__)
asm(".text\n.type spin_until, %function\nspin_until:\n\t"
    "stp x29, x30, [sp, #-16]!\n\tmov x29, sp\n"
    "1:\tyield\n\tldr w1, [x0]\n\tcbz w1, 1b\n\t"
    "ldp x29, x30, [sp], #16\n\tret\n.size spin_until, . - spin_until\n");
#endif

TEST_F(Stall, InAFunctionWithoutTablesIsReportedWithThoseThatCalledIt)
{
    int done = 0;
    std::thread helper([&] {
        wait_for_count(before + 1);
        __atomic_store_n(&done, 1, __ATOMIC_RELAXED);
    });
    EXPECT_EQ(0, run(
                     [&] {
                         spin_until(&done);
                         return 0;
                     },
                     watched(kLimit)));
    helper.join();
    if (kThreadSanitizer)
        GTEST_SKIP() << "ThreadSanitizer holds signals back";
    EXPECT_EQ(1u, count_lines("stall: fn of coil_run() (queue default) keeps core 0"));
    EXPECT_GE(count_lines("coil_core_tests+0x"), 4u) << "it, the lambda, call_body(), the entry";
}

TEST_F(Stall, IsReportedOnceHoweverLongItIs)
{
    EXPECT_EQ(0, run(
                     [] {
                         stall();
                         compute(5 * kLimit);
                         return 0;
                     },
                     watched(kLimit)));
    EXPECT_EQ(before + 1, coil__stall_count());
    EXPECT_EQ(1u, count_lines("keep"));
}

TEST_F(Stall, IsReportedUpToTheLimitAndTheRestIsCounted)
{
    if (kThreadSanitizer)
        GTEST_SKIP() << "addr2line takes seconds for each line of this program";
    EXPECT_EQ(0, run(
                     [] {
                         for (int i = 0; i < 10; i++) {
                             stall();
                             give_way();
                         }
                         return 0;
                     },
                     watched(kLimit)));
    EXPECT_EQ(before + 10, coil__stall_count());
    EXPECT_EQ(5u, count_lines("keep"));
    EXPECT_EQ(1u, count_lines("coil: stall: 5 more were not reported"));
}

TEST_F(Stall, IsNoticedOnEveryCore)
{
    EXPECT_EQ(0, run(
                     [] {
                         for (unsigned core = 0; core < 3; core++) {
                             EXPECT_EQ(0, call(core, [] {
                                           stall();
                                           return 0;
                                       }));
                         }
                         return 0;
                     },
                     watched(kLimit, 3)));
    EXPECT_EQ(before + 3, coil__stall_count());
    for (const char *core : {"core 0", "core 1", "core 2"})
        EXPECT_EQ(1u, count_lines(core));
}

/* Long enough that a machine which takes the CPU away without saying so is not taken for one. */
constexpr int64_t kGenerous = 100 * COIL_MSEC;

TEST_F(Stall, IsNotSeenInCoroutinesThatComputeAndYield)
{
    for (int count : {1, 3}) {
        EXPECT_EQ(0, run(
                         [=] {
                             Children children;
                             coil_time end = coil_after(4 * kGenerous);
                             COIL_SCOPE(scope, COIL_FOREVER);
                             for (int i = 0; i < count; i++) {
                                 children.start(scope, [=] {
                                     while (coil_now() < end) {
                                         compute(COIL_MSEC);
                                         give_way();
                                     }
                                     return 0;
                                 });
                             }
                             return coil_scope_close(&scope, 0);
                         },
                         watched(kGenerous)));
    }
    EXPECT_EQ(before, coil__stall_count());
    EXPECT_EQ(std::vector<std::string>(), lines);
}

/* It runs with the same budget each time: that of a turn that has just begun. */
TEST_F(Stall, IsNotSeenInACoroutineThatIsAloneInEveryTurn)
{
    EXPECT_EQ(0, run(
                     [] {
                         coil_time end = coil_after(4 * kGenerous);
                         while (coil_now() < end) {
                             compute(COIL_MSEC);
                             EXPECT_EQ(0, coil_sleep(1));
                         }
                         return 0;
                     },
                     watched(kGenerous)));
    EXPECT_EQ(before, coil__stall_count());
    EXPECT_EQ(std::vector<std::string>(), lines);
}

TEST_F(Stall, IsNotSeenInManyShortCoroutinesOfSeveralQueues)
{
    EXPECT_EQ(0, run(
                     [] {
                         coil_queue queue = {};
                         EXPECT_EQ(0, coil_queue_create(&queue, "batch", 100, 0));
                         Body body = [] {
                             compute(200 * COIL_USEC);
                             return 0;
                         };
                         COIL_SCOPE(scope, COIL_FOREVER);
                         for (int i = 0; i < 2000; i++) {
                             EXPECT_EQ(0, coil_spawn_in(&scope, i % 2 ? queue : coil_queue{},
                                                        call_body, &body));
                             if (i % 100 == 99)
                                 give_way(); /* to ThreadSanitizer each is a thread to be made */
                         }
                         return coil_scope_close(&scope, 0);
                     },
                     watched(kGenerous)));
    EXPECT_EQ(before, coil__stall_count());
    EXPECT_EQ(std::vector<std::string>(), lines);
}

/* Reads what the other end writes as soon as a stall was noticed. */
constexpr int kReadLine = __LINE__ + 10;
__attribute__((noinline)) ssize_t read_until_noticed(uint32_t before)
{
    int ends[2];
    EXPECT_EQ(0, pipe(ends));
    std::thread writer([=] {
        wait_for_count(before + 1);
        EXPECT_EQ(1, write(ends[1], "", 1));
    });
    char byte;
    ssize_t result = read(ends[0], &byte, 1);
    writer.join();
    close(ends[0]);
    close(ends[1]);
    return result;
}

TEST_F(Stall, InASystemCallIsReportedWithTheLineThatMadeIt)
{
    use_addr2line();
    EXPECT_EQ(0, run(
                     [] {
                         coil_task_rename("the reader");
                         EXPECT_EQ(1, read_until_noticed(coil__stall_count()));
                         return 0;
                     },
                     watched(kLimit)));
    EXPECT_EQ(before + 1, coil__stall_count());
    if (kThreadSanitizer)
        GTEST_SKIP() << "the first frames are its own";
    ASSERT_GE(lines.size(), 3u);
    EXPECT_EQ("coil: stall: the reader (queue default) keeps core 0 for 5 ms and more, blocked in "
              "a system call, at",
              lines[0]);
    EXPECT_EQ(1u, count_lines("stall_test.cc:" + std::to_string(kReadLine)));
}

/* Each until it is noticed, by one call after another: no signal ends them for good. */
TEST_F(Stall, InSystemCallsIsReportedUpToTheLimitAndTheRestIsCounted)
{
    if (kThreadSanitizer)
        GTEST_SKIP() << "addr2line takes seconds for each line of this program";
    EXPECT_EQ(0, run(
                     [] {
                         for (int i = 0; i < 10; i++) {
                             uint32_t already = coil__stall_count();
                             const timespec span = {0, 300 * COIL_MSEC};
                             coil_time give_up = coil_after(kPatience);
                             while (coil__stall_count() == already && coil_now() < give_up)
                                 nanosleep(&span, nullptr);
                             give_way();
                         }
                         return 0;
                     },
                     watched(kLimit)));
    EXPECT_EQ(before + 10, coil__stall_count());
    EXPECT_EQ(5u, count_lines("keep"));
    EXPECT_EQ(1u, count_lines("coil: stall: 5 more were not reported"));
}

TEST_F(Stall, IsNotSeenInACoroutineThatBlocksForShortAndYields)
{
    EXPECT_EQ(0, run(
                     [] {
                         const timespec span = {0, COIL_MSEC};
                         coil_time end = coil_after(4 * kGenerous);
                         while (coil_now() < end) {
                             EXPECT_EQ(0, nanosleep(&span, nullptr));
                             give_way();
                         }
                         return 0;
                     },
                     watched(kGenerous)));
    EXPECT_EQ(before, coil__stall_count());
    EXPECT_EQ(std::vector<std::string>(), lines);
}

TEST_F(Stall, IsNotSeenWhileTheLoopSleeps)
{
    EXPECT_EQ(0, run([] { return coil_sleep(8 * kLimit); }, watched(kLimit)));
    EXPECT_EQ(before, coil__stall_count());
    EXPECT_EQ(std::vector<std::string>(), lines);
}

int64_t cpu_ns_here()
{
    timespec used;
    EXPECT_EQ(0, clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used));
    return used.tv_sec * COIL_SEC + used.tv_nsec;
}

/* Takes all of the CPUs where the caller may run that others do not take. */
class Hog {
public:
    Hog()
        : thread_([this] {
              for (volatile unsigned i = 0; !stop_; i = i + 1) {
              }
          })
    {}
    ~Hog()
    {
        stop_ = true;
        thread_.join();
    }

private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

TEST_F(Stall, IsNotSeenWhileOthersHaveTheCpu)
{
    cpu_set_t allowed;
    ASSERT_EQ(0, sched_getaffinity(0, sizeof(allowed), &allowed));
    int cpu = 0;
    while (!CPU_ISSET(cpu, &allowed))
        cpu++;
    std::string cpus = std::to_string(cpu);
    coil_options options = watched(kGenerous);
    options.cpus = cpus.c_str();
    EXPECT_EQ(0, run(
                     [] {
                         Hog hog; /* pinned like this core */
                         const sched_param none = {};
                         EXPECT_EQ(0, sched_setscheduler(0, SCHED_IDLE, &none));
                         give_way();
                         int64_t used = cpu_ns_here();
                         compute(3 * kGenerous);
                         used = cpu_ns_here() - used;
                         EXPECT_LT(used, kGenerous / 2);
                         return 0;
                     },
                     options));
    EXPECT_EQ(before, coil__stall_count());
    EXPECT_EQ(std::vector<std::string>(), lines);
}

/* Room for a wait that the watcher sees several times before it would be a stall. */
constexpr int64_t kRoomy = 200 * COIL_MSEC;

/* What stopping such a child for three limits leads to. `awake_ns` becomes the time for which it
 * waited there without being stopped, at most. Returns how many stalls it noticed. */
int stop_a_reader(uint32_t before, int64_t *awake_ns)
{
    int to_child[2], to_parent[2];
    EXPECT_EQ(0, pipe(to_child));
    EXPECT_EQ(0, pipe(to_parent));
    pid_t child = fork();
    if (child == 0) {
        _exit(run(
            [&] {
                char byte = 0;
                if (write(to_parent[1], &byte, 1) != 1 || read(to_child[0], &byte, 1) != 1)
                    return -1;
                return int(coil__stall_count() - before);
            },
            watched(kRoomy)));
    }
    const timespec looks = {0, long(kRoomy * 3 / 8)}, limits = {0, long(3 * kRoomy)};
    const timespec moment = {0, long(kRoomy / 16)};
    char byte = 0;
    int status;
    EXPECT_EQ(1, read(to_parent[0], &byte, 1));
    coil_time begun = coil_now();
    nanosleep(&looks, nullptr); /* the watcher has seen it by then */
    EXPECT_EQ(0, kill(child, SIGSTOP));
    EXPECT_EQ(child, waitpid(child, &status, WUNTRACED));
    *awake_ns = coil_now() - begun;
    nanosleep(&limits, nullptr);
    begun = coil_now();
    EXPECT_EQ(0, kill(child, SIGCONT));
    nanosleep(&moment, nullptr); /* it looks as soon as it goes on */
    EXPECT_EQ(1, write(to_child[1], &byte, 1));
    EXPECT_EQ(child, waitpid(child, &status, 0));
    *awake_ns += coil_now() - begun;
    for (int end : {to_child[0], to_child[1], to_parent[0], to_parent[1]})
        close(end);
    return WIFEXITED(status) ? int8_t(WEXITSTATUS(status)) : -1;
}

/* Asleep in a system call: for who computes, the clock of his thread's time stands still. */
TEST_F(Stall, IsNotSeenWhileTheProgramIsStopped)
{
    int good = 0;
    for (int round = 0; round < 12 && good < 3; round++) {
        int64_t awake_ns = 0;
        int stalls = stop_a_reader(before, &awake_ns);
        ASSERT_GE(stalls, 0);
        if (awake_ns > kRoomy * 3 / 4) /* others had the CPUs */
            continue;
        EXPECT_EQ(0, stalls);
        good++;
    }
    if (good == 0)
        GTEST_SKIP() << "the machine is too busy to tell";
}

TEST_F(Stall, IsOfNoInterestWhenTurnedOff)
{
    EXPECT_EQ(0, run(
                     [] {
                         compute(50 * COIL_MSEC);
                         return 0;
                     },
                     watched(COIL_STALL_OFF)));
    EXPECT_EQ(before, coil__stall_count());
}

TEST_F(Stall, IsNotWatchedForWhereThatIsForbiddenWhichIsSaid)
{
    ChildOutcome outcome = run_in_child([&] {
        if (!deny_system_call(SYS_process_vm_readv, EPERM))
            return 99;
        EXPECT_EQ(0, run(
                         [] {
                             compute(4 * kLimit);
                             return 0;
                         },
                         watched(kLimit)));
        size_t said = count_lines("stalls are not watched for: process_vm_readv() of our own "
                                  "memory is refused (Operation not permitted)");
        return said == 1 && coil__stall_count() == before ? 0 : 1;
    });
    if (outcome.result == 99)
        GTEST_SKIP() << "seccomp filters are forbidden here";
    EXPECT_EQ(0, outcome.result);
}

/* While it lives, this thread and those that it starts take no signal. */
class Deafness {
public:
    Deafness()
    {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~Deafness() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_;
};

int stall_here()
{
    stall();
    return 0;
}

TEST_F(Stall, SaysWhereThoughTheProgramHasBlockedAllSignals)
{
    Deafness deafness;
    EXPECT_EQ(0, run(stall_here, watched(kLimit)));
    if (kThreadSanitizer)
        GTEST_SKIP() << "ThreadSanitizer holds signals back";
    EXPECT_EQ(1u, count_lines("stall: fn of coil_run() (queue default) keeps core 0"));
}

/* Whose mask is his own: he can't be asked, but others can. */
TEST_F(Stall, OfAThreadThatIsAttachedAndBlocksSignalsLeavesOthersTheirAnswer)
{
    Deafness deafness;
    Body body = [] {
        stall();
        return call(1, stall_here);
    };
    coil_options options = watched(kLimit, 2);
    EXPECT_EQ(0, coil_run_attached(&options, call_body, &body));
    if (kThreadSanitizer)
        GTEST_SKIP() << "ThreadSanitizer holds signals back";
    EXPECT_EQ(1u, count_lines("keeps core 0 for 5 ms and more, and doesn't say where"));
    EXPECT_EQ(1u, count_lines("(queue default) keeps core 1"));
}

/* Then a signal comes without saying from whom. */
TEST_F(Stall, SaysWhereThoughNoSignalMayBeQueued)
{
    rlimit usual;
    ASSERT_EQ(0, getrlimit(RLIMIT_SIGPENDING, &usual));
    const rlimit none = {0, usual.rlim_max};
    ASSERT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &none));
    EXPECT_EQ(0, run(stall_here, watched(kLimit)));
    EXPECT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &usual));
    if (kThreadSanitizer)
        GTEST_SKIP() << "ThreadSanitizer holds signals back";
    EXPECT_EQ(1u, count_lines("stall: fn of coil_run() (queue default) keeps core 0"));
}

TEST_F(Stall, SaysWhereThoughTheProgramWasStartedWithTheSignalIgnored)
{
    signal(SIGURG, SIG_IGN);
    EXPECT_EQ(0, run(stall_here, watched(kLimit)));
    EXPECT_EQ(SIG_IGN, signal(SIGURG, SIG_DFL)) << "as it was";
    if (kThreadSanitizer)
        GTEST_SKIP() << "ThreadSanitizer holds signals back";
    EXPECT_EQ(1u, count_lines("stall: fn of coil_run() (queue default) keeps core 0"));
}

void own_handler(int) {}

TEST_F(Stall, LeavesAHandlerOfTheProgramAlone)
{
    signal(SIGURG, own_handler);
    EXPECT_EQ(0, run(
                     [] {
                         stall();
                         return 0;
                     },
                     watched(kLimit)));
    EXPECT_EQ(own_handler, signal(SIGURG, SIG_DFL));
    EXPECT_EQ(1u, count_lines("doesn't say where"));
    EXPECT_EQ(0, run([] { return 0; }, watched(kLimit)));
    EXPECT_EQ(SIG_DFL, signal(SIGURG, SIG_DFL)) << "what coil installed is gone with its run";
}

} // namespace
