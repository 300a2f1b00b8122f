/* SPDX-License-Identifier: MIT */
/* Where threads that are no cores take part. */
#include "sweep/scenario.h"

#include <cerrno>
#include <csignal>
#include <netdb.h>
#include <thread>
#include <unistd.h>

namespace coil_test {
namespace {

/* By threads of a pool; one is not wanted any more before it may have begun. */
int offload()
{
    auto twice = [](void *arg) { return ssize_t(2 * *static_cast<int *>(arg)); };
    int numbers[] = {1, 2, 3};
    COIL_FUTURE(first);
    COIL_FUTURE(second);
    COIL_FUTURE(dropped);
    coil_offload_start(&first, nullptr, twice, &numbers[0]);
    coil_offload_start(&second, nullptr, twice, &numbers[1]);
    coil_offload_start(&dropped, nullptr, twice, &numbers[2]);
    auto one = int(coil_await(&first)), two = int(coil_await(&second));
    if (one < 0 || two < 0)
        return one < 0 ? one : two;
    return one == 2 && two == 4 ? 0 : kWrong;
}

int own_pool()
{
    static coil_pool pool = COIL_POOL("sweep", 1);
    auto thread = [](void *) { return ssize_t(7); };
    auto result = int(coil_offload(&pool, thread, nullptr));
    return result == 7 ? 0 : result < 0 ? result : kWrong;
}

int resolve()
{
    addrinfo hints = {}, *found = nullptr;
    hints.ai_flags = AI_NUMERICHOST;
    int err = coil_getaddrinfo("127.0.0.1", "80", &hints, &found);
    if (err < 0)
        return err;
    freeaddrinfo(found);
    found = nullptr;
    COIL_FUTURE(unwanted);
    coil_getaddrinfo_start(&unwanted, "127.0.0.1", "80", &hints, &found);
    ssize_t result = coil_await_until(&unwanted, coil_now());
    if (result == 0)
        freeaddrinfo(found);
    return result == -ETIMEDOUT ? 0 : int(result);
}

/* Set by another core, and by a thread. */
int promise()
{
    COIL_PROMISE(by_core);
    COIL_PROMISE(by_thread);
    int err = call(1, [&] { return coil_promise_set(&by_core, 1); });
    if (err < 0)
        return err;
    auto one = int(coil_promise_wait(&by_core));
    std::thread thread([&] { EXPECT_EQ(0, coil_promise_set(&by_thread, 2)); });
    auto two = int(coil_promise_wait(&by_thread));
    thread.join();
    if (one < 0 || two < 0)
        return one < 0 ? one : two;
    return one == 1 && two == 2 ? 0 : kWrong;
}

struct Letter {
    coil_message message;
    coil_promise arrived;
};

void arrive(coil_message *message)
{
    EXPECT_EQ(0, coil_promise_set(&reinterpret_cast<Letter *>(message)->arrived, 3));
}

int port()
{
    COIL_PORT(port);
    Letter letter = {};
    letter.message.deliver = arrive;
    int err = coil_port_open(&port);
    if (err < 0)
        return err;
    coil_promise_init(&letter.arrived);
    std::thread thread([&] { EXPECT_EQ(0, coil_post(&port, &letter.message)); });
    auto result = int(coil_promise_wait(&letter.arrived));
    thread.join();
    coil_port_close(&port); /* what was posted is delivered by then */
    coil_promise_drop(&letter.arrived);
    return result == 3 ? 0 : result < 0 ? result : kWrong;
}

int post_to_cores()
{
    static coil_message letters[2]; /* a call that fails may return before they have arrived */
    for (unsigned core = 0; core < 2; core++) {
        int err = call(core, [&, core] {
            letters[1 - core].deliver = [](coil_message *) {};
            return coil_post_core(1 - core, &letters[1 - core]);
        });
        if (err < 0)
            return err;
    }
    /* What was posted before a call is there before it. */
    int err = call(1, [] { return call(0, [] { return 0; }); });
    return err;
}

int signals()
{
    COIL_SIGNALS(set);
    int err = coil_signals_open(&set, COIL_SIGNAL(SIGUSR1) | COIL_SIGNAL(SIGUSR2));
    if (err < 0)
        return err;
    kill(getpid(), SIGUSR1);
    int number = coil_signal_wait(&set);
    return number < 0 ? number : number == SIGUSR1 ? 0 : kWrong;
}

int yield_three(coil_gen *gen, void *)
{
    int err = 0;
    for (int i = 0; i < 3 && err == 0; i++)
        err = coil_gen_yield(gen, &i, nullptr);
    return err;
}

/* In a thread, with whose end its stacks go. */
int generator_of_a_thread()
{
    int result = 0;
    std::thread([&] {
        int sum = 0;
        COIL_GEN(numbers, yield_three, nullptr);
        COIL_FOREACH(int *, number, &numbers)
        sum += *number;
        result = coil_gen_close(&numbers);
        if (result == 0)
            result = sum == 3 ? 0 : kWrong;
    }).join();
    return result;
}

} // namespace

const std::vector<Scenario> kThreadScenarios = {
    {"offload", 1, offload, "kpsl"},
    {"own_pool", 1, own_pool, "kps"},
    {"resolve", 1, resolve, "kps"},
    {"promise", 2, promise, "kpsl"},
    {"port", 1, port, "kps"},
    {"post", 2, post_to_cores, "kps"},
    {"signals", 1, signals, "kps"},
    {"generator_of_a_thread", 1, nullptr, "k", {-ENOMEM}, 0, COIL_STALL_OFF, generator_of_a_thread},
};

} // namespace coil_test
