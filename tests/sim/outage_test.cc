/* SPDX-License-Identifier: MIT */
/* Networks that are parted for a while, peers that fall silent for ever, and power that is cut. */
#include "sim/network.h"
#include "sim/simulate.h"
#include "support/process.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <set>
#include <unistd.h>

using namespace coil_test;

namespace {

void set_number(int fd, int level, int name, int value)
{
    EXPECT_EQ(0, coil_setsockopt(fd, level, name, &value, sizeof(value)));
}

/* How long it takes until that operation ends with -ETIMEDOUT. */
template <class Call> int64_t until_timed_out(Call call)
{
    coil_time before = coil_now();
    EXPECT_EQ(-ETIMEDOUT, call());
    return coil_now() - before;
}

} // namespace

/* Whatever is cut off meanwhile: each byte arrives, in order, though some of them late. */
TEST(SimPartition, HoldsWhatIsSentUntilItIsOver)
{
    std::map<bool, int> late;
    for (uint64_t seed = 0; seed < 40; seed++) {
        int result = simulate(
                         seed,
                         [&] {
                             Pair pair = connected();
                             for (int i = 0; i < 50; i++) {
                                 coil_time before = coil_now();
                                 int got = -1;
                                 EXPECT_EQ(4, coil_send_all(pair.client, &i, 4, 0));
                                 EXPECT_EQ(4, coil_send_all(pair.client, "tail", 4, 0));
                                 EXPECT_EQ(4, coil_recv_all(pair.server, &got, 4, 0));
                                 EXPECT_EQ(i, got);
                                 EXPECT_EQ(4, coil_recv_all(pair.server, &got, 4, 0));
                                 late[coil_now() - before > 10 * COIL_MSEC]++;
                             }
                             close_both(pair);
                             return 0;
                         },
                         1, ",partition=30")
                         .result;
        EXPECT_EQ(0, result);
    }
    EXPECT_GT(late[true], 20);
    EXPECT_GT(late[false], 500);
}

TEST(SimPartition, KeepsSomeConnectsWaitingAndBreaksThoseThatTakeTooLong)
{
    std::map<int, int> results;
    int waited = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        simulate(
            seed,
            [&] {
                sockaddr_in name = loopback(80);
                int listener =
                    coil_tcp_listen(reinterpret_cast<sockaddr *>(&name), sizeof(name), 16);
                coil_time before = coil_now();
                int fd = connect_to(80);
                int64_t took = coil_now() - before;
                results[fd < 0 ? fd : 0]++;
                waited += fd >= 0 && took > 900 * COIL_MSEC ? 1 : 0;
                EXPECT_EQ(fd == -ETIMEDOUT, took >= 127 * COIL_SEC) << took;
                if (fd >= 0)
                    coil_close(fd);
                return coil_close(listener);
            },
            1, ",partition=1");
    }
    EXPECT_GT(results[0], 100);
    EXPECT_GT(results[-ETIMEDOUT], 3);
    EXPECT_GT(waited, 20);
    EXPECT_EQ(2u, results.size());
}

/* But for one that it has asked for by its number. */
TEST(SimPartition, GivesThePortBackOfAConnectThatTookTooLong)
{
    int broken = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        simulate(
            seed,
            [&] {
                sockaddr_in server = loopback(80), chosen = loopback(0), asked = loopback(81);
                auto name_of = [](sockaddr_in &name) {
                    return reinterpret_cast<sockaddr *>(&name);
                };
                socklen_t len = sizeof(chosen);
                int listener = coil_tcp_listen(name_of(server), len, 16);
                int one = coil_socket(AF_INET, SOCK_STREAM, 0);
                int two = coil_socket(AF_INET, SOCK_STREAM, 0);
                EXPECT_EQ(0, coil_bind(one, name_of(chosen), len));
                EXPECT_EQ(0, coil_getsockname(one, name_of(chosen), &len));
                EXPECT_EQ(-EADDRINUSE, coil_bind(two, name_of(chosen), len));
                if (coil_connect(one, name_of(server), len) == -ETIMEDOUT) {
                    EXPECT_EQ(0, coil_bind(two, name_of(chosen), len));
                    EXPECT_EQ(0, coil_bind(one, name_of(asked), len));
                    broken++;
                    int err = coil_connect(one, name_of(server), len);
                    EXPECT_EQ(-EINVAL, coil_bind(one, name_of(asked), len)) << err;
                }
                for (int fd : {one, two, listener})
                    EXPECT_EQ(0, coil_close(fd));
                return 0;
            },
            1, ",partition=1");
    }
    EXPECT_GT(broken, 1);
}

