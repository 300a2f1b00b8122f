/* SPDX-License-Identifier: MIT */
/* Results as JSON: one flat object a line, whose texts need no escapes because we chose them. */
#include "harness/results.h"

#include <stdlib.h>
#include <string.h>

void results_write(const struct results *results, FILE *to)
{
    for (size_t i = 0; i < results->figure_count; i++) {
        const struct figure *figure = &results->figures[i];
        fprintf(to,
                "{\"bench\":\"%s\",\"case\":\"%s\",\"subject\":\"%s\",\"metric\":\"%s\","
                "\"unit\":\"%s\",\"better\":\"%s\",\"value\":%.6g,\"min\":%.6g,\"max\":%.6g}\n",
                figure->topic.bench, figure->topic.case_name, figure->topic.subject,
                figure->topic.metric, figure->unit, figure->higher_is_better ? "higher" : "lower",
                figure->value.median, figure->value.min, figure->value.max);
    }
    for (size_t i = 0; i < results->ratio_count; i++) {
        const struct ratio *ratio = &results->ratios[i];
        fprintf(to,
                "{\"bench\":\"%s\",\"case\":\"%s\",\"subject\":\"coil\",\"against\":\"%s\","
                "\"metric\":\"%s\",\"ratio\":%.4f,\"ratio_min\":%.4f,\"ratio_max\":%.4f}\n",
                ratio->topic.bench, ratio->topic.case_name, ratio->topic.subject,
                ratio->topic.metric, ratio->value.median, ratio->value.min, ratio->value.max);
    }
}

void results_write_notes(const struct results *results, FILE *to)
{
    for (size_t i = 0; i < results->note_count; i++) {
        const struct note *note = &results->notes[i];
        fprintf(to,
                "{\"bench\":\"%s\",\"case\":\"%s\",\"subject\":\"%s\",\"metric\":\"%s\","
                "\"note\":\"%s\"}\n",
                note->topic.bench, note->topic.case_name, note->topic.subject, note->topic.metric,
                note->text);
    }
}

/* Where the value of `key` begins, or NULL. */
static const char *find(const char *line, const char *key)
{
    char quoted[NAME_SIZE];
    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    const char *at = strstr(line, quoted);
    return at == NULL ? NULL : at + strlen(quoted);
}

static void take_text(const char *line, const char *key, char *text, size_t size)
{
    text[0] = '\0';
    const char *at = find(line, key);
    if (at == NULL || *at != '"')
        return;
    size_t length = strcspn(at + 1, "\"");
    snprintf(text, size, "%.*s", (int)length, at + 1);
}

static double take_number(const char *line, const char *key)
{
    const char *at = find(line, key);
    return at == NULL ? 0 : strtod(at, NULL);
}

static struct topic take_topic(const char *line, const char *subject_key)
{
    struct topic topic = {0};
    take_text(line, "bench", topic.bench, sizeof(topic.bench));
    take_text(line, "case", topic.case_name, sizeof(topic.case_name));
    take_text(line, subject_key, topic.subject, sizeof(topic.subject));
    take_text(line, "metric", topic.metric, sizeof(topic.metric));
    return topic;
}

static void read_figure(struct results *results, const char *line)
{
    char better[NAME_SIZE];
    take_text(line, "better", better, sizeof(better));
    struct figure figure = {
        .topic = take_topic(line, "subject"),
        .higher_is_better = strcmp(better, "higher") == 0,
        .value = {take_number(line, "value"), take_number(line, "min"), take_number(line, "max")},
    };
    take_text(line, "unit", figure.unit, sizeof(figure.unit));
    results_add_figure(results, &figure);
}

void results_read(struct results *results, FILE *from)
{
    char line[8 * NAME_SIZE + NOTE_SIZE];
    while (fgets(line, sizeof(line), from) != NULL) {
        if (find(line, "note") != NULL) {
            struct note note = {.topic = take_topic(line, "subject")};
            take_text(line, "note", note.text, sizeof(note.text));
            results_add_note(results, &note);
        } else if (find(line, "ratio") != NULL) {
            struct ratio ratio = {
                .topic = take_topic(line, "against"),
                .value = {take_number(line, "ratio"), take_number(line, "ratio_min"),
                          take_number(line, "ratio_max")},
            };
            results_add_ratio(results, &ratio);
        } else if (find(line, "value") != NULL) {
            read_figure(results, line);
        }
    }
}
