/* SPDX-License-Identifier: MIT */
/* Saying of coroutines who they are and what they wait for. */
#ifndef COIL_CORE_REPORT_H
#define COIL_CORE_REPORT_H

#include "core/core.h"

/* Says it to the log, a line for all coroutines of `core` that are alike. On its thread, or while
 * it sleeps. */
void coil__report_tasks(struct coil__core *core);

#endif
