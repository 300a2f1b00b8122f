/* SPDX-License-Identifier: MIT */
/* What only a wrong program does with a promise. */
#include "support/misuse.h"

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

INSTANTIATE_TEST_SUITE_P(Promise, MisuseDeathTest, testing::ValuesIn(kPromises), name_of_misuse);

} // namespace
