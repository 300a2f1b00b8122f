/* SPDX-License-Identifier: MIT */
/* Looks at memory that a thread must not read by itself. */
#ifndef COIL_BASE_PEEK_H
#define COIL_BASE_PEEK_H

#include <stddef.h>

/*
 * Has the kernel copy `size` bytes: of what another thread writes meanwhile, which may come half
 * old and half new, or of a stack at a place that is only guessed. By the rules of C the one would
 * be a race, and at the other a sanitizer may let nobody look.
 *
 * Leaves errno as it is; safe in a signal handler. Returns 0 or -errno: -EFAULT where nothing is
 * mapped, another one where process_vm_readv(2) is forbidden.
 */
int coil__peek(void *to, const void *from, size_t size);

#endif
