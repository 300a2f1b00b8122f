/* SPDX-License-Identifier: MIT */
#include "sim/transfer.h"

#include <errno.h>
#include <string.h>

static void read_message(const struct coil__sim_op *op, struct coil__sim_transfer *transfer)
{
    transfer->message = (struct msghdr *)(uintptr_t)op->sqe.addr;
    transfer->iov = transfer->message->msg_iov;
    transfer->count = transfer->message->msg_iovlen;
    transfer->flags = (int)op->sqe.msg_flags;
}

void coil__sim_transfer_read(const struct coil__sim_op *op, struct coil__sim_transfer *transfer)
{
    const struct io_uring_sqe *sqe = &op->sqe;
    *transfer = (struct coil__sim_transfer){
        .one = {(void *)(uintptr_t)sqe->addr, sqe->len},
        .count = 1,
        .offset = UINT64_MAX,
        .selects = (sqe->flags & IOSQE_BUFFER_SELECT) != 0,
    };
    transfer->iov = &transfer->one;
    switch (sqe->opcode) {
    case IORING_OP_SENDMSG:
    case IORING_OP_RECVMSG:
        read_message(op, transfer);
        break;
    case IORING_OP_READV:
    case IORING_OP_WRITEV:
        transfer->iov = (const struct iovec *)(uintptr_t)sqe->addr;
        transfer->count = sqe->len;
        transfer->offset = sqe->off;
        break;
    case IORING_OP_READ:
    case IORING_OP_WRITE:
        transfer->offset = sqe->off;
        break;
    default:
        transfer->flags = (int)sqe->msg_flags;
    }
    for (size_t i = 0; i < transfer->count; i++)
        transfer->len += transfer->iov[i].iov_len;
}

/* Copies between pieces and one block; `block_is_source` says which way. */
static void copy(const struct coil__sim_transfer *transfer, size_t at, char *block, size_t len,
                 bool block_is_source)
{
    for (size_t i = 0; i < transfer->count && len > 0; i++) {
        const struct iovec *piece = &transfer->iov[i];
        if (at >= piece->iov_len) {
            at -= piece->iov_len;
            continue;
        }
        size_t part = piece->iov_len - at < len ? piece->iov_len - at : len;
        char *memory = (char *)piece->iov_base + at;
        memcpy(block_is_source ? memory : block, block_is_source ? block : memory, part);
        block += part;
        len -= part;
        at = 0;
    }
    coil__assert(len == 0);
}

void coil__sim_scatter(const struct coil__sim_transfer *transfer, size_t at, const char *from,
                       size_t len)
{
    copy(transfer, at, (char *)(uintptr_t)from, len, true);
}

void coil__sim_gather(const struct coil__sim_transfer *transfer, size_t at, char *to, size_t len)
{
    copy(transfer, at, to, len, false);
}

/* At both ends of each piece: large ones would take long. */
void coil__sim_scribble(const struct coil__sim_transfer *transfer, uint64_t number)
{
    enum { MOST = 256 };
    uint8_t ink = (uint8_t)(coil__mix(number) | 0x80);
    for (size_t i = 0; i < transfer->count; i++) {
        const struct iovec *piece = &transfer->iov[i];
        size_t part = piece->iov_len < MOST ? piece->iov_len : MOST;
        if (part == 0)
            continue;
        memset(piece->iov_base, ink, part);
        memset((char *)piece->iov_base + piece->iov_len - part, ink, part);
    }
}

int coil__sim_select_buffer(struct coil__sim_op *op, struct coil__sim_transfer *transfer,
                            uint32_t *flags)
{
    struct coil__sim_ring *ring = op->ring;
    if (ring->buffers == NULL || ring->buffer_head == IO_URING_READ_ONCE(ring->buffers->tail))
        return -ENOBUFS;
    if (coil__sim_chance(COIL_SIM_FAULTS_MILD, 10000))
        return -ENOBUFS; /* it came a moment before one was given back */
    const struct io_uring_buf *buffer =
        &ring->buffers->bufs[ring->buffer_head++ & (ring->buffer_count - 1)];
    transfer->one = (struct iovec){(void *)(uintptr_t)buffer->addr, buffer->len};
    transfer->len = buffer->len;
    *flags = IORING_CQE_F_BUFFER | (uint32_t)buffer->bid << IORING_CQE_BUFFER_SHIFT;
    return 0;
}

size_t coil__sim_part(size_t len)
{
    uint32_t bound = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX;
    if (len > 1 && coil__sim.forced.halves)
        return len / 2;
    if (len > 1 && coil__sim_chance(COIL_SIM_FAULTS_MILD, 50000))
        return 1 + coil__sim_below(bound - 1);
    return len;
}
