/* SPDX-License-Identifier: MIT */
/*
 * What is to come of an operation when it is cancelled, written down in rows of tables, and the
 * tests that each row must pass. A test file defines operations and instantiates the suite:
 *
 *     const CancelRow kRows[] = {
 *         call          before    in flight  racing    after
 *         {"coil_read", REFUSED,  STOPPED,   EITHER,   HAPPENED, "", make<Reading>}, ...
 *     };
 *     INSTANTIATE_TEST_SUITE_P(Files, CancelledOperation, testing::ValuesIn(kRows), name_of_row);
 *
 * The result does not depend on who cancels: own deadline, outer deadline, a sibling's error and
 * coil_scope_cancel() are all tried at each of the four moments. What they differ in is what the
 * closes of the scopes report: see the table in matrix.cc.
 */
#ifndef COIL_TESTS_CANCEL_CANCEL_H
#define COIL_TESTS_CANCEL_CANCEL_H

#include "cancel/operation.h"

#include <memory>

namespace coil_test {

enum Fate {
    REFUSED,  /* -ECANCELED, without asking the kernel */
    STOPPED,  /* -ECANCELED: it did not happen */
    PARTLY,   /* the count of what moved before the step that was stopped */
    SHORT,    /* the same as one step of the kernel: nothing was stopped that could be reported */
    EITHER,   /* it happened or it did not, and its result says which */
    FIRST,    /* likewise, and which depends on nothing but what came first */
    HAPPENED, /* its result, as if nobody had cancelled */
};

struct CancelRow {
    const char *name; /* the call's, maybe with a word about the object behind it */
    Fate before, in_flight, racing, after;
    const char *why; /* an outcome is impossible */
    std::unique_ptr<Operation> (*make)();
    const char *not_simulated = nullptr; /* why a simulated world can't have it */
};

/* Whether it may be stopped though its row says otherwise: a simulated kernel takes its time also
 * for what the real one does at once, and for each step. But not for cleanup. */
inline bool takes_time(const CancelRow &row, const Operation &operation)
{
    return is_simulated() && !operation.is_local && row.before == REFUSED;
}

template <class T> std::unique_ptr<Operation> make()
{
    return std::make_unique<T>();
}

/* Lets the operation be cancelled at every moment in every way, and checks each cell of its row:
 * the result, the reports of the scopes, descriptors, and what end() checks. In a coroutine. */
void run_matrix(Operation &operation, const CancelRow &row);

/* Lets completion and cancellation meet that many times, each winning about half of them, and
 * checks that both did win if `row` has it so. In a coroutine. */
void run_race(Operation &operation, const CancelRow &row, int round_count);

/* Whether so many descriptors are open, which were before the first one. One that lingers is given
 * the time to end. */
bool leaves_open(const Operation &operation, int descriptors);

struct CancelledOperation : testing::TestWithParam<CancelRow> {
    void SetUp() override
    {
        if (GetParam().not_simulated != nullptr)
            COIL_SKIP_IF_SIMULATED(GetParam().not_simulated);
    }
};

void PrintTo(const CancelRow &row, std::ostream *out);
std::string name_of_row(const testing::TestParamInfo<CancelRow> &info);

} // namespace coil_test

#endif
