/* SPDX-License-Identifier: MIT */
/* Cancelling what one coroutine waits for another to hand over: locks, signals, turns, values. */
#include "chan/waits.h"
#include "sync/waits.h"
#include "cancel/cancel.h"

namespace {

using namespace coil_test;

constexpr int kNotYet = 4711;

/* A few turns ahead: there is no kernel to wait for. */
struct Local : Operation {
    Local()
    {
        is_local = true;
        lead_ns = 8 * COIL_USEC;
    }
};

/* A wait, and one more coroutine behind it that waits for the same: what is granted must reach
 * exactly one of them, or both. */
class AnyWaiting : public Local {
public:
    AnyWaiting() { may_drop = true; }

    void keep(const Callable<void> &until_due) override
    {
        wait_ = make_wait();
        has_begun_ = is_followed_ = false;
        other_ = kNotYet;
        wait_->block(2);
        spawn(others, follow_);
        until_due();
        wait_->grant();
    }
    bool is_lined_up() const override { return is_followed_; }

    /* Whoever follows comes when this returns or waits. */
    ssize_t call() override
    {
        has_begun_ = true;
        return wait_->wait();
    }
    void start(coil_future *future) override
    {
        has_begun_ = true;
        wait_->start(future);
    }
    void leave(ssize_t result) override { wait_->leave(int(result)); }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED) << result;
        bool is_used = wait_->kind() == Grant::kIsUsedUp || wait_->kind() == Grant::kIsReturned;
        see_off(result == 0 && is_used);
    }

    /* Nobody knows whether a send that was dropped did send. */
    void end_dropped() override
    {
        turn(kEnough);
        see_off(wait_->kind() == Grant::kIsUsedUp && other_ == kNotYet);
    }

private:
    static constexpr int kEnough = 5;

    virtual std::unique_ptr<Wait> make_wait() = 0;

    void see_off(bool needs_its_own)
    {
        if (needs_its_own) {
            turn(kEnough);
            ASSERT_EQ(kNotYet, other_) << "granted twice";
            wait_->grant();
        }
        ASSERT_TRUE(turn_until([this] { return other_ != kNotYet; })) << "the other's is lost";
        ASSERT_EQ(0, other_);
        wait_->expect_free(needs_its_own ? 2 : 1);
    }

    int follow()
    {
        EXPECT_TRUE(turn_until([this] { return has_begun_ && wait_->may_wait(); }));
        is_followed_ = true;
        int result = wait_->wait();
        wait_->leave(result);
        other_ = result;
        return 0;
    }

    std::unique_ptr<Wait> wait_;
    bool has_begun_ = false, is_followed_ = false;
    int other_ = kNotYet;
    const Body follow_ = [this] { return follow(); };
};

template <class W> class Waiting : public AnyWaiting {
    std::unique_ptr<Wait> make_wait() override { return std::make_unique<W>(); }
};

/* Somebody runs the function of the coil_once; if that fails, its turn goes to who waits. */
template <bool kFails> class RunningOnce : public Local {
public:
    RunningOnce() { has_future = false; }

    void keep(const Callable<void> &until_due) override
    {
        once_ = {};
        has_begun_ = is_followed_ = false;
        other_ = kNotYet;
        runs_ = 0;
        spawn(others, follow_);
        Body first = [&] {
            until_due();
            return kFails ? -EIO : 0;
        };
        EXPECT_EQ(kFails ? -EIO : 0, coil_once_run(&once_, call_body, &first));
    }
    bool is_lined_up() const override { return is_followed_; }

    ssize_t call() override
    {
        has_begun_ = true;
        return coil_once_run(&once_, run, this);
    }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED) << result;
        ASSERT_TRUE(turn_until([this] { return other_ != kNotYet; })) << "the turn is lost";
        ASSERT_EQ(0, other_);
        ASSERT_EQ(kFails ? 1 : 0, runs_);
        coil_once_destroy(&once_);
    }

private:
    static int run(void *self)
    {
        static_cast<RunningOnce *>(self)->runs_++;
        return 0;
    }

    int follow()
    {
        EXPECT_TRUE(turn_until([this] { return has_begun_; }));
        is_followed_ = true;
        other_ = coil_once_run(&once_, run, this);
        return 0;
    }

    struct coil_once once_ = {};
    bool has_begun_ = false, is_followed_ = false;
    int other_ = kNotYet, runs_ = 0;
    const Body follow_ = [this] { return follow(); };
};

