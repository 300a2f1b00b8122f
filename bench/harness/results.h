/* SPDX-License-Identifier: MIT */
/* What was measured: figures, ratios between them, and notes; as a table and as JSON lines. */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { NAME_SIZE = 64, NOTE_SIZE = 256 };

/* What a line is about. `metric` is empty in a note about a whole subject. */
struct topic {
    char bench[NAME_SIZE], case_name[NAME_SIZE], subject[NAME_SIZE], metric[NAME_SIZE];
};

struct spread {
    double median, min, max;
};

struct figure {
    struct topic topic;
    char unit[NAME_SIZE];
    bool higher_is_better;
    struct spread value;
};

/* How coil compares with topic.subject: over 1 means that coil is better. */
struct ratio {
    struct topic topic;
    struct spread value;
};

/* What a reader of the figures has to know: a subject that was left out, and why. */
struct note {
    struct topic topic;
    char text[NOTE_SIZE];
};

struct results {
    struct figure *figures;
    struct ratio *ratios;
    struct note *notes;
    size_t figure_count, ratio_count, note_count;
};

/* The median and the range of `count` values, which are sorted on the way. */
struct spread spread_of(double *values, size_t count);

void results_add_figure(struct results *results, const struct figure *figure);
void results_add_ratio(struct results *results, const struct ratio *ratio);
void results_add_note(struct results *results, const struct note *note);
void results_free(struct results *results);

/* One JSON object a line. The notes are no part of the format, hence apart. */
void results_write(const struct results *results, FILE *to);
void results_write_notes(const struct results *results, FILE *to);

/* Adds what the two functions above wrote. */
void results_read(struct results *results, FILE *from);

void results_print_table(const struct results *results, FILE *to);

#endif
