/* SPDX-License-Identifier: MIT */
/*
 * What the tests of cancellation work on: one operation that can be made to complete, round after
 * round, and that can tell after each whether its result was the truth.
 */
#ifndef COIL_TESTS_CANCEL_OPERATION_H
#define COIL_TESTS_CANCEL_OPERATION_H

#include "ops/sockets.h"
#include "support/running.h"

#include <coil/future.h>
#include <random>
#include <string>

namespace coil_test {

/* Memory for the kernel to write to, with canaries at both ends. */
class Guarded {
public:
    explicit Guarded(size_t len) : len_(len), bytes_(len + 2 * kCanary, kMark) {}

    char *data() { return bytes_.data() + kCanary; }
    size_t size() const { return len_; }
    std::string text(size_t len) { return std::string(data(), len); }
    void wipe() { bytes_.assign(bytes_.size(), kMark); }

    /* Whether nothing was written behind the first `used` bytes, nor in front of them. In a
     * simulated world all of what the kernel was given has been scribbled on. */
    bool untouched_but(size_t used) const
    {
        if (is_simulated())
            used = len_;
        for (size_t i = 0; i < bytes_.size(); i++) {
            bool is_data = i >= kCanary && i < kCanary + used;
            if (!is_data && bytes_[i] != kMark)
                return false;
        }
        return true;
    }

private:
    static constexpr size_t kCanary = 64;
    static constexpr char kMark = char(0xA5);
    size_t len_;
    std::string bytes_;
};

/*
 * begin() and end() run while nothing is in flight, in a coroutine; complete() is called once
 * between them, on any thread, also when the operation was never begun or is over.
 *
 * One that needs no kernel is local: a coroutine of its own, its keeper, does both of the former in
 * keep(). Others may line up behind it for the same thing, so as to see whether what it did not
 * take, or gave back, is passed on; nothing happens until they do.
 */
class Operation {
public:
    Operation() = default;
    virtual ~Operation() = default;
    Operation(const Operation &) = delete;
    Operation &operator=(const Operation &) = delete;

    virtual void begin() {}
    virtual void start(coil_future *) { ADD_FAILURE() << "it has no such spelling"; }
    virtual ssize_t call() = 0;           /* the waiting spelling */
    virtual void complete() {}            /* makes what it waits for happen */
    virtual void end(ssize_t result) = 0; /* -ECANCELED: it did not happen */
    virtual void end_dropped() {}         /* the result was thrown away */
    virtual void leave(ssize_t) {} /* at once after call() or await: gives back what it got */

    virtual void keep(const Callable<void> &until_due)
    {
        begin();
        until_due();
        complete();
    }
    virtual bool is_lined_up() const { return true; }

    /* Whether a cancellation ended it: one in several steps then returns how far it came. */
    virtual bool was_stopped(ssize_t result) const { return result == -ECANCELED; }

    bool has_future = true;    /* start() exists */
    bool is_instant = false;   /* on this ring it is done before a cancel could come */
    bool lingers = false;      /* a thread goes on with what was given up, with open files */
    bool may_drop = false;     /* a result that nobody takes is no loss */
    bool is_local = false;     /* the core itself completes it: by keep() */
    bool has_peer = true;      /* without complete() it waits for ever */
    int slowness = 1;          /* a race takes so much longer, and has fewer rounds */
    bool gets_room = false;    /* late: its peer takes what was sent at its own pace */
    bool will_complete = true; /* for begin(): complete() is called while it is in flight */

    /* When complete() comes in a race: the peer's thread and the kernel must be ready by then. */
    int64_t lead_ns = 25 * COIL_USEC;
    coil_scope *others = nullptr; /* of a local one: for those behind it */
    std::mt19937_64 random{20260101};

    uint64_t pick(uint64_t below) { return random() % below; }
};

} // namespace coil_test

#endif
