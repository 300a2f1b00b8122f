/* SPDX-License-Identifier: MIT */
/* What each opcode means to the poll driver, and where an operation goes that can't be done now. */
#include "ring/poll.h"

#include "ring/host.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Of flags that make no difference here: to go on in the background is what it does anyway. */
static const uint8_t known_flags = IOSQE_ASYNC | IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;

static int32_t result_of(int result)
{
    return result < 0 ? -errno : result;
}

static int32_t try_nop(struct coil__poll *poll, struct coil__poll_op *op)
{
    (void)poll;
    (void)op;
    return 0;
}

static int32_t try_socket(struct coil__poll *poll, struct coil__poll_op *op)
{
    (void)poll;
    return result_of(socket(op->sqe.fd, (int)op->sqe.off, (int)op->sqe.len));
}

static int32_t try_bind(struct coil__poll *poll, struct coil__poll_op *op)
{
    (void)poll;
    const struct sockaddr *addr = (const struct sockaddr *)(uintptr_t)op->sqe.addr;
    return coil__host_bind(op->sqe.fd, addr, (socklen_t)op->sqe.off);
}

static int32_t try_listen(struct coil__poll *poll, struct coil__poll_op *op)
{
    (void)poll;
    return coil__host_listen(op->sqe.fd, (int)op->sqe.len);
}

static int32_t try_shutdown(struct coil__poll *poll, struct coil__poll_op *op)
{
    (void)poll;
    return result_of(shutdown(op->sqe.fd, (int)op->sqe.len));
}

static int32_t close_now(struct coil__poll *poll, int fd)
{
    coil__poll_closing(poll, fd);
    return result_of(close(fd));
}

/* Closing a regular file may wait for a server or a disk; all else is done at once. */
static int32_t try_close(struct coil__poll *poll, struct coil__poll_op *op)
{
    struct stat status;
    if (fstat(op->sqe.fd, &status) < 0 || !S_ISREG(status.st_mode))
        return close_now(poll, op->sqe.fd);
    coil__poll_closing(poll, op->sqe.fd);
    return COIL__POLL_BLOCKS;
}

/* A multishot poll ends with its first event, which it may at any. */
static int32_t try_poll(struct coil__poll *driver, struct coil__poll_op *op)
{
    (void)driver;
    struct pollfd asked = {.fd = op->sqe.fd, .events = (short)op->sqe.poll32_events};
    if (asked.fd < 0)
        return -EBADF;
    if (poll(&asked, 1, 0) <= 0)
        return COIL__POLL_AGAIN;
    return (asked.revents & POLLNVAL) != 0 ? -EBADF : asked.revents;
}

static int32_t needs_worker(struct coil__poll *poll, struct coil__poll_op *op)
{
    (void)poll;
    (void)op;
    return COIL__POLL_BLOCKS;
}

/* Of a FIFO it waits for the other end, perhaps for ever. */
static int32_t needs_patient_worker(struct coil__poll *poll, struct coil__poll_op *op)
{
    (void)poll;
    (void)op;
    return COIL__POLL_FOREVER;
}

static const struct verb {
    int32_t (*attempt)(struct coil__poll *poll, struct coil__poll_op *op);
    enum coil__poll_side side;
} verbs[] = {
    [IORING_OP_NOP] = {try_nop, COIL__POLL_ANY},
    [IORING_OP_READ] = {coil__poll_try_read, COIL__POLL_IN},
    [IORING_OP_READV] = {coil__poll_try_read, COIL__POLL_IN},
    [IORING_OP_WRITE] = {coil__poll_try_write, COIL__POLL_OUT},
    [IORING_OP_WRITEV] = {coil__poll_try_write, COIL__POLL_OUT},
    [IORING_OP_RECV] = {coil__poll_try_recv, COIL__POLL_IN},
    [IORING_OP_SEND] = {coil__poll_try_send, COIL__POLL_OUT},
    [IORING_OP_SEND_ZC] = {coil__poll_try_send, COIL__POLL_OUT}, /* with a copy: one completion */
    [IORING_OP_RECVMSG] = {coil__poll_try_recvmsg, COIL__POLL_IN},
    [IORING_OP_SENDMSG] = {coil__poll_try_sendmsg, COIL__POLL_OUT},
    [IORING_OP_ACCEPT] = {coil__poll_try_accept, COIL__POLL_IN},
    [IORING_OP_CONNECT] = {coil__poll_try_connect, COIL__POLL_OUT},
    [IORING_OP_POLL_ADD] = {try_poll, COIL__POLL_ANY},
    [IORING_OP_SOCKET] = {try_socket, COIL__POLL_ANY},
    [COIL__OP_BIND] = {try_bind, COIL__POLL_ANY},
    [COIL__OP_LISTEN] = {try_listen, COIL__POLL_ANY},
    [IORING_OP_SHUTDOWN] = {try_shutdown, COIL__POLL_ANY},
    [IORING_OP_CLOSE] = {try_close, COIL__POLL_ANY},
    [IORING_OP_OPENAT] = {needs_patient_worker, COIL__POLL_ANY},
    [IORING_OP_STATX] = {needs_worker, COIL__POLL_ANY},
    [IORING_OP_FSYNC] = {needs_worker, COIL__POLL_ANY},
    [IORING_OP_TIMEOUT] = {coil__poll_try_timeout, COIL__POLL_ANY},
    [IORING_OP_TIMEOUT_REMOVE] = {coil__poll_try_remove, COIL__POLL_ANY},
    [IORING_OP_POLL_REMOVE] = {coil__poll_try_remove, COIL__POLL_ANY},
    [IORING_OP_ASYNC_CANCEL] = {coil__poll_try_cancel, COIL__POLL_ANY},
};

