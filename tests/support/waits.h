/* SPDX-License-Identifier: MIT */
/* What every wait of sync/ and chan/ has to do, whatever it waits for. */
#ifndef COIL_TESTS_SUPPORT_WAITS_H
#define COIL_TESTS_SUPPORT_WAITS_H

#include "support/running.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace coil_test {

/* What becomes of the others when one waiter was granted, and is done with it or drops it. */
enum class Grant {
    kOfAll,      /* all were granted at once */
    kIsPassedOn, /* the next is granted when the first leaves, or drops it */
    kIsReturned, /* the next is granted when the first drops it, but leaving keeps it */
    kIsUsedUp,   /* each needs one of its own */
};

/* Something to wait for. A test's first coroutine is the keeper, who makes others wait. */
class Wait {
public:
    virtual ~Wait() = default;

    /* By the keeper: from here on up to `waiters` coroutines have to wait / one may go on. */
    virtual void block(unsigned waiters) = 0;
    virtual void grant() = 0;

    /* By a waiter: whether it could wait now. */
    virtual bool may_wait() { return true; }

    /* By a waiter, in either spelling; and what it does with the result of either. */
    virtual int wait() = 0;
    virtual void start(coil_future *future) = 0;
    virtual void leave(int result) { (void)result; }

    /* By the keeper, when all is over: whether `granted` grants and nothing else has happened. */
    virtual void expect_free(int granted) = 0;

    virtual Grant kind() const = 0;
};

/* By name; each makes a fresh one. */
using Waits = std::vector<std::pair<std::string, std::function<std::unique_ptr<Wait>()>>>;

/* Each is one test over all of `waits`. */
void expect_own_deadlines(const Waits &waits);
void expect_first_come_first_served(const Waits &waits);
void expect_dropped_grants_are_passed_on(const Waits &waits);
void expect_futures_can_be_cancelled(const Waits &waits);
void expect_selection(const Waits &waits);

} // namespace coil_test

#endif
