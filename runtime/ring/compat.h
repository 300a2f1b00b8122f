/* SPDX-License-Identifier: MIT */
/* What the oldest supported headers lack, with the values of the UAPI of the kernel. */
#ifndef COIL_RING_COMPAT_H
#define COIL_RING_COMPAT_H

enum {
    COIL__OP_BIND = 56,               /* 6.11 */
    COIL__OP_LISTEN = 57,             /* 6.11 */
    COIL__ENTER_ABS_TIMER = 1 << 5,   /* 6.12 */
    COIL__FEAT_MIN_TIMEOUT = 1 << 15, /* came with ENTER_ABS_TIMER */
};

#endif
