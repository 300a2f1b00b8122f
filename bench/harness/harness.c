/* SPDX-License-Identifier: MIT */
/* Runs the subjects of a benchmark in turn and keeps what they measure. */
#include "harness/harness.h"
#include "harness/clock.h"

#include <err.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MS = 1000000, PLACEMENT_BUDGET = 1500 * MS, QUICK_PLACEMENT_BUDGET = 50 * MS };

/* Everything that the rounds of one case bring about. */
struct rounds {
    struct harness *harness;
    const struct bench_case *bench_case;
    double figures[SUBJECT_MAX][METRIC_MAX][ROUND_MAX];
    bool out[SUBJECT_MAX];
    char reason[SUBJECT_MAX][NOTE_SIZE]; /* why it is out */
    unsigned done, far, unsettled;
};

static void drop_subject(struct rounds *rounds, unsigned subject, const char *reason)
{
    rounds->out[subject] = true;
    snprintf(rounds->reason[subject], NOTE_SIZE, "%s", reason);
}

static void measure(struct rounds *rounds, unsigned subject, double figures[METRIC_MAX])
{
    const struct bench_case *bench_case = rounds->bench_case;
    const struct harness *harness = rounds->harness;
    int ms = harness->quick ? bench_case->quick_window_ms : bench_case->window_ms;
    struct window window = {
        .length_ns = (int64_t)ms * MS,
        .cpu = harness->placement.server_cpu,
        .peer_cpu = harness->placement.load_cpu,
        .point = bench_case->point,
        .arg = bench_case->subjects[subject].arg,
    };
    harness_progress(harness, bench_case->name, "round %u, %s", rounds->done + 1,
                     bench_case->subjects[subject].name);
    placement_pin(harness->placement.server_cpu);
    const char *failed = bench_case->subjects[subject].measure(&window, figures);
    if (failed != NULL)
        drop_subject(rounds, subject, failed);
}

/*
 * As measure(), in a window before and after which the CPUs are as far apart as `wanted`. Windows
 * that are not are thrown away as long as the budget lasts. Returns whether the one that counts is.
 */
static bool measure_placed(struct rounds *rounds, unsigned subject, enum distance wanted,
                           double figures[METRIC_MAX])
{
    struct harness *harness = rounds->harness;
    const struct placement *placement = &harness->placement;
    for (;;) {
        int64_t start = clock_ns();
        double before = placement_read(placement);
        bool placed = placement_distance(placement, before) == wanted;
        bool last = harness->placement_budget_ns <= 0;
        if (placed || last) {
            measure(rounds, subject, figures);
            if (rounds->out[subject])
                return true;
            placed = placed && placement_agree(placement, before, placement_read(placement));
            if (placed || last)
                return placed;
        } else {
            usleep(20000);
        }
        harness->placement_budget_ns -= clock_ns() - start;
    }
}

/*
 * One turn of all subjects, another of which begins each time, lest one always comes after the same
 * other, whose traces a device or a cache may still bear. Near is compared with near. When the
 * machine has not offered that for a second or two, a round is taken as the CPUs are; and if they
 * do not even stay so, it counts all the same, and the table says so.
 */
static void take_round(struct rounds *rounds, double figures[SUBJECT_MAX][METRIC_MAX])
{
    const struct harness *harness = rounds->harness;
    bool two_cpus = rounds->bench_case->two_cpus, settled = true;
    enum distance wanted = NEAR;
    if (two_cpus && harness->placement_budget_ns <= 0)
        wanted = placement_distance(&harness->placement, placement_read(&harness->placement));
    unsigned count = (unsigned)rounds->bench_case->subject_count;
    for (unsigned turn = 0; turn < count; turn++) {
        unsigned i = (rounds->done + turn) % count;
        if (rounds->out[i])
            continue;
        if (two_cpus)
            settled &= measure_placed(rounds, i, wanted, figures[i]);
        else
            measure(rounds, i, figures[i]);
    }
    rounds->far += settled && wanted == FAR;
    rounds->unsettled += !settled || wanted == BUSY;
}

static struct topic topic_of(const struct rounds *rounds, unsigned subject, const char *metric)
{
    struct topic topic;
    snprintf(topic.bench, NAME_SIZE, "%s", rounds->harness->bench);
    snprintf(topic.case_name, NAME_SIZE, "%s", rounds->bench_case->name);
    snprintf(topic.subject, NAME_SIZE, "%s", rounds->bench_case->subjects[subject].name);
    snprintf(topic.metric, NAME_SIZE, "%s", metric);
    return topic;
}

