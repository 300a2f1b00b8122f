/* SPDX-License-Identifier: MIT */
/* What each opcode does, and how long that takes; those that need no file. */
#include "sim/disk.h"
#include "sim/errors.h"
#include "sim/socket.h"

#include <errno.h>

static int32_t nop_attempt(struct coil__sim_op *op)
{
    (void)op;
    return 0;
}

static int64_t span_of(const struct io_uring_sqe *sqe)
{
    const struct __kernel_timespec *time = (const void *)(uintptr_t)sqe->addr;
    if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= COIL_SEC)
        return -EINVAL;
    int64_t span;
    if (__builtin_mul_overflow(time->tv_sec, COIL_SEC, &span) ||
        __builtin_add_overflow(span, time->tv_nsec, &span))
        return COIL_FOREVER;
    if ((sqe->timeout_flags & IORING_TIMEOUT_ABS) == 0)
        return span;
    return span > coil__sim.now ? span - coil__sim.now : 0;
}

static const unsigned timeout_flags = IORING_TIMEOUT_ABS | IORING_TIMEOUT_ETIME_SUCCESS;

/* Without a count of completions (`off`), which would end it earlier. */
static int64_t timeout_start(struct coil__sim_op *op)
{
    if ((op->sqe.timeout_flags & ~timeout_flags) != 0 || op->sqe.len != 1 || op->sqe.off != 0)
        return -EINVAL;
    int64_t span = span_of(&op->sqe);
    return span < 0 ? span : span + coil__sim_delay(1000);
}

static int32_t timeout_attempt(struct coil__sim_op *op)
{
    (void)op;
    return -ETIME;
}

/* In the order of the entries: what comes behind it in the same submission is not meant. */
static int64_t cancel_start(struct coil__sim_op *op)
{
    op->result = coil__sim_cancel(op);
    return coil__sim_delay(1000);
}

static int32_t decided_attempt(struct coil__sim_op *op)
{
    return op->result;
}

/* Without memory it is told at once: a core that ends looks no further. */
static int64_t msg_ring_start(struct coil__sim_op *op)
{
    op->result = coil__sim_error_of_start(op, NULL);
    return op->result < 0 ? 0 : coil__sim_delay(op->code->usual);
}

/* Of all messages between rings, coil sends only wakes. */
static int32_t msg_ring_attempt(struct coil__sim_op *op)
{
    if (op->result < 0)
        return op->result;
    unsigned target = (unsigned)op->sqe.fd;
    if (target >= coil__sim.core_count)
        return -EBADFD;
    if (coil__sim.rings[target] == NULL)
        return 0; /* nobody sleeps there any more */
    coil__sim_post_alone(coil__sim.rings[target], op->sqe.off, (int32_t)op->sqe.len);
    return 0;
}

static const struct coil__sim_opcode opcodes[] = {
    [IORING_OP_NOP] = {"nop", NULL, nop_attempt, 1000, false},
    [IORING_OP_TIMEOUT] = {"timeout", timeout_start, timeout_attempt, 0, false},
    [IORING_OP_TIMEOUT_REMOVE] = {"timeout_remove", cancel_start, decided_attempt, 0, false},
    [IORING_OP_ASYNC_CANCEL] = {"cancel", cancel_start, decided_attempt, 0, false},
    [IORING_OP_MSG_RING] = {"wake", msg_ring_start, msg_ring_attempt, 2000, false},
    [IORING_OP_READ] = {"read", coil__sim_read_start, coil__sim_read, 3000, true},
    [IORING_OP_READV] = {"readv", coil__sim_read_start, coil__sim_read, 3000, true},
    [IORING_OP_RECV] = {"recv", coil__sim_read_start, coil__sim_read, 3000, true},
    [IORING_OP_RECVMSG] = {"recvmsg", coil__sim_read_start, coil__sim_read, 3000, true},
    [IORING_OP_WRITE] = {"write", NULL, coil__sim_write, 3000, true},
    [IORING_OP_WRITEV] = {"writev", NULL, coil__sim_write, 3000, true},
    [IORING_OP_SEND] = {"send", NULL, coil__sim_write, 3000, true},
    [IORING_OP_SEND_ZC] = {"send_zc", coil__sim_send_zc_start, coil__sim_send_zc, 3000, true},
    [IORING_OP_SENDMSG] = {"sendmsg", NULL, coil__sim_write, 3000, true},
    [IORING_OP_POLL_ADD] = {"poll", NULL, coil__sim_poll, 3000, true},
    [IORING_OP_CLOSE] = {"close", coil__sim_close_start, decided_attempt, 3000, false},
    [IORING_OP_SOCKET] = {"socket", NULL, coil__sim_socket, 3000, false},
    [IORING_OP_CONNECT] = {"connect", NULL, coil__sim_connect, 100000, true},
    [IORING_OP_ACCEPT] = {"accept", NULL, coil__sim_accept, 3000, true},
    [IORING_OP_SHUTDOWN] = {"shutdown", NULL, coil__sim_shutdown, 3000, true},
    [IORING_OP_OPENAT] = {"open", NULL, coil__sim_openat, 30000, false},
    [IORING_OP_STATX] = {"statx", NULL, coil__sim_statx, 10000, false},
    [IORING_OP_FSYNC] = {"fsync", NULL, coil__sim_fsync, 2000000, true},
    [COIL__OP_BIND] = {"bind", NULL, coil__sim_bind_attempt, 3000, true},
    [COIL__OP_LISTEN] = {"listen", NULL, coil__sim_listen, 3000, true},
};

const struct coil__sim_opcode *coil__sim_opcode_of(unsigned opcode)
{
    static const struct coil__sim_opcode unknown = {.name = "unknown"};
    bool known = opcode < sizeof(opcodes) / sizeof(opcodes[0]) && opcodes[opcode].name != NULL;
    return known ? &opcodes[opcode] : &unknown;
}
