/* SPDX-License-Identifier: MIT */
/* Children of fork(): coil is dead there and says so, and the parent does not notice. */
#include "support/process.h"
#include "support/running.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <liburing.h>
#include <pthread.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" {
#include "core/core.h"
}

using namespace coil_test;

namespace {

struct Outcome {
    int status;
    std::string said; /* on stderr */
};

/* Lets a child do that, and waits for it, which stops this core meanwhile. Where the function
 * returns so does the child's coroutine. */
template <class Function> Outcome fork_and(Function function, bool *is_child = nullptr)
{
    int ends[2];
    EXPECT_EQ(0, pipe2(ends, O_CLOEXEC));
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        if (is_child != nullptr) {
            *is_child = true;
            return {};
        }
        _exit(function());
    }
    close(ends[1]);
    Outcome outcome = {};
    char buffer[512];
    for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;)
        outcome.said.append(buffer, size_t(n));
    close(ends[0]);
    EXPECT_EQ(pid, waitpid(pid, &outcome.status, 0));
    return outcome;
}

void expect_stopped(const Outcome &outcome, const std::string &why)
{
    EXPECT_TRUE(WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGABRT)
        << outcome.status;
    EXPECT_NE(std::string::npos, outcome.said.find(why)) << outcome.said;
    EXPECT_NE(std::string::npos, outcome.said.find("; this process is a fork of one in which coil "
                                                   "ran: all it may do is exec, or _exit\n"))
        << outcome.said;
}

TEST(Fork, ACoroutineMayGoOnToNothingButExec)
{
    run(
        [] {
            expect_stopped(fork_and([] { return coil_yield(); }), "called outside a coroutine");
            expect_stopped(fork_and([] { return coil_nop(); }), "called outside a coroutine");
            expect_stopped(fork_and([] { return int(coil_core_count()); }), "coil_core_count");
            Outcome outcome = fork_and([] {
                execl("/bin/sh", "sh", "-c", "exit 7", nullptr);
                return 1;
            });
            EXPECT_TRUE(WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 7);
            return call(1, [] { return 0; });
        },
        cores(2));
}

TEST(Fork, ACoroutineThatEndsInTheChildStopsIt)
{
    run([] {
        bool is_child = false;
        Outcome outcome = fork_and([] { return 0; }, &is_child);
        if (is_child)
            return 0;
        expect_stopped(outcome, "a coroutine has ended where none may go on");
        return coil_yield();
    });
}

TEST(Fork, AnOffloadedFunctionThatReturnsInTheChildStopsIt)
{
    run([] {
        static Outcome outcome;
        auto fork_here = [](void *) -> ssize_t {
            bool is_child = false;
            Outcome came = fork_and([] { return 0; }, &is_child);
            if (!is_child)
                outcome = came;
            return 0;
        };
        EXPECT_EQ(0, coil_offload(nullptr, fork_here, nullptr));
        expect_stopped(outcome, "an offloaded function has returned where no core waits for it");
        return coil_yield();
    });
}

/* A delivery that forks, before or after many others that it must not see in the child. */
struct Forking {
    coil_message message = {nullptr, deliver}; /* first: it is what is delivered */
    bool is_child = false, has_run = false;
    Outcome outcome = {};

    static void deliver(coil_message *message)
    {
        auto *forking = reinterpret_cast<Forking *>(message);
        Outcome outcome = fork_and([] { return 0; }, &forking->is_child);
        if (forking->is_child)
            return;
        forking->outcome = outcome;
        forking->has_run = true;
    }
};

