/* SPDX-License-Identifier: MIT */
/* coil_options, with defaults and the environment filled in, and where the cores go. */
#ifndef COIL_CORE_OPTIONS_H
#define COIL_CORE_OPTIONS_H

#include "core/placement.h"

/* Fills in what `given` (may be NULL) leaves open, checks it, and decides where the cores go.
 * -EINVAL, with a line to the log. */
int coil__options_resolve(const struct coil_options *given, struct coil_options *resolved,
                          struct coil__placement *placement);

/* What the environment says there; NULL: nothing, which an empty variable is as well. */
const char *coil__options_variable(const char *name);

/* A number with an optional suffix K, M or G (powers of 1024); -EINVAL for anything else. */
int coil__options_number(const char *text, int64_t *number);

#endif
