/* SPDX-License-Identifier: MIT */
/* What sanitizers and valgrind know of generators. */
#include "gen/generators.h"
#include "coro/coroutines.h"
#include "support/process.h"
#include "support/running.h"
#include "support/sanitizer.h"
#include "support/sanitizer_calls.h"

#include <cstdlib>
#include <cstring>
#include <set>

using namespace coil_test;

namespace {

/* Owns memory by a variable on its real stack over a yield. */
__attribute__((noinline, no_sanitize("address"))) int yield_as_owner(coil_gen *gen, void *)
{
    int number = 1;
    char *volatile owned = static_cast<char *>(malloc(1000));
    int err = coil_gen_yield(gen, &number, nullptr);
    free(owned);
    return err;
}

TEST(GenHooks, TellLeakSanitizerWhatASuspendedGeneratorOwns)
{
    if (!kAddressSanitizer)
        GTEST_SKIP() << "not built with LeakSanitizer";
    COIL_GEN(gen, yield_as_owner, nullptr);
    EXPECT_NE(nullptr, coil_gen_next(&gen));
    EXPECT_EQ(0, __lsan_do_recoverable_leak_check());
}

__attribute__((noinline, no_sanitize("address"))) int consume_as_owner(int (*consume)())
{
    char *volatile owned = static_cast<char *>(malloc(1000));
    int result = consume();
    free(owned);
    return result;
}

TEST(GenHooks, TellLeakSanitizerWhatTheConsumerOwnsWhileTheBodyRuns)
{
    if (!kAddressSanitizer)
        GTEST_SKIP() << "not built with LeakSanitizer";
    auto consume = [] {
        Generator gen([](coil_gen *) { return __lsan_do_recoverable_leak_check(); });
        EXPECT_EQ(-1, gen.next());
        return gen.result();
    };
    EXPECT_EQ(0, consume_as_owner(consume)) << "a thread";
    EXPECT_EQ(0, run([&] { return consume_as_owner(consume); })) << "a coroutine";
}

TEST(GenHooks, LetAddressSanitizerSeeABufferOverflowInABody)
{
    if (!kAddressSanitizer)
        GTEST_SKIP() << "not built with AddressSanitizer";
    auto overflow = [](size_t length) {
        leave_no_core();
        Generator gen([length](coil_gen *self) {
            char local[16];
            EXPECT_EQ(0, yield(self, 1));
            memset(local, 1, length);
            asm volatile("" : : "r"(local) : "memory");
            return 0;
        });
        gen.rest();
        _exit(3);
    };
    EXPECT_DEATH(overflow(17), "stack-buffer-overflow");
    EXPECT_EXIT(overflow(16), testing::ExitedWithCode(3), "");
}

/* On whatever its frames left behind. */
TEST(GenHooks, LeaveNothingBehindOnAStackThatIsUsedAgain)
{
    both_ways([] {
        EXPECT_EQ(0, run([] {
                      for (int i = 0; i < 4; i++) {
                          Generator gen(
                              [](coil_gen *self) { return recurse(50) + yield(self, 1); });
                          EXPECT_EQ(1, gen.next());
                          if (i % 2 == 0)
                              gen.rest();
                          gen.close();
                          Children children;
                          COIL_SCOPE(scope, COIL_FOREVER);
                          children.start(scope, [] { return recurse(100) != 0 ? 1 : 0; });
                          EXPECT_EQ(0, coil_scope_close(&scope, 0));
                      }
                      return 0;
                  }));
    });
}

TEST(GenHooks, TellThreadSanitizerWhoseStackIsRunOn)
{
    if (!kThreadSanitizer)
        GTEST_SKIP() << "not built with ThreadSanitizer";
    EXPECT_EQ(0, run([] {
                  std::set<void *> fibers = {__tsan_get_current_fiber()};
                  Generator leaf([&](coil_gen *self) {
                      void *own = __tsan_get_current_fiber();
                      fibers.insert(own);
                      EXPECT_EQ(0, yield(self, 1));
                      EXPECT_EQ(own, __tsan_get_current_fiber());
                      give_way();
                      EXPECT_EQ(own, __tsan_get_current_fiber());
                      return 0;
                  });
                  Generator root([&](coil_gen *self) {
                      void *own = __tsan_get_current_fiber();
                      fibers.insert(own);
                      EXPECT_EQ(0, coil_gen_delegate(self, leaf.get()));
                      EXPECT_EQ(own, __tsan_get_current_fiber());
                      return 0;
                  });
                  EXPECT_EQ(1, root.next());
                  fibers.insert(__tsan_get_current_fiber());
                  EXPECT_EQ(-1, root.next());
                  fibers.insert(__tsan_get_current_fiber());
                  EXPECT_EQ(3u, fibers.size());
                  return 0;
              }));
}

TEST(GenHooks, TellValgrindAboutStacks)
{
    if (kSanitized)
        GTEST_SKIP() << "valgrind does not run sanitizers";
    if (run_shell("valgrind --version").status != 0)
        GTEST_SKIP() << "there is no valgrind";
    std::string self = "/proc/" + std::to_string(getpid()) + "/exe";
    Outcome outcome = run_shell("valgrind --error-exitcode=99 " + self +
                                " --gtest_filter='Gen.MayConsume*:GenClose.*:Foreach.Closes*:"
                                "Delegate.Passes*:Delegate.ToOneThatDelegates*'");
    if (outcome.output.find("debuginfo reader") != std::string::npos)
        GTEST_SKIP() << "this valgrind cannot read what this compiler wrote for debuggers";
    EXPECT_EQ(0, outcome.status) << outcome.output;
    EXPECT_EQ(std::string::npos, outcome.output.find("client switching stacks")) << outcome.output;
    EXPECT_NE(std::string::npos, outcome.output.find("ERROR SUMMARY: 0 errors")) << outcome.output;
}

} // namespace