TEST(SimPartition, LosesDatagramsAndHeals)
{
    int lost = 0, got = 0, healed = 0;
    for (uint64_t seed = 0; seed < 30; seed++) {
        simulate(
            seed,
            [&] {
                int from = coil_socket(AF_INET, SOCK_DGRAM, 0);
                int to = coil_socket(AF_INET, SOCK_DGRAM, 0);
                sockaddr_in name = loopback(53);
                EXPECT_EQ(0, coil_bind(to, reinterpret_cast<sockaddr *>(&name), sizeof(name)));
                EXPECT_EQ(0, coil_connect(from, reinterpret_cast<sockaddr *>(&name), sizeof(name)));
                bool was_lost = false;
                for (int i = 0; i < 100; i++) {
                    char byte;
                    EXPECT_EQ(1, coil_send(from, "x", 1, 0));
                    EXPECT_EQ(0, coil_sleep(10 * COIL_SEC));
                    bool is_here = coil_recv(to, &byte, 1, MSG_DONTWAIT) == 1;
                    (is_here ? got : lost)++;
                    healed += is_here && was_lost ? 1 : 0;
                    was_lost = !is_here;
                }
                EXPECT_EQ(0, coil_close(from));
                return coil_close(to);
            },
            1, ",partition=20");
    }
    EXPECT_GT(lost, 20);
    EXPECT_GT(healed, 20);
    EXPECT_GT(got, lost);
}

TEST(SimPartition, IsNoneUnlessAskedForOrHarshAndIsTraced)
{
    setenv("COIL_SIM_TRACE", "1", 1);
    std::map<std::string, bool> begun, ended, silent;
    for (const char *knobs : {",faults=mild", ",faults=off,partition=10,silence=10",
                              ",faults=harsh,partition=0", ",faults=harsh", ",silence=50"}) {
        testing::internal::CaptureStderr();
        simulate(
            3,
            [] {
                for (int round = 0; round < 300; round++) {
                    COIL_SCOPE(scope, coil_after(COIL_SEC));
                    sockaddr_in name = loopback(80);
                    int listener =
                        coil_tcp_listen(reinterpret_cast<sockaddr *>(&name), sizeof(name), 16);
                    int client = connect_to(80);
                    for (int i = 0; i < 60 && client >= 0; i++)
                        EXPECT_NE(0, coil_send(client, "x", 1, 0));
                    for (int fd : {client, listener}) {
                        if (fd >= 0)
                            coil_close(fd);
                    }
                    int err = coil_scope_close(&scope, 0);
                    (void)err;
                    EXPECT_EQ(0, coil_sleep(300 * COIL_SEC));
                }
                return 0;
            },
            1, knobs);
        std::string trace = testing::internal::GetCapturedStderr();
        auto has = [&](const char *what) { return trace.find(what) != std::string::npos; };
        begun[knobs] = has("begin of #1 partition");
        ended[knobs] = has("end of #1 partition");
        silent[knobs] = has("silence of #");
    }
    unsetenv("COIL_SIM_TRACE");
    for (const auto &knobs : begun) {
        EXPECT_EQ(knobs.first == ",faults=harsh", knobs.second) << knobs.first;
        EXPECT_EQ(knobs.second, ended[knobs.first]) << knobs.first;
        EXPECT_EQ(knobs.first == ",silence=50", silent[knobs.first]) << knobs.first;
    }
}

/* ---- silence ---- */

TEST(SimSilence, EndsASenderAfterAsManyTriesAsTheKernelMakes)
{
    simulate(
        1,
        [] {
            Pair pair = connected();
            char byte;
            EXPECT_EQ(1, coil_send(pair.client, "x", 1, 0)) << "nobody knows yet";
            int64_t span = until_timed_out([&] { return coil_recv(pair.client, &byte, 1, 0); });
            EXPECT_GE(span, 924 * COIL_SEC);
            EXPECT_LT(span, 926 * COIL_SEC);
            EXPECT_EQ(0, coil_recv(pair.client, &byte, 1, 0)) << "it is told once";
            EXPECT_EQ(-EPIPE, coil_send(pair.client, "x", 1, 0));
            EXPECT_EQ(-EAGAIN, coil_recv(pair.server, &byte, 1, MSG_DONTWAIT));
            close_both(pair);
            return 0;
        },
        1, ",faults=mild,silence=1");
}

