/* SPDX-License-Identifier: MIT */
/* A child of fork() has one thread and none of the cores: coil is dead there, and says so. */
#ifndef COIL_CORE_FORK_H
#define COIL_CORE_FORK_H

#include "core/core.h"

/* Has every later child of this process look after itself. Idempotent; by coil_run(). */
void coil__fork_watch(void);

/* All cores of `run` are open, as long as it is the one / NULL: not any more. */
void coil__fork_expect(struct coil__run *run);

/* Whether this process is a child of one in which coil ran at that moment. */
bool coil__fork_is_child(void);

#endif
