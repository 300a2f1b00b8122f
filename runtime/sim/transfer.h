/* SPDX-License-Identifier: MIT */
/* The user's memory of an operation that moves bytes. */
#ifndef COIL_SIM_TRANSFER_H
#define COIL_SIM_TRANSFER_H

#include "sim/op.h"

#include <sys/socket.h>
#include <sys/uio.h>

struct coil__sim_transfer {
    struct iovec one; /* for those with a single piece */
    const struct iovec *iov;
    size_t count;
    size_t len;             /* of all pieces */
    int flags;              /* MSG_... */
    struct msghdr *message; /* of sendmsg and recvmsg; else NULL */
    uint64_t offset;        /* in the file; UINT64_MAX: at its position */
    bool selects;           /* it takes a shared buffer at the moment when there is data */
};

/* What the operation's entry says. */
void coil__sim_transfer_read(const struct coil__sim_op *op, struct coil__sim_transfer *transfer);

/* Moves `len` bytes to or from the user's memory, `at` bytes behind its begin. */
void coil__sim_scatter(const struct coil__sim_transfer *transfer, size_t at, const char *from,
                       size_t len);
void coil__sim_gather(const struct coil__sim_transfer *transfer, size_t at, char *to, size_t len);

/* Writes nonsense where a result will be: it is the kernel's until the operation has ended. */
void coil__sim_scribble(const struct coil__sim_transfer *transfer, uint64_t number);

/* Takes the next shared buffer of the ring as the memory, and sets *flags to what its completion
 * says. Returns 0 or -ENOBUFS, now and then also where there is one. */
int coil__sim_select_buffer(struct coil__sim_op *op, struct coil__sim_transfer *transfer,
                            uint32_t *flags);

/* How much of `len` bytes is moved at once: all of them, or now and then some. */
size_t coil__sim_part(size_t len);

#endif
