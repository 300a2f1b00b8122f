/* SPDX-License-Identifier: MIT */
/*
 * Random programs: trees of coroutines on several cores that spawn, cancel, time out, lock, pass
 * values, send, receive, read and write, as a seed wants it. Whenever such a tree has ended, all
 * that it had is given back, and what was passed on has arrived once.
 *
 * COIL_TEST_SEEDS=FIRST:COUNT in the environment runs those seeds (tests/soak).
 */
#include "sim/chance.h"
#include "sim/simulate.h"
#include "support/process.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <liburing.h>
#include <netinet/in.h>
#include <set>
extern "C" {
#include "sim/force.h"
#include "sim/world.h"
#include "ring/op.h"
}

using namespace coil_test;

namespace {

constexpr unsigned kCores = 3;
constexpr uint16_t kPort = 80;

std::string pattern(size_t size)
{
    std::string text(size, ' ');
    uint64_t salt = coil_sim_random();
    for (size_t i = 0; i < size; i++)
        text[i] = char((i * 2654435761u + salt) >> 11);
    return text;
}

sockaddr_in address()
{
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_port = htons(kPort);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return name;
}

/* What a core's coroutines share. */
struct Shared {
    coil_mutex mutex = COIL_ZERO;
    bool held = false;
    coil_chan chan;
    uint64_t slots[4];
    uint64_t sent = 0, received = 0; /* sums of the values */
};

/* Of values that were received, returned, and found no room: they count as received. */
uint64_t disposed[kCores];

void dispose(void *value)
{
    disposed[coil_core_self()] += *static_cast<uint64_t *>(value);
}

class Program {
public:
    explicit Program(bool harsh) : harsh_(harsh) {}

    int run(int rounds, int depth)
    {
        for (Shared &shared : shared_) {
            coil_chan_init(&shared.chan, shared.slots, sizeof(shared.slots[0]), 4);
            coil_chan_dispose_by(&shared.chan, dispose);
        }
        for (int round = 0; round < rounds; round++) {
            do_round(depth);
            EXPECT_EQ(0, coil_sleep(COIL_SEC)); /* what is still cancelled, ends */
            be_quiet();
        }
        return 0;
    }

private:
    Shared shared_[kCores];
    bool harsh_;
    int running_ = 0;
    uint64_t regions_ = 0; /* of the file, that somebody has */

    Shared &here() { return shared_[coil_core_self()]; }

    /* A tree, and the server that it talks to; faults only while it grows. */
    void do_round(int depth)
    {
        sockaddr_in name = address();
        int listener = coil_tcp_listen(reinterpret_cast<sockaddr *>(&name), sizeof(name), 64);
        ASSERT_GE(listener, 1000);
        Children children;
        COIL_SCOPE(server, COIL_FOREVER);
        children.start(server, [&] { return serve(listener); });
        if (harsh_)
            coil_sim_set_faults(COIL_SIM_FAULTS_HARSH);
        grow_calmly(depth);
        if (harsh_)
            coil_sim_set_faults(COIL_SIM_FAULTS_MILD);
        coil_scope_cancel(&server);
        int err = coil_scope_close(&server, 0);
        EXPECT_TRUE(err == 0 || err == -ECANCELED) << err;
        EXPECT_EQ(0, coil_close(listener));
    }

    /* A quiescent point: nobody but us runs. */
    void be_quiet()
    {
        EXPECT_EQ(0, running_);
        EXPECT_EQ(0u, coil__sim_files_count());
        for (unsigned core = 0; core < kCores; core++)
            EXPECT_EQ(0, call(core, [this] { return be_quiet_here(); }));
    }

