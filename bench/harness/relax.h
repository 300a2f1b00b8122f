/* SPDX-License-Identifier: MIT */
/* Tells the CPU that its thread spins, so that another thread of the same core gets on. */
#ifndef BENCH_RELAX_H
#define BENCH_RELAX_H

static inline void relax_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
