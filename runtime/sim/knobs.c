/* SPDX-License-Identifier: MIT */
#include "sim/knobs.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DESCRIPTORS = 1024, DESCRIPTORS_MAX = 1 << 20, ODDS_MAX = 1000000000 };

static const char *const faults_names[] = {
    [COIL_SIM_FAULTS_OFF] = "off",
    [COIL_SIM_FAULTS_MILD] = "mild",
    [COIL_SIM_FAULTS_HARSH] = "harsh",
};

const char *coil__sim_faults_name(enum coil_sim_faults faults)
{
    return faults_names[faults];
}

/* Moves *text behind a number from `least` to `most`. One that begins with 0 is decimal as well:
 * scripts that count seeds write it so. */
static int read_number(const char **text, uint64_t *number, uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    if (**text < '0' || **text > '9')
        return -EINVAL;
    *number = strtoull(*text, &end, strncmp(*text, "0x", 2) == 0 ? 16 : 10);
    if (errno != 0 || *number < least || *number > most)
        return -EINVAL;
    *text = end;
    return 0;
}

/* Moves *text behind `word`, if it stands there. */
static bool skip(const char **text, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*text, word, len) != 0)
        return false;
    *text += len;
    return true;
}

static int read_faults(const char **text, enum coil_sim_faults *faults)
{
    for (unsigned i = 0; i < sizeof(faults_names) / sizeof(faults_names[0]); i++) {
        if (skip(text, faults_names[i])) {
            *faults = (enum coil_sim_faults)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int read_knob(const char **text, struct coil__sim_knobs *knobs)
{
    if (skip(text, "faults="))
        return read_faults(text, &knobs->faults);
    const struct {
        const char *name;
        uint32_t *value, least, most;
    } numbers[] = {{"descriptors=", &knobs->descriptors, 1, DESCRIPTORS_MAX},
                   {"partition=", &knobs->partition, 0, ODDS_MAX},
                   {"silence=", &knobs->silence, 0, ODDS_MAX},
                   {"power=", &knobs->power, 0, ODDS_MAX}};
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint64_t number;
        if (!skip(text, numbers[i].name))
            continue;
        if (read_number(text, &number, numbers[i].least, numbers[i].most) < 0)
            return -EINVAL;
        *numbers[i].value = (uint32_t)number;
        return 0;
    }
    return -EINVAL;
}

int coil__sim_knobs_read(const char *text, struct coil__sim_knobs *knobs)
{
    const char *all = text;
    *knobs = (struct coil__sim_knobs){.faults = COIL_SIM_FAULTS_MILD,
                                      .descriptors = DESCRIPTORS,
                                      .partition = COIL__SIM_AS_FAULTS};
    int err = read_number(&text, &knobs->seed, 0, UINT64_MAX);
    while (err == 0 && *text == ',') { /* ends: each round takes a character */
        text++;
        err = read_knob(&text, knobs);
    }
    if (err == 0 && *text == '\0')
        return 0;
    coil__log("sim:%s: not SEED[,faults=off|mild|harsh][,descriptors=N][,partition=N][,silence=N]"
              "[,power=N]; wrong from \"%s\" on",
              all, text);
    return -EINVAL;
}