    int be_quiet_here()
    {
        uint64_t value;
        EXPECT_EQ(0u, coil__ring_here->in_flight);
        EXPECT_TRUE(coil_mutex_try_lock(&here().mutex));
        coil_mutex_unlock(&here().mutex);
        while (coil_chan_try_recv(&here().chan, &value) == 0) /* ends: it has 4 slots */
            here().received += value;
        here().received += disposed[coil_core_self()];
        disposed[coil_core_self()] = 0;
        EXPECT_EQ(here().sent, here().received);
        return 0;
    }

    /* ---- the server ---- */

    int serve(int listener)
    {
        coil_acceptor acceptor = COIL_ZERO;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_acceptor_open(&acceptor, listener, 0);
        int conn;
        while ((conn = coil_acceptor_next(&acceptor)) >= 0) { /* ends when it is cancelled */
            if (children.spawn(scope, [this, conn] { return echo_back(conn); }) < 0)
                coil_close(conn);
        }
        coil_acceptor_close(&acceptor);
        EXPECT_EQ(-ECANCELED, conn);
        return coil_scope_close(&scope, 0) == -ECANCELED ? 0 : -EPROTO;
    }

    /* Each ends with the stream, or when sending fails. */
    int echo_back(int conn)
    {
        running_++;
        ssize_t len = one_in(2) ? echo_by_receiver(conn) : echo_by_copy(conn);
        bool peer_has_gone = len == -ECONNRESET || len == -EPIPE; /* cancelled, and not read */
        note(peer_has_gone ? 0 : len);
        coil_close(conn);
        running_--;
        return 0;
    }

    ssize_t echo_by_copy(int conn)
    {
        char bytes[1024];
        ssize_t len;
        while ((len = coil_recv(conn, bytes, 1 + below(sizeof(bytes)), 0)) > 0) {
            len = coil_send_all(conn, bytes, size_t(len), 0);
            if (len < 0)
                break;
        }
        return len;
    }

    ssize_t echo_by_receiver(int conn)
    {
        coil_receiver receiver = COIL_ZERO;
        void *data;
        ssize_t len;
        coil_receiver_open(&receiver, conn);
        while ((len = coil_receiver_next(&receiver, &data)) > 0) {
            int err = coil_receiver_reply(&receiver, data, size_t(len));
            if (err < 0) {
                len = err;
                break;
            }
        }
        coil_receiver_close(&receiver);
        return len;
    }

    /* ---- the tree ---- */

