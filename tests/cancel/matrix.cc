/* SPDX-License-Identifier: MIT */
#include "cancel/cancel.h"
#include "cancel/keeper.h"
#include "support/fds.h"

#include <optional>

namespace coil_test {
namespace {

enum Moment { BEFORE_START, IN_FLIGHT, RACING, AFTER_COMPLETION };
enum Cause { OWN_DEADLINE, OUTER_DEADLINE, SIBLINGS_ERROR, EXPLICIT };

/* What coil_scope_close() reports of the scope around the operation, and of the one around that. */
struct Report {
    const char *cause;
    int inner, outer;                   /* when it was stopped */
    int inner_happened, outer_happened; /* when it happened anyway */
};

constexpr Report kReports[] = {
    /*                   stopped:                 happened: */
    {"own deadline", -ETIMEDOUT, 0, 0, 0},
    {"outer deadline", -ECANCELED, -ETIMEDOUT, 0, 0},
    {"sibling's error", -EIO, 0, -EIO, 0},
    {"explicit cancel", 0, 0, 0, 0},
};

constexpr const char *kMoments[] = {"before its start", "in flight", "racing", "after completion"};

/* One way to meet a moment. */
struct Approach {
    Moment moment;
    bool by_future;    /* start and await, not the waiting spelling */
    int turns;         /* that pass before the cancellation: at 0 the kernel has not seen it yet */
    bool cancel_first; /* RACING: and completes before the kernel, or who waits, sees that */
};

/* The operation, and its sibling that cancels it. */
class Cell {
public:
    Cell(Operation &operation, const Approach &approach, Cause cause)
        : operation_(operation), approach_(approach), cause_(cause)
    {}

    /* In the place of begin(). */
    void keep()
    {
        keeper_.emplace(operation_, [this] {
            return completed_ || (approach_.cancel_first && coil_scope_cancelled(&inner_));
        });
    }

    void run()
    {
        const Body stop = [this] { return this->stop(); };
        coil_scope_open(&outer_, COIL_FOREVER);
        coil_scope_open(&inner_, COIL_FOREVER);
        spawn(&inner_, stop);
        use();
        inner_outcome = coil_scope_close(&inner_, 0);
        outer_outcome = coil_scope_close(&outer_, 0);
        if (!completed_)
            complete();
        turn(); /* a late write of the kernel would come now */
    }

    ssize_t result = 0;
    int inner_outcome = 0, outer_outcome = 0;

private:
    void wait_until_cancelled()
    {
        EXPECT_TRUE(turn_until([this] { return coil_scope_cancelled(&inner_); }));
    }

    void use()
    {
        if (approach_.moment == BEFORE_START)
            wait_until_cancelled();
        else
            let_sibling_follow();
        result = approach_.by_future ? use_future() : operation_.call();
        operation_.leave(result);
        used_ = true;
        if (approach_.moment == AFTER_COMPLETION)
            wait_until_cancelled();
    }

    /* From here on the sibling is next in each turn, so that it runs before the kernel is asked. */
    void let_sibling_follow()
    {
        coil_sleep_until_start(&gate_, COIL_FOREVER);
        EXPECT_EQ(-ECANCELED, coil_await(&gate_));
    }

    void follow()
    {
        coil_future_cancel(&gate_);
        turn(1);
    }

    ssize_t use_future()
    {
        COIL_FUTURE(future);
        operation_.start(&future);
        if (approach_.moment == AFTER_COMPLETION) {
            EXPECT_TRUE(turn_until([&] { return coil_future_done(&future); }));
            used_ = true;
            wait_until_cancelled();
        }
        return coil_await(&future);
    }

    int stop()
    {
        if (approach_.moment != BEFORE_START) {
            follow();
            EXPECT_TRUE(turn_until([this] { return operation_.is_lined_up(); }));
        }
        if (approach_.moment == AFTER_COMPLETION)
            turn(); /* it may have to begin before it can be completed */
        if (is_completed_first())
            complete();
        turn(approach_.turns);
        if (approach_.moment == AFTER_COMPLETION) {
            EXPECT_TRUE(turn_until([this] { return used_; }));
        }
        int error = cancel();
        if (approach_.cancel_first && !keeper_)
            complete();
        return error;
    }

    /* A keeper waits until something has begun. */
    bool is_completed_first() const
    {
        bool has_begun = approach_.moment != BEFORE_START;
        return approach_.moment != IN_FLIGHT && !approach_.cancel_first && (has_begun || !keeper_);
    }

    void complete()
    {
        completed_ = true;
        if (keeper_)
            keeper_->wait_until_completed();
        else
            operation_.complete();
    }

    /* Deadlines fire in this turn, an error when the caller has returned it. */
    int cancel()
    {
        switch (cause_) {
        case OWN_DEADLINE:
            coil_scope_deadline(&inner_, 1);
            return 0;
        case OUTER_DEADLINE:
            coil_scope_deadline(&outer_, 1);
            return 0;
        case EXPLICIT:
            coil_scope_cancel(&inner_);
            return 0;
        case SIBLINGS_ERROR:
            break;
        }
        return -EIO;
    }

