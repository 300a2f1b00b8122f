/* SPDX-License-Identifier: MIT */
/*
 * Where a coroutine's operations in flight were started, to name the line when it ends without
 * having waited for one, or begins another with the same future. Debug builds keep that; others
 * only know that there is one.
 *
 *     coil__origins_note(o, future, what, caller)   `future` is in flight, and was not
 *     coil__origins_attribute(o, future, caller)    if in flight, then because of that caller
 *     coil__origins_forget(o, future)               it is done
 *     coil__origins_blame(o)                        stops: one was left in flight
 */
#ifndef COIL_CORO_ORIGIN_H
#define COIL_CORO_ORIGIN_H

#ifdef NDEBUG
#include "coro/origin_none.h"
#else
#include "coro/origin_debug.h"
#endif

#endif
