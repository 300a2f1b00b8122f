/* SPDX-License-Identifier: MIT */
/* What a wrong program reads before it is stopped: the whole line, and nothing else. */
#include "ops/sockets.h"
#include "support/misuse.h"

#include <thread>

namespace {

using namespace coil_test;

constexpr int64_t kMuchLater = 3600 * COIL_SEC;

/* Opened, and left so. */
coil_scope left_scope;
coil_future left_future;
coil_acceptor left_acceptor;
coil_receiver left_receiver;

/* A receiver that has lent one buffer. */
struct Lender {
    Pair pair = make_socketpair();
    coil_receiver receiver = {};
    void *data = nullptr;

    Lender()
    {
        coil_receiver_open(&receiver, pair.left);
        EXPECT_EQ(1, write(pair.right, "!", 1));
        EXPECT_EQ(1, coil_receiver_next(&receiver, &data));
    }
};

/* Two coroutines do the same to one thing; the second must not. */
int twice(const Body &body)
{
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    for (int i = 0; i < 2; i++)
        children.start(scope, [&] { return body(); });
    return coil_scope_close(&scope, 0);
}

/* One coroutine awaits a future, and then this one does something to it. */
int beside_a_waiter(const std::function<int(coil_future *)> &body)
{
    Children children;
    coil_future sleep = {};
    coil_sleep_start(&sleep, kMuchLater);
    COIL_SCOPE(scope, COIL_FOREVER);
    children.start(scope, [&] { return int(coil_await(&sleep)); });
    give_way();
    return coil_scope_close(&scope, body(&sleep));
}

int with_closed(const std::function<int(coil_scope *)> &body)
{
    COIL_SCOPE(scope, COIL_FOREVER);
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
    return body(&scope);
}

int in_child(coil_fn *fn)
{
    COIL_SCOPE(scope, COIL_FOREVER);
    EXPECT_EQ(0, coil_spawn(&scope, fn, nullptr));
    return coil_scope_close(&scope, 0);
}

/* A thread of the program's, not a core, does something to a scope. */
int by_a_thread(const std::function<int(coil_scope *)> &body)
{
    return run([&] {
        int result = 0;
        COIL_SCOPE(scope, COIL_FOREVER);
        std::thread([&] { result = body(&scope); }).join();
        return coil_scope_close(&scope, result);
    });
}

constexpr const char *kNamed = "the guilty one";

constexpr const char *kIdle = "coil_await: the future was never started, or is awaited twice";
constexpr const char *kShared = "coil_await: another coroutine waits for this future";
constexpr const char *kOpen = "a coroutine returned with a scope open";
constexpr const char *kNotInnermost =
    "coil_scope_close: not the innermost scope that the caller opened";
constexpr const char *kNotShieldable = "coil_scope_shield: not the caller's innermost scope";
constexpr const char *kNotSpawnable = "coil_spawn: the scope is not open";
constexpr const char *kNotLent =
    "coil_buffer_release: not a lent buffer of this core, or released twice";
constexpr const char *kNoReply =
    "coil_receiver_reply: not a lent buffer of this core, or released already";

constexpr const char *kHasNoThreads = "the line that says how to see it again is the core's";

constexpr const char *kFuture = "future/future.c", *kScope = "future/scope.c",
                     *kScopeEnd = "future/scope.h", *kTask = "coro/task.h",
                     *kReceiver = "ops/receiver.c", *kAcceptor = "ops/acceptor.c",
                     *kBuffers = "core/buffers.c", *kRun = "core/run.c";

const Misuse kFutures[] = {
    {"AwaitOfWhatWasNeverStarted", kFuture, kIdle, kFirst,
     [] {
         coil_future future = {};
         return int(coil_await(&future));
     }},
    {"AwaitTwice", kFuture, kIdle, kFirst,
     [] {
         coil_future future = {};
         coil_nop_start(&future);
         EXPECT_EQ(0, coil_await(&future));
         return int(coil_await(&future));
     }},
    {"AwaitAfterDrop", kFuture, kIdle, kFirst,
     [] {
         coil_future future = {};
         coil_sleep_start(&future, kMuchLater);
         coil_future_drop(&future);
         return int(coil_await(&future));
     }},
    {"AwaitUntilOfWhatWasNeverStarted", kFuture, kIdle, kFirst,
     [] {
         coil_future future = {};
         return int(coil_await_until(&future, coil_after(kMuchLater)));
     }},
    {"AwaitAnyOfWhatWasNeverStarted", kFuture, "coil_await_any: a future was never started", kFirst,
     [] {
         coil_future future = {};
         coil_future *list[] = {&future};
         return coil_await_any(list, 1);
     }},
    {"AwaitAllOfWhatWasNeverStarted", kFuture, kIdle, kFirst,
     [] {
         coil_future future = {};
         coil_future *list[] = {&future};
         return coil_await_all(list, 1);
     }},
    {"AwaitByTwo", kFuture, kShared, kChild,
     [] {
         coil_future sleep = {};
         coil_sleep_start(&sleep, kMuchLater);
         return twice([&] { return int(coil_await(&sleep)); });
     }},
    {"AwaitUntilOfWhatAnotherAwaits", kFuture, kShared, kFirst,
     [] {
         return beside_a_waiter(
             [](coil_future *future) { return int(coil_await_until(future, COIL_FOREVER - 1)); });
     }},
    {"AwaitAnyOfWhatAnotherAwaits", kFuture, kShared, kFirst,
     [] {
         return beside_a_waiter([](coil_future *future) { return coil_await_any(&future, 1); });
     }},
    {"AwaitAllOfWhatAnotherAwaits", kFuture, kShared, kFirst,
     [] {
         return beside_a_waiter([](coil_future *future) { return coil_await_all(&future, 1); });
     }},
    {"ReturnWithASleepInFlight", kOrigin, in_flight("sleep"), kFirst,
     [] {
         coil_sleep_start(&left_future, kMuchLater);
         return 0;
     }},
    {"ReturnOfAChildWithANopInFlight", kOrigin, in_flight("nop"), kNamed,
     [] {
         return in_child([](void *) {
             coil_task_rename("the guilty one");
             coil_nop_start(&left_future);
             return 0;
         });
     }},
    {"ReturnWithACallInFlight", kOrigin, in_flight("call"), kFirst,
     [] {
         coil_call_start(
             &left_future, 0, [](void *) { return 0; }, nullptr);
         return 0;
     }},
};

const Misuse kScopes[] = {
    {"OpenTwice", kScope, "coil_scope_open: it is open already", kFirst,
     [] {
         COIL_SCOPE(scope, COIL_FOREVER);
         coil_scope_open(&scope, COIL_FOREVER);
         return 0;
     }},
    {"CloseTwice", kScope, kNotInnermost, kFirst,
     [] { return with_closed([](coil_scope *scope) { return coil_scope_close(scope, 0); }); }},
    {"CloseOfAnOuterOne", kScope, kNotInnermost, kFirst,
     [] {
         COIL_SCOPE(outer, COIL_FOREVER);
         COIL_SCOPE(inner, COIL_FOREVER);
         return coil_scope_close(&outer, 0);
     }},
    {"DropOfAnOuterOne", kScope, kNotInnermost, kFirst,
     [] {
         COIL_SCOPE(outer, COIL_FOREVER);
         COIL_SCOPE(inner, COIL_FOREVER);
         coil_scope_drop(&outer);
         return 0;
     }},
    {"CloseOfAnothers", kScope, kNotInnermost, kChild,
     [] {
         Children children;
         COIL_SCOPE(scope, COIL_FOREVER);
         children.start(scope, [&] { return coil_scope_close(&scope, 0); });
         return coil_scope_close(&scope, 0);
     }},
    {"CancelOfAClosedOne", kScope, "coil_scope_cancel: the scope is not open", kFirst,
     [] {
         return with_closed([](coil_scope *scope) {
             coil_scope_cancel(scope);
             return 0;
         });
     }},
    {"DeadlineOfAClosedOne", kScope, "coil_scope_deadline: the scope is not open", kFirst,
     [] {
         return with_closed([](coil_scope *scope) {
             coil_scope_deadline(scope, 0);
             return 0;
         });
     }},
    {"ShieldOfAClosedOne", kScope, kNotShieldable, kFirst,
     [] {
         return with_closed([](coil_scope *scope) {
             coil_scope_shield(scope);
             return 0;
         });
     }},
    {"ShieldOfAnOuterOne", kScope, kNotShieldable, kFirst,
     [] {
         COIL_SCOPE(outer, COIL_FOREVER);
         COIL_SCOPE(inner, COIL_FOREVER);
         coil_scope_shield(&outer);
         return 0;
     }},
    {"SpawnIntoAClosedOne", kScope, kNotSpawnable, kFirst,
     [] {
         return with_closed(
             [](coil_scope *scope) { return coil_spawn(scope, call_body, nullptr); });
     }},
    {"SpawnCopyIntoAClosedOne", kScope, kNotSpawnable, kFirst,
     [] {
         return with_closed(
             [](coil_scope *scope) { return coil_spawn_copy(scope, call_body, "x", 1); });
     }},
    {"SpawnOnIntoAClosedOne", kScope, kNotSpawnable, kFirst,
     [] {
         return with_closed(
             [](coil_scope *scope) { return coil_spawn_on(scope, 0, call_body, nullptr); });
     }},
    {"SpawnOfACopyThatIsTooLarge", kScope, "coil_spawn_copy: more than 1 KiB to copy", kFirst,
     [] {
         static const char much[1025] = {};
         COIL_SCOPE(scope, COIL_FOREVER);
         return coil_spawn_copy(&scope, call_body, much, sizeof(much));
     }},
    {"ReturnWithOneOpen", kScopeEnd, kOpen, kFirst,
     [] {
         coil_scope_open(&left_scope, COIL_FOREVER);
         return 0;
     }},
    {"ReturnOfAChildWithOneOpen", kScopeEnd, kOpen, kNamed,
     [] {
         return in_child([](void *) {
             coil_task_rename("the guilty one");
             coil_scope_open(&left_scope, COIL_FOREVER);
             return 0;
         });
     }},
};

const Misuse kSockets[] = {
    {"ReleaseTwice", kBuffers, kNotLent, kFirst,
     [] {
         Lender lender;
         coil_buffer_release(lender.data);
         coil_buffer_release(lender.data);
         return 0;
     }},
    {"ReleaseOfForeignMemory", kBuffers, kNotLent, kFirst,
     [] {
         Lender lender;
         coil_buffer_release(&lender);
         return 0;
     }},
    {"ReleaseBeforeAnythingWasLent", kReceiver, "coil_buffer_release: this core has lent no buffer",
     kFirst,
     [] {
         coil_buffer_release("mine");
         return 0;
     }},
    {"ReplyWithForeignMemory", kReceiver, kNoReply, kFirst,
     [] {
         Lender lender;
         return coil_receiver_reply(&lender.receiver, &lender, 1);
     }},
    {"ReplyWithAReleasedBuffer", kReceiver, kNoReply, kFirst,
     [] {
         Lender lender;
         coil_buffer_release(lender.data);
         return coil_receiver_reply(&lender.receiver, lender.data, 1);
     }},
    {"ReplyBeforeAnythingWasLent", kReceiver, kNoReply, kFirst,
     [] {
         char mine[] = "mine";
         coil_receiver receiver = {};
         coil_receiver_open(&receiver, 0);
         return coil_receiver_reply(&receiver, mine, 1);
     }},
    {"ReceiverOpenTwice", kReceiver, "coil_receiver_open: it is open already", kFirst,
     [] {
         Lender lender;
         coil_receiver_open(&lender.receiver, lender.pair.left);
         return 0;
     }},
    {"ReceiverNextByTwo", kReceiver, "coil_receiver_next: another coroutine waits for data", kChild,
     [] {
         Lender lender;
         return twice([&] {
             void *data;
             return int(coil_receiver_next(&lender.receiver, &data));
         });
     }},
    {"ReturnWithAReceiverOpen", kOrigin, in_flight("receive"), kNamed,
     [] {
         return in_child([](void *) {
             Pair pair = make_socketpair();
             void *data;
             coil_task_rename("the guilty one");
             coil_receiver_open(&left_receiver, pair.left);
             EXPECT_EQ(1, write(pair.right, "!", 1));
             EXPECT_EQ(1, coil_receiver_next(&left_receiver, &data));
             return 0;
         });
     }},
    {"ReturnWithAnAcceptorOpen", kOrigin, in_flight("accept"), kFirst,
     [] {
         Fd listener = make_listener();
         coil_acceptor_open(&left_acceptor, listener, 0);
         Fd conn = connect_to(address_of(listener));
         EXPECT_LE(0, coil_acceptor_next(&left_acceptor));
         return 0;
     }},
    {"AcceptorOpenTwice", kAcceptor, "coil_acceptor_open: it is open already", kFirst,
     [] {
         Fd listener = make_listener();
         coil_acceptor_open(&left_acceptor, listener, 0);
         Fd conn = connect_to(address_of(listener));
         EXPECT_LE(0, coil_acceptor_next(&left_acceptor));
         coil_acceptor_open(&left_acceptor, listener, 0);
         return 0;
     }},
    {"AcceptorNextByTwo", kAcceptor, "coil_acceptor_next: another coroutine waits for a connection",
     kChild,
     [] {
         Fd listener = make_listener();
         coil_acceptor_open(&left_acceptor, listener, 0);
         return twice([] { return coil_acceptor_next(&left_acceptor); });
     }},
};

const Misuse kRuntime[] = {
    {"RunWithinARun", kRun, "coil_run: called from a coroutine", kFirst,
     [] { return run([] { return 0; }); }},
};

/* Not in a coroutine. That the calls that wait say the same is tested in future/. */
const Misuse kElsewhere[] = {
    {"CoreCount", kRun, "coil_core_count: called outside coil_run\\(\\)", "",
     [] { return int(coil_core_count()); }},
    {"CoreSelf", kRun, "coil_core_self: called outside coil_run\\(\\)", "",
     [] { return int(coil_core_self()); }},
    {"RingName", kRun, "coil_ring_name: called outside coil_run\\(\\)", "",
     [] { return int(coil_ring_name()[0]); }},
    {"ScopeOpen", kTask, kOutside, "",
     [] {
         coil_scope_open(&left_scope, COIL_FOREVER);
         return 0;
     }},
    {"ScopeClose", kTask, kOutside, "", [] { return coil_scope_close(&left_scope, 0); }},
    {"ScopeShield", kTask, kOutside, "",
     [] {
         coil_scope_shield(&left_scope);
         return 0;
     }},
    {"Spawn", kScope, kNotSpawnable, "",
     [] { return coil_spawn(&left_scope, call_body, nullptr); }},
    {"SpawnByAThread", "coro/stack.c", "coil_spawn: called by a thread that is no core", "",
     [] {
         return by_a_thread(
             [](coil_scope *scope) { return coil_spawn(scope, call_body, nullptr); });
     },
     1, kHasNoThreads},
    {"ScopeCancelByAThread", kScope, "coil_scope_cancel: called by a thread that is no core", "",
     [] {
         return by_a_thread([](coil_scope *scope) {
             coil_scope_cancel(scope);
             return 0;
         });
     },
     1, kHasNoThreads},
    {"ScopeDeadlineByAThread", kScope, "coil_scope_deadline: called by a thread that is no core",
     "",
     [] {
         return by_a_thread([](coil_scope *scope) {
             coil_scope_deadline(scope, COIL_FOREVER);
             return 0;
         });
     },
     1, kHasNoThreads},
    {"Yield", kTask, kOutside, "", [] { return coil_yield(); }},
    {"YieldIfNeeded", kTask, kOutside, "", [] { return coil_yield_if_needed(); }},
    {"ReadStart", kTask, kOutside, "",
     [] {
         coil_read_start(&left_future, 0, nullptr, 0);
         return 0;
     }},
    {"Setsockopt", "ops/listen.c", "called outside coil_run\\(\\)", "",
     [] { return coil_setsockopt(0, 0, 0, nullptr, 0); }},
    {"BufferRelease", kReceiver, "coil_buffer_release: this core has lent no buffer", "",
     [] {
         coil_buffer_release(nullptr);
         return 0;
     }},
};

INSTANTIATE_TEST_SUITE_P(Future, MisuseDeathTest, testing::ValuesIn(kFutures), name_of_misuse);
INSTANTIATE_TEST_SUITE_P(Scope, MisuseDeathTest, testing::ValuesIn(kScopes), name_of_misuse);
INSTANTIATE_TEST_SUITE_P(Socket, MisuseDeathTest, testing::ValuesIn(kSockets), name_of_misuse);
INSTANTIATE_TEST_SUITE_P(Runtime, MisuseDeathTest, testing::ValuesIn(kRuntime), name_of_misuse);
INSTANTIATE_TEST_SUITE_P(OutsideOfCoroutines, MisuseDeathTest, testing::ValuesIn(kElsewhere),
                         name_of_misuse);

} // namespace
