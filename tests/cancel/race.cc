/* SPDX-License-Identifier: MIT */
/* An operation, a thread or a coroutine that makes it complete, and a cancellation, all at the same
 * moment. */
#include "cancel/cancel.h"
#include "cancel/keeper.h"

#include <atomic>
#include <sched.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace coil_test {
namespace {

/* The thread on the other side. It sleeps between rounds and acts on the spot. */
class Peer {
public:
    explicit Peer(Operation &operation) : operation_(operation), thread_([this] { work(); }) {}

    ~Peer()
    {
        go(-1);
        thread_.join();
    }

    void go(coil_time instant)
    {
        ssize_t n = write(to_.right, &instant, sizeof(instant));
        EXPECT_EQ(ssize_t(sizeof(instant)), n);
    }

    /* Blocks the core: nothing of interest is in flight. */
    void wait()
    {
        char done;
        EXPECT_EQ(1, read(from_.left, &done, 1));
    }

private:
    /* A thread inherits the one CPU of the core that starts it, where nothing would race. */
    static void leave_core(int cpu)
    {
        cpu_set_t cpus;
        EXPECT_EQ(0, sched_getaffinity(getpid(), sizeof(cpus), &cpus));
        if (CPU_COUNT(&cpus) > 1)
            CPU_CLR(size_t(cpu), &cpus);
        EXPECT_EQ(0, sched_setaffinity(0, sizeof(cpus), &cpus));
    }

    void work()
    {
        leave_core(core_cpu_);
        coil_time instant;
        while (read(to_.left, &instant, sizeof(instant)) == sizeof(instant) && instant >= 0) {
            while (coil_now() < instant) { /* ends at the instant */
            }
            operation_.complete();
            EXPECT_EQ(1, write(from_.right, "!", 1));
        }
    }

    Operation &operation_;
    int core_cpu_ = sched_getcpu();
    Pair to_ = make_pipe(), from_ = make_pipe();
    std::thread thread_;
};

/* The ways to give up. */
enum Way {
    FUTURE_CANCEL,
    FUTURE_DEADLINE,
    SCOPE_CANCEL,
    SCOPE_CANCEL_FROM_AFAR, /* that is, from another core */
    SCOPE_DEADLINE,
    DROP,
    WAY_COUNT
};

constexpr ssize_t kDropped = -99999;

ssize_t left(Operation &operation, ssize_t result)
{
    operation.leave(result);
    return result;
}

ssize_t cancel_future(Operation &operation, coil_time instant, bool twice)
{
    COIL_FUTURE(future);
    operation.start(&future);
    turn_until_instant(instant);
    coil_future_cancel(&future);
    if (twice) {
        turn(1);
        coil_future_cancel(&future);
    }
    return left(operation, coil_await(&future));
}

ssize_t drop_future(Operation &operation, coil_time instant)
{
    COIL_FUTURE(future);
    operation.start(&future);
    turn_until_instant(instant);
    coil_future_drop(&future);
    return kDropped;
}

ssize_t await_until(Operation &operation, coil_time instant)
{
    COIL_FUTURE(future);
    operation.start(&future);
    ssize_t result = coil_await_until(&future, instant);
    return left(operation, result == -ETIMEDOUT ? -ECANCELED : result);
}

ssize_t cancel_scope(Operation &operation, coil_time instant, bool twice)
{
    COIL_SCOPE(scope, COIL_FOREVER);
    const Body other = [&] {
        turn_until_instant(instant);
        coil_scope_cancel(&scope);
        if (twice)
            coil_scope_cancel(&scope);
        return 0;
    };
    spawn(&scope, other);
    ssize_t result = left(operation, operation.call());
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
    return result;
}

/* The others wait for the coroutine over there to run. */
ssize_t cancel_scope_from_afar(Operation &operation, int64_t span, std::atomic<coil_time> &begin)
{
    COIL_SCOPE(scope, COIL_FOREVER);
    Body cancel = [&] {
        coil_scope_cancel(&scope);
        return 0;
    };
    Body other = [&] {
        coil_time now = coil_now();
        begin = now;
        while (coil_now() < now + span) { /* ends at that instant */
        }
        return call(0, cancel);
    };
    EXPECT_EQ(0, coil_spawn_on(&scope, 1, call_body, &other));
    ssize_t result = left(operation, operation.call());
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
    return result;
}

ssize_t scope_deadline(Operation &operation, coil_time instant)
{
    COIL_SCOPE(scope, instant);
    ssize_t result = left(operation, operation.call());
    int outcome = coil_scope_close(&scope, 0);
    bool is_doubtful = result >= 0 && operation.was_stopped(result);
    if (!is_doubtful) {
        EXPECT_EQ(result == -ECANCELED ? -ETIMEDOUT : 0, outcome) << result;
    }
    return result;
}

Way pick_way(Operation &operation)
{
    for (;;) { /* ends: two of them are always allowed */
        Way way = Way(operation.pick(WAY_COUNT));
        bool wants_future = way == FUTURE_CANCEL || way == FUTURE_DEADLINE || way == DROP;
        bool is_allowed = (way != DROP || operation.may_drop) && way != SCOPE_CANCEL_FROM_AFAR &&
                          (!wants_future || operation.has_future);
        if (is_allowed)
            return way;
    }
}

ssize_t give_up(Operation &operation, Way way, coil_time instant)
{
    bool twice = operation.pick(4) == 0;
    switch (way) {
    case FUTURE_CANCEL:
        return cancel_future(operation, instant, twice);
    case FUTURE_DEADLINE:
        return await_until(operation, instant);
    case SCOPE_CANCEL:
        return cancel_scope(operation, instant, twice);
    case SCOPE_DEADLINE:
        return scope_deadline(operation, instant);
    default:
        return drop_future(operation, instant);
    }
}

/* When to give up, so that either side wins about half of the rounds: learns from who won. */
class Aim {
public:
    explicit Aim(int64_t first_guess) : best_(first_guess) {}

