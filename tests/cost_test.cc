/* SPDX-License-Identifier: MIT */
/* What an operation may cost: no heap, no lock and no atomic, and one system call for each turn. */
#include "ops/sockets.h"
#include "support/process.h"
#include "support/running.h"
#include "support/sanitizer.h"

#include <coil/chan.h>
extern "C" {
#include "coro/quarantine.h"
}

#include <coil/fd.h>
#include <coil/net.h>
#include <coil/receiver.h>
#include <coil/sync.h>
#include <map>
#include <sstream>
#include <vector>

namespace {

using namespace coil_test;

thread_local bool counting;
thread_local long heap_calls;

} // namespace

#ifndef COIL_TEST_SANITIZED
/* Counts for this program and the archive in it; glibc's own functions do the work. */
extern "C" {
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

void *malloc(size_t size)
{
    heap_calls += counting;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    heap_calls += counting;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    heap_calls += counting;
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    heap_calls += counting;
    return __libc_memalign(alignment, size);
}

void free(void *memory)
{
    heap_calls += counting;
    __libc_free(memory);
}
}
#endif

namespace {

/* A thing to do many times, which sets up what it needs when it is made. */
struct Work {
    virtual ~Work() = default;
    virtual void do_once() = 0;
};

struct Nops : Work {
    void do_once() override { EXPECT_EQ(0, coil_nop()); }
};

struct PipeBytes : Work {
    Pair pipe = make_pipe();
    char bytes[64] = {};
    void do_once() override
    {
        EXPECT_EQ(64, coil_write(pipe.right, bytes, 64));
        EXPECT_EQ(64, coil_read(pipe.left, bytes, 64));
    }
};

/* The same through a socket that coil has made: a datagram's to itself. */
struct SocketBytes : Work {
    Fd socket{coil_socket(AF_INET, SOCK_DGRAM, 0)};
    char bytes[64] = {};

    SocketBytes()
    {
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        auto *any = reinterpret_cast<sockaddr *>(&address);
        EXPECT_EQ(0, bind(socket, any, size));
        EXPECT_EQ(0, getsockname(socket, any, &size));
        EXPECT_EQ(0, connect(socket, any, size));
    }
    ~SocketBytes() override { coil_close(socket.release()); }
    void do_once() override
    {
        EXPECT_EQ(64, coil_write(socket, bytes, 64));
        EXPECT_EQ(64, coil_read(socket, bytes, 64));
    }
};

/* A server's side of an echo, and a client's. */
struct Messages : Work {
    Pair pair = make_tcp_pair();
    coil_receiver receiver = {};
    char bytes[64] = {};

    Messages() { coil_receiver_open(&receiver, pair.left); }
    ~Messages() override { coil_receiver_close(&receiver); }
    void do_once() override
    {
        void *data;
        EXPECT_EQ(64, coil_send(pair.right, bytes, 64, 0));
        EXPECT_EQ(64, coil_receiver_next(&receiver, &data));
        EXPECT_EQ(0, coil_receiver_reply(&receiver, data, 64));
        EXPECT_EQ(64, coil_recv(pair.right, bytes, 64, 0));
    }
};

int do_nothing(void *)
{
    return 0;
}

struct Spawns : Work {
    void do_once() override
    {
        COIL_SCOPE(scope, COIL_FOREVER);
        EXPECT_EQ(0, coil_spawn(&scope, do_nothing, nullptr));
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
    }
};

struct Sleeps : Work {
    void do_once() override { EXPECT_EQ(0, coil_sleep(COIL_USEC)); }
};

struct Deadlines : Work {
    void do_once() override
    {
        COIL_SCOPE(scope, coil_after(COIL_SEC));
        EXPECT_EQ(0, coil_scope_close(&scope, coil_nop()));
    }
};

/* What the time limits of requests that end in time do, beside others that go on. */
struct Limits : Work {
    coil_future others[64] = {};

    Limits()
    {
        for (coil_future &other : others)
            coil_sleep_start(&other, 3600 * COIL_SEC);
    }
    ~Limits() override
    {
        for (coil_future &other : others)
            coil_future_drop(&other);
    }
    void do_once() override
    {
        COIL_FUTURE(limit);
        coil_sleep_start(&limit, 60 * COIL_SEC);
        coil_future_cancel(&limit);
        EXPECT_EQ(-ECANCELED, coil_await(&limit));
        COIL_SCOPE(scope, coil_after(COIL_SEC));
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
    }
};

/* Two coroutines that take turns with a mutex, and pass a value through a channel without slots. */
struct Handovers : Work {
    coil_mutex mutex = {};
    coil_chan chan;
    Body body = [this] {
        int value = 0;
        EXPECT_EQ(0, coil_mutex_lock(&mutex));
        EXPECT_EQ(0, coil_yield());
        coil_mutex_unlock(&mutex);
        return coil_chan_send(&chan, &value);
    };

