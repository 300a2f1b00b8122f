/* SPDX-License-Identifier: MIT */
/*
 * When every core sleeps, and nothing but a message from another one could wake it, no coroutine
 * will ever run again.
 */
#ifndef COIL_CORE_DEADLOCK_H
#define COIL_CORE_DEADLOCK_H

#include "core/core.h"

/* Joins the quiet cores, as which `core`, declared asleep, may sleep until it leaves them again. If
 * it is a deadlock, says so to the log and makes all cores give up. Returns true when the core has
 * a message to read: it is not among the quiet ones then, and must not sleep. */
bool coil__deadlock_check(struct coil__core *core);

/* The driver knows that nothing in flight will end: reports that, and makes all cores give up. When
 * all has ended since the power is gone, just this one does, as all do by themselves. */
void coil__deadlock_declare(struct coil__core *core);

#endif
