/* SPDX-License-Identifier: MIT */
/* The waits of sync/, for the tests of what all waits have in common. */
#ifndef COIL_TESTS_SYNC_WAITS_H
#define COIL_TESTS_SYNC_WAITS_H

#include "support/waits.h"

#include <list>

namespace coil_test {

struct MutexWait : Wait {
    coil_mutex mutex = COIL_ZERO;

    void block(unsigned) override { EXPECT_EQ(0, coil_mutex_lock(&mutex)); }
    void grant() override { coil_mutex_unlock(&mutex); }
    int wait() override { return coil_mutex_lock(&mutex); }
    void start(coil_future *future) override { coil_mutex_lock_start(future, &mutex); }
    void leave(int result) override
    {
        if (result == 0)
            coil_mutex_unlock(&mutex);
    }
    void expect_free(int) override { coil_mutex_destroy(&mutex); }
    Grant kind() const override { return Grant::kIsPassedOn; }
};

/* Who waits reads or writes; the keeper reads or writes too. */
template <bool kWrites, bool kKeeperWrites> struct RwlockWait : Wait {
    coil_rwlock rwlock = COIL_ZERO;

    void block(unsigned) override
    {
        EXPECT_EQ(0, kKeeperWrites ? coil_rwlock_write(&rwlock) : coil_rwlock_read(&rwlock));
    }
    void grant() override { coil_rwlock_unlock(&rwlock); }
    int wait() override { return kWrites ? coil_rwlock_write(&rwlock) : coil_rwlock_read(&rwlock); }
    void start(coil_future *future) override
    {
        if (kWrites)
            coil_rwlock_write_start(future, &rwlock);
        else
            coil_rwlock_read_start(future, &rwlock);
    }
    void leave(int result) override
    {
        if (result == 0)
            coil_rwlock_unlock(&rwlock);
    }
    void expect_free(int) override { coil_rwlock_destroy(&rwlock); }
    Grant kind() const override { return kWrites ? Grant::kIsPassedOn : Grant::kOfAll; }
};

struct SemWait : Wait {
    coil_sem sem = COIL_ZERO;

    void block(unsigned) override {}
    void grant() override { coil_sem_release(&sem); }
    int wait() override { return coil_sem_acquire(&sem); }
    void start(coil_future *future) override { coil_sem_acquire_start(future, &sem); }
    void leave(int result) override
    {
        if (result == 0)
            coil_sem_release(&sem);
    }
    void expect_free(int granted) override
    {
        while (granted-- > 0)
            EXPECT_TRUE(coil_sem_try_acquire(&sem)) << "a permit is lost";
        EXPECT_FALSE(coil_sem_try_acquire(&sem)) << "a permit too many";
        coil_sem_destroy(&sem);
    }
    Grant kind() const override { return Grant::kIsPassedOn; }
};

/* Each waits with the mutex locked, and has it back whatever happens. */
struct CondWait : Wait {
    coil_mutex mutex = COIL_ZERO;
    coil_cond cond = COIL_ZERO;

    void block(unsigned) override {}
    void grant() override { coil_cond_signal(&cond); }
    bool may_wait() override
    {
        bool is_free = coil_mutex_try_lock(&mutex);
        if (is_free)
            coil_mutex_unlock(&mutex);
        return is_free;
    }
    int wait() override
    {
        EXPECT_TRUE(coil_mutex_try_lock(&mutex));
        return coil_cond_wait(&cond, &mutex);
    }
    void start(coil_future *future) override
    {
        EXPECT_TRUE(coil_mutex_try_lock(&mutex));
        coil_cond_wait_start(future, &cond, &mutex);
    }
    void leave(int) override { coil_mutex_unlock(&mutex); }
    void expect_free(int) override
    {
        coil_cond_destroy(&cond);
        coil_mutex_destroy(&mutex);
    }
    Grant kind() const override { return Grant::kIsReturned; }
};

struct EventWait : Wait {
    coil_event event = COIL_ZERO;

    void block(unsigned) override {}
    void grant() override { coil_event_set(&event); }
    int wait() override { return coil_event_wait(&event); }
    void start(coil_future *future) override { coil_event_wait_start(future, &event); }
    void expect_free(int) override { coil_event_destroy(&event); }
    Grant kind() const override { return Grant::kOfAll; }
};

/* The keeper comes last, or whoever else is missing because a waiter was cancelled. */
struct BarrierWait : Wait {
    coil_barrier barrier;

    void block(unsigned waiters) override { coil_barrier_init(&barrier, waiters + 1); }
    void grant() override
    {
        std::list<coil_future> missing;
        do { /* ends: the barrier has a number */
            missing.emplace_back();
            coil_barrier_wait_start(&missing.back(), &barrier);
        } while (!coil_future_done(&missing.back()));
        EXPECT_EQ(1, coil_await(&missing.back()));
        missing.pop_back();
        for (coil_future &future : missing)
            EXPECT_EQ(0, coil_await(&future));
    }
    int wait() override { return coil_barrier_wait(&barrier); }
    void start(coil_future *future) override { coil_barrier_wait_start(future, &barrier); }
    void expect_free(int) override { coil_barrier_destroy(&barrier); }
    Grant kind() const override { return Grant::kOfAll; }
};

struct WaitGroupWait : Wait {
    coil_wait_group group = COIL_ZERO;

    void block(unsigned) override { coil_wait_group_add(&group, 1); }
    void grant() override { coil_wait_group_done(&group); }
    int wait() override { return coil_wait_group_wait(&group); }
    void start(coil_future *future) override { coil_wait_group_wait_start(future, &group); }
    void expect_free(int) override { coil_wait_group_destroy(&group); }
    Grant kind() const override { return Grant::kOfAll; }
};

} // namespace coil_test

#endif
