/* SPDX-License-Identifier: MIT */
#include "sweep/results.h"

#include <liburing.h>

extern "C" {
#include "ring/compat.h"
}

#include <cerrno>
#include <map>

namespace coil_test {

const Row &row_of_opcode(unsigned opcode)
{
    static const Row never{"what never fails", {}};
    static const std::map<unsigned, Row> rows = {
        {IORING_OP_READ, {"read", {EIO, ENOMEM}}},
        {IORING_OP_READV, {"readv", {EIO, ENOMEM}}},
        {IORING_OP_WRITE, {"write", {ENOSPC, EIO}}},
        {IORING_OP_WRITEV, {"writev", {ENOSPC, EIO}}},
        {IORING_OP_RECV, {"recv", {ECONNRESET, ENOMEM}}},
        {IORING_OP_RECVMSG, {"recvmsg", {ECONNRESET, ENOMEM}}},
        {IORING_OP_SEND, {"send", {EPIPE, ENOBUFS}}},
        /* After the last two it is sent with a copy. */
        {IORING_OP_SEND_ZC, {"send_zc", {EPIPE, ENOMEM, EOPNOTSUPP}}},
        {IORING_OP_SENDMSG, {"sendmsg", {EPIPE, ENOBUFS}}},
        {IORING_OP_POLL_ADD, {"poll", {ENOMEM}}},
        /* An acceptor passes over a connection that died, and waits for descriptors. */
        {IORING_OP_ACCEPT, {"accept", {EINVAL, ECONNABORTED, EMFILE}, 0, 1}},
        {IORING_OP_CONNECT, {"connect", {ECONNREFUSED, ETIMEDOUT}}},
        {IORING_OP_SOCKET, {"socket", {EMFILE, ENOMEM}}},
        {COIL__OP_BIND, {"bind", {EACCES, ENOMEM, EADDRINUSE}, 0, 2}},
        {COIL__OP_LISTEN, {"listen", {EOPNOTSUPP, ENOMEM}}},
        {IORING_OP_SHUTDOWN, {"shutdown", {ENOTCONN}}},
        {IORING_OP_OPENAT, {"openat", {EMFILE, EIO}}},
        {IORING_OP_STATX, {"statx", {EIO, ENOMEM}}},
        {IORING_OP_FSYNC, {"fsync", {EIO, ENOSPC}}},
        {IORING_OP_CLOSE, {"close", {EIO}}},
        /* The kernel needs memory to reach another ring, and finds no operation on the move. */
        {IORING_OP_MSG_RING, {"the wake of another core", {ENOMEM, EOVERFLOW}, 3}},
        {IORING_OP_ASYNC_CANCEL, {"a cancel", {ENOENT, EALREADY}, 3}},
    };
    auto found = rows.find(opcode);
    return found == rows.end() ? never : found->second;
}

} // namespace coil_test
