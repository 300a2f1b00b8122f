/* SPDX-License-Identifier: MIT */
/* Results as a table: for each question coil first, and below it what it stands beside. */
#include "harness/results.h"

#include <math.h>
#include <string.h>

enum { BAR_SIZE = 10 }; /* characters for a ratio of 1 */

/* Three or four significant digits, however large or small. */
static void format_value(char *text, size_t size, double value)
{
    double magnitude = fabs(value);
    int decimals = magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : 2;
    if (magnitude >= 1e7)
        snprintf(text, size, "%.2fM", value / 1e6);
    else if (magnitude >= 1e5)
        snprintf(text, size, "%.0fk", value / 1e3);
    else
        snprintf(text, size, "%.*f", decimals, value);
}

static bool same_question(const struct topic *left, const struct topic *right)
{
    return strcmp(left->bench, right->bench) == 0 &&
           strcmp(left->case_name, right->case_name) == 0 &&
           strcmp(left->metric, right->metric) == 0;
}

static const struct ratio *find_ratio(const struct results *results, const struct topic *topic)
{
    for (size_t i = 0; i < results->ratio_count; i++) {
        const struct ratio *ratio = &results->ratios[i];
        if (same_question(&ratio->topic, topic) &&
            strcmp(ratio->topic.subject, topic->subject) == 0)
            return ratio;
    }
    return NULL;
}

/* "#########|": up to the bar where both are equal, and past it where coil is better. */
static void format_bar(char *text, double ratio)
{
    unsigned length = (unsigned)lround(fmin(fmax(ratio, 0), 2) * BAR_SIZE);
    unsigned i;
    for (i = 0; i < 2 * BAR_SIZE; i++)
        text[i] = i < length ? '#' : ' ';
    if (length < BAR_SIZE)
        text[BAR_SIZE] = '|';
    text[i] = '\0';
    for (; i > 0 && text[i - 1] == ' '; i--)
        text[i - 1] = '\0';
}

static void print_figure(const struct results *results, const struct figure *figure, FILE *to)
{
    char value[32], min[32], max[32], range[80];
    format_value(value, sizeof(value), figure->value.median);
    format_value(min, sizeof(min), figure->value.min);
    format_value(max, sizeof(max), figure->value.max);
    snprintf(range, sizeof(range), "%s..%s", min, max);
    fprintf(to, "    %-28s %8s %-10s %16s", figure->topic.subject, value, figure->unit, range);

    const struct ratio *ratio = find_ratio(results, &figure->topic);
    if (ratio != NULL) {
        char bar[2 * BAR_SIZE + 1];
        format_bar(bar, ratio->value.median);
        fprintf(to, "  %5.2f (%.2f..%.2f) %s", ratio->value.median, ratio->value.min,
                ratio->value.max, bar);
    }
    fputc('\n', to);
}

static void print_notes(const struct results *results, const struct topic *about, FILE *to)
{
    for (size_t i = 0; i < results->note_count; i++) {
        const struct note *note = &results->notes[i];
        if (strcmp(note->topic.bench, about->bench) != 0 ||
            strcmp(note->topic.case_name, about->case_name) != 0)
            continue;
        fprintf(to, "    %s%s%s\n", note->topic.subject, note->topic.subject[0] != '\0' ? ": " : "",
                note->text);
    }
}

/* Whether figure `i` is the first about its bench and case. */
static bool first_of_case(const struct results *results, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (strcmp(results->figures[k].topic.bench, results->figures[i].topic.bench) == 0 &&
            strcmp(results->figures[k].topic.case_name, results->figures[i].topic.case_name) == 0)
            return false;
    }
    return true;
}

static bool first_of_question(const struct results *results, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (same_question(&results->figures[k].topic, &results->figures[i].topic))
            return false;
    }
    return true;
}

static void print_question(const struct results *results, size_t first, FILE *to)
{
    const struct topic *topic = &results->figures[first].topic;
    fprintf(to, "  %s (%s is better)\n", topic->metric,
            results->figures[first].higher_is_better ? "more" : "less");
    for (size_t k = first; k < results->figure_count; k++) {
        if (same_question(&results->figures[k].topic, topic))
            print_figure(results, &results->figures[k], to);
    }
}

/* A note without figures belongs to a case where nothing could be measured. */
static void print_orphan_notes(const struct results *results, FILE *to)
{
    for (size_t i = 0; i < results->note_count; i++) {
        const struct note *note = &results->notes[i];
        bool orphan = true;
        for (size_t k = 0; k < results->figure_count && orphan; k++)
            orphan = strcmp(results->figures[k].topic.bench, note->topic.bench) != 0 ||
                     strcmp(results->figures[k].topic.case_name, note->topic.case_name) != 0;
        if (orphan)
            fprintf(to, "%s, %s, %s: %s\n", note->topic.bench, note->topic.case_name,
                    note->topic.subject, note->text);
    }
}

void results_print_table(const struct results *results, FILE *to)
{
    fprintf(to, "\n    %-28s %8s %-10s %16s  %s\n", "subject", "figure", "unit", "min..max",
            "coil beside it: over 1 coil is better (min..max)");
    for (size_t i = 0; i < results->figure_count; i++) {
        const struct topic *topic = &results->figures[i].topic;
        if (!first_of_case(results, i))
            continue;
        fprintf(to, "\n%s, %s\n", topic->bench, topic->case_name);
        for (size_t k = i; k < results->figure_count; k++) {
            const struct topic *other = &results->figures[k].topic;
            if (strcmp(other->bench, topic->bench) == 0 &&
                strcmp(other->case_name, topic->case_name) == 0 && first_of_question(results, k))
                print_question(results, k, to);
        }
        print_notes(results, topic, to);
    }
    print_orphan_notes(results, to);
}