/* What a socket keeps apart is waited for beside its ordinary data, and not in one line with it. */
static enum coil__poll_side side_of(const struct io_uring_sqe *sqe)
{
    bool receives = sqe->opcode == IORING_OP_RECV || sqe->opcode == IORING_OP_RECVMSG;
    if (receives && (sqe->msg_flags & (MSG_ERRQUEUE | MSG_OOB)) != 0)
        return COIL__POLL_ANY;
    return verbs[sqe->opcode].side;
}

static bool may_wait(const struct io_uring_sqe *sqe)
{
    switch (sqe->opcode) {
    case IORING_OP_READ:
    case IORING_OP_READV:
    case IORING_OP_WRITE:
    case IORING_OP_WRITEV:
        return (sqe->rw_flags & RWF_NOWAIT) == 0;
    case IORING_OP_RECV:
    case IORING_OP_SEND:
    case IORING_OP_SEND_ZC:
    case IORING_OP_RECVMSG:
    case IORING_OP_SENDMSG:
        return (sqe->msg_flags & MSG_DONTWAIT) == 0;
    default:
        return true;
    }
}

int32_t coil__poll_attempt(struct coil__poll *poll, struct coil__poll_op *op)
{
    return verbs[op->sqe.opcode].attempt(poll, op);
}

/* Where there is no thread a close keeps the core waiting: but what is closed must be gone. */
static int give_to_worker(struct coil__poll *poll, struct coil__poll_op *op, bool unending)
{
    int err = coil__poll_submit(poll, op, unending);
    if (err < 0 && op->sqe.opcode == IORING_OP_CLOSE) {
        coil__poll_finish(poll, op, close_now(poll, op->sqe.fd));
        return 0;
    }
    return err < 0 && op->done > 0 ? (int)op->done : err;
}

void coil__poll_settle(struct coil__poll *poll, struct coil__poll_op *op, int32_t outcome)
{
    if (outcome == COIL__POLL_AGAIN) {
        outcome = coil__poll_wait(poll, op);
        if (outcome == 0)
            return;
        if (outcome == -EPERM)
            outcome = COIL__POLL_BLOCKS; /* a file for which nobody can wait */
    }
    if (outcome == COIL__POLL_BLOCKS || outcome == COIL__POLL_FOREVER) {
        outcome = give_to_worker(poll, op, outcome == COIL__POLL_FOREVER);
        if (outcome == 0)
            return;
    }
    if (outcome != COIL__POLL_TAKEN)
        coil__poll_finish(poll, op, outcome);
}

/* Without memory nothing begins; but what gives something back is done, and takes none. */
static void begin_without_memory(struct coil__poll *poll, const struct io_uring_sqe *sqe)
{
    struct coil__poll_op op = {.poll = poll, .sqe = *sqe};
    int32_t result = -ENOMEM;
    if (sqe->opcode == IORING_OP_CLOSE)
        result = close_now(poll, sqe->fd);
    else if (sqe->opcode == IORING_OP_ASYNC_CANCEL)
        result = coil__poll_try_cancel(poll, &op);
    if (result < 0 || (sqe->flags & IOSQE_CQE_SKIP_SUCCESS) == 0)
        coil__poll_post(poll, sqe->user_data, result, 0);
}

void coil__poll_begin(struct coil__poll *poll, const struct io_uring_sqe *sqe)
{
    struct coil__poll_op *op = coil__poll_op_new(poll, sqe);
    if (op == NULL) {
        begin_without_memory(poll, sqe);
        return;
    }
    bool known = sqe->opcode < sizeof(verbs) / sizeof(verbs[0]) &&
                 verbs[sqe->opcode].attempt != NULL && (sqe->flags & ~known_flags) == 0;
    if (!known) {
        coil__poll_finish(poll, op, -EOPNOTSUPP);
        return;
    }
    op->side = (uint8_t)side_of(sqe);
    /* Who came first is served first. */
    const struct coil__poll_file *file = coil__poll_file_of(poll, sqe->fd);
    bool others_wait = op->side != COIL__POLL_ANY && file != NULL && file->first[op->side] != NULL;
    bool must_wait = others_wait && may_wait(sqe);
    coil__poll_settle(poll, op, must_wait ? COIL__POLL_AGAIN : coil__poll_attempt(poll, op));
}
