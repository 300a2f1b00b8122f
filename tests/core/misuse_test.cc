/* SPDX-License-Identifier: MIT */
/* What only a wrong program does with a promise, a port, a work queue or a thread of the run. */
#include "support/misuse.h"

#include <pthread.h>
#include <thread>

using namespace coil_test;

namespace {

constexpr const char *kPromise = "core/promise.c";
constexpr const char *kForeign = "coil_promise_wait: the promise belongs to another core";

const Misuse kPromises[] = {
    {"WaitOnAnotherCore", kPromise, kForeign, kChild,
     [] {
         COIL_PROMISE(promise);
         return call(1, [&] { return int(coil_promise_wait(&promise)); });
     },
     2},
    {"WaitInALaterRun", kPromise, std::string(kForeign) + "; in coroutine " + kFirst, "",
     [] {
         static coil_promise promise;
         EXPECT_EQ(0, run([] {
                       coil_promise_init(&promise);
                       return 0;
                   }));
         return run([] { return int(coil_promise_wait(&promise)); });
     }},
    {"WaitAfterTheDrop", kPromise, "coil_promise_wait: the promise was dropped", kFirst,
     [] {
         coil_promise promise;
         coil_promise_init(&promise);
         coil_promise_drop(&promise);
         return int(coil_promise_wait(&promise));
     }},
    {"DropWhileSomebodyWaits", kPromise, "coil_promise_drop: coroutines wait for the promise",
     kFirst,
     [] {
         Children children;
         COIL_SCOPE(scope, COIL_FOREVER);
         COIL_PROMISE(promise);
         children.start(scope, [&] { return int(coil_promise_wait(&promise)); });
         give_way();
         return 0;
     }},
    {"DropOnAnotherCore", kPromise, "coil_promise_drop: the promise belongs to another core",
     kChild,
     [] {
         COIL_PROMISE(promise);
         return call(1, [&] {
             coil_promise_drop(&promise);
             return 0;
         });
     },
     2},
    {"ReturnWithAWaitInFlight", kOrigin, in_flight("promise"), kFirst,
     [] {
         static coil_promise promise;
         static coil_future wait;
         coil_promise_init(&promise);
         coil_promise_wait_start(&wait, &promise);
         return 0;
     }},
};

constexpr const char *kPort = "core/port.c";

const Misuse kPorts[] = {
    {"PostCoreOutside", kPort, "coil_post_core: called by a thread that is no core", "",
     [] {
         static coil_message message;
         return coil_post_core(0, &message);
     }},
    {"OpenOutside", "coro/task.h", kOutside, "",
     [] {
         static coil_port port;
         return coil_port_open(&port);
     }},
    {"OpenTwice", kPort, "coil_port_open: the port is open already", kFirst,
     [] {
         COIL_PORT(port);
         EXPECT_EQ(0, coil_port_open(&port));
         return coil_port_open(&port);
     }},
    {"CloseOnAnotherCore", kPort, "coil_port_close: the port belongs to another core", kChild,
     [] {
         COIL_PORT(port);
         EXPECT_EQ(0, coil_port_open(&port));
         return call(1, [&] {
             coil_port_close(&port);
             return 0;
         });
     },
     2},
    {"LeaveThePortOpen", "core/core.c", "coil_run: a coroutine ended and left its port open", "",
     [] {
         static coil_port port;
         return run([] { return coil_port_open(&port); });
     }},
    {"SuspendInADelivery", "coro/task.h", kOutside, "",
     [] {
         static coil_message message = {nullptr,
                                        [](coil_message *) { EXPECT_EQ(0, coil_yield()); }};
         return run([] {
             EXPECT_EQ(0, coil_post_core(0, &message));
             turn();
             return 0;
         });
     }},
};

INSTANTIATE_TEST_SUITE_P(Port, MisuseDeathTest, testing::ValuesIn(kPorts), name_of_misuse);

constexpr const char *kQueue = "core/queue.c";
constexpr const char *kNoQueue =
    "no queue of this coil_run\\(\\): coil_queue_create\\(\\) makes one";

int spawn_in(coil_queue queue)
{
    COIL_SCOPE(scope, COIL_FOREVER);
    return coil_spawn_in(&scope, queue, call_body, nullptr);
}

const Misuse kQueues[] = {
    {"SpawnInAQueueOfAnEarlierRun", kQueue, std::string(kNoQueue) + "; in coroutine " + kFirst, "",
     [] {
         static coil_queue queue;
         EXPECT_EQ(0, run([] { return coil_queue_create(&queue, "old", 1, 0); }));
         return run([] {
             coil_queue newer;
             EXPECT_EQ(0, coil_queue_create(&newer, "new", 1, 0));
             return spawn_in(queue);
         });
     }},
    {"SpawnInAQueueThatNobodyCreated", kQueue, kNoQueue, kFirst,
     [] {
         coil_queue queue;
         EXPECT_EQ(0, coil_queue_create(&queue, "only one", 1, 0));
         queue.number++;
         return spawn_in(queue);
     }},
    {"ReadAQueueThatNobodyCreated", kQueue, kNoQueue, kFirst,
     [] {
         coil_queue_stats stats;
         coil_queue_read(coil_queue{1, 1}, &stats);
         return 0;
     }},
    {"CreateAQueueOutside", "coro/task.h", kOutside, "",
     [] {
         coil_queue queue;
         return coil_queue_create(&queue, "outside", 1, 0);
     }},
};

constexpr const char *kStart = "base/start.c";
constexpr const char *kThreadEnded =
    "pthread_exit\\(\\) or pthread_cancel\\(\\) has ended a thread of coil_run\\(\\): return from "
    "the coroutine, or from fn of coil_offload\\(\\), or call coil_stop\\(\\)";

/* Below which nobody is who would catch what unwinds its stack. */
int on_a_thread(const Body &body)
{
    int result = 0;
    std::thread([&] { result = body(); }).join();
    return result;
}

ssize_t exit_thread(void *)
{
    pthread_exit(nullptr);
}

constexpr const char *kForeignStack =
    "a sanitizer takes the end of a thread on a coroutine's stack for a fault";

const Misuse kThreads[] = {
    {"ExitTheThreadOfTheOnlyCore", kStart, kThreadEnded, kFirst,
     []() -> int { pthread_exit(nullptr); }, 1, nullptr, kForeignStack},
    {"ExitTheThreadOfOneCoreOfTwo", kStart, kThreadEnded, kChild,
     [] { return call(1, []() -> int { pthread_exit(nullptr); }); }, 2, nullptr, kForeignStack},
    {"ExitTheThreadOfAnAttachedRun", kStart, std::string(kThreadEnded) + "; in coroutine " + kFirst,
     "",
     [] {
         return coil_run_attached(
             nullptr, [](void *) -> int { pthread_exit(nullptr); }, nullptr);
     },
     1, nullptr, kForeignStack},
    {"CancelTheThreadOfACore", kStart, kThreadEnded, kFirst,
     [] {
         EXPECT_EQ(0, pthread_cancel(pthread_self()));
         pthread_testcancel();
         return 0;
     },
     1, nullptr, kForeignStack},
    {"CancelTheThreadThatWaitsInCoilRun", kStart, kThreadEnded, "",
     [] {
         return on_a_thread([] {
             pthread_t caller = pthread_self();
             return run([&] {
                 EXPECT_EQ(0, pthread_cancel(caller));
                 return coil_sleep(3600 * COIL_SEC);
             });
         });
     },
     1, "the thread is the core's"},
    {"ExitAThreadOfAPool", kStart, kThreadEnded, "",
     [] {
         return on_a_thread(
             [] { return run([] { return int(coil_offload(nullptr, exit_thread, nullptr)); }); });
     }},
};

INSTANTIATE_TEST_SUITE_P(Thread, MisuseDeathTest, testing::ValuesIn(kThreads), name_of_misuse);

INSTANTIATE_TEST_SUITE_P(Queue, MisuseDeathTest, testing::ValuesIn(kQueues), name_of_misuse);

INSTANTIATE_TEST_SUITE_P(Promise, MisuseDeathTest, testing::ValuesIn(kPromises), name_of_misuse);

} // namespace
