/* SPDX-License-Identifier: MIT */
/*
 * The sweep: in each scenario, on each driver, the first, the second, the third, ... request for
 * memory, call or operation fails, once or from then on, until the scenario passes untouched. Every
 * time it ends, with success or with an error that is explained by what has failed; it leaves
 * nothing behind; and it does not hang.
 */
#include "sweep/point.h"

#include "support/process.h"
#include "support/sanitizer.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <random>
#include <unistd.h>
#include <utility>

using namespace coil_test;

namespace {

/* Requests of one scenario: more would mean that it never passes untouched. */
constexpr unsigned kRequestsMost = 2000;

/* Points that are told of: the others are likely to have the same cause. */
constexpr unsigned kComplaintsMost = 10;

/* What the sweep has at least, by driver: counted, and together what is asked for. */
constexpr unsigned kKernelPoints = 4000, kPollPoints = 4000, kSimPoints = 600, kOtherPoints = 500;
static_assert(kKernelPoints + kPollPoints + kSimPoints + kOtherPoints >= 5000,
              "the sweep is to have 5,000 points");

class Sweep : public testing::Test {
protected:
    Sweep() { scenario_folder() = folder_.path(); }

    /* Every scenario that the driver has. */
    void sweep_driver(char driver, const std::vector<Kind> &kinds)
    {
        for (const Scenario &scenario : scenarios()) {
            if (std::string(scenario.drivers).find(driver) == std::string::npos)
                continue;
            unsigned before = points_;
            run_untouched(scenario, driver);
            for (Kind kind : kinds) {
                if (kind != Kind::kLoss || may_lose_its_ring(scenario))
                    sweep_kind(scenario, driver, kind);
            }
            printf("%5u points of %s on %c\n", points_ - before, scenario.name, driver);
        }
        printf("%u points of driver %c were run, %u of them failed\n", points_, driver, wrong_);
    }

    void expect_points(unsigned least) const
    {
        if (!kSanitized) {
            EXPECT_GE(points_, least);
        }
    }

private:
    /* What only the first run needs, stays; and it tells that the scenario is right. */
    void run_untouched(const Scenario &scenario, char driver)
    {
        Point point = {&scenario, driver, {Kind::kMemory, 0, false, 0}};
        run_point(point);
        look_at(point, run_point(point));
    }

    /* ThreadSanitizer has no threads in a child. */
    static bool may_lose_its_ring(const Scenario &scenario)
    {
        return !kThreadSanitizer && std::string(scenario.drivers).back() == 'l';
    }

    void sweep_kind(const Scenario &scenario, char driver, Kind kind)
    {
        for (bool ever : {false, true}) {
            if (ever && kind == Kind::kLoss)
                continue; /* there is nothing after the first */
            unsigned at = 1;
            while (at < kRequestsMost && sweep_request(scenario, driver, {kind, at, ever, 0}))
                at += step();
            EXPECT_LT(at, kRequestsMost) << scenario.name << " never passes untouched";
        }
    }

    /* Once with each of the errors that it may have, for ever with one of them. Returns whether
     * there was such a request. */
    bool sweep_request(const Scenario &scenario, char driver, Fault fault)
    {
        bool all = !fault.ever && fault.kind != Kind::kLoss;
        fault.choice = all ? 0 : fault.at;
        for (unsigned choices = 1; all ? fault.choice < choices : fault.choice == fault.at;
             fault.choice++) {
            Point point = {&scenario, driver, fault};
            bool lost = fault.kind == Kind::kLoss;
            Verdict verdict = lost ? run_in_child_process(point) : run_point(point);
            look_at(point, verdict);
            if (verdict.tally.failed == 0)
                return false;
            points_++;
            choices = verdict.tally.choices;
        }
        return true;
    }

    void look_at(const Point &point, const Verdict &verdict)
    {
        if (verdict.complaint.empty())
            return;
        if (wrong_++ >= kComplaintsMost)
            return;
        ADD_FAILURE() << verdict.complaint << "\n    when " << verdict.tally.first << " failed at "
                      << text_of(point) << ", with the result " << verdict.result
                      << "\n    to repeat it: " << command_of(point) << "\n"
                      << verdict.log;
    }

