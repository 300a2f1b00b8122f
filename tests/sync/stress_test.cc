/* SPDX-License-Identifier: MIT */
/* Coroutines that lock, wait, give up and drop at random: what must hold holds, and all of them
 * end. */
#include "support/running.h"
#include "support/sanitizer.h"

#include <algorithm>
#include <cerrno>
#include <random>
#include <vector>

using namespace coil_test;

namespace {

constexpr unsigned kSeeds = kSanitized ? 60 : 600;

struct Chance {
    std::mt19937 random;

    explicit Chance(unsigned seed) : random(seed) {}
    int choose(int count) { return int(random() % unsigned(count)); }
    void linger(int most) /* cancelled or not */
    {
        for (int turns = choose(most + 1); turns > 0; turns--)
            (void)!coil_yield();
    }
};

/* A lock, and what is known of who is in. */
struct Lock {
    virtual ~Lock() = default;
    virtual int lock(bool reads) = 0;
    virtual void start(coil_future *future, bool reads) = 0;
    virtual void unlock() = 0;
    virtual void destroy() = 0;
    virtual bool admits(int readers, int writers) { return readers + writers <= 1; }
    virtual bool is_exclusive() { return true; }
};

struct Mutex : Lock {
    coil_mutex mutex = COIL_ZERO;
    int lock(bool) override { return coil_mutex_lock(&mutex); }
    void start(coil_future *future, bool) override { coil_mutex_lock_start(future, &mutex); }
    void unlock() override { coil_mutex_unlock(&mutex); }
    void destroy() override { coil_mutex_destroy(&mutex); }
};

struct Rwlock : Lock {
    coil_rwlock rwlock = COIL_ZERO;
    int lock(bool reads) override
    {
        return reads ? coil_rwlock_read(&rwlock) : coil_rwlock_write(&rwlock);
    }
    void start(coil_future *future, bool reads) override
    {
        if (reads)
            coil_rwlock_read_start(future, &rwlock);
        else
            coil_rwlock_write_start(future, &rwlock);
    }
    void unlock() override { coil_rwlock_unlock(&rwlock); }
    void destroy() override { coil_rwlock_destroy(&rwlock); }
    bool admits(int readers, int writers) override
    {
        return writers == 0 || (writers == 1 && readers == 0);
    }
};

struct Sem : Lock {
    static constexpr int kPermits = 3;
    coil_sem sem;
    Sem() { coil_sem_init(&sem, kPermits); }
    int lock(bool) override { return coil_sem_acquire(&sem); }
    void start(coil_future *future, bool) override { coil_sem_acquire_start(future, &sem); }
    void unlock() override { coil_sem_release(&sem); }
    void destroy() override
    {
        for (int i = 0; i < kPermits; i++)
            EXPECT_TRUE(coil_sem_try_acquire(&sem)) << "a permit is lost";
        EXPECT_FALSE(coil_sem_try_acquire(&sem));
        coil_sem_destroy(&sem);
    }
    bool admits(int readers, int writers) override { return readers + writers <= kPermits; }
    bool is_exclusive() override { return false; }
};

/* Visitors of one lock, and one that cancels them. */
struct Crowd {
    static constexpr int kVisitors = 8, kVisits = 12;

    Lock &lock;
    Chance chance;
    int readers = 0, writers = 0, running = kVisitors;
    int next_ticket = 0, last_writer = -1; /* tickets are drawn before the wait */
    int entered = 0, gave_up = 0, dropped = 0;
    std::vector<coil_scope *> scopes = std::vector<coil_scope *>(kVisitors);

    Crowd(Lock &the_lock, unsigned seed) : lock(the_lock), chance(seed) {}

    void stay(int ticket, bool reads)
    {
        entered++;
        (reads ? readers : writers)++;
        EXPECT_TRUE(lock.admits(readers, writers));
        if (!reads && lock.is_exclusive()) {
            EXPECT_LT(last_writer, ticket) << "a writer overtook another";
            last_writer = ticket;
        }
        chance.linger(3);
        (reads ? readers : writers)--;
        lock.unlock();
    }

    /* 0 once locked, -ECANCELED or -ETIMEDOUT, or 1 when the future was dropped. */
    int enter(bool reads)
    {
        if (chance.choose(2) == 0)
            return lock.lock(reads);
        COIL_FUTURE(future);
        lock.start(&future, reads);
        chance.linger(4);
        switch (chance.choose(4)) {
        case 0:
            coil_future_cancel(&future);
            return int(coil_await(&future));
        case 1:
            return int(coil_await_until(&future, coil_after(chance.choose(20) * COIL_USEC)));
        case 2:
            return int(coil_await(&future));
        default:
            return 1;
        }
    }

    int visit(coil_scope **mine)
    {
        for (int i = 0; i < kVisits; i++) {
            COIL_SCOPE(scope, chance.choose(4) == 0 ? coil_after(30 * COIL_USEC) : COIL_FOREVER);
            *mine = &scope;
            bool reads = chance.choose(3) > 0;
            int ticket = next_ticket++;
            int result = enter(reads);
            if (result == 0)
                stay(ticket, reads);
            EXPECT_TRUE(result >= 0 || result == -ECANCELED || result == -ETIMEDOUT) << result;
            gave_up += result < 0;
            dropped += result > 0;
            chance.linger(2);
            *mine = nullptr;
            coil_scope_drop(&scope);
        }
        running--;
        return 0;
    }

