/* SPDX-License-Identifier: MIT */
/*
 * Operations on files. A regular file's operation that the kernel has begun can't be cancelled:
 * a cancelled or timed-out call then returns when the device has answered, with its result.
 * Paths, buffers and iovec arrays must live until the operation is awaited.
 */
#ifndef COIL_FILE_H
#define COIL_FILE_H

#include <coil/base.h>
#include <coil/future.h>

COIL_BEGIN_DECLS

struct iovec;
struct statx;

/* Opens `path`. O_CLOEXEC is always added. IORING_OP_OPENAT. */
COIL_SUSPENDS int coil_open(const char *path, int flags, mode_t mode);
void coil_open_start(struct coil_future *future, const char *path, int flags, mode_t mode);

/*
 * Reads or writes at `offset`; -EINVAL below zero. Pipes and sockets may take no notice of it,
 * where pread(2) is refused with -ESPIPE. IORING_OP_READ, WRITE, READV, WRITEV; and READ_FIXED,
 * WRITE_FIXED for a `buf` in memory that the kernel knows (coil/memory.h).
 */
COIL_SUSPENDS ssize_t coil_pread(int fd, void *buf, size_t len, off_t offset);
COIL_SUSPENDS ssize_t coil_pwrite(int fd, const void *buf, size_t len, off_t offset);
COIL_SUSPENDS ssize_t coil_preadv(int fd, const struct iovec *iov, int iov_count, off_t offset);
COIL_SUSPENDS ssize_t coil_pwritev(int fd, const struct iovec *iov, int iov_count, off_t offset);

void coil_pread_start(struct coil_future *future, int fd, void *buf, size_t len, off_t offset);
void coil_pwrite_start(struct coil_future *future, int fd, const void *buf, size_t len,
                       off_t offset);
void coil_preadv_start(struct coil_future *future, int fd, const struct iovec *iov, int iov_count,
                       off_t offset);
void coil_pwritev_start(struct coil_future *future, int fd, const struct iovec *iov, int iov_count,
                        off_t offset);

/* Reads until `len` bytes or the end of the file. Returns the count, or the error. Cancelled or
 * closed by coil_close() after a part has moved, it returns that count: nothing is lost. */
COIL_SUSPENDS ssize_t coil_pread_all(int fd, void *buf, size_t len, off_t offset);

/* Writes all of `buf`. Returns `len`, or the error; how much was written then is unspecified.
 * Cancelled or closed after a part was written, it returns that count. */
COIL_SUSPENDS ssize_t coil_pwrite_all(int fd, const void *buf, size_t len, off_t offset);

/*
 * Tells the kernel of an open file in advance: what this core then does with it by coil_pread(),
 * coil_pwrite(), coil_preadv(), coil_pwritev(), coil_fsync() and their like costs the kernel some
 * 0.1 us less. That shows where it is much of the whole: in reads from the page cache. All other
 * calls work with the file as ever, and so do other cores.
 *
 * It lasts until coil_file_unregister() or coil_close(), on this core, or to the end of the run.
 * Either leaves alone what is in flight. Whoever closes the file by other means, with close(2) or
 * on another core, unregisters it here before: else it stays open, and is what this core goes on to
 * read and write when the number is another file's. (If that is made by coil here, the process is
 * stopped.)
 *
 * Returns 0, also where it spares nothing: with "poll" and "sim", and before Linux 5.19; and again
 * for what is registered already, which then is the file that the number means by now. -EBADF: no
 * file is open there; -ENOBUFS: COIL_FILES are registered, or the number is over a million;
 * -ENOMEM.
 */
COIL_MUST_CHECK int coil_file_register(int fd);

/* Undoes it. Does nothing with a file that is not registered. */
void coil_file_unregister(int fd);

/* How many a core can have registered at once. */
enum { COIL_FILES = 512 };

/* Makes written data (and metadata) durable. An error is reported once; never retry it. */
COIL_SUSPENDS int coil_fsync(int fd);
COIL_SUSPENDS int coil_fdatasync(int fd);
void coil_fsync_start(struct coil_future *future, int fd);
void coil_fdatasync_start(struct coil_future *future, int fd);

/* As statx(2). `out` must live until the operation is awaited. */
COIL_SUSPENDS int coil_statx(int dirfd, const char *path, int flags, unsigned mask,
                             struct statx *out);
void coil_statx_start(struct coil_future *future, int dirfd, const char *path, int flags,
                      unsigned mask, struct statx *out);

COIL_END_DECLS
#endif
