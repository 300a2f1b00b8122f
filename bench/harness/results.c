/* SPDX-License-Identifier: MIT */
/* What was measured, in memory. */
#include "harness/results.h"

#include <err.h>
#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

struct spread spread_of(double *values, size_t count)
{
    if (count == 0)
        return (struct spread){0};
    qsort(values, count, sizeof(values[0]), compare);
    double median = (values[(count - 1) / 2] + values[count / 2]) / 2;
    return (struct spread){.median = median, .min = values[0], .max = values[count - 1]};
}

/* Room for one more; grows at powers of two. */
static void *grown(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return array;
    array = realloc(array, (count == 0 ? 1 : 2 * count) * size);
    if (array == NULL)
        errx(1, "no memory for results");
    return array;
}

void results_add_figure(struct results *results, const struct figure *figure)
{
    results->figures = grown(results->figures, results->figure_count, sizeof(*figure));
    results->figures[results->figure_count++] = *figure;
}

void results_add_ratio(struct results *results, const struct ratio *ratio)
{
    results->ratios = grown(results->ratios, results->ratio_count, sizeof(*ratio));
    results->ratios[results->ratio_count++] = *ratio;
}

void results_add_note(struct results *results, const struct note *note)
{
    results->notes = grown(results->notes, results->note_count, sizeof(*note));
    results->notes[results->note_count++] = *note;
}

void results_free(struct results *results)
{
    free(results->figures);
    free(results->ratios);
    free(results->notes);
    *results = (struct results){0};
}