    int disturb()
    {
        while (running > 0) {
            coil_scope *victim = scopes[size_t(chance.choose(kVisitors))];
            if (victim != nullptr && chance.choose(2) == 0)
                coil_scope_cancel(victim);
            int err = chance.choose(8) == 0 ? coil_sleep(10 * COIL_USEC) : coil_yield();
            EXPECT_EQ(0, err);
        }
        return 0;
    }

    void live()
    {
        Children children;
        COIL_SCOPE(scope, coil_after(100 * COIL_SEC)); /* a lost wake-up ends it, as a failure */
        for (coil_scope *&mine : scopes)
            children.start(scope, [&] { return visit(&mine); });
        children.start(scope, [&] { return disturb(); });
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        lock.destroy();
    }
};

template <class L> void expect_order_in_crowds()
{
    int entered = 0, gave_up = 0, dropped = 0;
    run([&] {
        for (unsigned seed = 1; seed <= kSeeds && !testing::Test::HasFailure(); seed++) {
            SCOPED_TRACE(seed);
            L lock;
            Crowd crowd(lock, seed);
            crowd.live();
            entered += crowd.entered;
            gave_up += crowd.gave_up;
            dropped += crowd.dropped;
        }
        return 0;
    });
    for (int seen : {entered, gave_up, dropped})
        EXPECT_GT(seen, int(kSeeds)) << "the crowds were too tame";
}

TEST(SyncStress, AMutexLetsOneInAndLosesNobodySlow)
{
    expect_order_in_crowds<Mutex>();
}

TEST(SyncStress, ARwlockLetsReadersOrAWriterInAndLosesNobodySlow)
{
    expect_order_in_crowds<Rwlock>();
}

TEST(SyncStress, ASemaphoreLosesNoPermitSlow)
{
    expect_order_in_crowds<Sem>();
}

/* A bounded buffer whose producers and consumers give up at random: as each signal is for one of
 * them, a lost one leaves somebody waiting for ever. */
struct Buffer {
    static constexpr int kItems = 60, kCapacity = 2, kWorkers = 3;

    Chance chance;
    coil_mutex mutex = COIL_ZERO;
    coil_cond filled = COIL_ZERO, emptied = COIL_ZERO;
    int items = 0, produced = 0, consumed = 0, gave_up = 0, dropped = 0;
    bool producers_are_slow; /* or else consumers: so that the others wait */

    explicit Buffer(unsigned seed) : chance(seed), producers_are_slow(seed % 2 == 0) {}

    /* With the mutex held, before and after, unless it returns 1: then without. */
    int wait(coil_cond *cond)
    {
        if (chance.choose(2) == 0)
            return coil_cond_wait(cond, &mutex);
        COIL_FUTURE(future);
        coil_cond_wait_start(&future, cond, &mutex);
        chance.linger(4);
        if (chance.choose(3) == 0)
            return 1;
        return int(coil_await_until(&future, coil_after(chance.choose(20) * COIL_USEC)));
    }

    bool is_over(bool produces) const { return (produces ? produced : consumed) == kItems; }

    void work_once(bool produces)
    {
        COIL_SCOPE(scope, chance.choose(3) == 0 ? coil_after(20 * COIL_USEC) : COIL_FOREVER);
        if (coil_mutex_lock(&mutex) < 0)
            return;
        int result = 0;
        while (result == 0 && !is_over(produces) && (produces ? items == kCapacity : items == 0))
            result = wait(produces ? &emptied : &filled);
        gave_up += result < 0;
        dropped += result > 0;
        if (result > 0)
            return;
        EXPECT_FALSE(coil_mutex_try_lock(&mutex)) << "it came back without the mutex";
        if (produces && items < kCapacity && produced < kItems) {
            items++;
            produced++;
            coil_cond_signal(&filled);
        } else if (!produces && items > 0) {
            items--;
            consumed++;
            coil_cond_signal(&emptied);
        }
        chance.linger(1);
        coil_mutex_unlock(&mutex);
    }

    int work(bool produces)
    {
        while (!is_over(produces)) {
            work_once(produces);
            chance.linger(produces == producers_are_slow ? 30 : 1);
        }
        coil_cond_broadcast(&filled);
        coil_cond_broadcast(&emptied);
        return 0;
    }

    void live()
    {
        Children children;
        COIL_SCOPE(scope, coil_after(100 * COIL_SEC)); /* a lost signal ends it, as a failure */
        for (int i = 0; i < 2 * kWorkers; i++)
            children.start(scope, [this, i] { return work(i % 2 == 0); });
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(kItems, consumed);
        coil_cond_destroy(&filled);
        coil_cond_destroy(&emptied);
        coil_mutex_destroy(&mutex);
    }
};

TEST(SyncStress, AConditionLosesNoSignalSlow)
{
    int gave_up = 0, dropped = 0;
    run([&] {
        for (unsigned seed = 1; seed <= kSeeds && !testing::Test::HasFailure(); seed++) {
            SCOPED_TRACE(seed);
            Buffer buffer(seed);
            buffer.live();
            gave_up += buffer.gave_up;
            dropped += buffer.dropped;
        }
        return 0;
    });
    /* In a simulated world time passes while nobody looks. */
    for (int seen : {gave_up, dropped})
        EXPECT_GT(seen, int(kSeeds) / (is_simulated() ? 4 : 1)) << "they were too tame";
}

} // namespace
