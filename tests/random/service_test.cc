/* SPDX-License-Identifier: MIT */
/*
 * A service on 1, 2, 4 and 8 simulated cores, from its first connection to its end: accepted by
 * each core or by one for all, served in work queues, and stopped under load by a call or a signal.
 */
#include "sim/chance.h"
#include "sim/simulate.h"

#include <arpa/inet.h>
#include <cerrno>
#include <climits>
#include <csignal>
#include <liburing.h>
#include <netinet/in.h>
#include <set>
extern "C" {
#include "sim/world.h"
}

using namespace coil_test;

namespace {

constexpr char kHello = 'h';

/* How one seed has it. */
struct Way {
    unsigned core_count;
    coil_balance balance;
    bool by_signal, harsh;
    bool patient;  /* the grace is longer than anything takes */
    bool deserted; /* some cores leave before the end */
};

class Service {
public:
    explicit Service(const Way &way) : way_(way) {}

    int run()
    {
        make_queues();
        sockaddr_in name = address();
        EXPECT_EQ(
            0, coil_listener_open(&listener_, as_sockaddr(&name), sizeof(name), 64, way_.balance));
        if (way_.harsh)
            coil_sim_set_faults(COIL_SIM_FAULTS_HARSH);
        be_busy();
        coil_listener_destroy(&listener_);
        EXPECT_TRUE(coil_stopping());
        EXPECT_EQ(0u, coil__sim_files_count());
        EXPECT_EQ(accepted_, ended_);
        return 0;
    }

    int64_t stopped_at() const { return stopped_at_; }
    int64_t grace() const { return grace_; }
    unsigned greeted() const { return greeted_; }

private:
    const Way way_;
    coil_listener listener_ = {};
    coil_queue queues_[3] = {};
    int64_t stopped_at_ = 0, grace_ = 0;
    unsigned accepted_ = 0, ended_ = 0, greeted_ = 0;

    static sockaddr_in address()
    {
        sockaddr_in name = {};
        name.sin_family = AF_INET;
        name.sin_port = htons(80);
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return name;
    }

    static const sockaddr *as_sockaddr(const sockaddr_in *name)
    {
        return reinterpret_cast<const sockaddr *>(name);
    }

    void make_queues()
    {
        EXPECT_EQ(0, coil_queue_create(&queues_[1], "few", 10, 0));
        EXPECT_EQ(0, coil_queue_create(&queues_[2], "soon", 100, COIL_MSEC / 4));
    }

    void be_busy()
    {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (unsigned core = 0; core < coil_core_count(); core++) {
            EXPECT_EQ(0, children.spawn_on(scope, core, [this] { return serve(); }));
            for (int i = 0; i < 4; i++)
                EXPECT_EQ(0, children.spawn_on(scope, core, [this] { return visit(moment()); }));
        }
        EXPECT_EQ(0, children.spawn_on(scope, any_core(), [this] { return stop(); }));
        int err = coil_scope_close(&scope, 0);
        EXPECT_TRUE(err == 0 || (err == -ECANCELED && !way_.patient)) << err;
    }

    int stop()
    {
        COIL_SIGNALS(end);
        EXPECT_EQ(0, coil_signals_open(&end, COIL_SIGNAL(SIGTERM)));
        coil_future signal;
        coil_signal_wait_start(&signal, &end);
        EXPECT_EQ(0, coil_sleep(int64_t(below(10 * COIL_MSEC))));
        if (way_.by_signal) {
            raise(SIGTERM);
            EXPECT_EQ(SIGTERM, coil_await(&signal));
        } else {
            coil_future_drop(&signal);
        }
        Children crowd;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 32; i++)
            crowd.start(scope, [this] {
                return visit(int64_t((10 + below(4)) * COIL_MSEC + below(COIL_MSEC)), 1);
            });
        grace_ = way_.patient ? 60 * COIL_SEC : moment() * 4;
        stopped_at_ = coil_now();
        coil_stop(grace_);
        return coil_scope_close(&scope, 0);
    }

    /* ---- those who serve ---- */

    int serve()
    {
        Children children;
        COIL_SCOPE(conns, COIL_FOREVER);
        bool deserts = way_.deserted && coil_core_self() > 0;
        uint64_t most = deserts ? below(8) : UINT64_MAX;
        int conn = -ESHUTDOWN;
        while (most-- > 0 && (conn = coil_listener_next(&listener_)) >= 0) {
            /* ends with the service */
            accepted_++;
            coil_queue queue = queues_[below(3)];
            if (children.spawn_in(conns, queue, [this, conn] { return answer(conn); }) < 0)
                end(conn);
        }
        if (deserts && conn >= 0)
            (void)!coil_sleep(COIL_MSEC); /* while some are handed to it */
        coil_listener_leave(&listener_);
        EXPECT_TRUE(deserts || conn == -ESHUTDOWN || conn == -ECANCELED) << conn;
        return coil_scope_close(&conns, 0);
    }

    void end(int conn)
    {
        coil_close(conn);
        coil_listener_done(&listener_);
        ended_++;
    }

