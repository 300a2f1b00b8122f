/* SPDX-License-Identifier: MIT */
/* Asks for a cache line that is about to be written, while another CPU may still have a copy. */
#ifndef COIL_BASE_PREFETCH_H
#define COIL_BASE_PREFETCH_H

/* For x86-64 compilers make of __builtin_prefetch(at, 1) a prefetch of a copy to read, unless told
 * that every CPU has the other one: then the store has to wait all the same. CPUs that lack it take
 * it for a NOP. */
#if defined(__x86_64__)
#define coil__prefetch_to_write(at) \
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)(const void *)(at)))
#else
#define coil__prefetch_to_write(at) __builtin_prefetch(at, 1)
#endif

#endif
