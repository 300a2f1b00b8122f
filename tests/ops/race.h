/* SPDX-License-Identifier: MIT */
/* An operation, a thread that makes it complete, and a cancellation, at random moments. */
#ifndef COIL_TESTS_OPS_RACE_H
#define COIL_TESTS_OPS_RACE_H

#include "ops/runtime.h"
#include "ops/sockets.h"

#include <coil/future.h>
#include <random>
#include <string>
#include <thread>

namespace coil_test {

/* Memory for the kernel to write to, with canaries at both ends. */
class Guarded {
public:
    explicit Guarded(size_t len) : len_(len), bytes_(len + 2 * kCanary, kMark) {}

    char *data() { return bytes_.data() + kCanary; }
    size_t size() const { return len_; }
    std::string text(size_t len) { return std::string(data(), len); }
    void wipe() { bytes_.assign(bytes_.size(), kMark); }

    /* Whether nothing was written behind the first `used` bytes, nor in front of them. */
    bool untouched_but(size_t used) const
    {
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

/* What races, one round after the other. begin() and end() run while nothing is in flight. */
class Race {
public:
    virtual ~Race() = default;

    virtual void begin() {}
    virtual void start(coil_future *future) = 0;
    virtual ssize_t call() = 0;           /* the waiting spelling */
    virtual void complete() {}            /* on the peer's thread */
    virtual void end(ssize_t result) = 0; /* -ECANCELED: it did not happen */
    virtual void end_dropped() {}         /* the result was thrown away */

    bool has_future = true;   /* start() exists */
    bool may_drop = false;    /* a result that nobody takes is no loss */
    bool has_peer = true;     /* complete() is needed */
    bool may_complete = true; /* outcomes that must be seen */
    bool may_be_cancelled = true;
    int64_t span_ns = 300 * COIL_USEC; /* in which the two moments lie */
    std::mt19937_64 random{20260101};

    uint64_t pick(uint64_t below) { return random() % below; }
};

/* Lets the race run many times and checks that both outcomes were seen and no descriptor is left.
 * To be called from a coroutine. */
void run_race(Race &race, int round_count);

} // namespace coil_test

#endif
