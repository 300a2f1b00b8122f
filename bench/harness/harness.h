/* SPDX-License-Identifier: MIT */
/*
 * Runs the subjects of a benchmark in turn, A B C B C A, so that a machine whose speed drifts does
 * not favour one of them: a ratio is formed within a round, and reported as median and range.
 *
 *     struct harness harness;
 *     harness_open(&harness, argc, argv, "nop", "What does awaiting a NOP cost?");
 *     harness_case(&harness, &(struct bench_case){...});
 *     return harness_close(&harness);
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include "harness/placement.h"
#include "harness/results.h"

#include <stdint.h>

enum { METRIC_MAX = 8, SUBJECT_MAX = 8, ROUND_MAX = 64 };

struct metric {
    const char *name, *unit;
    bool higher_is_better;
};

/* What a subject is told about the window it is measured in. */
struct window {
    int64_t length_ns;
    int cpu;           /* where the caller is pinned, and what it starts should be too */
    int peer_cpu;      /* for what takes two threads; -1: there is only one CPU */
    const void *point; /* the case's, like a number of connections */
    void *arg;         /* the subject's */
};

/*
 * Does the work for about window->length_ns, after warming up, and puts a figure for each metric
 * of the case into `figures`, NAN where it has none. Returns NULL, or why it cannot be measured.
 */
typedef const char *measure_fn(const struct window *window, double figures[METRIC_MAX]);

struct subject {
    const char *name; /* "coil" is the one that the others stand beside */
    measure_fn *measure;
    void *arg;
    const char *skipped; /* why it is left out; NULL: it is not */
};

struct bench_case {
    const char *name;
    const struct metric *metrics;
    size_t metric_count;
    const struct subject *subjects;
    size_t subject_count;
    const void *point;
    int window_ms, quick_window_ms;
    unsigned rounds; /* 0: as many as usual */
    bool two_cpus;   /* check the placement of the CPUs around each window */
};

struct harness {
    const char *bench;
    bool quick;
    unsigned rounds;
    const char *json_path, *notes_path, *only_case;
    bool no_table;
    bool coil_failed; /* in a case that can be measured here */
    struct placement placement;
    int64_t placement_budget_ns; /* what the case has left for windows that were thrown away */
    struct results results;
};

/* Reads the command line and pins the calling thread. Ends the process on --help or an error. */
void harness_open(struct harness *harness, int argc, char **argv, const char *bench,
                  const char *question);

/* Whether the user asked for the case of this name. */
bool harness_wants(const struct harness *harness, const char *case_name);

/* So many times as many rounds as usual, for a case whose rounds differ much; as many as usual if
 * it has to be quick. */
unsigned harness_rounds(const struct harness *harness, unsigned times);

/* What a measure_fn returns for a result of coil's or liburing's: NULL unless it is negative. */
const char *harness_reason(int result);

/* Measures one case, if it is wanted. */
void harness_case(struct harness *harness, const struct bench_case *bench_case);

/* Writes down why something is missing or what a reader has to know. `subject` may be "". */
void harness_note(struct harness *harness, const char *case_name, const char *subject,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Writes the JSON, prints the table, and returns the process's status: 1 also if coil failed. */
int harness_close(struct harness *harness);

/* Shows what is going on, on a terminal. */
void harness_progress(const struct harness *harness, const char *case_name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
