/* SPDX-License-Identifier: MIT */
#include "support/waits.h"

extern "C" {
#include "future/scope.h"
}

#include <array>
#include <cerrno>

namespace coil_test {
namespace {

constexpr int kNotYet = 4711;

template <class Test> void for_each(const Waits &waits, Test test)
{
    for (const auto &[name, make] : waits) {
        SCOPED_TRACE(name);
        EXPECT_EQ(0, run([&test, wait = std::shared_ptr<Wait>(make())] {
                      test(*wait);
                      return coil_yield();
                  }));
    }
}

/* A coroutine that waits, and does nothing with what it got. */
void start_waiter(Children &children, coil_scope &scope, Wait &wait, int &result)
{
    result = kNotYet;
    children.start(scope, [&] {
        result = wait.wait();
        wait.leave(result);
        return 0;
    });
    give_way();
    EXPECT_EQ(kNotYet, result) << "it did not wait";
}

/* --- who cancels, and when ---------------------------------------------------------------- */

enum class Cause { kOwnDeadline, kOuterDeadline, kSiblingsError, kExplicit };
enum class Moment {
    kBeforeTheWait,
    kWhileWaiting,
    kAndThenGranted, /* before the waiter has run again */
    kJustAfterGrant, /* likewise */
    kAfterTheWait,
};

struct Cell {
    Cause cause;
    Moment moment;

    bool cancels() const
    {
        return moment != Moment::kJustAfterGrant && moment != Moment::kAfterTheWait;
    }
};

/* What the two scopes of the victim report if the cancellation stopped something. */
std::pair<int, int> reports(Cause cause)
{
    switch (cause) {
    case Cause::kOwnDeadline:
        return {-ETIMEDOUT, 0};
    case Cause::kOuterDeadline:
        return {-ECANCELED, -ETIMEDOUT};
    case Cause::kSiblingsError:
        return {-EIO, 0};
    case Cause::kExplicit:
        break;
    }
    return {0, 0};
}

/* The coroutine that is cancelled, in two scopes of its own and with a sibling. */
class Victim {
public:
    Victim(Wait &wait, Cell cell) : wait_(wait), cell_(cell) {}

    int result = kNotYet;

    int live()
    {
        coil_scope_open(&outer_, COIL_FOREVER);
        coil_scope_open(&inner_, COIL_FOREVER);
        if (strikes_late()) {
            children_.start(inner_, [this] {
                int err = coil_event_wait(&failure_);
                return err < 0 ? err : -EIO;
            });
        }
        if (cell_.moment == Moment::kBeforeTheWait)
            strike_and_see();
        result = wait_.wait();
        if (cell_.moment == Moment::kAfterTheWait)
            strike_and_see();
        wait_.leave(result);
        bool is_reported = cell_.cancels() || cell_.cause == Cause::kSiblingsError;
        auto [inner, outer] = is_reported ? reports(cell_.cause) : std::make_pair(0, 0);
        int closed = coil_scope_close(&inner_, result < 0 ? result : 0);
        EXPECT_EQ(inner, closed);
        EXPECT_EQ(outer, coil_scope_close(&outer_, closed == -ECANCELED ? closed : 0));
        return 0;
    }

    /* Cancels; a sibling only once it runs. */
    void strike()
    {
        switch (cell_.cause) {
        case Cause::kOwnDeadline:
            return coil__scope_cancel(&inner_, COIL__CAUSE_DEADLINE);
        case Cause::kOuterDeadline:
            return coil__scope_cancel(&outer_, COIL__CAUSE_DEADLINE);
        case Cause::kSiblingsError:
            return coil_event_set(&failure_);
        case Cause::kExplicit:
            return coil_scope_cancel(&inner_);
        }
    }

    void strike_and_see()
    {
        strike();
        while (!coil_scope_cancelled(&inner_)) /* ends in the sibling's turn */
            give_way();
    }

