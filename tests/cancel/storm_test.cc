/* SPDX-License-Identifier: MIT */
/* Very many coroutines that wait for all sorts of things, and are cancelled at once. bench/cancel
 * measures the same with ten times as many. */
#include "ops/sockets.h"
#include "support/running.h"

#include <coil/fd.h>
#include <coil/net.h>

namespace {

using namespace coil_test;

/* ThreadSanitizer can't have more. */
constexpr int kCount = kThreadSanitizer ? 2000 : 10000;

/* What they wait for. Each kind shares its object: there are fewer descriptors than coroutines. */
struct Storm {
    Pair pipe = make_pipe(), pair = make_socketpair();
    Fd listener = make_listener();
    coil_mutex mutex = COIL_ZERO, mutex_of_cond = COIL_ZERO;
    coil_rwlock rwlock = COIL_ZERO;
    coil_sem sem = COIL_ZERO;
    coil_cond cond = COIL_ZERO;
    coil_event event = COIL_ZERO;
    coil_chan full, empty;
    coil_promise promise;
    int slot = 0, begun = 0, cancelled = 0;

    Storm()
    {
        EXPECT_EQ(0, coil_mutex_lock(&mutex));
        EXPECT_EQ(0, coil_rwlock_write(&rwlock));
        coil_chan_init(&full, &slot, sizeof(slot), 1);
        coil_chan_init(&empty, nullptr, sizeof(int), 0);
        EXPECT_EQ(0, coil_chan_try_send(&full, &kSent));
        coil_promise_init(&promise);
    }

    static constexpr int kSent = 42, kNotSent = 43;

    int wait_for_kernel(int kind)
    {
        char byte;
        switch (kind) {
        case 0:
            return int(coil_read(pipe.left, &byte, 1));
        case 1:
            return int(coil_recv(pair.left, &byte, 1, 0));
        case 2:
            return coil_accept(listener, nullptr, nullptr, 0);
        case 3:
            return coil_poll(pipe.left, POLLIN);
        default:
            return coil_sleep_until(COIL_FOREVER);
        }
    }

    int wait_for_lock(int kind)
    {
        switch (kind) {
        case 0:
            return coil_mutex_lock(&mutex);
        case 1:
            return coil_rwlock_read(&rwlock);
        case 2:
            return coil_rwlock_write(&rwlock);
        case 3:
            return coil_sem_acquire(&sem);
        default:
            return coil_event_wait(&event);
        }
    }

    int wait_for_condition()
    {
        EXPECT_EQ(0, coil_mutex_lock(&mutex_of_cond));
        int result = coil_cond_wait(&cond, &mutex_of_cond);
        coil_mutex_unlock(&mutex_of_cond);
        return result;
    }

    static int sleep(void *) { return wait_for_ever(); }

    int wait_for_child()
    {
        COIL_SCOPE(scope, COIL_FOREVER);
        COIL_FUTURE(child);
        coil_spawn_start(&child, &scope, sleep, nullptr);
        return coil_scope_close(&scope, int(coil_await(&child)));
    }

    int wait_for_others(int kind)
    {
        int value;
        switch (kind) {
        case 0:
            return coil_chan_send(&full, &kNotSent);
        case 1:
            return coil_chan_recv(&empty, &value);
        case 2:
            return wait_for_condition();
        case 3:
            return int(coil_promise_wait(&promise));
        default:
            return wait_for_child();
        }
    }

    int wait(int number)
    {
        int kind = number / 3 % 5;
        switch (number % 3) {
        case 0:
            return wait_for_kernel(kind);
        case 1:
            return wait_for_lock(kind);
        default:
            return wait_for_others(kind);
        }
    }

    static int one(void *arg)
    {
        Storm *storm = static_cast<Storm *>(arg);
        int result = storm->wait(storm->begun++);
        storm->cancelled += result == -ECANCELED;
        return 0;
    }

    void rage()
    {
        begun = cancelled = 0;
        int descriptors = open_descriptors();
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < kCount; i++)
            ASSERT_EQ(0, coil_spawn(&scope, one, this));
        ASSERT_TRUE(turn_until([this] { return begun == kCount; }));
        turn();
        EXPECT_EQ(0, cancelled);
        coil_scope_cancel(&scope);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(kCount, cancelled);
        EXPECT_EQ(descriptors, open_descriptors());
    }

    /* What was held is; what was not sent, released or set is not; and nobody waits any more. */
    void expect_usable()
    {
        int value = 0;
        EXPECT_EQ(1, write(pipe.right, "!", 1));
        turn();
        EXPECT_EQ(1u, bytes_waiting(pipe.left)) << "somebody still reads";
        EXPECT_EQ(-EAGAIN, coil_chan_try_recv(&empty, &value)) << "somebody still sends";
        EXPECT_EQ(-EAGAIN, coil_chan_try_send(&empty, &kNotSent)) << "somebody still receives";
        EXPECT_EQ(0, coil_chan_try_recv(&full, &value));
        EXPECT_EQ(kSent, value);
        EXPECT_EQ(-EAGAIN, coil_chan_try_recv(&full, &value)) << "a cancelled send did send";
        EXPECT_EQ(0, coil_chan_send(&full, &kSent));
        EXPECT_FALSE(coil_sem_try_acquire(&sem));
        coil_sem_release(&sem);
        EXPECT_EQ(0, coil_sem_acquire(&sem));
        coil_mutex_unlock(&mutex);
        coil_rwlock_unlock(&rwlock);
        for (coil_mutex *one : {&mutex, &mutex_of_cond}) {
            EXPECT_EQ(0, coil_mutex_lock(one));
            coil_mutex_unlock(one);
            coil_mutex_destroy(one);
        }
        EXPECT_EQ(0, coil_rwlock_write(&rwlock));
        coil_rwlock_unlock(&rwlock);
    }

    void end()
    {
        coil_rwlock_destroy(&rwlock);
        coil_sem_destroy(&sem);
        coil_cond_destroy(&cond);
        coil_event_destroy(&event);
        coil_chan_destroy(&full);
        coil_chan_destroy(&empty);
        EXPECT_EQ(0, coil_promise_set(&promise, 5));
        EXPECT_EQ(5, coil_promise_wait(&promise));
        coil_promise_drop(&promise);
    }
};

/* This core's descriptor for promises is made by the first wait for one. */
void await_a_promise()
{
    COIL_PROMISE(promise);
    COIL_FUTURE(wait);
    coil_promise_wait_start(&wait, &promise);
    coil_future_drop(&wait);
}

/* The second has nothing but what the first gave back; what both leave behind, every test is asked
 * in the end. */
TEST(Storm, OfManyCancelledAtOnceEndsAllAndLeavesNothing)
{
    EXPECT_EQ(0, run([] {
                  await_a_promise();
                  Storm storm;
                  storm.rage();
                  storm.rage();
                  storm.expect_usable();
                  storm.end();
                  return 0;
              }));
}

} // namespace
