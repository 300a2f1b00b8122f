/* SPDX-License-Identifier: MIT */
/* The kernel driver beside what ring.h says of every driver. */
#ifndef COIL_RING_KERNEL_H
#define COIL_RING_KERNEL_H

#include "ring/ring.h"

/* What the driver is to take for missing, as on an older kernel. All zero, except in the tests of
 * the fallbacks, which set it before a ring is opened. */
struct coil__kernel_lacks {
    unsigned setup_flags; /* refused by set-up with -EINVAL */
    bool registered_fd;
    bool abs_timer;
    bool bind;
    bool multishot_recv;
    bool send_zc;
};

extern struct coil__kernel_lacks coil__kernel_lacks;

/* The memory that the kernel locks for a ring of that many entries: RLIMIT_MEMLOCK counts it. */
size_t coil__kernel_ring_size(unsigned entries);

/* As the members of struct coil__ring_driver of these names. */
int coil__kernel_register_buffers(struct coil__ring *ring, struct io_uring_buf_ring *buffers,
                                  unsigned entries);
int coil__kernel_unregister_buffers(struct coil__ring *ring);
int coil__kernel_register_memory(struct coil__ring *ring, unsigned number, void *at, size_t size);
int coil__kernel_register_file(struct coil__ring *ring, unsigned place, int fd);

/* Lets go of all registered files, before the ring is closed. */
void coil__kernel_drop_files(struct coil__ring *ring);

/* How many worker threads a core may have for regular files, unless somebody says otherwise. */
enum { COIL__WORKERS = 8 };

#endif