    /* The first ones are cancelled by nobody, so that there always is a tree. */
    void grow_calmly(int depth)
    {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (unsigned i = 0; i < 2 * kCores; i++) {
            EXPECT_EQ(0, children.spawn_on(scope, i % kCores, [this, depth] {
                live(depth);
                return 0;
            }));
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
    }

    void grow(int depth)
    {
        Children children;
        COIL_SCOPE(scope, one_in(3) ? coil_after(5 * moment()) : COIL_FOREVER);
        for (uint64_t left = 2 + below(3); left > 0; left--) {
            int err = children.spawn_on(scope, unsigned(below(kCores)), [this, depth] {
                live(depth - 1);
                return 0;
            });
            EXPECT_TRUE(err == 0 || err == -ECANCELED) << err;
        }
        if (one_in(4)) {
            note(coil_sleep(moment()));
            coil_scope_cancel(&scope);
        }
        note(coil_scope_close(&scope, 0));
    }

    /* A coroutine, until it is cancelled or has done enough. */
    void live(int depth)
    {
        running_++;
        for (uint64_t left = 4 + below(16); left > 0 && step(depth) != -ECANCELED; left--) {
        }
        running_--;
    }

    ssize_t step(int depth)
    {
        switch (below(11)) {
        case 0:
            return note(coil_sleep(moment()));
        case 1:
            return note(coil_nop());
        case 2:
            return lock();
        case 3:
            return pass_value();
        case 4:
            return talk();
        case 5:
            return wait_in_vain();
        case 6:
            return write_and_read();
        case 7:
            return note(call(unsigned(below(kCores)), [this] { return int(lock()); }));
        case 8:
            return race();
        case 9:
            return change_its_mind();
        default:
            if (depth > 0)
                grow(depth);
            return note(coil_yield());
        }
    }

    /* Looks at a result: which errors may be. */
    ssize_t note(ssize_t result)
    {
        bool of_bad_day = is_of_bad_day(result) || result == -EPIPE || result == -ENOTCONN;
        bool may_be =
            result >= 0 || result == -ECANCELED || result == -ETIMEDOUT || (harsh_ && of_bad_day);
        EXPECT_TRUE(may_be) << result;
        return result;
    }

    /* Also in the middle of something that then was finished. */
    static bool is_cancelled() { return coil_yield() == -ECANCELED; }

    ssize_t lock()
    {
        Shared &shared = here();
        int err = coil_mutex_lock(&shared.mutex);
        if (err < 0)
            return note(err);
        EXPECT_FALSE(shared.held);
        shared.held = true;
        note(one_in(2) ? coil_nop() : coil_sleep(moment() / 8));
        EXPECT_TRUE(shared.held);
        shared.held = false;
        coil_mutex_unlock(&shared.mutex);
        return 0;
    }

    ssize_t pass_value()
    {
        Shared &shared = here();
        uint64_t value = below(1000);
        bool sends = one_in(2);
        coil_future future;
        if (sends)
            coil_chan_send_start(&future, &shared.chan, &value);
        else
            coil_chan_recv_start(&future, &shared.chan, &value);
        ssize_t err = coil_await_until(&future, coil_after(moment()));
        if (err == 0)
            (sends ? shared.sent : shared.received) += value;
        return note(err);
    }

    int connect_to_server()
    {
        sockaddr_in name = address();
        int fd = coil_socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0)
            return fd;
        int err = coil_connect(fd, reinterpret_cast<sockaddr *>(&name), sizeof(name));
        if (err >= 0)
            return fd;
        EXPECT_EQ(0, coil_close(fd));
        return err;
    }

    ssize_t talk()
    {
        int fd = connect_to_server();
        if (fd < 0)
            return note(fd);
        std::string said = pattern(1 + below(8000)), heard(said.size(), ' ');
        auto *send_all = one_in(4) ? coil_send_zc_all : coil_send_all;
        ssize_t len = note(send_all(fd, said.data(), said.size(), 0));
        if (len == ssize_t(said.size())) {
            len = note(coil_recv_all(fd, &heard[0], heard.size(), 0));
            size_t common = len > 0 ? size_t(len) : 0;
            EXPECT_EQ(0, said.compare(0, common, heard, 0, common));
            EXPECT_TRUE(len < 0 || harsh_ || common == said.size() || is_cancelled()) << len;
        }
        EXPECT_EQ(0, coil_close(fd));
        return len;
    }

    /* Nobody sends: it ends by its deadline, by a cancellation, or by being dropped. */
    ssize_t wait_in_vain()
    {
        int fd = connect_to_server();
        if (fd < 0)
            return note(fd);
        char byte;
        coil_future future;
        ssize_t result = 0;
        coil_recv_start(&future, fd, &byte, 1, 0);
        if (one_in(2)) {
            result = note(coil_await_until(&future, coil_after(moment())));
            EXPECT_TRUE(result < 0 || harsh_) << result;
        } else {
            result = note(coil_yield());
            coil_future_drop(&future);
        }
        EXPECT_EQ(0, coil_close(fd));
        return result;
    }

    ssize_t write_and_read()
    {
        int fd = coil_open("random", O_RDWR | O_CREAT, 0600);
        if (fd < 0)
            return note(fd);
        off_t offset = off_t(regions_++ % 4096 * 64);
        std::string written = pattern(64), read(64, ' ');
        ssize_t len = note(coil_pwrite_all(fd, written.data(), 64, offset));
        if (len == 64 && one_in(4))
            note(coil_fsync(fd));
        if (len == 64)
            len = note(coil_pread_all(fd, &read[0], 64, offset));
        if (len == 64) {
            EXPECT_EQ(written, read);
        }
        int err = coil_close(fd);
        EXPECT_TRUE(err == 0 || (harsh_ && is_of_bad_day(err))) << err;
        return len;
    }