    bool strikes_late() const { return cell_.cause == Cause::kSiblingsError; }

private:
    Wait &wait_;
    Cell cell_;
    Children children_;
    coil_event failure_ = COIL_ZERO;
    coil_scope outer_, inner_;
};

/* The keeper's part. Returns how often it has granted. */
int act(Wait &wait, Victim &victim, Moment moment)
{
    switch (moment) {
    case Moment::kBeforeTheWait:
        break;
    case Moment::kWhileWaiting:
        victim.strike_and_see();
        give_way(2);
        EXPECT_NE(kNotYet, victim.result);
        break;
    case Moment::kAndThenGranted:
        victim.strike_and_see();
        break;
    case Moment::kJustAfterGrant:
        if (victim.strikes_late())
            victim.strike();
        wait.grant();
        if (!victim.strikes_late())
            victim.strike();
        return 1;
    case Moment::kAfterTheWait:
        break;
    }
    wait.grant();
    return 1;
}

void expect_cell(Wait &wait, Cell cell)
{
    wait.block(2);
    int other;
    Children children;
    Victim victim(wait, cell);
    COIL_SCOPE(scope, COIL_FOREVER);
    children.start(scope, [&] { return victim.live(); });
    give_way(2);
    EXPECT_EQ(cell.moment == Moment::kBeforeTheWait ? -ECANCELED : kNotYet, victim.result);
    start_waiter(children, scope, wait, other);

    int granted = act(wait, victim, cell.moment);
    give_way(5);
    EXPECT_EQ(cell.cancels() ? -ECANCELED : 0, victim.result);
    bool used_up = wait.kind() == Grant::kIsUsedUp || wait.kind() == Grant::kIsReturned;
    if (used_up && !cell.cancels()) {
        EXPECT_EQ(kNotYet, other);
        wait.grant();
        granted++;
        give_way(2);
    }
    EXPECT_EQ(0, other) << "the other's turn was lost";
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
    wait.expect_free(granted);
}

} // namespace

void expect_every_cell_of_the_table(const Waits &waits)
{
    for (const auto &[name, make] : waits) {
        for (int cause = 0; cause < 4; cause++) {
            for (int moment = 0; moment < 5; moment++) {
                SCOPED_TRACE(name + ", cause " + std::to_string(cause) + ", moment " +
                             std::to_string(moment));
                EXPECT_EQ(0, run([&, &make = make] {
                              expect_cell(*make(), {Cause(cause), Moment(moment)});
                              return coil_yield();
                          }));
            }
        }
    }
}

void expect_own_deadlines(const Waits &waits)
{
    for_each(waits, [](Wait &wait) {
        wait.block(3);
        Children children;
        int other, ended = kNotYet;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            COIL_SCOPE(timeout, coil_after(COIL_MSEC));
            int result = wait.wait();
            wait.leave(result);
            EXPECT_EQ(-ECANCELED, result);
            ended = coil_scope_close(&timeout, result);
            return 0;
        });
        children.start(scope, [&] {
            COIL_FUTURE(future);
            wait.start(&future);
            int result = int(coil_await_until(&future, coil_after(COIL_MSEC)));
            wait.leave(result);
            EXPECT_EQ(-ETIMEDOUT, result);
            return 0;
        });
        start_waiter(children, scope, wait, other);
        EXPECT_EQ(0, coil_sleep(2 * COIL_MSEC));
        EXPECT_EQ(-ETIMEDOUT, ended);
        EXPECT_EQ(kNotYet, other);
        wait.grant();
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(0, other);
        wait.expect_free(1);
    });
}

