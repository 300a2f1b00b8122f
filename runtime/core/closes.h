/* SPDX-License-Identifier: MIT */
/*
 * How often each descriptor number was closed on this core. Whoever keeps a number for longer than
 * one operation can tell by it whether the number still means the same file.
 */
#ifndef COIL_CORE_CLOSES_H
#define COIL_CORE_CLOSES_H

#include <stdint.h>

struct coil__closes {
    uint32_t *counts; /* by number; memory only for the pages of numbers that were closed */
};

/* More descriptors than the kernel lets a process have by default: larger numbers share places. */
enum { COIL__CLOSES_SIZE = 1 << 20 };

/* Prepares an empty account. Returns 0 or -errno. */
int coil__closes_open(struct coil__closes *closes);
void coil__closes_close(struct coil__closes *closes);

/* The place of a number, also of a wrong one. */
static inline uint32_t *coil__closes_at(const struct coil__closes *closes, int fd)
{
    return &closes->counts[(unsigned)fd & (COIL__CLOSES_SIZE - 1)];
}

#endif