    /* Begins what would make or take something, and drops it, done or not. */
    ssize_t change_its_mind()
    {
        uint64_t value;
        coil_future future;
        uint64_t what = below(4);
        if (what == 0)
            coil_socket_start(&future, AF_INET, SOCK_STREAM, 0);
        else if (what == 1)
            coil_open_start(&future, "random", O_RDWR | O_CREAT, 0600);
        else if (what == 2)
            coil_mutex_lock_start(&future, &here().mutex);
        else
            coil_chan_recv_start(&future, &here().chan, &value);
        ssize_t err = note(coil_sleep(moment() / 8));
        coil_future_drop(&future);
        return err;
    }

    ssize_t race()
    {
        coil_future futures[2];
        coil_future *const both[] = {&futures[0], &futures[1]};
        coil_nop_start(&futures[0]);
        coil_sleep_start(&futures[1], int64_t(below(2000)));
        int first = coil_await_race(both, 2);
        return first < 0 ? note(first) : note(coil_await(both[first]));
    }
};

uint64_t run_program(uint64_t seed, int rounds, int depth)
{
    Program program(seed % 4 == 3);
    Simulated outcome = simulate(
        seed, [&] { return program.run(rounds, depth); }, kCores);
    EXPECT_EQ(0, outcome.result);
    return outcome.trace;
}

} // namespace

TEST(RandomPrograms, GiveEverythingBack)
{
    uint64_t completions = 0;
    /* Each of the usual ones is the begin of what it is there. */
    const Seeds seeds = choose_seeds(COIL_TEST_INSTRUMENTED ? 4 : 30);
    ASSERT_NO_FATAL_FAILURE(for_each_seed(seeds, [&](uint64_t seed) {
        run_program(seed, seeds.chosen ? 14 : 3, 3);
        completions += coil__sim.completions;
    }));
    printf("%" PRIu64 " programs, %" PRIu64 " completions\n", seeds.count, completions);
    EXPECT_GT(completions, seeds.count * 1000);
    /* One program has more than another; many have on average what tests/soak promises. */
    if (seeds.count >= 500) {
        EXPECT_GE(completions, seeds.count * 50'000);
    }
}

TEST(RandomPrograms, AreTheSameAgain)
{
    for (uint64_t seed = 100; seed < 108; seed++) {
        uint64_t trace = run_program(seed, 1, 2);
        EXPECT_EQ(trace, run_program(seed, 1, 2)) << seed;
    }
}

/* Under other addresses, in memory that holds other leftovers, and with another environment. */
TEST(RandomPrograms, AreTheSameWhereverTheirMemoryLies)
{
    if (getenv("COIL_TEST_PLACE") != nullptr) {
        printf("trace %016" PRIx64 "\n", run_program(103, 1, 2));
        return;
    }
    std::string program = "COIL_TEST_PLACE=1 " +
                          quote(std::filesystem::read_symlink("/proc/self/exe").string()) +
                          " --gtest_filter=RandomPrograms.AreTheSameWhereverTheirMemoryLies";
    std::set<std::string> traces;
    const std::string places[] = {"env ", "env MALLOC_PERTURB_=85 ",
                                  "env PAD=" + std::string(9000, 'x') + " ", "setarch -R env "};
    for (const std::string &place : places) {
        Outcome outcome = run_shell(place + program);
        size_t at = outcome.output.find("trace ");
        if (outcome.output.find("setarch: failed") != std::string::npos)
            continue; /* a container may forbid it */
        ASSERT_NE(std::string::npos, at) << outcome.output;
        traces.insert(outcome.output.substr(at, 22));
    }
    EXPECT_EQ(1u, traces.size());
}
