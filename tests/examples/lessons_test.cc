/* SPDX-License-Identifier: MIT */
/* How coroutines come about: the programs print these lines, in this order. */
#include "examples/program.h"

#include <gtest/gtest.h>

using namespace coil_test;

namespace {

void expect_output(const char *program, const std::string &output)
{
    Outcome outcome = run_shell(example_command(program, ""));
    EXPECT_EQ(0, outcome.status);
    EXPECT_EQ(output, outcome.output);
}

TEST(Lessons, GeneratorsAreResumedByHandSentToAndDelegatedTo)
{
    expect_output("generators", "--- manual scheduling\n"
                                "Gen one doing some work\n"
                                "Gen two doing some work\n"
                                "Gen one doing more work\n"
                                "Gen two doing more work\n"
                                "--- send\n"
                                "Coroutine one doing some work\n"
                                "Received data: lorem ipsum\n"
                                "Coroutine one doing more work\n"
                                "--- delegation\n"
                                "Coroutine one doing some work\n"
                                "Coroutine one doing more work\n"
                                "Coroutine two doing some work\n"
                                "Coroutine two doing more work\n"
                                "--- the value returned by a sub-generator\n"
                                "Number: 1\n"
                                "Number: 2\n"
                                "Number: 3\n"
                                "Number: 4\n"
                                "Coroutine three received the sum: 10\n");
}

/* What the scheduler's part and the tasks' have in common. */
const char kRoundRobin[] = "Coroutine one doing some work\n"
                           "Coroutine two doing some work\n"
                           "Coroutine one doing more work\n"
                           "Coroutine two doing more work\n";
const char kReading[] = "Coroutine one doing some work\n"
                        "Coroutine four doing some work\n"
                        "Fetching data awaiting IO..\n"
                        "Coroutine one doing more work\n"
                        "Fetching data IO ready..\n"
                        "Coroutine four doing more work with data: 10\n";

TEST(Lessons, ASchedulerWithADequeTakesTurnsAlsoWithIoInTheMiddle)
{
    expect_output("scheduler", std::string("--- a scheduler with a deque\n") + kRoundRobin +
                                   "--- I/O in the middle, with generators\n" + kReading);
}

TEST(Lessons, TasksThatAwaitDoTheSame)
{
    expect_output("tasks", std::string("--- a scheduler with a deque: coil's own\n") + kRoundRobin +
                               "--- I/O in the middle, with tasks that await\n" + kReading);
}

TEST(Lessons, AnEventLoopPollsRunsWhatIsReadyAndWhatIsScheduledForLater)
{
    expect_output("event_loop", "--- the event loop\n"
                                "Coroutine one doing some work\n"
                                "Coroutine five scheduling work for later\n"
                                "Coroutine four doing some work\n"
                                "Fetching data awaiting IO..\n"
                                "Coroutine one doing more work\n"
                                "Fetching data IO ready..\n"
                                "Coroutine four doing more work with data: 10\n"
                                "Coroutine five doing its work later\n");
}

TEST(Lessons, FailWhenTheirOutputCannotBeWritten)
{
    for (const char *program : {"generators", "scheduler", "tasks", "event_loop"}) {
        Outcome outcome = run_shell(example_command(program, "") + " 2>&1 >/dev/full");
        EXPECT_EQ(1, outcome.status);
        EXPECT_EQ(std::string(program) + ": No space left on device\n", outcome.output);
    }
}

} // namespace
