/* SPDX-License-Identifier: MIT */
/* Multishot operations in a simulated world: they end when the completion queue is full, and now
 * and then by themselves, also for want of a buffer; who begins them again loses nothing. */
#include "sim/network.h"
#include "sim/simulate.h"

#include <functional>
#include <liburing.h>
#include <map>
#include <netinet/in.h>
#include <poll.h>
extern "C" {
#include "core/buffers.h"
#include "sim/world.h"
#include "ring/op.h"
}

using namespace coil_test;

namespace {

sockaddr *addr(sockaddr_in &name)
{
    return reinterpret_cast<sockaddr *>(&name);
}

/* One operation, which is begun again when it has ended, and what it has brought. */
struct Multishot {
    coil_future future = {};
    int brought = 0;
    std::map<int32_t, int> ends; /* by result, those that are no error as 0 */
    std::vector<int> conns;      /* of an accept */
    bool accepts = false;

    void arm(const std::function<void(io_uring_sqe *)> &prepare)
    {
        coil__buffers_publish(coil__buffers_of(coil__core_here));
        io_uring_sqe *sqe = coil__op_begin(&future, &kind, COIL__NO_FD);
        ASSERT_NE(nullptr, sqe);
        prepare(sqe);
        coil__op_fire_events(sqe, &future);
    }

    bool has_ended()
    {
        if (!coil_future_done(&future))
            return false;
        EXPECT_EQ(0, coil_await(&future));
        return true;
    }

    void stop()
    {
        coil_future_cancel(&future);
        EXPECT_EQ(0, coil_await(&future));
        for (int conn : conns)
            EXPECT_EQ(0, coil_close(conn));
    }

    void take(int32_t result, uint32_t flags)
    {
        if (accepts)
            conns.push_back(result);
        if ((flags & IORING_CQE_F_BUFFER) != 0) {
            auto id = uint16_t(flags >> IORING_CQE_BUFFER_SHIFT);
            coil__buffers_filled(coil__core_here->buffers, id, uint32_t(result));
            coil__buffers_release(coil__core_here->buffers, id);
            brought += result;
        } else {
            brought++;
        }
    }

    static void event(coil_future *future, int32_t result, uint32_t flags)
    {
        auto op = reinterpret_cast<Multishot *>(future);
        if (result >= 0)
            op->take(result, flags);
        if ((flags & IORING_CQE_F_MORE) != 0)
            return;
        op->ends[result < 0 ? result : 0]++;
        coil__future_complete(future, 0);
    }

    static const coil_future_kind kind;
};

const coil_future_kind Multishot::kind = {
    "multishot", coil__op_cancel, Multishot::event, nullptr, false, false, false};

/* What an operation is made for, and what brings it news. */
class Source {
public:
    Multishot op;

    Source(int domain_type, bool polls) : polls_(polls), type_(domain_type)
    {
        sockaddr_in name = loopback(80);
        fds_[0] = coil_socket(AF_INET, type_, 0);
        EXPECT_EQ(0, coil_bind(fds_[0], addr(name), sizeof(name)));
        int err = type_ == SOCK_STREAM ? coil_listen(fds_[0], 64) : 0;
        EXPECT_EQ(0, err);
    }
    virtual ~Source()
    {
        for (int fd : fds_)
            EXPECT_EQ(0, coil_close(fd));
    }
    Source(const Source &) = delete;
    Source &operator=(const Source &) = delete;

    /* Something that it brings. */
    virtual void offer() { EXPECT_EQ(1, coil_send(fds_[1], "x", 1, 0)); }

    /* What it has brought is taken away: of a poll. */
    void clear()
    {
        char byte;
        EXPECT_EQ(1, polls_ ? coil_recv(fd(), &byte, 1, 0) : 1);
    }

    void arm()
    {
        op.arm([&](io_uring_sqe *sqe) { prepare(sqe); });
    }

protected:
    std::vector<int> fds_ = {-1};
    bool polls_;
    int type_;

    virtual int fd() const { return fds_[0]; }

    int connect()
    {
        sockaddr_in name = loopback(80);
        fds_.push_back(coil_socket(AF_INET, type_, 0));
        EXPECT_EQ(0, coil_connect(fds_.back(), addr(name), sizeof(name)));
        return fds_.back();
    }

