/* SPDX-License-Identifier: MIT */
/*
 * What the sweep makes fail. It is linked to a copy of libcoil.a in which whatever that asks of the
 * C library and of liburing has another name (renamed.txt), and comes here first: each request is
 * counted, and the k-th one fails, once, or with all that follow. Nobody else's requests do.
 */
#ifndef COIL_TESTS_SWEEP_FAULT_H
#define COIL_TESTS_SWEEP_FAULT_H

#include <set>
#include <string>
#include <vector>

namespace coil_test {

enum class Kind {
    kMemory, /* a request for memory or address space */
    kCall,   /* a ring call, or another system call that takes something of the system */
    kResult, /* an operation: it is not done, and ends with an error */
    kLoss,   /* a wait of the loop, with an error that says that the ring is lost */
};

struct Fault {
    Kind kind;
    unsigned at;     /* the first request that fails, from 1; 0: none does */
    bool ever;       /* so do all after it */
    unsigned choice; /* which of the errors that it can really have */
};

/* A request, and how it may fail: with a positive errno. */
struct Row {
    const char *name;
    std::vector<int> errors;
    /* How often at most: 0, as often as it likes. For what may pass at any time, and is asked again
     * until it does: for ever it would mean that a program has no way on. */
    unsigned most = 0;
    /* How many of the errors, from the first, may last: 0, all. */
    unsigned lasting = 0;
};

struct Tally {
    unsigned requests, failed;
    unsigned choices;         /* errors of what failed first */
    std::string first;        /* its name */
    std::set<int> errors;     /* positive, of all that failed */
    std::set<std::string> of; /* the names of all that were asked for */
};

/* Begins counting, and failing. */
void arm(const Fault &fault);

/* Ends that. */
Tally disarm();

/* Counts a request. Returns the error that it is to have, or 0. Any thread. */
int fails(Kind kind, const Row &row);

/* As above, and says so by errno. */
bool fails_by_errno(Kind kind, const Row &row);

/* Whether requests are counted now. */
bool is_armed();

/* What the library has, of all that it has asked for here: to be the same before and after a run.
 */
struct Ledger {
    long blocks;  /* of malloc() and its kin */
    long bytes;   /* mapped */
    long rings;   /* of the kernel */
    long threads; /* not yet joined */
};

Ledger &ledger(); /* changed by atomic operations only */

/* Says how they differ; "": they don't. */
std::string compare_ledgers(const Ledger &before, const Ledger &after);

/* Whether this kernel can end an operation with a given result, without doing it. */
bool kernel_injects();

} // namespace coil_test

#endif
