/* SPDX-License-Identifier: MIT */
/*
 * A generator and the chain of those that it delegates to.
 *
 *     NEW --first resume--> STARTED (runs | is suspended) --body returns--> DONE
 *
 *     consumer --resume--> root --delegates to--> ... --delegates to--> leaf
 *         |                                                              ^
 *         +------- coil_gen_next(root) goes to the leaf, and back -------+
 *
 * What the consumer resumes is the root, whose `resume` is the context of the leaf: of whoever
 * yielded last. The leaf has the consumer's context. Those in between are parked in
 * coil_gen_delegate(). So an item costs two switches at any depth, and only the begin and the end
 * of a delegation move `resume`, `leaf`, `root` and `consumer`.
 *
 * The body runs as a part of the coroutine that resumes it: coil__sched->current stays, and a
 * coroutine that waits may thus be parked on another stack than its own.
 */
#ifndef COIL_GEN_GEN_H
#define COIL_GEN_GEN_H

#include "coro/thread.h"

#include <coil/gen.h>

/* Zero is a generator that was never opened, and has nothing to give. */
enum coil__gen_state { COIL__GEN_DONE, COIL__GEN_NEW, COIL__GEN_STARTED };

/* Makes new generators take the short way also in a program with a C++ runtime, where exceptions
 * would then be mixed up: so that tests, which are C++, see that way too. */
extern bool coil__gen_ignore_exceptions;

#endif
