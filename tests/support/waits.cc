/* SPDX-License-Identifier: MIT */
#include "support/waits.h"

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

} // namespace

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