static void add_figure(struct rounds *rounds, unsigned subject, unsigned metric)
{
    const struct metric *about = &rounds->bench_case->metrics[metric];
    if (isnan(rounds->figures[subject][metric][0]))
        return;
    double sorted[ROUND_MAX];
    memcpy(sorted, rounds->figures[subject][metric], sizeof(sorted));
    struct figure figure = {
        .topic = topic_of(rounds, subject, about->name),
        .higher_is_better = about->higher_is_better,
        .value = spread_of(sorted, rounds->done),
    };
    snprintf(figure.unit, NAME_SIZE, "%s", about->unit);
    results_add_figure(&rounds->harness->results, &figure);
}

static void add_ratio(struct rounds *rounds, unsigned coil, unsigned other, unsigned metric)
{
    const struct metric *about = &rounds->bench_case->metrics[metric];
    double ratios[ROUND_MAX];
    unsigned count = 0;
    for (unsigned round = 0; round < rounds->done; round++) {
        double ours = rounds->figures[coil][metric][round];
        double theirs = rounds->figures[other][metric][round];
        if (ours > 0 && theirs > 0)
            ratios[count++] = about->higher_is_better ? ours / theirs : theirs / ours;
    }
    if (count == 0)
        return;
    struct ratio ratio = {
        .topic = topic_of(rounds, other, about->name),
        .value = spread_of(ratios, count),
    };
    results_add_ratio(&rounds->harness->results, &ratio);
}

/* Whether the case can be measured here: by one subject beside coil at least, if there are any. */
static bool is_possible(const struct rounds *rounds)
{
    size_t count = rounds->bench_case->subject_count, out = 0;
    for (size_t i = 0; i < count; i++)
        out += rounds->out[i];
    return count == 1 || out < count;
}

/* Says why a subject is out. It is no fault that others can't do their work; that coil can't is. */
static void note_absence(struct rounds *rounds, unsigned subject, bool is_coil)
{
    const struct subject *about = &rounds->bench_case->subjects[subject];
    bool has_failed = about->skipped == NULL;
    harness_note(rounds->harness, rounds->bench_case->name, about->name, "%s: %s",
                 has_failed ? "failed" : "skipped", rounds->reason[subject]);
    if (has_failed && is_coil && is_possible(rounds))
        rounds->harness->coil_failed = true;
}

static void add_results(struct rounds *rounds)
{
    const struct bench_case *bench_case = rounds->bench_case;
    int coil = -1;
    for (unsigned i = 0; i < bench_case->subject_count; i++) {
        bool is_coil = strcmp(bench_case->subjects[i].name, "coil") == 0;
        if (rounds->out[i])
            note_absence(rounds, i, is_coil);
        else if (is_coil)
            coil = (int)i;
    }
    for (unsigned metric = 0; metric < bench_case->metric_count; metric++) {
        for (unsigned i = 0; i < bench_case->subject_count; i++) {
            if (rounds->out[i])
                continue;
            add_figure(rounds, i, metric);
            if (coil >= 0 && (int)i != coil)
                add_ratio(rounds, (unsigned)coil, i, metric);
        }
    }
    if (rounds->far > 0)
        harness_note(rounds->harness, bench_case->name, "",
                     "in %u of %u rounds the CPUs were far apart", rounds->far, rounds->done);
    if (rounds->unsettled > 0)
        harness_note(rounds->harness, bench_case->name, "",
                     "in %u of %u rounds the CPUs moved or were not ours alone: do not trust this",
                     rounds->unsettled, rounds->done);
}

void harness_case(struct harness *harness, const struct bench_case *bench_case)
{
    if (!harness_wants(harness, bench_case->name))
        return;
    struct rounds *rounds = calloc(1, sizeof(*rounds));
    if (rounds == NULL)
        errx(1, "no memory");
    rounds->harness = harness;
    rounds->bench_case = bench_case;
    for (unsigned i = 0; i < bench_case->subject_count; i++) {
        if (bench_case->subjects[i].skipped != NULL)
            drop_subject(rounds, i, bench_case->subjects[i].skipped);
    }

    harness->placement_budget_ns = harness->quick ? QUICK_PLACEMENT_BUDGET : PLACEMENT_BUDGET;
    unsigned count = bench_case->rounds != 0 ? bench_case->rounds : harness->rounds;
    for (; rounds->done < count; rounds->done++) {
        double figures[SUBJECT_MAX][METRIC_MAX] = {0};
        take_round(rounds, figures);
        for (unsigned i = 0; i < bench_case->subject_count; i++) {
            for (unsigned k = 0; k < bench_case->metric_count; k++)
                rounds->figures[i][k][rounds->done] = figures[i][k];
        }
    }
    harness_progress(harness, bench_case->name, "done");
    add_results(rounds);
    free(rounds);
}
