/* SPDX-License-Identifier: MIT */
/* What the drivers for the real world share: system calls without an opcode, and CPUs. */
#ifndef COIL_RING_HOST_H
#define COIL_RING_HOST_H

#include "ring/ring.h"

/* As the members of struct coil__ring_driver of these names. */
int coil__host_bind(int fd, const struct sockaddr *addr, socklen_t addrlen);
int coil__host_listen(int fd, int backlog);
int coil__host_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int coil__host_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen);
int coil__host_deafen(int fd);
int coil__host_check_file(int fd);

/* The CPUs for worker threads: `options->worker_cpus`, which is not NULL, without those that the
 * calling thread is pinned to, if others are left. */
cpu_set_t coil__host_away_from_core(const struct coil__ring_options *options);

/*
 * Called before a ring is unmapped, and after one is mapped. Where a ring was, the kernel may map
 * the next one, of another thread, and puts the one before the other. ThreadSanitizer does not see
 * liburing's system calls: it takes the order from here, or would find that the two threads race.
 */
void coil__host_order_mappings(void);

#endif