TEST(SimSilence, HoldsASenderBackWhenItsWindowIsFull)
{
    simulate(
        1,
        [] {
            Pair pair = connected();
            std::string data(1000000, 'd');
            coil_future sending;
            coil_send_start(&sending, pair.client, data.data(), data.size(), MSG_WAITALL);
            EXPECT_EQ(0, coil_sleep(COIL_SEC));
            coil_future_cancel(&sending);
            ssize_t sent = coil_await(&sending);
            EXPECT_GT(sent, 1000);
            EXPECT_LT(sent, 200000);
            EXPECT_EQ(-EAGAIN, coil_send(pair.client, "x", 1, MSG_DONTWAIT));
            until_timed_out([&] { return coil_send(pair.client, "x", 1, 0); });
            close_both(pair);
            return 0;
        },
        1, ",faults=mild,silence=1");
}

TEST(SimSilence, IsWhatAReaderWaitsInForEver)
{
    Simulated outcome = simulate(
        1,
        [] {
            Pair pair = connected();
            char byte;
            EXPECT_EQ(1, coil_send(pair.client, "x", 1, 0));
            ssize_t got = coil_recv(pair.server, &byte, 1, 0);
            close_both(pair);
            return int(got);
        },
        1, ",faults=mild,silence=1");
    EXPECT_EQ(-EDEADLK, outcome.result);
}

