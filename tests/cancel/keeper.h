/* SPDX-License-Identifier: MIT */
/* The coroutine on the other side of an operation that needs no kernel. */
#ifndef COIL_TESTS_CANCEL_KEEPER_H
#define COIL_TESTS_CANCEL_KEEPER_H

#include "cancel/operation.h"

namespace coil_test {

/* From its beginning to its end the operation is kept: it must end in the meantime. */
class Keeper {
public:
    /* Completes it once `due` and lined up. Returns when it may be started. */
    Keeper(Operation &operation, Callable<bool> due) : operation_(operation), due_(std::move(due))
    {
        coil_scope_open(&scope_, COIL_FOREVER);
        operation_.others = &scope_;
        spawn(&scope_, keep_);
        EXPECT_TRUE(turn_until([this] { return is_ready_; }));
    }

    ~Keeper() { EXPECT_EQ(0, coil_scope_close(&scope_, 0)); }

    Keeper(const Keeper &) = delete;
    Keeper &operator=(const Keeper &) = delete;

    /* In the turn in which it did, or in the next, before anybody that it has woken. */
    void wait_until_completed()
    {
        EXPECT_TRUE(turn_until([this] { return is_completed_; }));
    }

private:
    int keep()
    {
        operation_.keep([this] {
            is_ready_ = true;
            EXPECT_TRUE(turn_until([this] { return due_() && operation_.is_lined_up(); }));
        });
        is_completed_ = true;
        return 0;
    }

    Operation &operation_;
    Callable<bool> due_;
    bool is_ready_ = false, is_completed_ = false;
    coil_scope scope_ = {};
    const Body keep_ = [this] { return keep(); };
};

} // namespace coil_test

#endif