    /* Under a sanitizer only some: it is about memory and order then, and takes ten times as long.
     */
    unsigned step()
    {
        return kSanitized ? 1 + unsigned(random_() % (kThreadSanitizer ? 40 : 20)) : 1;
    }

    TempDir folder_;
    std::mt19937 random_{1};
    unsigned points_ = 0, wrong_ = 0;
};

TEST_F(Sweep, EndsWellOnTheKernelWhateverFailsSlow)
{
    std::vector<Kind> kinds = {Kind::kMemory, Kind::kCall, Kind::kLoss};
    if (kernel_injects())
        kinds.push_back(Kind::kResult);
    else
        printf("this kernel can't be told with what an operation is to end: it is left out\n");
    sweep_driver('k', kinds);
    expect_points(kKernelPoints);
}

TEST_F(Sweep, EndsWellOnPollWhateverFailsSlow)
{
    sweep_driver('p', {Kind::kMemory, Kind::kCall, Kind::kResult, Kind::kLoss});
    expect_points(kPollPoints);
}

/* Where nobody has said which driver it is to be, so that another one may help. */
TEST_F(Sweep, EndsWellOnWhateverThereIsWhateverFailsSlow)
{
    sweep_driver('a', {Kind::kMemory, Kind::kCall});
    expect_points(kOtherPoints);
}

/* The simulator itself takes what it needs, or stops. */
TEST_F(Sweep, EndsWellInTheSimulatorWhateverFailsSlow)
{
    sweep_driver('s', {Kind::kResult});
    expect_points(kSimPoints);
}

/* The point in COIL_SWEEP; else one, to see that a text names it. */
TEST_F(Sweep, RunsOnePoint)
{
    const char *wanted = getenv("COIL_SWEEP");
    Point point = point_of(wanted != nullptr ? wanted : "start1 k memory 1 once 0");
    ASSERT_NE(nullptr, point.scenario) << "there is no such scenario";
    run_point({point.scenario, point.driver, {Kind::kMemory, 0, false, 0}});
    bool lost = point.fault.kind == Kind::kLoss;
    Verdict verdict = lost ? run_in_child_process(point) : run_point(point);
    if (wanted != nullptr) {
        printf("%u of %u requests failed, %s first; the result is %d; the log:\n%s",
               verdict.tally.failed, verdict.tally.requests, verdict.tally.first.c_str(),
               verdict.result, verdict.log.c_str());
    } else {
        EXPECT_EQ("start1 k memory 1 once 0", text_of(point));
        EXPECT_EQ(1u, verdict.tally.failed);
        EXPECT_EQ(-ENOMEM, verdict.result);
    }
    EXPECT_EQ("", verdict.complaint);
}

/* ---- what the sweep itself must see ---- */

int kept; /* until the test has seen it */

int leaks_on_error()
{
    kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
    Body body = [] { return 0; };
    COIL_SCOPE(scope, COIL_FOREVER);
    int err = coil_spawn(&scope, call_body, &body);
    if (err == 0)
        close(std::exchange(kept, -1));
    return coil_scope_close(&scope, err);
}

int lies_about_errors()
{
    return leaks_on_error() < 0 ? -ENOSPC : 0;
}

TEST_F(Sweep, TellsOfWhatIsLeftAndOfResultsThatNothingExplains)
{
    const Scenario leaky = {"leaky", 1, leaks_on_error, "k"};
    const Scenario lying = {"lying", 1, lies_about_errors, "k"};
    unsigned leaks = 0, lies = 0;
    for (unsigned at = 1; at < 30; at++) {
        for (const Scenario *scenario : {&leaky, &lying}) {
            kept = -1;
            Point point = {scenario, 'k', {Kind::kMemory, at, false, 0}};
            std::string complaint = run_point(point).complaint;
            leaks += complaint.find("a descriptor more") != std::string::npos;
            lies += complaint.find("explained by nothing") != std::string::npos;
            if (kept >= 0)
                close(kept);
        }
    }
    EXPECT_GE(leaks, 1u);
    EXPECT_GE(lies, 1u);
}

} // namespace
