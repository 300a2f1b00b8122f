/* SPDX-License-Identifier: MIT */
/* Sends without a copy in a simulated world: two completions, and memory that is read until the
 * second one. */
#include "sim/simulate.h"

#include <cstring>
#include <liburing.h>
#include <netinet/in.h>
#include <sys/un.h>
extern "C" {
#include "ring/op.h"
}

using namespace coil_test;

namespace {

constexpr uint64_t kSeeds = 200;

struct Pair {
    int client = -1, server = -1;

    /* Made on a good day; what follows is as `faults` says. */
    explicit Pair(coil_sim_faults faults = COIL_SIM_FAULTS_MILD, int domain = AF_INET)
    {
        sockaddr_storage name = {};
        socklen_t len = sizeof(sockaddr_in);
        coil_sim_set_faults(COIL_SIM_FAULTS_OFF);
        int listener = coil_socket(domain, SOCK_STREAM, 0);
        name.ss_family = sa_family_t(domain);
        if (domain == AF_UNIX)
            memcpy(reinterpret_cast<sockaddr_un *>(&name)->sun_path, "\0pair", 5);
        EXPECT_EQ(0, coil_bind(listener, addr(name), len));
        EXPECT_EQ(0, coil_listen(listener, 1));
        EXPECT_EQ(0, coil_getsockname(listener, addr(name), &len));
        client = coil_socket(domain, SOCK_STREAM, 0);
        EXPECT_EQ(0, coil_connect(client, addr(name), len));
        server = coil_accept(listener, nullptr, nullptr, 0);
        EXPECT_GE(server, 1000);
        coil_close(listener);
        coil_sim_set_faults(faults);
    }

    ~Pair()
    {
        coil_close(client);
        coil_close(server);
    }

    Pair(const Pair &) = delete;
    Pair &operator=(const Pair &) = delete;

    static sockaddr *addr(sockaddr_storage &name) { return reinterpret_cast<sockaddr *>(&name); }

    std::string receive(size_t len) const
    {
        std::string got(len, '-');
        EXPECT_EQ(ssize_t(len), coil_recv_all(server, &got[0], len, 0));
        return got;
    }
};

/* One send as the ring sees it: it takes note of both completions, and may reuse the memory at the
 * first one, which is a completion too early. */
struct RingSend {
    coil_future future = {};
    std::string data;
    bool reuses;
    int completions = 0;
    int32_t result = 0, last_result = 0;
    uint32_t last_flags = 0;
    coil_time told_at = 0, ended_at = 0;

    explicit RingSend(std::string bytes, bool reuses_early = false)
        : data(std::move(bytes)), reuses(reuses_early)
    {}

    void start(int fd)
    {
        io_uring_sqe *sqe = coil__op_begin(&future, &kind, COIL__NO_FD);
        ASSERT_NE(nullptr, sqe);
        io_uring_prep_send_zc(sqe, fd, data.data(), data.size(), MSG_WAITALL, 0);
        coil__op_fire_events(sqe, &future);
    }

    static void event(coil_future *future, int32_t result, uint32_t flags)
    {
        auto send = reinterpret_cast<RingSend *>(future);
        bool more = (flags & IORING_CQE_F_MORE) != 0;
        if (send->completions++ == 0) {
            send->result = result;
            send->told_at = coil_now();
            if (more && send->reuses)
                memset(&send->data[0], '!', send->data.size());
        }
        if (more)
            return;
        send->ended_at = coil_now();
        send->last_result = result;
        send->last_flags = flags;
        coil__future_complete(future, send->result);
    }

    static const coil_future_kind kind;
};

const coil_future_kind RingSend::kind = {
    "send_zc", coil__op_cancel, RingSend::event, nullptr, false, false, false};

const std::string kText = "what is sent without a copy";

} // namespace

TEST(SimSendZc, IsToldTwiceAsARuleAndOnceNowAndThen)
{
    for (coil_sim_faults faults : {COIL_SIM_FAULTS_OFF, COIL_SIM_FAULTS_HARSH}) {
        int twice = 0, once = 0, late = 0;
        for (uint64_t seed = 0; seed < kSeeds; seed++) {
            RingSend send(kText);
            simulate(seed, [&] {
                Pair pair(faults);
                send.start(pair.client);
                return int(coil_await(&send.future));
            });
            ASSERT_TRUE(send.completions == 1 || send.completions == 2);
            bool is_second = send.completions == 2;
            EXPECT_EQ(is_second ? IORING_CQE_F_NOTIF : 0, send.last_flags);
            EXPECT_EQ(is_second ? 0 : send.result, send.last_result);
            once += is_second ? 0 : 1;
            twice += is_second ? 1 : 0;
            late += send.ended_at > send.told_at + COIL_SEC ? 1 : 0;
        }
        EXPECT_GT(once, 5) << faults;
        EXPECT_GT(twice, 100) << faults;
        EXPECT_EQ(faults != COIL_SIM_FAULTS_OFF, late > 0) << faults;
    }
}

/* As on a real kernel: also an error says whether the memory is still held. */
TEST(SimSendZc, IsToldTwiceThatItFailed)
{
    int twice = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        RingSend send(kText);
        simulate(seed, [&] {
            send.start(-1);
            EXPECT_EQ(-EBADF, coil_await(&send.future));
            return 0;
        });
        twice += send.completions == 2 ? 1 : 0;
    }
    EXPECT_GT(twice, 25);
}

