/* SPDX-License-Identifier: MIT */
/*
 * On bad days operations fail. Which errors each can have is a table: what Linux answers through
 * io_uring beyond what follows from the state of things, like -EBADF, -EPIPE or -EMFILE.
 *
 * Not in it, though Linux has them:
 * - what only a machine's owner brings about, and a program can do nothing about: rules for
 *   processes (-EACCES and -EPERM of socket, bind, connect and accept), routes that prohibit,
 * limits of a file's size (-EFBIG), files that are sealed, immutable or executed (-EPERM,
 * -ETXTBSY);
 * - what a device or its driver says beside -EIO, which stands for all of that: -ETIMEDOUT,
 *   -ENODATA, -EREMOTEIO, -EILSEQ, and of damaged file systems -EUCLEAN and -EBADMSG; likewise what
 *   a file system in user space or over a network makes up (-ESTALE): it may be any number;
 * - what needs a kind of file that is not here: devices, FIFOs (-ENXIO, -ENODEV), files with leases
 *   (-EWOULDBLOCK), symbolic links (-ELOOP);
 * - -EINTR of others than those by path: it means that somebody stopped the operation, who then is
 *   told -ECANCELED;
 * - -EOPNOTSUPP of an accept for the connection that it took, which no protocol here answers;
 * - what happens only to processes that end.
 * Shutdown, nop and the cancels fail by state alone.
 */
#ifndef COIL_SIM_ERRORS_H
#define COIL_SIM_ERRORS_H

#include "sim/op.h"

/* What an operation is about: one bit, and others that say more about it. */
enum coil__sim_subject {
    COIL__SIM_ON_NOTHING = 1,     /* it needs no file */
    COIL__SIM_ON_NEW_NAME = 2,    /* and would make one, or a Unix socket's path */
    COIL__SIM_ON_FILE = 4,        /* a regular one */
    COIL__SIM_ON_DIRECTORY = 8,   /* which can only be synced */
    COIL__SIM_ON_CONNECTION = 16, /* TCP, which neither end has closed */
    COIL__SIM_ON_STREAM = 32,     /* TCP, not connected, or half closed */
    COIL__SIM_ON_LISTENER = 64,   /* of any kind */
    COIL__SIM_ON_QUEUE = 128,     /* and a connection of TCP waits there */
    COIL__SIM_ON_DATAGRAMS = 256, /* UDP */
    COIL__SIM_ON_LOCAL = 512,     /* a Unix socket that does not listen */
    COIL__SIM_ON_PATH = 1024,     /* a path leads to it */
    COIL__SIM_ON_WRITING = 2048,  /* and it will be written */
    COIL__SIM_ON_PEER = 4096,     /* UDP that is connected */
    COIL__SIM_SUBJECTS_END = 8192,
    COIL__SIM_ON_SOCKET =
        COIL__SIM_ON_CONNECTION | COIL__SIM_ON_STREAM | COIL__SIM_ON_DATAGRAMS | COIL__SIM_ON_LOCAL,
};

/* What the failure does, beside being told. */
enum coil__sim_harm {
    COIL__SIM_NOTHING_DONE,
    COIL__SIM_PART_DONE,   /* or a part is done and told; then the next one hears of the error */
    COIL__SIM_RESET_BOTH,  /* the connection is gone, which its peer hears in time */
    COIL__SIM_ABORTS,      /* the first connection in the queue is gone */
    COIL__SIM_UNCONNECTED, /* its port is free again, unless it asked for that one */
    COIL__SIM_IN_VAIN,  /* it asks again and again, as long as the kernel does, before it fails */
    COIL__SIM_UNSYNCED, /* what was not durable never will be, whoever syncs again */
    COIL__SIM_ALL_DONE, /* it is done nevertheless */
};

struct coil__sim_error {
    unsigned subjects;   /* of these */
    int error;           /* -errno; 0 ends an opcode's list */
    uint32_t of_million; /* how likely each time that the operation is tried */
    enum coil__sim_harm harm;
};

/* All errors of an opcode together, at most: so likely. */
enum { COIL__SIM_ERRORS_MOST = 40000 };

/* The list of an opcode. */
const struct coil__sim_error *coil__sim_errors_of(unsigned opcode);

/* What the operation comes to on a bad day, instead of being tried: a result as of an attempt; 0:
 * try it. */
int32_t coil__sim_error_of_attempt(struct coil__sim_op *op);

/* The same for those that do what they do when they are submitted: to close, and to wake. */
int32_t coil__sim_error_of_start(struct coil__sim_op *op, struct coil__sim_file *file);

#endif