    int answer(int conn)
    {
        char bytes[512];
        ssize_t len = coil_send_all(conn, &kHello, 1, 0);
        while (len > 0 && (len = coil_recv(conn, bytes, sizeof(bytes), 0)) > 0) {
            /* ends with the stream */
            if (coil_yield_if_needed() < 0)
                break;
            len = coil_send_all(conn, bytes, size_t(len), 0);
        }
        note(len);
        end(conn);
        return 0;
    }

    /* ---- those who come ---- */

    /* Again and again, until there is no service any more. */
    int visit(int64_t first, int times = INT_MAX)
    {
        while (times-- > 0 && coil_sleep(first) == 0) {
            first = moment();
            int fd = coil_socket(AF_INET, SOCK_STREAM, 0);
            if (fd < 0)
                break;
            bool goes_on = talk(fd);
            coil_close(fd);
            if (!goes_on)
                break;
        }
        return 0;
    }

    bool talk(int fd)
    {
        sockaddr_in name = address();
        ssize_t err = coil_connect(fd, as_sockaddr(&name), sizeof(name));
        if (err < 0) {
            EXPECT_TRUE(way_.harsh || err == -ECANCELED ||
                        (err == -ECONNREFUSED && coil_stopping()))
                << err;
            return way_.harsh && err != -ECANCELED && !coil_stopping();
        }
        char hello = 0;
        err = coil_recv(fd, &hello, 1, 0);
        if (err <= 0)
            return turned_away(err);
        EXPECT_EQ(kHello, hello);
        greeted_++;
        for (uint64_t left = below(6); left > 0 && err > 0; left--)
            err = ask(fd);
        return err > 0;
    }

    /* It was connected, and then nobody took it: which only he may do who left his post, or was in
     * a hurry. */
    bool turned_away(ssize_t err)
    {
        bool in_a_hurry = !way_.patient && coil_stopping();
        EXPECT_TRUE(way_.harsh || way_.deserted || err == -ECANCELED || in_a_hurry) << err;
        bool goes_on = way_.harsh || way_.deserted;
        return goes_on && err != -ECANCELED && !coil_stopping();
    }

    /* A request, and its answer, which is its due once it was greeted. */
    ssize_t ask(int fd)
    {
        std::string said(1 + below(2000), char('a' + below(26))), heard(said.size(), ' ');
        ssize_t len = coil_send_all(fd, said.data(), said.size(), 0);
        if (len > 0)
            len = coil_recv_all(fd, &heard[0], heard.size(), 0);
        bool answered = len == ssize_t(said.size()) && said == heard;
        EXPECT_TRUE(answered || !way_.patient || way_.harsh) << len;
        if (!answered)
            return note(len) > 0 ? 0 : len;
        return coil_sleep(moment()) < 0 ? 0 : 1;
    }

    ssize_t note(ssize_t result)
    {
        static const std::set<ssize_t> due = {-ECANCELED, -ECONNRESET, -EPIPE, -ETIMEDOUT};
        bool of_bad_day = way_.harsh && is_of_bad_day(result);
        EXPECT_TRUE(result >= 0 || due.count(result) > 0 || of_bad_day) << result;
        return result;
    }
};

struct Outcome {
    uint64_t trace;
    unsigned greeted;
};

Outcome live(uint64_t seed)
{
    const Way way = {.core_count = 1u << seed % 4,
                     .balance = seed / 4 % 2 == 0 ? COIL_BALANCE_KERNEL : COIL_BALANCE_LEAST,
                     .by_signal = seed / 8 % 2 == 0,
                     .harsh = seed / 16 % 4 == 3,
                     .patient = seed / 32 % 2 == 0,
                     .deserted = seed / 64 % 4 == 3};
    Service service(way);
    int64_t ended_at = 0;
    Simulated outcome = simulate(
        seed,
        [&] {
            int err = service.run();
            ended_at = coil_now();
            return err;
        },
        way.core_count);
    EXPECT_EQ(0, outcome.result);
    EXPECT_LE(ended_at, service.stopped_at() + service.grace() + 100 * COIL_MSEC);
    for (const std::string &line : outcome.log)
        EXPECT_EQ(0u, line.find("coil: sim seed ")) << line;
    return {outcome.trace, service.greeted()};
}

} // namespace

TEST(RandomService, EndsWithEachRequestAnsweredHoweverItIsStopped)
{
    unsigned greeted = 0;
    const Seeds seeds = choose_seeds(COIL_TEST_INSTRUMENTED ? 16 : 256);
    ASSERT_NO_FATAL_FAILURE(
        for_each_seed(seeds, [&](uint64_t seed) { greeted += live(seed).greeted; }));
    printf("%u connections\n", greeted);
    if (seeds.count >= 16) { /* one alone may be short */
        EXPECT_GT(greeted, seeds.count * 10);
    }
}

TEST(RandomService, IsTheSameAgain)
{
    for (uint64_t seed = 1000; seed < 1016; seed++)
        EXPECT_EQ(live(seed).trace, live(seed).trace) << seed;
}