void expect_first_come_first_served(const Waits &waits)
{
    constexpr int kCount = 12;
    for_each(waits, [](Wait &wait) {
        wait.block(kCount);
        std::vector<int> order;
        std::array<coil_scope *, kCount> scopes = {};
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < kCount; i++) {
            children.start(scope, [&, i] {
                COIL_SCOPE(own, COIL_FOREVER);
                scopes[size_t(i)] = &own;
                int result = wait.wait();
                if (result == 0)
                    order.push_back(i);
                wait.leave(result);
                return coil_scope_close(&own, result);
            });
        }
        give_way();
        for (int i : {0, 5, 6, kCount - 1}) /* the first, two side by side, the last */
            coil_scope_cancel(scopes[size_t(i)]);
        give_way(2);
        EXPECT_TRUE(order.empty());
        const std::vector<int> expected = {1, 2, 3, 4, 7, 8, 9, 10};
        int granted = 0;
        for (; granted < kCount && order.size() < expected.size(); granted++) {
            wait.grant();
            for (size_t before = kCount; before != order.size();) {
                before = order.size();
                give_way(2);
            }
        }
        EXPECT_EQ(expected, order);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        wait.expect_free(granted);
    });
}

void expect_dropped_grants_are_passed_on(const Waits &waits)
{
    for_each(waits, [](Wait &wait) {
        wait.block(2);
        int other, granted = 1;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_event drop = COIL_ZERO;
        children.start(scope, [&] {
            COIL_FUTURE(future);
            wait.start(&future);
            EXPECT_EQ(0, coil_event_wait(&drop));
            EXPECT_TRUE(coil_future_done(&future));
            return 0;
        });
        give_way();
        start_waiter(children, scope, wait, other);
        wait.grant();
        give_way(2);
        EXPECT_EQ(wait.kind() == Grant::kOfAll ? 0 : kNotYet, other);
        coil_event_set(&drop);
        give_way(3);
        if (wait.kind() == Grant::kIsUsedUp) {
            EXPECT_EQ(kNotYet, other);
            wait.grant();
            granted++;
            give_way(2);
        }
        EXPECT_EQ(0, other) << "what was granted is lost";
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        wait.expect_free(granted);
    });
}

void expect_futures_can_be_cancelled(const Waits &waits)
{
    for_each(waits, [](Wait &wait) {
        wait.block(1);
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_event go = COIL_ZERO;
        children.start(scope, [&] {
            COIL_FUTURE(future);
            wait.start(&future);
            EXPECT_FALSE(coil_future_done(&future));
            coil_future_cancel(&future);
            coil_future_cancel(&future);
            int result = int(coil_await(&future));
            EXPECT_EQ(-ECANCELED, result);
            wait.leave(result);

            wait.start(&future);
            coil_future_drop(&future);
            EXPECT_EQ(0, coil_yield()) << "a future's cancel is not the scope's";

            wait.start(&future);
            EXPECT_EQ(0, coil_event_wait(&go));
            coil_future_cancel(&future); /* too late */
            result = int(coil_await(&future));
            EXPECT_EQ(0, result);
            wait.leave(result);

            COIL_SCOPE(cancelled, COIL_FOREVER);
            coil_scope_cancel(&cancelled);
            wait.start(&future);
            EXPECT_TRUE(coil_future_done(&future));
            coil_future_drop(&future); /* of a wait that was refused */
            return coil_scope_close(&cancelled, 0);
        });
        give_way(4);
        wait.grant();
        coil_event_set(&go);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        wait.expect_free(1);
    });
}

void expect_selection(const Waits &waits)
{
    for_each(waits, [](Wait &wait) {
        wait.block(1);
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        coil_event chosen = COIL_ZERO;
        children.start(scope, [&] {
            COIL_FUTURE(future);
            COIL_FUTURE(soon);
            COIL_FUTURE(never);
            coil_future *all[] = {&never, &future, &soon};
            coil_sleep_until_start(&never, COIL_FOREVER);
            coil_sleep_start(&soon, COIL_MSEC);
            wait.start(&future);
            EXPECT_EQ(2, coil_await_any(all, 3)) << "the timer, which is first";
            EXPECT_EQ(0, coil_await(&soon));
            coil_event_set(&chosen);
            EXPECT_EQ(1, coil_await_any(all, 2));
            int result = int(coil_await(&future));
            EXPECT_EQ(0, result);
            wait.leave(result);
            return 0;
        });
        EXPECT_EQ(0, coil_event_wait(&chosen));
        give_way();
        wait.grant();
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        wait.expect_free(1);
    });
}

} // namespace coil_test
