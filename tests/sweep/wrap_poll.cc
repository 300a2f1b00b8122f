/* SPDX-License-Identifier: MIT */
/* The system calls by which the poll driver executes operations. */
#include "sweep/fault.h"
#include "sweep/results.h"

#include <cerrno>
#include <fcntl.h>
#include <liburing.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

using namespace coil_test;

namespace {

bool ends(unsigned opcode)
{
    return fails_by_errno(Kind::kResult, row_of_opcode(opcode));
}

} // namespace

extern "C" {

int sweep_socket(int domain, int type, int protocol)
{
    return ends(IORING_OP_SOCKET) ? -1 : socket(domain, type, protocol);
}

int sweep_connect(int fd, const sockaddr *addr, socklen_t len)
{
    return ends(IORING_OP_CONNECT) ? -1 : connect(fd, addr, len);
}

int sweep_accept4(int fd, sockaddr *addr, socklen_t *len, int flags)
{
    return ends(IORING_OP_ACCEPT) ? -1 : accept4(fd, addr, len, flags);
}

ssize_t sweep_recv(int fd, void *data, size_t len, int flags)
{
    return ends(IORING_OP_RECV) ? -1 : recv(fd, data, len, flags);
}

ssize_t sweep_send(int fd, const void *data, size_t len, int flags)
{
    return ends(IORING_OP_SEND) ? -1 : send(fd, data, len, flags);
}

ssize_t sweep_recvmsg(int fd, msghdr *message, int flags)
{
    return ends(IORING_OP_RECVMSG) ? -1 : recvmsg(fd, message, flags);
}

ssize_t sweep_sendmsg(int fd, const msghdr *message, int flags)
{
    return ends(IORING_OP_SENDMSG) ? -1 : sendmsg(fd, message, flags);
}

int sweep_shutdown(int fd, int how)
{
    return ends(IORING_OP_SHUTDOWN) ? -1 : shutdown(fd, how);
}

ssize_t sweep_readv(int fd, const iovec *pieces, int count)
{
    return ends(IORING_OP_READV) ? -1 : readv(fd, pieces, count);
}

ssize_t sweep_writev(int fd, const iovec *pieces, int count)
{
    return ends(IORING_OP_WRITEV) ? -1 : writev(fd, pieces, count);
}

ssize_t sweep_preadv(int fd, const iovec *pieces, int count, off_t offset)
{
    return ends(IORING_OP_READV) ? -1 : preadv(fd, pieces, count, offset);
}

ssize_t sweep_pwritev(int fd, const iovec *pieces, int count, off_t offset)
{
    return ends(IORING_OP_WRITEV) ? -1 : pwritev(fd, pieces, count, offset);
}

ssize_t sweep_preadv2(int fd, const iovec *pieces, int count, off_t offset, int flags)
{
    return ends(IORING_OP_READV) ? -1 : preadv2(fd, pieces, count, offset, flags);
}

ssize_t sweep_pwritev2(int fd, const iovec *pieces, int count, off_t offset, int flags)
{
    return ends(IORING_OP_WRITEV) ? -1 : pwritev2(fd, pieces, count, offset, flags);
}

/* The driver gives the mode always. */
int sweep_openat(int folder, const char *path, int flags, mode_t mode)
{
    return ends(IORING_OP_OPENAT) ? -1 : openat(folder, path, flags, mode);
}

int sweep_statx(int folder, const char *path, int flags, unsigned mask, struct statx *out)
{
    return ends(IORING_OP_STATX) ? -1 : statx(folder, path, flags, mask, out);
}

int sweep_fsync(int fd)
{
    return ends(IORING_OP_FSYNC) ? -1 : fsync(fd);
}

int sweep_fdatasync(int fd)
{
    return ends(IORING_OP_FSYNC) ? -1 : fdatasync(fd);
}

} // extern "C"
