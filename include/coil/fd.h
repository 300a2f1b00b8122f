/* SPDX-License-Identifier: MIT */
/*
 * Operations on any descriptor: as in POSIX, with -errno in place of errno. Buffers and iovec
 * arrays must live until the operation is awaited. Lengths over 0x7ffff000 bytes are cut to that.
 * All wait, also on a descriptor with O_NONBLOCK; MSG_DONTWAIT (coil/net.h) is heeded. They wait
 * until something can be moved, not for all of it: also a write to a pipe or a socket may be short.
 */
#ifndef COIL_FD_H
#define COIL_FD_H

#include <coil/base.h>
#include <coil/future.h>

COIL_BEGIN_DECLS

struct iovec;

/*
 * Reads or writes at the descriptor's own position, which moves by what was transferred; of a file
 * one operation at a time, for of several in flight each may take place where the one before does.
 * The position costs up to two system calls more, lseek(2), except on sockets that coil has made,
 * which are to be closed by coil_close(). coil_pread(), coil_pwrite() (coil/file.h), coil_recv()
 * and coil_send() (coil/net.h) do without. IORING_OP_READ, WRITE, READV, WRITEV.
 */
COIL_SUSPENDS ssize_t coil_read(int fd, void *buf, size_t len);
COIL_SUSPENDS ssize_t coil_write(int fd, const void *buf, size_t len);
COIL_SUSPENDS ssize_t coil_readv(int fd, const struct iovec *iov, int iov_count);
COIL_SUSPENDS ssize_t coil_writev(int fd, const struct iovec *iov, int iov_count);

void coil_read_start(struct coil_future *future, int fd, void *buf, size_t len);
void coil_write_start(struct coil_future *future, int fd, const void *buf, size_t len);
void coil_readv_start(struct coil_future *future, int fd, const struct iovec *iov, int iov_count);
void coil_writev_start(struct coil_future *future, int fd, const struct iovec *iov, int iov_count);

/* Reads until `len` bytes or the end. Returns the count, or the error that stopped it. Cancelled
 * or closed by coil_close() after a part has moved, it returns that count: nothing is lost. */
COIL_SUSPENDS ssize_t coil_read_all(int fd, void *buf, size_t len);

/* Writes all of `buf`. Returns `len`, or the error; how much was written then is unspecified.
 * Cancelled or closed after a part was written, it returns that count. */
COIL_SUSPENDS ssize_t coil_write_all(int fd, const void *buf, size_t len);

/* Waits for one of poll(2)'s `events` and returns those that hold. IORING_OP_POLL_ADD. */
COIL_SUSPENDS int coil_poll(int fd, short events);
void coil_poll_start(struct coil_future *future, int fd, short events);

/*
 * Closes `fd`, also in a cancelled scope, so that cleanup never leaks a descriptor. Operations of
 * this core that are still in flight on it are cancelled first: whoever waits for one of them gets
 * -ECANCELED, and so does its receiver or acceptor from then on. With io_uring that goes for all
 * numbers of the same open file (dup(2)), if there are any in flight on this one. A socket with an
 * SO_LINGER of more than 0 s stops the whole core for as long as it lingers.
 * For each operation that a close stops, the kernel looks through all that are in flight on this
 * core: 0.5 ms for one among 9,000, 1.8 s for 10,000 on the same descriptor. Where that many wait,
 * cancel them by their scope first, which takes a microsecond each.
 *
 * Returns 0 or close(2)'s error, of which -EINTR, -EIO, -ENOSPC and -EDQUOT say that a file system
 * may not have kept what was written; the descriptor is gone either way, and its number may be
 * another's already: never close it again.
 */
COIL_UNCANCELLABLE int coil_close(int fd);
void coil_close_start(struct coil_future *future, int fd);

/* Goes to the kernel and back, doing nothing. IORING_OP_NOP. */
COIL_SUSPENDS int coil_nop(void);
void coil_nop_start(struct coil_future *future);

COIL_END_DECLS
#endif