/* Replaces what nobody has received. */
class SendingLatest : public Operation {
public:
    SendingLatest()
    {
        has_peer = false;
        may_drop = true;
    }

    void begin() override
    {
        coil_chan_init_latest(&chan_, &slot_, sizeof(slot_));
        ASSERT_EQ(0, coil_chan_try_send(&chan_, &kBefore));
    }
    void start(coil_future *future) override { coil_chan_send_start(future, &chan_, &kValue); }
    ssize_t call() override { return coil_chan_send(&chan_, &kValue); }
    void end(ssize_t result) override
    {
        int value = 0;
        ASSERT_TRUE(result == 0 || result == -ECANCELED) << result;
        ASSERT_EQ(0, coil_chan_try_recv(&chan_, &value));
        ASSERT_EQ(result == 0 ? kValue : kBefore, value);
        coil_chan_destroy(&chan_);
    }
    void end_dropped() override { end(0); }

private:
    static constexpr int kBefore = 1, kValue = 2;
    int slot_;
    coil_chan chan_;
};

/* The other end of the channel is on another core, and acts when a byte comes. */
class AcrossTheCores : public Operation {
public:
    AcrossTheCores() { may_drop = true; }

    void begin() override
    {
        coil_xchan_init(&chan, &slot_, sizeof(slot_), 1);
        has_acted = false;
        coil_scope_open(&scope_, COIL_FOREVER);
        ASSERT_EQ(0, coil_spawn_on(&scope_, 1, be_other, this));
    }
    void complete() override { ASSERT_EQ(1, write(pipe_.right, "!", 1)); }
    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == 0 || result == -ECANCELED) << result;
        join();
        expect(result);
        coil_xchan_destroy(&chan);
    }

protected:
    virtual void act() = 0;                  /* on the other core */
    virtual void expect(ssize_t result) = 0; /* that what is in the channel agrees with it */

    void join()
    {
        char left[2];
        ASSERT_EQ(1,
                  write(pipe_.right, "x", 1)); /* else it would wait for ever if not told to act */
        ASSERT_EQ(0, coil_scope_close(&scope_, 0));
        ssize_t rest = has_acted ? coil_read(pipe_.left, left, sizeof(left)) : 1;
        ASSERT_EQ(1, rest);
    }

    void expect_values(const std::vector<int> &values)
    {
        int value;
        for (int expected : values) {
            ASSERT_EQ(0, coil_xchan_try_recv(&chan, &value));
            ASSERT_EQ(expected, value);
        }
        ASSERT_EQ(-EAGAIN, coil_xchan_try_recv(&chan, &value));
    }

    static constexpr int kBefore = 1, kValue = 2;
    coil_xchan chan;
    bool has_acted = false;

private:
    static int be_other(void *arg)
    {
        auto *self = static_cast<AcrossTheCores *>(arg);
        char byte;
        EXPECT_EQ(1, coil_read(self->pipe_.left, &byte, 1));
        self->has_acted = byte == '!';
        if (self->has_acted)
            self->act();
        return 0;
    }

    int slot_;
    Pair pipe_ = make_pipe();
    coil_scope scope_ = {};
};

/* The channel is full until the other end receives. */
class SendingAcross : public AcrossTheCores {
public:
    void begin() override
    {
        AcrossTheCores::begin();
        ASSERT_EQ(0, coil_xchan_try_send(&chan, &kBefore));
    }
    void start(coil_future *future) override { coil_xchan_send_start(future, &chan, &kValue); }
    ssize_t call() override { return coil_xchan_send(&chan, &kValue); }
    void end_dropped() override
    {
        join();
        coil_xchan_destroy(&chan); /* whether it was sent nobody knows */
    }

protected:
    void act() override
    {
        int value;
        EXPECT_EQ(0, coil_xchan_recv(&chan, &value));
        EXPECT_EQ(kBefore, value);
    }
    void expect(ssize_t result) override
    {
        std::vector<int> values;
        if (!has_acted)
            values.push_back(kBefore);
        if (result == 0)
            values.push_back(kValue);
        expect_values(values);
    }
};

