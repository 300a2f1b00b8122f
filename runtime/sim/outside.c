/* SPDX-License-Identifier: MIT */
#include "sim/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct coil__sim_file files[COIL__SIM_FIRST_FD];

static bool is_outside(const struct coil__sim_file *file)
{
    return file >= files && file < files + COIL__SIM_FIRST_FD;
}

static int32_t result_of(ssize_t returned)
{
    return returned < 0 ? -errno : (int32_t)returned;
}

/* Asks again later: soon in the machine's time, and ever more rarely in simulated time. Until that
 * is a minute ahead, the machine has had a tenth of a second to answer. */
static int32_t ask_again(struct coil__sim_op *op)
{
    enum { ROUNDS_OF_A_WAIT = 64, WAITS = 32 };
    static coil_time paused_at;
    const struct timespec pause = {.tv_nsec = 20000};
    int64_t since = coil__sim.now - paused_at;
    if (since < 0 || since >= COIL_USEC) { /* once for all that ask at a time */
        nanosleep(&pause, NULL);
        paused_at = coil__sim.now;
    }
    coil__sim_plan(&op->event, COIL_USEC << (op->rounds / ROUNDS_OF_A_WAIT));
    op->rounds += op->rounds < ROUNDS_OF_A_WAIT * WAITS ? 1 : 0;
    return COIL__SIM_GOES_ON;
}

/* What was done may be what others wait for, as between two ends of a pipe: they ask again soon. */
static void tell_others(const struct coil__sim_op *self)
{
    for (unsigned i = 0; i < coil__sim.core_count; i++) {
        struct coil__sim_ring *ring = coil__sim.rings[i];
        for (struct coil_link *link = ring != NULL ? ring->ops.next : NULL;
             link != NULL && link != &ring->ops; link = link->next) {
            struct coil__sim_op *op = coil__container_of(link, struct coil__sim_op, of_ring);
            if (op == self || op->rounds == 0 || op->stopped || op->file == NULL ||
                !is_outside(op->file))
                continue;
            op->rounds = 1;
            coil__sim_unplan(&op->event);
            coil__sim_plan(&op->event, coil__sim_delay(1000));
        }
    }
}

/* ---- what each opcode does, without waiting ---- */

