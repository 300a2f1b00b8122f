/* SPDX-License-Identifier: MIT */
/* What the oldest supported headers lack, with the values of the UAPI of the kernel. */
#ifndef COIL_RING_COMPAT_H
#define COIL_RING_COMPAT_H

#include <liburing.h>

enum {
    COIL__OP_BIND = 56,               /* 6.11 */
    COIL__OP_LISTEN = 57,             /* 6.11 */
    COIL__ENTER_ABS_TIMER = 1 << 5,   /* 6.12 */
    COIL__FEAT_MIN_TIMEOUT = 1 << 15, /* came with ENTER_ABS_TIMER */
};

/* Clears of an entry just taken what the prep functions leave as it was. Up to liburing 2.5 they
 * write all of it but user_data; since then io_uring_get_sqe(), which we do without, clears. */
#if defined(IO_URING_VERSION_MAJOR) && (IO_URING_VERSION_MAJOR > 2 || IO_URING_VERSION_MINOR >= 6)
static inline void coil__sqe_clear(struct io_uring_sqe *sqe)
{
    io_uring_initialize_sqe(sqe);
}
#else
static inline void coil__sqe_clear(struct io_uring_sqe *sqe)
{
    (void)sqe;
}
#endif

#endif