/* To this core or to another one, to which several messages travel as one. */
TEST(Fork, ADeliveryThatReturnsInTheChildStopsIt)
{
    constexpr int kBudget = 256; /* of deliveries before a core does anything else */
    constexpr int kParcel = 13;  /* messages that travel together at most */
    struct Where {
        unsigned core;
        int before;
    };
    for (Where where : std::vector<Where>{{0, 0},
                                          {0, 1},
                                          {0, kBudget - 2},
                                          {0, kBudget - 1},
                                          {0, kBudget},
                                          {1, 0},
                                          {1, 6},
                                          {1, kParcel - 1},
                                          {1, kParcel}}) {
        run(
            [where] {
                auto [core, before] = where;
                static Forking forking;
                static int delivered;
                forking = {};
                delivered = 0;
                auto count = [](coil_message *) {
                    delivered++;
                    if (forking.is_child)
                        _exit(0);
                };
                std::vector<coil_message> others(size_t(2 * kBudget), coil_message{nullptr, count});
                COIL_FUTURE(sleep); /* wakes somebody that the child must not see */
                coil_sleep_start(&sleep, 1);
                for (int i = 0; i < 2 * kBudget; i++) {
                    if (i == before) {
                        EXPECT_EQ(0, coil_post_core(core, &forking.message));
                    }
                    EXPECT_EQ(0, coil_post_core(core, &others[size_t(i)]));
                }
                EXPECT_EQ(0, call(core, [] {
                              while (!forking.has_run || delivered < 2 * kBudget)
                                  EXPECT_EQ(0, coil_yield());
                              return 0;
                          }));
                expect_stopped(forking.outcome, "a core goes on where none may");
                return int(coil_await(&sleep));
            },
            cores(2));
    }
}

/* When all loops have ended, what is left is delivered: that may fork, too. */
TEST(Fork, ADeliveryAfterTheLoopThatReturnsInTheChildStopsIt)
{
    COIL_SKIP_IF_SIMULATED("one run is like the other");
    struct Letter {
        coil_message message;
        Forking forking;
    };
    static std::atomic<bool> found;
    static std::atomic<Letter *> forked;
    found = false;
    forked = nullptr;
    auto go_on = [](coil_message *message) {
        auto *letter = reinterpret_cast<Letter *>(message);
        bool loops_have_ended = !coil__gate_is_open(coil__core_here->run->number);
        if (loops_have_ended && !found.exchange(true)) {
            Forking::deliver(&letter->forking.message);
            forked = letter;
        } else if (!loops_have_ended) {
            int err = coil_post_core((coil_core_self() + 1) % coil_core_count(), message);
            EXPECT_TRUE(err == 0 || err == -ESHUTDOWN) << err;
        }
    };
    std::deque<Letter> letters(8);
    for (int i = 0; i < 10000 && !found; i++) {
        run(
            [&] {
                for (Letter &letter : letters) {
                    letter.message.deliver = go_on;
                    EXPECT_EQ(0, coil_post_core(0, &letter.message));
                }
                return coil_sleep(COIL_USEC);
            },
            cores(3));
    }
    ASSERT_NE(nullptr, forked.load()) << "nothing was left in 10,000 runs";
    expect_stopped(forked.load()->forking.outcome, "a core goes on where none may");
}

TEST(Fork, AChildMayEndItsThread)
{
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer takes that on a coroutine's stack for a fault";
    int result = run([] {
        Outcome outcome = fork_and([]() -> int {
            pthread_key_t last; /* whose destructor comes after the others */
            EXPECT_EQ(0, pthread_key_create(&last, [](void *) { _exit(7); }));
            EXPECT_EQ(0, pthread_setspecific(last, &last));
            pthread_exit(nullptr);
        });
        EXPECT_TRUE(WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 7) << outcome.said;
        return 0;
    });
    EXPECT_EQ(0, result);
}

TEST(Fork, APromiseAndAPortRefuse)
{
    run([] {
        COIL_PROMISE(promise);
        COIL_PORT(port);
        static coil_message message = {nullptr, [](coil_message *) { ADD_FAILURE(); }};
        EXPECT_EQ(0, coil_port_open(&port));
        Outcome outcome = fork_and([&] {
            bool refused = coil_promise_set(&promise, 1) == -ESHUTDOWN &&
                           coil_post(&port, &message) == -ESHUTDOWN;
            return refused ? 0 : 1;
        });
        EXPECT_EQ(0, outcome.status) << outcome.said;
        EXPECT_EQ(0, coil_promise_set(&promise, 2));
        EXPECT_EQ(2, coil_promise_wait(&promise));
        return 0;
    });
}

