/* SPDX-License-Identifier: MIT */
/* Work in a process of its own, with memory that nobody has used before. */
#ifndef BENCH_APART_H
#define BENCH_APART_H

#include <stddef.h>

/* Calls work(arg) in a child of this process, and copies the `size` bytes of `arg` back as they are
 * there when it has returned. Returns NULL, or why there is nothing. */
const char *apart_call(void (*work)(void *arg), void *arg, size_t size);

#endif