    Operation &operation_;
    const Approach &approach_;
    Cause cause_;
    coil_scope outer_ = {}, inner_ = {};
    coil_future gate_ = {};
    bool used_ = false, completed_ = false;
    std::optional<Keeper> keeper_;
};

Fate fate_of(const CancelRow &row, Moment moment, const Operation &operation)
{
    const Fate fates[] = {row.before, row.in_flight, row.racing, row.after};
    Fate fate = fates[moment];
    bool has_begun = moment == IN_FLIGHT || moment == RACING;
    bool is_sure = fate == HAPPENED || fate == PARTLY || fate == SHORT;
    if (has_begun && is_sure && takes_time(row, operation))
        return EITHER;
    /* Turns of a simulated world take no time, in which such a peer would have taken all it can. */
    bool may_go_on = is_simulated() && operation.gets_room;
    return has_begun && fate == STOPPED && may_go_on ? EITHER : fate;
}

bool fits(Fate fate, const Approach &approach, const Operation &operation, ssize_t result)
{
    switch (fate) {
    case REFUSED:
    case STOPPED:
        return result == -ECANCELED;
    case PARTLY:
    case SHORT:
        return result > 0 && operation.was_stopped(result);
    case HAPPENED:
        return !operation.was_stopped(result);
    case FIRST:
        return operation.was_stopped(result) == approach.cancel_first;
    case EITHER:
        break;
    }
    return true;
}

/* Whether the scopes must know. The kernel's own steps leave room for doubt. */
bool is_reported(const CancelRow &row, const Operation &operation, ssize_t result)
{
    return operation.was_stopped(result) && (row.in_flight != SHORT || result < 0);
}

void check_cell(Operation &operation, const CancelRow &row, const Approach &approach, Cause cause,
                int descriptors)
{
    const Report &report = kReports[cause];
    SCOPED_TRACE(std::string(kMoments[approach.moment]) + ", " + report.cause + ", " +
                 (approach.by_future ? "start and await" : "call") + ", " +
                 std::to_string(approach.turns) + " turns" +
                 (approach.cancel_first ? ", cancelled first" : ""));
    operation.will_complete = approach.moment != IN_FLIGHT;
    Cell cell(operation, approach, cause);
    if (operation.is_local)
        cell.keep();
    else
        operation.begin();
    cell.run();
    EXPECT_TRUE(fits(fate_of(row, approach.moment, operation), approach, operation, cell.result))
        << cell.result;
    bool reported = is_reported(row, operation, cell.result);
    EXPECT_EQ(reported ? report.inner : report.inner_happened, cell.inner_outcome);
    EXPECT_EQ(reported ? report.outer : report.outer_happened, cell.outer_outcome);
    operation.end(cell.result);
    EXPECT_TRUE(leaves_open(operation, descriptors)) << open_descriptors() - descriptors << " more";
}

/* It has a future that never began, and no memory of what it was for. */
void drop_refused(Operation &operation)
{
    bool dropped = false;
    std::optional<Keeper> keeper;
    operation.will_complete = false;
    if (operation.is_local)
        keeper.emplace(operation, [&] { return dropped; });
    else
        operation.begin();
    COIL_SCOPE(scope, COIL_FOREVER);
    coil_scope_cancel(&scope);
    COIL_FUTURE(refused);
    operation.start(&refused);
    coil_future_drop(&refused);
    EXPECT_EQ(0, coil_scope_close(&scope, 0));
    dropped = true;
    if (keeper)
        keeper->wait_until_completed();
    else
        operation.complete();
    operation.end(-ECANCELED);
}

} // namespace

bool leaves_open(const Operation &operation, int descriptors)
{
    auto are_as_before = [&] { return open_descriptors() == descriptors; };
    return operation.lingers ? turn_until(are_as_before) : are_as_before();
}

void run_matrix(Operation &operation, const CancelRow &row)
{
    /* More turns than may pass without the loop, so that each order of things comes about. */
    constexpr int kTurns = 10, kSeenByTheKernel = 20;
    int descriptors = open_descriptors();
    std::vector<Approach> approaches;
    for (bool by_future : {false, true}) {
        if (by_future && !operation.has_future)
            continue;
        approaches.push_back({BEFORE_START, by_future, 0, false});
        approaches.push_back({IN_FLIGHT, by_future, 0, false});
        if (operation.has_peer)
            approaches.push_back({IN_FLIGHT, by_future, kSeenByTheKernel, false});
        approaches.push_back({RACING, by_future, 0, true});
        for (int turns = 0; turns <= kTurns; turns++)
            approaches.push_back({RACING, by_future, turns, false});
        approaches.push_back({AFTER_COMPLETION, by_future, 0, false});
    }
    for (const Approach &approach : approaches) {
        for (Cause cause : {OWN_DEADLINE, OUTER_DEADLINE, SIBLINGS_ERROR, EXPLICIT}) {
            check_cell(operation, row, approach, cause, descriptors);
            if (testing::Test::HasFailure())
                return; /* it would only be the first of many */
        }
    }
}

void PrintTo(const CancelRow &row, std::ostream *out)
{
    *out << row.name;
}

std::string name_of_row(const testing::TestParamInfo<CancelRow> &info)
{
    return info.param.name;
}

TEST_P(CancelledOperation, DoesWhatItsRowSaysInEveryCell)
{
    EXPECT_EQ(0, run(
                     [] {
                         std::unique_ptr<Operation> operation = GetParam().make();
                         run_matrix(*operation, GetParam());
                         expect_counted();
                         return 0;
                     },
                     cores(2)));
}

TEST_P(CancelledOperation, MayBeDroppedThatWasRefused)
{
    auto body = [] {
        std::unique_ptr<Operation> operation = GetParam().make();
        if (operation->has_future && GetParam().before == REFUSED)
            drop_refused(*operation);
        expect_counted();
        return 0;
    };
    EXPECT_EQ(0, run(body, cores(2)));
}

TEST_P(CancelledOperation, RacesItsCompletionAndLosesNothing)
{
    constexpr int kRounds = 10000;
    EXPECT_EQ(0, run(
                     [] {
                         std::unique_ptr<Operation> operation = GetParam().make();
                         run_race(*operation, GetParam(), rounds(kRounds / operation->slowness));
                         expect_counted();
                         return 0;
                     },
                     cores(2)));
}

} // namespace coil_test
