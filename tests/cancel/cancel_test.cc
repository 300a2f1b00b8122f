/* SPDX-License-Identifier: MIT */
/* What may happen in one and the same turn as a cancellation. The tables of all calls are in
 * the other files of this folder. */
#include "cancel/operation.h"
#include "support/pattern.h"
#include "support/process.h"

#include <coil/fd.h>
#include <coil/net.h>
#include <filesystem>
#include <set>

namespace {

using namespace coil_test;

/* The calls that have a row in a table. */
std::set<std::string> calls_in_tables()
{
    std::set<std::string> calls;
    const testing::UnitTest &tests = *testing::UnitTest::GetInstance();
    for (int i = 0; i < tests.total_test_suite_count(); i++) {
        const testing::TestSuite &suite = *tests.GetTestSuite(i);
        for (int j = 0; j < suite.total_test_count(); j++) {
            std::string name = suite.GetTestInfo(j)->name();
            size_t slash = name.find("/coil_");
            if (slash != std::string::npos)
                calls.insert(name.substr(slash + 1));
        }
    }
    calls.insert("coil_await"); /* the second spelling of nearly all */
    return calls;
}

TEST(Cancel, HasARowInATableForEveryCallThatMaySuspend)
{
    std::set<std::string> tested = calls_in_tables();
    for (const auto &header :
         std::filesystem::directory_iterator(COIL_TEST_SOURCE_DIR "/include/coil")) {
        for (const auto &declaration :
             find_all(read_file(header.path()), "\nCOIL_SUSPENDS\\s[^;]*?(coil_\\w+)\\(")) {
            std::string name = declaration[1];
            name = name == "coil__call" ? "coil_call" : name; /* behind that macro */
            EXPECT_EQ(1u, tested.count(name)) << name;
        }
    }
}

TEST(Cancel, OfAFinishedOperationChangesNothing)
{
    EXPECT_EQ(0, run([] {
                  COIL_FUTURE(nop);
                  coil_nop_start(&nop);
                  EXPECT_TRUE(turn_until([&] { return coil_future_done(&nop); }));
                  coil_future_cancel(&nop);
                  coil_future_cancel(&nop);
                  EXPECT_EQ(0, coil_await(&nop));
                  return 0;
              }));
}

TEST(Cancel, OfAnOperationThatTheKernelHasNotSeenYetEndsIt)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  Guarded buffer(16);
                  COIL_FUTURE(read);
                  coil_read_start(&read, pipe.left, buffer.data(), 16);
                  coil_future_cancel(&read);
                  coil_future_cancel(&read);
                  EXPECT_EQ(-ECANCELED, coil_await(&read));
                  EXPECT_EQ(1, write(pipe.right, "!", 1));
                  turn();
                  EXPECT_TRUE(buffer.untouched_but(0));
                  EXPECT_EQ(1, coil_read(pipe.left, buffer.data(), 16));
                  return 0;
              }));
}

/* A connect whose listener is full finds its socket writable and is tried again by the kernel,
 * which meanwhile has it in no queue where a cancel would look. */
TEST(Cancel, ReachesAnOperationThatTheKernelIsJustMoving)
{
    EXPECT_EQ(0, run([] {
                  UnixListener listener;
                  Fd first(listener.connect()), second(listener.socket());
                  for (int64_t later : {0, 0, 50, 500}) {
                      COIL_SCOPE(scope, coil_after(later * COIL_USEC));
                      EXPECT_EQ(-ECANCELED, coil_connect(second, listener.addr(), listener.len()));
                      EXPECT_EQ(-ETIMEDOUT, coil_scope_close(&scope, 0));
                  }
                  EXPECT_EQ(0, coil_close(Fd(accept(listener, nullptr, nullptr)).release()));
                  EXPECT_EQ(0, coil_connect(second, listener.addr(), listener.len()));
                  return 0;
              }));
}

TEST(Cancel, OfAScopeRefusesOperationsBeforeTheKernelSeesThem)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  char byte;
                  EXPECT_EQ(1, write(pipe.right, "!", 1));
                  COIL_SCOPE(scope, COIL_FOREVER);
                  coil_scope_cancel(&scope);
                  EXPECT_EQ(-ECANCELED, coil_read(pipe.left, &byte, 1));
                  EXPECT_EQ(-ECANCELED, coil_socket(AF_INET, SOCK_STREAM, 0));
                  EXPECT_EQ(0, coil_scope_close(&scope, 0));
                  EXPECT_EQ(1, coil_read(pipe.left, &byte, 1));
                  return 0;
              }));
}

/* The bytes are there and the deadline has passed before the loop looks at either. */
TEST(Cancel, ByADeadlineInTheTurnOfTheCompletionGivesTheResult)
{
    COIL_SKIP_IF_SIMULATED("a read that could be done at once takes its time there");
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  char bytes[4];
                  for (int i = 0; i < 100; i++) {
                      COIL_FUTURE(read);
                      coil_read_start(&read, pipe.left, bytes, sizeof(bytes));
                      EXPECT_EQ(4, write(pipe.right, "four", 4));
                      EXPECT_EQ(4, coil_await_until(&read, coil_now()));
                  }
                  return 0;
              }));
}

TEST(Cancel, ByADeadlineLongPastStillWaitsForTheKernel)
{
    EXPECT_EQ(0, run([] {
                  Pair pipe = make_pipe();
                  Guarded buffer(16);
                  COIL_FUTURE(read);
                  coil_read_start(&read, pipe.left, buffer.data(), 16);
                  EXPECT_EQ(-ETIMEDOUT, coil_await_until(&read, 1));
                  EXPECT_EQ(1, write(pipe.right, "!", 1));
                  turn();
                  EXPECT_TRUE(buffer.untouched_but(0));
                  return 0;
              }));
}

} // namespace