    /* Some time around the best guess; sometimes anywhere. */
    int64_t span(Operation &operation) const
    {
        if (operation.pick(8) == 0)
            return int64_t(operation.pick(uint64_t(3 * operation.lead_ns)));
        return best_ + int64_t(operation.pick(2 * kSpread)) - int64_t(kSpread);
    }

    void learn(bool happened)
    {
        int64_t next = best_ + (happened ? -kStep : kStep);
        if (next >= -kMost && next <= kMost)
            best_ = next;
    }

private:
    static constexpr int64_t kStep = COIL_USEC, kMost = 400 * COIL_USEC;
    static constexpr uint64_t kSpread = 5 * COIL_USEC;
    int64_t best_;
};

struct Tally {
    int happened = 0, stopped = 0, dropped = 0;
};

/* Both sides must have won: not by chance alone, but often. In a simulated world, where a thread's
 * time is not the core's, nobody knows who will. */
void expect_winners(const CancelRow &row, const Operation &operation, const Tally &tally)
{
    printf("happened %d, stopped %d, dropped %d\n", tally.happened, tally.stopped, tally.dropped);
    int often = is_simulated() ? 0 : (tally.happened + tally.stopped) / 200;
    EXPECT_GE(tally.happened, often) << "of " << tally.happened + tally.stopped;
    bool may_stop = row.racing == EITHER || row.racing == FIRST;
    EXPECT_GE(tally.stopped, may_stop && !operation.is_instant ? often : 0);
    EXPECT_TRUE(may_stop || tally.stopped == 0 || takes_time(row, operation))
        << "impossible: " << row.why;
}

/* What came of a round, and by which way it was given up. */
struct Round {
    Way way;
    ssize_t result;
};

void check(Operation &operation, Round round, std::vector<Aim> &aims, Tally *tally)
{
    SCOPED_TRACE("way " + std::to_string(round.way) + ", result " + std::to_string(round.result));
    if (round.result == kDropped) {
        tally->dropped++;
        operation.end_dropped();
        return;
    }
    bool happened = !operation.was_stopped(round.result);
    (happened ? tally->happened : tally->stopped)++;
    aims[size_t(round.way)].learn(happened);
    operation.end(round.result);
}

void race_a_thread(Operation &operation, Peer &peer, std::vector<Aim> &aims, Tally *tally)
{
    operation.begin();
    coil_time now = coil_now();
    if (operation.has_peer)
        peer.go(now + operation.lead_ns);
    Way way = pick_way(operation);
    ssize_t result = give_up(operation, way, now + aims[size_t(way)].span(operation));
    if (operation.has_peer)
        peer.wait();
    check(operation, {way, result}, aims, tally);
}

void race_a_coroutine(Operation &operation, std::vector<Aim> &aims, Tally *tally)
{
    constexpr uint64_t kOneIn = 16; /* takes longer than the others */
    Way way = operation.pick(kOneIn) == 0 ? SCOPE_CANCEL_FROM_AFAR : pick_way(operation);
    int64_t span = aims[size_t(way)].span(operation);
    std::atomic<coil_time> begin{COIL_FOREVER};
    Keeper keeper(operation, [&] {
        coil_time from = begin;
        return from != COIL_FOREVER && coil_now() >= from + operation.lead_ns;
    });
    ssize_t result;
    if (way == SCOPE_CANCEL_FROM_AFAR) {
        result = cancel_scope_from_afar(operation, span, begin);
    } else {
        begin = coil_now();
        result = give_up(operation, way, begin + span);
    }
    keeper.wait_until_completed();
    check(operation, {way, result}, aims, tally);
}

} // namespace

void run_race(Operation &operation, const CancelRow &row, int round_count)
{
    int descriptors = open_descriptors();
    Tally tally;
    {
        Peer peer(operation);
        std::vector<Aim> aims(WAY_COUNT, Aim(operation.lead_ns));
        while (tally.happened + tally.stopped < round_count && !testing::Test::HasFailure()) {
            SCOPED_TRACE("round " + std::to_string(tally.happened + tally.stopped));
            if (operation.is_local)
                race_a_coroutine(operation, aims, &tally);
            else
                race_a_thread(operation, peer, aims, &tally);
        }
    }
    EXPECT_TRUE(leaves_open(operation, descriptors)) << open_descriptors() - descriptors << " more";
    if (!testing::Test::HasFailure())
        expect_winners(row, operation, tally);
}

} // namespace coil_test