static bool is_socket(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* What has no position ignores the offset, but for sockets. */
static int32_t move_in_file(const struct coil__sim_op *op, struct coil__sim_transfer *t)
{
    bool writes = op->sqe.opcode == IORING_OP_WRITE || op->sqe.opcode == IORING_OP_WRITEV;
    off_t offset = (off_t)t->offset;
    for (;;) { /* ends: no position is tried once */
        ssize_t moved = writes ? pwritev2(op->sqe.fd, t->iov, (int)t->count, offset, 0)
                               : preadv2(op->sqe.fd, t->iov, (int)t->count, offset, 0);
        if (moved >= 0 || errno != ESPIPE || offset == -1 || (offset != 0 && is_socket(op->sqe.fd)))
            return result_of(moved);
        offset = -1;
    }
}

/* Behind what an earlier round has moved. */
static int32_t move_in_socket(struct coil__sim_op *op, const struct coil__sim_transfer *t)
{
    bool sends = op->sqe.opcode != IORING_OP_RECV;
    char *data = (char *)((uintptr_t)t->one.iov_base + op->progress); /* NULL, if for nothing */
    size_t len = t->len - op->progress;
    return result_of(sends ? send(op->sqe.fd, data, len, t->flags | MSG_NOSIGNAL)
                           : recv(op->sqe.fd, data, len, t->flags));
}

static int32_t move_message(const struct coil__sim_op *op, const struct coil__sim_transfer *t)
{
    bool sends = op->sqe.opcode == IORING_OP_SENDMSG;
    return result_of(sends ? sendmsg(op->sqe.fd, t->message, t->flags | MSG_NOSIGNAL)
                           : recvmsg(op->sqe.fd, t->message, t->flags));
}

/* Into a shared buffer, which stays the ring's when nothing came. */
static int32_t receive_selected(struct coil__sim_op *op, struct coil__sim_transfer *t)
{
    uint32_t flags;
    if (coil__sim_select_buffer(op, t, &flags) < 0)
        return -ENOBUFS;
    int32_t len = result_of(recv(op->sqe.fd, t->one.iov_base, t->len, t->flags));
    if (len > 0)
        op->flags = flags;
    else
        op->ring->buffer_head--;
    return len;
}

static int32_t connect_socket(const struct coil__sim_op *op)
{
    /* Asked again, connect() tells what has become of it. */
    int32_t result = result_of(connect(op->sqe.fd, (const struct sockaddr *)(uintptr_t)op->sqe.addr,
                                       (socklen_t)op->sqe.off));
    return result == -EINPROGRESS || (result == -EALREADY && op->rounds > 0) ? -EAGAIN : result;
}

static int32_t accept_connection(const struct coil__sim_op *op)
{
    return result_of(accept4(op->sqe.fd, (struct sockaddr *)(uintptr_t)op->sqe.addr,
                             (socklen_t *)(uintptr_t)op->sqe.addr2, (int)op->sqe.accept_flags));
}

static int32_t execute(struct coil__sim_op *op)
{
    struct coil__sim_transfer transfer;
    switch (op->sqe.opcode) {
    case IORING_OP_READ:
    case IORING_OP_READV:
    case IORING_OP_WRITE:
    case IORING_OP_WRITEV:
        coil__sim_transfer_read(op, &transfer);
        return move_in_file(op, &transfer);
    case IORING_OP_SEND:
    case IORING_OP_SEND_ZC:
    case IORING_OP_RECV:
        coil__sim_transfer_read(op, &transfer);
        return transfer.selects ? receive_selected(op, &transfer) : move_in_socket(op, &transfer);
    case IORING_OP_SENDMSG:
    case IORING_OP_RECVMSG:
        coil__sim_transfer_read(op, &transfer);
        return move_message(op, &transfer);
    case IORING_OP_ACCEPT:
        return accept_connection(op);
    case IORING_OP_CONNECT:
        return connect_socket(op);
    case IORING_OP_SHUTDOWN:
        return result_of(shutdown(op->sqe.fd, (int)op->sqe.len));
    case IORING_OP_FSYNC:
        return result_of(fsync(op->sqe.fd));
    case COIL__OP_BIND:
        return result_of(bind(op->sqe.fd, (const struct sockaddr *)(uintptr_t)op->sqe.addr,
                              (socklen_t)op->sqe.off));
    case COIL__OP_LISTEN:
        return result_of(listen(op->sqe.fd, (int)op->sqe.len));
    default:
        return -EINVAL;
    }
}

/* ---- attempts ---- */

/* -EAGAIN: it would wait. */
static int32_t call(struct coil__sim_op *op)
{
    int32_t result = execute(op);
    if (result != -EAGAIN || (op->sqe.opcode == IORING_OP_CONNECT && op->rounds == 0))
        tell_others(op);
    return result;
}

static bool is_multishot(const struct coil__sim_op *op)
{
    if (op->sqe.opcode == IORING_OP_ACCEPT)
        return (op->sqe.ioprio & IORING_ACCEPT_MULTISHOT) != 0;
    return op->sqe.opcode == IORING_OP_RECV && (op->sqe.ioprio & IORING_RECV_MULTISHOT) != 0;
}

/* Whether what has been moved is not yet all that the caller waits for. */
static bool wants_more(const struct coil__sim_op *op)
{
    bool moves = op->sqe.opcode == IORING_OP_SEND || op->sqe.opcode == IORING_OP_SEND_ZC ||
                 op->sqe.opcode == IORING_OP_RECV;
    return moves && (op->sqe.flags & IOSQE_BUFFER_SELECT) == 0 &&
           (op->sqe.msg_flags & MSG_WAITALL) != 0 && op->progress < op->sqe.len;
}

/* Each round is a completion; ends with an error, which may be that it would wait, or the end of
 * what is received. */
static int32_t repeat(struct coil__sim_op *op)
{
    int32_t result;
    while ((result = call(op)) > 0 || (result == 0 && op->sqe.opcode == IORING_OP_ACCEPT)) {
        coil__sim_post_more(op, result, op->flags);
        op->flags = 0;
        op->rounds = 0;
    }
    return result;
}

/* Goes on behind what was moved before. */
static int32_t do_once(struct coil__sim_op *op)
{
    int32_t result = call(op);
    if (!wants_more(op) || result == -EAGAIN)
        return result;
    if (result <= 0)
        return op->progress > 0 ? (int32_t)op->progress : result;
    op->progress += (size_t)result;
    op->rounds = 0;
    return wants_more(op) ? -EAGAIN : (int32_t)op->progress;
}

static int32_t poll_file(struct coil__sim_op *op)
{
    struct pollfd ask = {.fd = op->sqe.fd, .events = (short)op->sqe.poll32_events};
    uint32_t events = poll(&ask, 1, 0) > 0 ? (uint32_t)ask.revents : 0;
    bool is_multishot = (op->sqe.len & IORING_POLL_ADD_MULTI) != 0;
    if (events != 0 && !is_multishot)
        return (int32_t)events;
    if (events != 0)
        coil__sim_post_more(op, (int32_t)events, 0);
    return ask_again(op);
}

static bool must_not_wait(const struct coil__sim_op *op)
{
    return coil__sim_wants_socket(op) && (op->sqe.msg_flags & MSG_DONTWAIT) != 0;
}

/* The flag belongs to the open file, so it is back before anybody could see it. One that the
 * program has set itself does not matter: an operation waits all the same. */
static int32_t outside_attempt(struct coil__sim_op *op)
{
    int fd = op->sqe.fd;
    int flags = fcntl(fd, F_GETFL);
    bool blocks = (flags & O_NONBLOCK) == 0;
    if (flags < 0)
        return -EBADF;
    if (op->sqe.opcode == IORING_OP_POLL_ADD)
        return poll_file(op);
    if (blocks)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    int32_t result = is_multishot(op) ? repeat(op) : do_once(op);
    if (blocks)
        fcntl(fd, F_SETFL, flags);
    return result == -EAGAIN && !must_not_wait(op) ? ask_again(op) : result;
}

static void outside_end(struct coil__sim_file *file)
{
    close((int)(file - files));
    file->kind = NULL;
    tell_others(NULL);
}

static const struct coil__sim_file_kind outside_kind = {
    .name = "descriptor of the process",
    .attempt = outside_attempt,
    .end = outside_end,
};

struct coil__sim_file *coil__sim_outside_at(int fd)
{
    if (fcntl(fd, F_GETFD) < 0)
        return NULL;
    if (files[fd].kind == NULL)
        coil__sim_file_init(&files[fd], &outside_kind);
    return &files[fd];
}