TEST(SimSilence, EndsAReaderThatKeepsAliveOrHasSetATimeout)
{
    simulate(
        1,
        [] {
            char byte;
            Pair pair = connected();
            set_number(pair.server, SOL_SOCKET, SO_KEEPALIVE, 1);
            EXPECT_EQ(1, coil_send(pair.client, "x", 1, 0));
            auto read = [&] { return coil_recv(pair.server, &byte, 1, 0); };
            int64_t span = until_timed_out(read);
            EXPECT_GE(span, 7874 * COIL_SEC) << "2 h 11 min 15 s";
            EXPECT_LT(span, 7876 * COIL_SEC);
            close_both(pair);
            pair = connected();
            EXPECT_EQ(1, coil_send(pair.client, "x", 1, 0));
            set_number(pair.server, SOL_SOCKET, SO_KEEPALIVE, 1);
            set_number(pair.server, IPPROTO_TCP, TCP_KEEPIDLE, 10);
            set_number(pair.server, IPPROTO_TCP, TCP_KEEPINTVL, 5);
            set_number(pair.server, IPPROTO_TCP, TCP_KEEPCNT, 2);
            span = until_timed_out(read);
            EXPECT_GE(span, 19 * COIL_SEC);
            EXPECT_LT(span, 21 * COIL_SEC);
            close_both(pair);
            pair = connected();
            set_number(pair.client, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
            EXPECT_EQ(1, coil_send(pair.client, "x", 1, 0));
            span = until_timed_out([&] { return coil_recv(pair.client, &byte, 1, 0); });
            EXPECT_GE(span, 4900 * COIL_MSEC);
            EXPECT_LT(span, 6 * COIL_SEC);
            close_both(pair);
            return 0;
        },
        1, ",faults=mild,silence=1");
}

TEST(SimSilence, EndsOnABadDayAlsoWithWhatARouterHasSaid)
{
    std::map<ssize_t, int> results;
    for (uint64_t seed = 0; seed < 100; seed++) {
        simulate(
            seed,
            [&] {
                Pair pair = connected();
                char byte;
                EXPECT_EQ(1, coil_send(pair.client, "x", 1, 0));
                coil_sim_set_faults(COIL_SIM_FAULTS_HARSH);
                results[coil_recv(pair.client, &byte, 1, 0)]++;
                close_both(pair);
                return 0;
            },
            1, ",faults=mild,silence=1,partition=0");
    }
    EXPECT_GT(results[-ETIMEDOUT], 50);
    EXPECT_GT(results[-EHOSTUNREACH], 0);
    EXPECT_GT(results[-ENETUNREACH], 0);
    EXPECT_EQ(3u, results.size());
}

TEST(SimSilence, FallsOnOneConnectionAtAnyTime)
{
    std::set<int> moments;
    for (uint64_t seed = 0; seed < 60; seed++) {
        int result = simulate(
                         seed,
                         [&] {
                             Pair pair = connected();
                             int heard = 0;
                             for (; heard < 1000; heard++) {
                                 COIL_SCOPE(scope, coil_after(COIL_SEC));
                                 char byte;
                                 EXPECT_EQ(1, coil_send(pair.client, "x", 1, 0));
                                 ssize_t got = coil_recv(pair.server, &byte, 1, 0);
                                 int err = coil_scope_close(&scope, 0);
                                 EXPECT_EQ(got == 1 ? 0 : -ETIMEDOUT, err);
                                 if (got != 1)
                                     break;
                             }
                             moments.insert(heard);
                             close_both(pair);
                             return 0;
                         },
                         2, ",silence=50")
                         .result;
        EXPECT_EQ(0, result);
    }
    EXPECT_GT(moments.size(), 20u);
}

/* ---- power ---- */

namespace {

/* Appends numbers to a file, each synced; says which of them are safe. */
int append_numbers(unsigned *safe)
{
    int fd = coil_open("numbers", O_RDWR | O_CREAT, 0600);
    int folder = coil_open(".", O_RDONLY | O_DIRECTORY, 0);
    int err = fd < 0 ? fd : coil_fsync(folder);
    struct statx facts = {};
    if (err == 0)
        err = coil_statx(AT_FDCWD, "numbers", 0, STATX_SIZE, &facts);
    if (err == 0 && facts.stx_size / 4 < *safe)
        err = -EUCLEAN;
    for (unsigned number = unsigned(facts.stx_size / 4); err == 0 && number < 50; number++) {
        err = coil_pwrite_all(fd, &number, 4, off_t(number) * 4) == 4 ? coil_fsync(fd) : -EIO;
        *safe = err == 0 ? number + 1 : *safe;
    }
    for (int i : {fd, folder}) {
        if (i >= 0)
            coil_close(i);
    }
    return coil_yield() == -ECANCELED ? -ECANCELED : err;
}

} // namespace

TEST(SimPower, IsCutAtAnInstantOfTheSeedsChoiceOnceAndKeepsWhatIsSafe)
{
    std::set<unsigned> moments;
    int cuts = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        unsigned safe = 0;
        auto append = [&] { return append_numbers(&safe); };
        Simulated first = simulate(seed, append, 2, ",power=150");
        EXPECT_TRUE(first.result == 0 || first.result == -ECANCELED) << first.result;
        if (first.result == 0)
            continue;
        cuts++;
        moments.insert(safe);
        unsigned was_safe = safe;
        EXPECT_EQ(0, simulate(seed, append, 2, ",power=150").result) << "once";
        EXPECT_EQ(50u, safe);
        simulate(0, [] { return 0; });
        safe = 0;
        Simulated again = simulate(seed, append, 2, ",power=150");
        EXPECT_EQ(first.trace, again.trace);
        EXPECT_EQ(was_safe, safe);
        simulate(0, [] { return 0; });
    }
    EXPECT_GT(cuts, 30);
    EXPECT_GT(moments.size(), 20u);
}

/* A program that knows of no simulator, as a user would run it. */
TEST(SimPower, IsCutForAProgramThatKnowsOfNone)
{
    if (getenv("COIL_TEST_POWER") != nullptr) {
        unsigned safe = 0;
        int result = run([&] { return append_numbers(&safe); });
        printf("first %d\n", result);
        if (result == -ECANCELED)
            result = run([&] { return append_numbers(&safe); });
        printf("then %d, %u\n", result, safe);
        return;
    }
    int cuts = 0;
    std::string program = quote(std::filesystem::read_symlink("/proc/self/exe").string());
    for (int seed = 0; seed < 8; seed++) {
        Outcome outcome =
            run_shell("COIL_TEST_POWER=1 COIL_RING=sim:" + std::to_string(seed) + ",power=150 " +
                      program + " --gtest_filter=SimPower.IsCutForAProgramThatKnowsOfNone");
        EXPECT_EQ(0, outcome.status) << outcome.output;
        EXPECT_NE(std::string::npos, outcome.output.find("then 0, 50\n")) << outcome.output;
        cuts += outcome.output.find("first -125\n") != std::string::npos ? 1 : 0;
    }
    EXPECT_GT(cuts, 2);
}
