/* SPDX-License-Identifier: MIT */
/* Boost.Context's context switch: its assembly, declared in C. Nothing else of Boost is used. */
#ifndef COIL_CORO_CONTEXT_H
#define COIL_CORO_CONTEXT_H

#include <coil/base.h>
#include <stdint.h>
#include <string.h>

/* A context that will call `entry` on the stack that ends below `top`. The entry never returns:
 * the assembly behind it would call _exit(0). */
void *make_fcontext(void *top, size_t size, void (*entry)(struct coil__transfer));

/* Leaves the running context for `to`; returns when somebody switches back. */
struct coil__transfer jump_fcontext(void *to, void *data);

/* As jump_fcontext() to a context that was left before, which finds what on_arrival(), called there
 * first, makes of the transfer. */
struct coil__transfer ontop_fcontext(void *to, void *data,
                                     struct coil__transfer (*on_arrival)(struct coil__transfer));

/*
 * As jump_fcontext(), reached by a jump. A call would leave its return address on the processor's
 * return stack, where nobody takes it: from then on every return of whoever is switched to is
 * mispredicted. Without it that stack stays as it is, and fits all coroutines that wait at the same
 * depth of the same functions, which in a service most do.
 */
#if defined(__x86_64__)
/* This thread's floating-point control words (rounding, traps), without what has been raised. */
static inline uint64_t coil__context_floats(void)
{
    enum { RAISED = 0x3f };
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    return (mxcsr & ~(uint32_t)RAISED) | (uint64_t)x87 << 32;
}

/* Gives them to a context that rests: the assembly keeps them at its bottom. */
static inline void coil__context_set_floats(void *context, uint64_t floats)
{
    memcpy(context, &floats, sizeof(floats));
}

#ifdef __AVX512F__
#define COIL__JUMP_CLOBBERS                                                                       \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",   \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", \
        "k7"
#else
#define COIL__JUMP_CLOBBERS
#endif
static inline __attribute__((always_inline)) struct coil__transfer coil__jump(void *to, void *data)
{
    struct coil__transfer transfer;
    /* Clobbers what a call may. The 128 bytes below the stack pointer may be in use. */
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "jmp jump_fcontext@PLT\n"
                     "1:\n\t"
                     "leaq 128(%%rsp), %%rsp"
                     : "=a"(transfer.context), "=d"(transfer.data), "+D"(to), "+S"(data)
                     :
                     : "rcx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                       "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                       "xmm14", "xmm15", "memory", "cc" COIL__JUMP_CLOBBERS);
    return transfer;
}
#else
/* The assembly leaves them alone: they are the thread's. */
static inline uint64_t coil__context_floats(void)
{
    return 0;
}

static inline void coil__context_set_floats(void *context, uint64_t floats)
{
    (void)context;
    (void)floats;
}

static inline struct coil__transfer coil__jump(void *to, void *data)
{
    return jump_fcontext(to, data);
}
#endif

#endif
