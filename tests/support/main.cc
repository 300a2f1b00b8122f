/* SPDX-License-Identifier: MIT */
/* main() of every program of tests: runs them with a census around each. */
#include "support/census.h"

#include <liburing.h>

extern "C" {
#include "sim/replay.h"
#include "ring/choose.h"
}

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <sched.h>
#include <string>
#include <thread>
#include <unistd.h>

namespace {

/* What the runner takes for "skipped", as other test harnesses do. */
constexpr int kExitSkipped = 77;

class CensusListener : public testing::EmptyTestEventListener {
    void OnTestStart(const testing::TestInfo &) override { before_ = coil_test::take_census(); }

    void OnTestEnd(const testing::TestInfo &) override
    {
        std::string difference = coil_test::compare_census(before_);
        if (!difference.empty())
            ADD_FAILURE() << "after the test the process is not what it was: " << difference;
    }

    coil_test::Census before_;
};

/* Tells the runner why a test was skipped. */
class SkipListener : public testing::EmptyTestEventListener {
    void OnTestPartResult(const testing::TestPartResult &result) override
    {
        if (result.skipped())
            printf("SKIPPED BECAUSE: %s\n", result.summary());
    }
};

/* Of a failure in or after a simulation: by which seed. */
class ReplayListener : public testing::EmptyTestEventListener {
    void OnTestPartResult(const testing::TestPartResult &result) override
    {
        if (result.failed())
            coil__sim_replay_tell();
    }
};

/* Starts a thread and waits until the system has forgotten it too, which is later than join(). */
void start_a_thread()
{
    std::string path;
    std::thread([&] { path = "/proc/self/task/" + std::to_string(gettid()); }).join();
    while (access(path.c_str(), F_OK) == 0) /* ends: it has ended */
        sched_yield();
}

} // namespace

int main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    /* Tests compute for long in one coroutine, and read what is logged. Those of stalls say so. */
    setenv("COIL_STALL_NS", "0", 0);
    /* ThreadSanitizer starts a thread of its own with the first of ours: before any census. */
    start_a_thread();

    /* Under COIL_RING=poll what a test expects of the log, or of stderr, stays the same. */
    coil__ring_choice_quiet = true;

    testing::TestEventListeners &listeners = testing::UnitTest::GetInstance()->listeners();
    listeners.Append(new CensusListener);
    listeners.Append(new SkipListener);
    listeners.Append(new ReplayListener);

    int status = RUN_ALL_TESTS();

    const testing::UnitTest *tests = testing::UnitTest::GetInstance();
    if (testing::GTEST_FLAG(list_tests))
        return status;
    if (tests->test_to_run_count() == 0) {
        fprintf(stderr, "no test matches the filter\n");
        return 1;
    }
    bool all_skipped = tests->skipped_test_count() == tests->test_to_run_count();
    return status == 0 && all_skipped ? kExitSkipped : status;
}