TEST(SimSendZc, SendsNonsenseForWhoReusesItsMemoryBeforeTheSecondCompletion)
{
    int nonsense = 0, too_early = 0;
    for (uint64_t seed = 0; seed < kSeeds; seed++) {
        for (bool reuses : {true, false}) {
            RingSend send(kText, reuses);
            std::string got;
            simulate(seed, [&] {
                Pair pair;
                send.start(pair.client);
                while (send.completions == 0)
                    EXPECT_EQ(0, coil_sleep(COIL_USEC));
                got = send.result > 0 ? pair.receive(kText.size()) : kText;
                EXPECT_EQ(send.result, coil_await(&send.future));
                return 0;
            });
            too_early += reuses && send.completions == 2 ? 1 : 0;
            nonsense += got != kText ? 1 : 0;
            EXPECT_TRUE(reuses || got == kText) << "seed " << seed;
        }
    }
    EXPECT_GT(nonsense, too_early / 2) << "of " << too_early;
}

/* What the call promises: its memory is the caller's when it returns. */
TEST(SimSendZc, NeverReadsItsMemoryOnceTheCallHasReturned)
{
    for (coil_sim_faults faults :
         {COIL_SIM_FAULTS_OFF, COIL_SIM_FAULTS_MILD, COIL_SIM_FAULTS_HARSH}) {
        for (uint64_t seed = 0; seed < kSeeds; seed++) {
            SCOPED_TRACE("seed " + std::to_string(seed) + ", faults " + std::to_string(faults));
            simulate(seed, [faults] {
                Pair pair(faults);
                std::string data(300'000, 'x'), got(data.size(), '-');
                ssize_t sent = 0;
                Children children;
                COIL_SCOPE(scope, COIL_FOREVER);
                children.start(scope, [&] {
                    sent = coil_send_zc_all(pair.client, data.data(), data.size(), 0);
                    data.assign(data.size(), '!');
                    return 0;
                });
                ssize_t n = coil_recv_all(pair.server, &got[0], got.size(), 0);
                EXPECT_EQ(std::string::npos, got.find('!'));
                EXPECT_TRUE(n == ssize_t(got.size()) || n < 0) << n;
                coil_scope_cancel(&scope);
                return coil_scope_close(&scope, 0);
            });
        }
    }
}

TEST(SimSendZc, CancelledAtAnyMomentSaysWhatWasSent)
{
    int stopped = 0, parts = 0, all = 0;
    for (uint64_t seed = 0; seed < 2 * kSeeds; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        simulate(seed, [&] {
            const size_t size = 200'000;
            Pair pair;
            std::string data(size, 'x'), got(size, '-');
            COIL_FUTURE(sending);
            coil_send_zc_start(&sending, pair.client, data.data(), size, MSG_WAITALL);
            EXPECT_EQ(0, coil_sleep(int64_t(coil_sim_random() % 200) * COIL_USEC));
            if (coil_sim_random() % 2 == 0) {
                EXPECT_GT(coil_recv(pair.server, &got[0], 100'000, MSG_WAITALL), 0);
            }
            coil_future_cancel(&sending);
            ssize_t sent = coil_await(&sending);
            data.assign(size, '!');
            EXPECT_EQ(0, coil_shutdown(pair.client, SHUT_WR));
            while (coil_recv(pair.server, &got[0], size, 0) > 0)
                EXPECT_EQ(std::string::npos, got.find('!'));
            EXPECT_TRUE(sent > 0 || sent == -ECANCELED) << sent;
            stopped += sent < 0 ? 1 : 0;
            parts += sent > 0 && sent < ssize_t(size) ? 1 : 0;
            all += sent == ssize_t(size) ? 1 : 0;
            return 0;
        });
    }
    EXPECT_GT(stopped, 0);
    EXPECT_GT(parts, 0);
    EXPECT_GT(all, 0);
}

/* TCP gives up one day: so it is no deadlock, but nothing hurries it either, and who waits is
 * named.
 */
TEST(SimSendZc, IsWaitedForThoughItsPeerNeverReadsAndAllIsToEnd)
{
    int patient = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        coil_time begin = 0, end = 0;
        Simulated outcome = simulate(seed, [&] {
            Pair pair;
            COIL_FUTURE(sending);
            coil_send_zc_start(&sending, pair.client, kText.data(), kText.size(), 0);
            EXPECT_EQ(0, coil_sleep(COIL_MSEC));
            begin = coil_now();
            coil_stop(0);
            int result = int(coil_await(&sending));
            end = coil_now();
            return result > 0 ? 0 : result;
        });
        bool waited = end - begin > 600 * COIL_SEC;
        std::string report = outcome.log.size() > 1 ? outcome.log[1] : "";
        bool named = report.find("send_zc: the peer's acknowledgement") != std::string::npos;
        EXPECT_EQ(0, outcome.result);
        EXPECT_TRUE(named || !waited) << report;
        patient += waited ? 1 : 0;
    }
    EXPECT_GT(patient, 10);
}

TEST(SimSendZc, MakesACopyWhereItMust)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        simulate(seed, [] {
            Pair pair(COIL_SIM_FAULTS_MILD, AF_UNIX);
            EXPECT_EQ(ssize_t(kText.size()),
                      coil_send_zc_all(pair.client, kText.data(), kText.size(), 0));
            EXPECT_EQ(kText, pair.receive(kText.size()));
            return 0;
        });
    }
}