    virtual void prepare(io_uring_sqe *sqe)
    {
        if (polls_) {
            io_uring_prep_poll_multishot(sqe, fd(), POLLIN);
            return;
        }
        io_uring_prep_recv_multishot(sqe, fd(), nullptr, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = 0;
    }
};

struct Listener : Source {
    Listener() : Source(SOCK_STREAM, false) { op.accepts = true; }
    void offer() override { connect(); }
    void prepare(io_uring_sqe *sqe) override
    {
        io_uring_prep_multishot_accept(sqe, fd(), nullptr, nullptr, 0);
    }
};

struct Connection : Source {
    explicit Connection(bool polls = false) : Source(SOCK_STREAM, polls)
    {
        connect();
        fds_.push_back(coil_accept(fds_[0], nullptr, nullptr, 0));
    }
    int fd() const override { return fds_[2]; }
};

struct Datagrams : Source {
    Datagrams() : Source(SOCK_DGRAM, false) { connect(); }
};

struct Kind {
    const char *name;
    std::unique_ptr<Source> (*make)();
    bool takes_buffers;
};

const Kind kKinds[] = {
    {"Accept", [] { return std::unique_ptr<Source>(new Listener); }, false},
    {"Recv", [] { return std::unique_ptr<Source>(new Connection); }, true},
    {"Datagram", [] { return std::unique_ptr<Source>(new Datagrams); }, true},
    {"Poll", [] { return std::unique_ptr<Source>(new Connection(true)); }, false},
};

std::string name_of(const testing::TestParamInfo<Kind> &info)
{
    return info.param.name;
}

void PrintTo(const Kind &kind, std::ostream *out)
{
    *out << kind.name;
}

class SimMultishot : public testing::TestWithParam<Kind> {};

INSTANTIATE_TEST_SUITE_P(Of, SimMultishot, testing::ValuesIn(kKinds), name_of);

constexpr int kOffers = 40;

/* Offers one after the other, and begins again whenever the operation has ended. */
int take_all(const Kind &kind, std::map<int32_t, int> &ends)
{
    std::unique_ptr<Source> source = kind.make();
    source->arm();
    for (int i = 1; i <= kOffers; i++) {
        source->offer();
        EXPECT_EQ(0, coil_sleep(20 * COIL_MSEC));
        while (source->op.has_ended()) { /* ends: as a rule the next does not at once */
            source->arm();
            EXPECT_EQ(0, coil_sleep(20 * COIL_MSEC));
        }
        source->clear();
    }
    source->op.stop();
    for (const auto &end : source->op.ends)
        ends[end.first] += end.second;
    return source->op.brought;
}

} // namespace

TEST_P(SimMultishot, EndsNowAndThenAndLosesNothing)
{
    constexpr int seeds = COIL_TEST_INSTRUMENTED ? 5 : 30;
    std::map<int32_t, int> ends;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        int brought = 0;
        simulate(seed, [&] { return brought = take_all(GetParam(), ends), 0; });
        if (GetParam().name == std::string("Poll"))
            EXPECT_GE(brought, kOffers); /* it may tell again what it has told */
        else
            EXPECT_EQ(kOffers, brought);
    }
    EXPECT_GT(ends[0], seeds / 5);
    EXPECT_EQ(GetParam().takes_buffers, ends[-ENOBUFS] > seeds / 10) << ends[-ENOBUFS];
    EXPECT_EQ(seeds, ends[-ECANCELED]) << "by us";
    EXPECT_EQ(3u, ends.size());
}

TEST_P(SimMultishot, GoesOnForEverWhereNothingIsBad)
{
    std::map<int32_t, int> ends;
    for (uint64_t seed = 0; seed < 3; seed++) {
        simulate(
            seed, [&] { return take_all(GetParam(), ends), 0; }, 1, ",faults=off");
    }
    EXPECT_EQ((std::map<int32_t, int>{{-ECANCELED, 3}}), ends);
}

TEST_P(SimMultishot, EndsWhenTheCompletionQueueIsFull)
{
    auto body = [&] {
        std::unique_ptr<Source> source = GetParam().make();
        std::vector<coil_future> nops(3000);
        source->offer();
        EXPECT_EQ(0, coil_sleep(COIL_MSEC));
        for (size_t i = 0; i < nops.size(); i++) {
            if (i == 1000)
                source->arm();
            coil_nop_start(&nops[i]);
        }
        EXPECT_EQ(1u, coil__sim.overflows);
        for (coil_future &nop : nops)
            EXPECT_EQ(0, coil_await(&nop));
        EXPECT_TRUE(source->op.has_ended());
        EXPECT_EQ((std::map<int32_t, int>{{0, 1}}), source->op.ends);
        EXPECT_EQ(1, source->op.brought);
        source->clear();
        source->arm();
        source->offer();
        EXPECT_EQ(0, coil_sleep(COIL_MSEC));
        EXPECT_EQ(2, source->op.brought);
        source->clear();
        source->op.stop();
        return 0;
    };
    EXPECT_EQ(0, simulate(1, body, 1, ",faults=off", 16).result);
}

/* ---- queues that overflow ---- */

namespace {

/* How often it overflowed while so many operations were in flight at once. */
uint64_t overflows_of(uint64_t seed, const std::string &knobs, size_t count)
{
    std::vector<coil_future> nops(count);
    Simulated outcome = simulate(
        seed,
        [&] {
            for (coil_future &nop : nops)
                coil_nop_start(&nop);
            for (coil_future &nop : nops)
                EXPECT_EQ(0, coil_await(&nop));
            return 0;
        },
        1, knobs);
    EXPECT_EQ(0, outcome.result);
    return coil__sim.overflows;
}

} // namespace

/* With rings of the usual size, and as many operations as a busy core has. */
TEST(SimOverflow, HappensInSomeWorldsUnlessThereAreNoFaults)
{
    int worlds = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        worlds += overflows_of(seed, "", 1500) > 0 ? 1 : 0;
        EXPECT_EQ(0u, overflows_of(seed, ",faults=off", 1500));
    }
    EXPECT_GT(worlds, 5);
    EXPECT_LT(worlds, 30);
}

TEST(SimOverflow, IsTraced)
{
    setenv("COIL_SIM_TRACE", "1", 1);
    testing::internal::CaptureStderr();
    uint64_t overflows = overflows_of(1, ",faults=off", 20000);
    std::string lines = testing::internal::GetCapturedStderr();
    unsetenv("COIL_SIM_TRACE");
    EXPECT_GE(overflows, 1u);
    EXPECT_NE(std::string::npos, lines.find(" core 0: overflow #1 of completions "));
}