/* The channel is empty until the other end sends. */
class ReceivingAcross : public AcrossTheCores {
public:
    void start(coil_future *future) override { coil_xchan_recv_start(future, &chan, &place_); }
    ssize_t call() override { return coil_xchan_recv(&chan, &place_); }
    void end_dropped() override { end(-ECANCELED); }

protected:
    void act() override { EXPECT_EQ(0, coil_xchan_send(&chan, &kValue)); }
    void expect(ssize_t result) override
    {
        ASSERT_TRUE(result < 0 || (has_acted && place_ == kValue));
        place_ = 0;
        expect_values(has_acted && result < 0 ? std::vector<int>{kValue} : std::vector<int>{});
    }

private:
    int place_ = 0;
};

constexpr const char *kNeverWaits = "it replaces what is there";

const CancelRow kLocks[] = {
    /* call            before   in flight racing after */
    {"coil_mutex_lock", REFUSED, STOPPED, FIRST, HAPPENED, "", make<Waiting<MutexWait>>},
    {"coil_rwlock_read", REFUSED, STOPPED, FIRST, HAPPENED, "",
     make<Waiting<RwlockWait<false, true>>>},
    {"coil_rwlock_write", REFUSED, STOPPED, FIRST, HAPPENED, "",
     make<Waiting<RwlockWait<true, true>>>},
    {"coil_rwlock_write_behind_a_reader", REFUSED, STOPPED, FIRST, HAPPENED, "",
     make<Waiting<RwlockWait<true, false>>>},
    {"coil_sem_acquire", REFUSED, STOPPED, FIRST, HAPPENED, "", make<Waiting<SemWait>>},
    {"coil_cond_wait", REFUSED, STOPPED, FIRST, HAPPENED, "", make<Waiting<CondWait>>},
    {"coil_event_wait", REFUSED, STOPPED, FIRST, HAPPENED, "", make<Waiting<EventWait>>},
    {"coil_barrier_wait", REFUSED, STOPPED, FIRST, HAPPENED, "", make<Waiting<BarrierWait>>},
    {"coil_wait_group_wait", REFUSED, STOPPED, FIRST, HAPPENED, "", make<Waiting<WaitGroupWait>>},
    {"coil_once_run", REFUSED, STOPPED, FIRST, HAPPENED, "", make<RunningOnce<false>>},
    {"coil_once_run_after_a_failure", REFUSED, STOPPED, FIRST, HAPPENED, "",
     make<RunningOnce<true>>},
};
INSTANTIATE_TEST_SUITE_P(Lock, CancelledOperation, testing::ValuesIn(kLocks), name_of_row);

const CancelRow kChannels[] = {
    /* call            before   in flight racing after */
    {"coil_chan_send", REFUSED, STOPPED, FIRST, HAPPENED, "", make<Waiting<SendWait<1>>>},
    {"coil_chan_send_without_slots", REFUSED, STOPPED, FIRST, HAPPENED, "",
     make<Waiting<SendWait<0>>>},
    {"coil_chan_send_of_the_latest", REFUSED, HAPPENED, HAPPENED, HAPPENED, kNeverWaits,
     make<SendingLatest>},
    {"coil_chan_recv", REFUSED, STOPPED, FIRST, HAPPENED, "", make<Waiting<RecvWait<1>>>},
    {"coil_chan_recv_without_slots", REFUSED, STOPPED, FIRST, HAPPENED, "",
     make<Waiting<RecvWait<0>>>},
    {"coil_chan_recv_of_the_latest", REFUSED, STOPPED, FIRST, HAPPENED, "",
     make<Waiting<RecvLatestWait>>},
    {"coil_xchan_send", REFUSED, STOPPED, FIRST, HAPPENED, "",
     make<Waiting<SendWait<1, AcrossCores>>>},
    {"coil_xchan_recv", REFUSED, STOPPED, FIRST, HAPPENED, "",
     make<Waiting<RecvWait<1, AcrossCores>>>},
    {"coil_xchan_send_to_another_core", REFUSED, STOPPED, EITHER, HAPPENED, "",
     make<SendingAcross>},
    {"coil_xchan_recv_from_another_core", REFUSED, STOPPED, EITHER, HAPPENED, "",
     make<ReceivingAcross>},
};
INSTANTIATE_TEST_SUITE_P(Channel, CancelledOperation, testing::ValuesIn(kChannels), name_of_row);

} // namespace