TEST(Fork, AnotherRunIsRefused)
{
    run([] {
        Outcome outcome;
        std::thread([&] {
            outcome = fork_and([] {
                Body body = [] { return 0; };
                return -coil_run(nullptr, call_body, &body);
            });
        }).join();
        EXPECT_TRUE(WIFEXITED(outcome.status)) << outcome.said;
        EXPECT_EQ(ESHUTDOWN, WEXITSTATUS(outcome.status));
        EXPECT_EQ("coil: coil_run: coil ran when this process was forked, and can't run in it\n",
                  outcome.said);
        return 0;
    });
    Outcome outcome = fork_and([] {
        Body body = [] { return coil_nop(); };
        return -coil_run(nullptr, call_body, &body);
    });
    EXPECT_EQ(0, outcome.status) << "forked while coil does not run: " << outcome.said;
}

/* A run counts from its first line to its last, also before there are cores, and after them. */
TEST(Fork, WhileARunBeginsAnotherRunIsRefused)
{
    static bool has_forked;
    static Outcome outcome;
    has_forked = false;
    coil_options options = cores(1);
    options.cpus = "none"; /* which is refused, and said, before there is any core */
    options.log = [](const char *) {
        if (has_forked)
            return; /* what the child has to say */
        has_forked = true;
        outcome = fork_and([] {
            Body body = [] { return 0; };
            return -coil_run(nullptr, call_body, &body);
        });
    };
    EXPECT_EQ(-EINVAL, run([] { return 0; }, options));
    EXPECT_TRUE(WIFEXITED(outcome.status)) << outcome.said;
    EXPECT_EQ(ESHUTDOWN, WEXITSTATUS(outcome.status));
}

/* How many of its descriptors are rings or bells. */
int count_rings()
{
    int count = 0;
    for (const auto &entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code error;
        std::string target = std::filesystem::read_symlink(entry.path(), error);
        count += target.find("[io_uring]") != std::string::npos ||
                 target.find("[eventfd]") != std::string::npos;
    }
    return count;
}

TEST(Fork, InheritsNoRing)
{
    COIL_SKIP_IF_SIMULATED("no ring is a descriptor");
    run(
        [] {
            COIL_PORT(port);
            EXPECT_EQ(0, coil_port_open(&port));
            EXPECT_GT(count_rings(), 0);
            Outcome outcome = fork_and([] { return count_rings(); });
            EXPECT_TRUE(WIFEXITED(outcome.status));
            EXPECT_EQ(0, WEXITSTATUS(outcome.status));
            return 0;
        },
        cores(3));
}

TEST(Fork, LeavesWhatIsInFlightToTheParent)
{
    run(
        [] {
            int ends[2];
            char text[8] = "";
            EXPECT_EQ(0, pipe2(ends, O_CLOEXEC));
            COIL_FUTURE(read);
            coil_read_start(&read, ends[0], text, sizeof(text));
            EXPECT_EQ(0, coil_yield());
            for (int i = 0; i < 5; i++) {
                Outcome outcome = fork_and([] { return 0; });
                EXPECT_EQ(0, outcome.status);
                EXPECT_EQ(0, call(1, [] { return coil_nop(); }));
            }
            EXPECT_FALSE(coil_future_done(&read));
            EXPECT_EQ(4, write(ends[1], "here", 4));
            EXPECT_EQ(4, coil_await(&read));
            EXPECT_EQ("here", std::string(text, 4));
            close(ends[0]);
            close(ends[1]);
            return 0;
        },
        cores(2));
}

} // namespace
