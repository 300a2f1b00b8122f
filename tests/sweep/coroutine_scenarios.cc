/* SPDX-License-Identifier: MIT */
/* Coroutines among themselves. */
#include "sweep/scenario.h"

#include <cerrno>
#include <poll.h>

namespace coil_test {
namespace {

/* Children, of which each has some. */
int spawn_tree(int depth)
{
    if (depth == 0)
        return coil_nop();
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = 0;
    for (int i = 0; i < 3 && err == 0; i++)
        err = children.spawn(scope, [depth] { return spawn_tree(depth - 1); });
    return coil_scope_close(&scope, err);
}

int spawn()
{
    return spawn_tree(2);
}

/* More than one mapping holds. */
int spawn_many()
{
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = 0;
    for (int i = 0; i < 12 && err == 0; i++)
        err = children.spawn(scope, [] { return coil_yield(); });
    return coil_scope_close(&scope, err);
}

int spawn_child()
{
    Body body = [] {
        int err = coil_nop();
        return err < 0 ? err : 7;
    };
    COIL_SCOPE(scope, COIL_FOREVER);
    COIL_FUTURE(child);
    coil_spawn_start(&child, &scope, call_body, &body);
    auto result = int(coil_await(&child));
    return coil_scope_close(&scope, result == 7 ? 0 : result < 0 ? result : kWrong);
}

int call_and_spawn_on()
{
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = 0;
    for (unsigned i = 0; i < 4 && err == 0; i++)
        err = children.spawn_on(scope, i % 2, [] { return coil_nop(); });
    int result = err < 0 ? err : call(1, [] { return call(0, [] { return 5; }); });
    return coil_scope_close(&scope, result == 5 ? 0 : result < 0 ? result : kWrong);
}

/* Those who wait, for one thing each. */
int wait_in_a_tree(int depth, int fd, coil_event *never)
{
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    char byte;
    int err = 0;
    if (depth > 0) {
        for (int i = 0; i < 2 && err == 0; i++)
            err = children.spawn(scope, [=] { return wait_in_a_tree(depth - 1, fd, never); });
    }
    if (err == 0)
        err = children.spawn(scope, [never] { return coil_event_wait(never); });
    if (err == 0)
        err = children.spawn(scope, [] { return wait_for_ever(); });
    if (err == 0)
        err = children.spawn(scope, [fd] { return coil_poll(fd, POLLIN); });
    auto received = err < 0 ? err : int(coil_recv(fd, &byte, 1, 0));
    return coil_scope_close(&scope, received >= 0 ? kWrong : received);
}

int cancel_a_tree()
{
    Owned left, right;
    int err = connect_pair(left, right);
    if (err < 0)
        return err;
    Children children;
    coil_event never = COIL_ZERO;
    COIL_SCOPE(scope, COIL_FOREVER);
    err = children.spawn(scope, [&] { return wait_in_a_tree(2, left, &never); });
    for (int i = 0; i < 10 && err == 0; i++)
        err = coil_yield();
    if (err == 0)
        coil_scope_cancel(&scope);
    return coil_scope_close(&scope, err);
}

int deadline()
{
    Owned left, right;
    char byte;
    int err = connect_pair(left, right);
    if (err < 0)
        return err;
    COIL_SCOPE(scope, coil_after(COIL_MSEC));
    err = int(coil_recv(left, &byte, 1, 0));
    int result = coil_scope_close(&scope, err);
    return result == -ETIMEDOUT ? 0 : result < 0 ? result : kWrong;
}

int race()
{
    Owned left, right;
    char byte;
    int err = connect_pair(left, right);
    if (err < 0)
        return err;
    COIL_FUTURE(timer);
    COIL_FUTURE(receive);
    COIL_FUTURE(ready);
    coil_recv_start(&receive, left, &byte, 1, 0);
    coil_poll_start(&ready, left, POLLIN);
    coil_sleep_start(&timer, COIL_USEC);
    coil_future *const all[] = {&receive, &ready, &timer};
    int first = coil_await_race(all, 3);
    return first < 0 ? first : int(coil_await(all[first]));
}

int channel()
{
    Children children;
    int slots[2];
    coil_chan chan;
    coil_chan_init(&chan, slots, sizeof(slots[0]), 2);
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = children.spawn(scope, [&] {
        int sent = 0;
        for (int i = 0; i < 10 && sent == 0; i++)
            sent = coil_chan_send(&chan, &i);
        coil_chan_close(&chan);
        return sent;
    });
    int number = 0;
    for (int i = 0; err == 0 && (err = coil_chan_recv(&chan, &number)) == 0; i++)
        err = number == i ? 0 : kWrong;
    return coil_scope_close(&scope, err == -EPIPE ? 0 : err);
}

/* A core of its own sends; each end tells the other when it leaves. */
int cross_channel()
{
    Children children;
    int slots[2];
    coil_xchan chan;
    coil_xchan_init(&chan, slots, sizeof(slots[0]), 2);
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = children.spawn_on(scope, 1, [&] {
        int sent = 0;
        for (int i = 0; i < 10 && sent == 0; i++)
            sent = coil_xchan_send(&chan, &i);
        coil_xchan_close(&chan);
        return sent;
    });
    int number = 0;
    for (int i = 0; err == 0 && (err = coil_xchan_recv(&chan, &number)) == 0; i++)
        err = number == i ? 0 : kWrong;
    return coil_scope_close(&scope, err == -EPIPE ? 0 : err);
}

int count_up(coil_gen *gen, void *arg)
{
    for (int i = 0; i < *static_cast<int *>(arg); i++) {
        int err = coil_nop();
        if (err == 0)
            err = coil_gen_yield(gen, &i, nullptr);
        if (err < 0)
            return err;
    }
    return 0;
}

int count_twice(coil_gen *gen, void *arg)
{
    for (int i = 0; i < 2; i++) {
        COIL_GEN(sub, count_up, arg);
        int err = coil_gen_delegate(gen, &sub);
        if (err < 0)
            return err;
    }
    return 0;
}

int generator()
{
    int limit = 3, sum = 0;
    COIL_GEN(numbers, count_twice, &limit);
    COIL_FOREACH(int *, number, &numbers)
    sum += *number;
    int result = coil_gen_close(&numbers);
    return result < 0 ? result : sum == 6 ? 0 : kWrong;
}

int three_queues()
{
    Children children;
    Body body = [] { return coil_yield(); };
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = 0;
    for (unsigned i = 0; i < 2 && err == 0; i++) {
        coil_queue queue;
        err = coil_queue_create(&queue, "more", 100 + i, i * COIL_MSEC);
        for (int j = 0; j < 3 && err == 0; j++)
            err = coil_spawn_in(&scope, queue, call_body, &body);
    }
    return coil_scope_close(&scope, err);
}

/* Five take turns at what is locked, wait for each other, and tell who waits for them. */
int locks()
{
    Children children;
    coil_mutex mutex = COIL_ZERO;
    coil_cond cond = COIL_ZERO;
    coil_barrier barrier;
    coil_barrier_init(&barrier, 5);
    int passed = 0;
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = 0;
    for (int i = 0; i < 5 && err == 0; i++) {
        err = children.spawn(scope, [&] {
            int result = coil_mutex_lock(&mutex);
            if (result < 0)
                return result;
            result = coil_yield();
            coil_mutex_unlock(&mutex);
            if (result == 0)
                result = coil_barrier_wait(&barrier);
            passed += result >= 0;
            coil_cond_broadcast(&cond);
            return result < 0 ? result : 0;
        });
    }
    if (err == 0)
        err = coil_mutex_lock(&mutex);
    bool locked = err == 0;
    while (err == 0 && passed < 5)
        err = coil_cond_wait(&cond, &mutex);
    if (locked)
        coil_mutex_unlock(&mutex);
    return coil_scope_close(&scope, err);
}

} // namespace

const std::vector<Scenario> kCoroutineScenarios = {
    {"spawn", 1, spawn, "kps"},
    {"spawn_many", 1, spawn_many, "kps", {}, 16 << 20},
    {"spawn_child", 1, spawn_child, "kps"},
    {"call", 2, call_and_spawn_on, "kpsl"},
    {"cancel", 1, cancel_a_tree, "kpsl"},
    {"deadline", 1, deadline, "kps"},
    {"race", 1, race, "kps"},
    {"channel", 1, channel, "kps"},
    {"cross_channel", 2, cross_channel, "kps"},
    {"generator", 1, generator, "kps"},
    {"queues", 1, three_queues, "kps"},
    {"locks", 1, locks, "kps"},
};

} // namespace coil_test
