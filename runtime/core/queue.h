/* SPDX-License-Identifier: MIT */
/* The work queues that a run has, which every core knows by the same numbers. */
#ifndef COIL_CORE_QUEUE_H
#define COIL_CORE_QUEUE_H

#include "core/core.h"

/* Gives a run its default queue. */
void coil__queues_init(struct coil__run *run);

#endif
