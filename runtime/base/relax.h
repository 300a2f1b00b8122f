/* SPDX-License-Identifier: MIT */
/* What a loop that waits for another thread tells the processor. */
#ifndef COIL_BASE_RELAX_H
#define COIL_BASE_RELAX_H

#if defined(__x86_64__)
#define coil__relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define coil__relax() __asm__ volatile("yield")
#else
#error "coil knows x86-64 and aarch64"
#endif

#endif
