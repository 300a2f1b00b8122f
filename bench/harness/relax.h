/* SPDX-License-Identifier: MIT */
/* Tells the CPU that its thread spins, so that another thread of the same core gets on. */
#ifndef BENCH_RELAX_H
#define BENCH_RELAX_H

#if defined(__x86_64__)
#define relax_cpu() __builtin_ia32_pause()
#else
#define relax_cpu() __asm__ volatile("yield")
#endif

#endif
