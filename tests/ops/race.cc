/* SPDX-License-Identifier: MIT */
#include "ops/race.h"

#include <coil/scope.h>
#include <unistd.h>

namespace coil_test {
namespace {

/* The thread on the other side. It sleeps between rounds and acts on the spot. */
class Peer {
public:
    explicit Peer(Race &race) : race_(race), thread_([this] { work(); }) {}

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
    void work()
    {
        coil_time instant;
        while (read(to_.left, &instant, sizeof(instant)) == sizeof(instant) && instant >= 0) {
            while (coil_now() < instant) { /* ends at the instant */
            }
            race_.complete();
            EXPECT_EQ(1, write(from_.right, "!", 1));
        }
    }

    Race &race_;
    Pair to_ = make_pipe(), from_ = make_pipe();
    std::thread thread_;
};

/* The ways to give up. */
enum Way { FUTURE_CANCEL, FUTURE_DEADLINE, SCOPE_CANCEL, SCOPE_DEADLINE, DROP, WAY_COUNT };

constexpr ssize_t kDropped = -99999;

ssize_t cancel_future(Race &race, coil_time instant, bool twice)
{
    COIL_FUTURE(future);
    race.start(&future);
    turn_until_instant(instant);
    coil_future_cancel(&future);
    if (twice) {
        turn(1);
        coil_future_cancel(&future);
    }
    return coil_await(&future);
}

ssize_t drop_future(Race &race, coil_time instant)
{
    COIL_FUTURE(future);
    race.start(&future);
    turn_until_instant(instant);
    coil_future_drop(&future);
    return kDropped;
}

ssize_t await_until(Race &race, coil_time instant)
{
    COIL_FUTURE(future);
    race.start(&future);
    ssize_t result = coil_await_until(&future, instant);
    return result == -ETIMEDOUT ? -ECANCELED : result;
}

ssize_t cancel_scope(Race &race, coil_time instant, bool twice)
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
    ssize_t result = race.call();
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
    return result;
}

ssize_t scope_deadline(Race &race, coil_time instant)
{
    COIL_SCOPE(scope, instant);
    ssize_t result = race.call();
    int outcome = coil_scope_close(&scope, 0);
    EXPECT_TRUE(outcome == 0 || outcome == -ETIMEDOUT) << outcome;
    return result;
}

Way pick_way(Race &race)
{
    for (;;) { /* ends: two of the five are always allowed */
        Way way = Way(race.pick(WAY_COUNT));
        bool wants_future = way == FUTURE_CANCEL || way == FUTURE_DEADLINE || way == DROP;
        if ((way != DROP || race.may_drop) && (!wants_future || race.has_future))
            return way;
    }
}

ssize_t give_up(Race &race, Way way, coil_time instant)
{
    bool twice = race.pick(4) == 0;
    switch (way) {
    case FUTURE_CANCEL:
        return cancel_future(race, instant, twice);
    case FUTURE_DEADLINE:
        return await_until(race, instant);
    case SCOPE_CANCEL:
        return cancel_scope(race, instant, twice);
    case SCOPE_DEADLINE:
        return scope_deadline(race, instant);
    default:
        return drop_future(race, instant);
    }
}

/* Half of the rounds want the two moments far apart, half as near as can be. */
coil_time pick_instant(Race &race, coil_time now, int64_t peer_ns)
{
    const int64_t near_ns = 15 * COIL_USEC;
    int64_t span = int64_t(race.pick(uint64_t(race.span_ns)));
    if (race.pick(8) == 0)
        return 0; /* in the turn of its start */
    if (race.has_peer && race.pick(2) == 0)
        span = peer_ns + int64_t(race.pick(uint64_t(2 * near_ns))) - near_ns;
    return now + span;
}

} // namespace

void run_race(Race &race, int round_count)
{
    int descriptors = open_descriptors(), completed = 0, cancelled = 0;
    {
        Peer peer(race);
        for (int i = 0; i < round_count && !testing::Test::HasFailure(); i++) {
            race.begin();
            coil_time now = coil_now();
            int64_t peer_ns = int64_t(race.pick(uint64_t(race.span_ns)));
            if (race.has_peer)
                peer.go(now + peer_ns);
            Way way = pick_way(race);
            ssize_t result = give_up(race, way, pick_instant(race, now, peer_ns));
            if (race.has_peer)
                peer.wait();
            SCOPED_TRACE("round " + std::to_string(i) + ", way " + std::to_string(way) +
                         ", result " + std::to_string(result));
            if (result == kDropped)
                race.end_dropped();
            else
                race.end(result);
            (result == -ECANCELED ? cancelled : completed) += result != kDropped;
        }
    }
    EXPECT_EQ(descriptors, open_descriptors());
    if (testing::Test::HasFailure())
        return;
    EXPECT_TRUE(completed > 0 || !race.may_complete) << "of " << round_count;
    EXPECT_TRUE(cancelled > 0 || !race.may_be_cancelled) << "of " << round_count;
    printf("completed %d, cancelled %d, dropped %d\n", completed, cancelled,
           round_count - completed - cancelled);
}

} // namespace coil_test