    Handovers() { coil_chan_init(&chan, nullptr, sizeof(int), 0); }
    void do_once() override
    {
        int value;
        COIL_SCOPE(scope, COIL_FOREVER);
        spawn(&scope, body);
        EXPECT_EQ(0, coil_yield());
        EXPECT_EQ(0, coil_mutex_lock(&mutex));
        coil_mutex_unlock(&mutex);
        EXPECT_EQ(0, coil_chan_recv(&chan, &value));
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
    }
};

template <typename W> void expect_no_heap()
{
    if (kSanitized)
        GTEST_SKIP() << "sanitizers have a heap of their own";
    long calls = -1;
    EXPECT_EQ(0, run([&] {
                  W work;
                  for (int i = 0; i < 1000; i++)
                      work.do_once();
                  heap_calls = 0; /* of this thread, which is not the test's */
                  counting = true;
                  for (int i = 0; i < 10'000; i++)
                      work.do_once();
                  counting = false;
                  calls = heap_calls;
                  return 0;
              }));
    EXPECT_EQ(0, calls);
}

TEST(Cost, TheHeapIsCounted)
{
    if (kSanitized)
        GTEST_SKIP() << "sanitizers have a heap of their own";
    heap_calls = 0;
    counting = true;
    void *volatile memory = malloc(1000);
    free(memory);
    counting = false;
    EXPECT_EQ(2, heap_calls);
}

TEST(Cost, ANopNeedsNoHeap)
{
    expect_no_heap<Nops>();
}

TEST(Cost, BytesThroughAPipeNeedNoHeap)
{
    expect_no_heap<PipeBytes>();
}

TEST(Cost, AnEchoedMessageNeedsNoHeap)
{
    expect_no_heap<Messages>();
}

TEST(Cost, ACoroutineNeedsNoHeapWhenOneHasEndedBefore)
{
    expect_no_heap<Spawns>();
}

TEST(Cost, ASleepNeedsNoHeap)
{
    expect_no_heap<Sleeps>();
}

TEST(Cost, ADeadlineNeedsNoHeap)
{
    expect_no_heap<Deadlines>();
}

TEST(Cost, ATimerThatIsArmedAndCancelledNeedsNoHeap)
{
    expect_no_heap<Limits>();
}

TEST(Cost, LocksAndChannelsNeedNoHeap)
{
    expect_no_heap<Handovers>();
}

/* The programs that are looked at through strace. How often they work is in the environment. */

constexpr const char *kCountName = "COIL_TEST_COST_COUNT";

int count_of_program()
{
    const char *text = getenv(kCountName);
    return text != nullptr ? atoi(text) : 10;
}

template <typename W> void work_in_coroutines(int coroutines)
{
    coil_options options = cores(1);
    options.spin_ns = COIL_SPIN_OFF; /* looking out enters on its own account */
    EXPECT_EQ(0, run(
                     [=] {
                         const Body body = [] {
                             W work;
                             for (int i = 0; i < count_of_program(); i++)
                                 work.do_once();
                             return 0;
                         };
                         COIL_SCOPE(scope, COIL_FOREVER);
                         for (int i = 0; i < coroutines; i++)
                             spawn(&scope, body);
                         return coil_scope_close(&scope, 0);
                     },
                     options));
}

TEST(CostProgram, OneCoroutineWithNops)
{
    work_in_coroutines<Nops>(1);
}

TEST(CostProgram, ThirtyTwoCoroutinesWithNops)
{
    work_in_coroutines<Nops>(32);
}

TEST(CostProgram, OneCoroutineWithAPipe)
{
    work_in_coroutines<PipeBytes>(1);
}

TEST(CostProgram, OneCoroutineWithASocket)
{
    work_in_coroutines<SocketBytes>(1);
}

TEST(CostProgram, OneCoroutineThatSpawns)
{
    work_in_coroutines<Spawns>(1);
}

TEST(CostProgram, OneCoroutineWithLimits)
{
    work_in_coroutines<Limits>(1);
}

/* How often each system call was made, by the table of strace -c. */
using Calls = std::map<std::string, long>;

Calls parse_strace(const std::string &table)
{
    Calls calls;
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::vector<std::string> row;
        for (std::string word; words >> word;)
            row.push_back(word);
        bool is_call = row.size() >= 5 && isdigit(row[0][0]) && row.back() != "total";
        if (is_call)
            calls[row.back()] = atol(row[3].c_str());
    }
    return calls;
}

Calls trace(const std::string &program, int count)
{
    TempDir dir;
    std::string table = dir.path("table");
    Outcome outcome =
        run_shell("COIL_RING=kernel " + std::string(kCountName) + "=" + std::to_string(count) +
                  " strace -f -c -o " + quote(table) + " /proc/" + std::to_string(getpid()) +
                  "/exe --gtest_filter=CostProgram." + program);
    return outcome.status == 0 ? parse_strace(read_file(table)) : Calls{};
}

constexpr int kMoreWork = 2000;

/* What kMoreWork more rounds cost in calls, so that start and end don't count. */
Calls calls_of_more_work(const std::string &program)
{
    Calls few = trace(program, 100), many = trace(program, 100 + kMoreWork), more;
    for (const auto &[name, calls] : many)
        more[name] = calls - few[name];
    return more;
}

/* `seeks`: of how many operations it is asked whether they move a position. */
void expect_enters_only(const std::string &program, double enters_per_round, int seeks = 0)
{
    if (COIL_TEST_INSTRUMENTED)
        GTEST_SKIP() << "what instruments a program makes calls of its own";
    if (run_shell("strace -f -c -o /dev/null true").status != 0)
        GTEST_SKIP() << "strace is missing, or may not trace here";
    Calls more = calls_of_more_work(program);
    EXPECT_FALSE(more.empty());
    if (COIL__QUARANTINE_IS_ON)
        more.erase("mprotect"); /* of the stacks that only debug builds keep out of reach */
    for (const auto &[name, calls] : more) {
        double most = name == "io_uring_enter" ? enters_per_round * kMoreWork * 1.02 + 20
                      : name == "lseek"        ? seeks * kMoreWork + 20
                                               : 20;
        EXPECT_LE(double(calls), most) << name;
    }
}

TEST(Cost, ANopAloneIsOneSystemCall)
{
    expect_enters_only("OneCoroutineWithNops", 1);
}

TEST(Cost, ThirtyTwoNopsOfATurnAreOneSystemCall)
{
    expect_enters_only("ThirtyTwoCoroutinesWithNops", 1);
}

TEST(Cost, AWriteAndAReadAreTwoSystemCalls)
{
    expect_enters_only("OneCoroutineWithASocket", 2);
}

TEST(Cost, WhatMayHaveAPositionIsAskedForItOnce)
{
    expect_enters_only("OneCoroutineWithAPipe", 2, 2);
}

TEST(Cost, SpawningIsNone)
{
    expect_enters_only("OneCoroutineThatSpawns", 0);
}

TEST(Cost, ArmingAndCancellingATimerIsNone)
{
    expect_enters_only("OneCoroutineWithLimits", 0);
}

/* The files of the archive that an operation passes through, and what none may contain. */

std::string find_atomics(const std::string &disassembly)
{
    std::istringstream lines(disassembly);
    std::string found;
    for (std::string line; std::getline(lines, line);) {
        bool is_lock =
            line.find("\tlock ") != std::string::npos || line.find("\tmfence") != std::string::npos;
        bool is_xchg =
            line.find("\txchg ") != std::string::npos && line.find('(') != std::string::npos;
        if (is_lock || is_xchg)
            found += line + "\n";
    }
    return found;
}

#if defined(__x86_64__)
TEST(Cost, NoAtomicIsOnThePathOfAnOperation)
{
    if (COIL_TEST_INSTRUMENTED)
        GTEST_SKIP() << "what instruments a program counts atomically";
    TempDir dir;
    std::string archive = quote(COIL_TEST_LIBRARY);
    Outcome names = run_shell("cd " + quote(dir.path()) + " && ar x " + archive + " && ls");
    ASSERT_EQ(0, names.status) << names.output;
    for (const char *file :
         {"acceptor", "fd",     "file",  "net",    "receiver",   "future",  "scope",
          "sleep",    "timers", "ring",  "kernel", "core",       "buffers", "task",
          "mutex",    "rwlock", "sem",   "cond",   "event",      "barrier", "wait_group",
          "once",     "chan",   "fds",   "fixed",  "registered", "memory",  "send_zc",
          "race",     "child",  "queue", "stack",  "gen"}) {
        Outcome code = run_shell("objdump -d " + quote(dir.path(std::string(file) + ".c.o")));
        EXPECT_EQ(0, code.status) << code.output;
        EXPECT_EQ("", find_atomics(code.output)) << file << ".c";
    }
}
#endif

TEST(Cost, AtomicsAreFound)
{
    EXPECT_EQ("", find_atomics("  1:\t90\tnop\n  2:\t66 90\txchg   %ax,%ax\n"));
    EXPECT_NE("", find_atomics("  1:\tf0 ff 07\tlock incl (%rdi)\n"));
    EXPECT_NE("", find_atomics("  1:\t87 07\txchg   %eax,(%rdi)\n"));
    EXPECT_NE("", find_atomics("  1:\t0f ae f0\tmfence\n"));
}

TEST(Cost, TheTableOfStraceIsRead)
{
    Calls calls = parse_strace("% time     seconds  usecs/call     calls    errors syscall\n"
                               "------ ----------- ----------- --------- --------- ------\n"
                               " 97.56    0.017713           8      2114           io_uring_enter\n"
                               "  0.99    0.000179           6        26         3 openat\n"
                               "100.00    0.018156           8      2140         3 total\n");
    EXPECT_EQ((Calls{{"io_uring_enter", 2114}, {"openat", 26}}), calls);
}

} // namespace
