/* SPDX-License-Identifier: MIT */
/*
 * Sending without a copy. The future is, in turn:
 *
 *     the send: its completion brings the result, and says whether another one follows
 *     the wait for that: the network has let go of the memory, which nothing can hurry
 *     where the kernel can't do without a copy: a send that makes one
 */
#include "ops/datagrams.h"
#include "ops/op.h"

#include <coil/net.h>

static const struct coil_future_kind copying_kind = {.name = "send", .cancel = coil__op_cancel};

/* What a protocol without such sends says; and what is said when no more of the user's memory may
 * be locked, or there is none. Nothing was sent then. */
static bool needs_copy(int64_t result)
{
    return result == -EOPNOTSUPP || result == -ENOMEM;
}

/* Still the same operation, to everybody else. */
static void go_on_with_copy(struct coil_future *future)
{
    const struct coil_sending *sending = &future->entry.sending;
    if (coil__datagrams_may_be_lost(future->entry.fd, sending->flags)) {
        coil__datagrams_go_on(future);
        return;
    }
    struct io_uring_sqe *sqe = coil__op_entry(future, future->entry.fd);
    future->kind = &copying_kind;
    io_uring_prep_send(sqe, future->entry.fd, sending->data, sending->len, sending->flags);
    coil__op_fire(sqe, future);
}

/* Its memory is the caller's again. */
static void end(struct coil_future *future)
{
    if (__builtin_expect(!needs_copy(future->result), 1))
        coil__future_complete(future, coil__op_result(future, (int32_t)future->result));
    else if (coil__op_may_go_on(future))
        go_on_with_copy(future);
    else
        coil__future_complete(future, -ECANCELED);
}

static void held_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    (void)result; /* it says nothing of the send */
    coil__assert((flags & IORING_CQE_F_MORE) == 0);
    end(future);
}

static const struct coil_future_kind held_kind = {.name = "send_zc: the peer's acknowledgement",
                                                  .event = held_event};

/* Whether the memory is still held is told by the flag, of failures too. */
static void sent_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    future->result = result;
    if ((flags & IORING_CQE_F_MORE) != 0)
        coil__op_settle(future, &held_kind);
    else
        end(future);
}

static const struct coil_future_kind send_zc_kind = {
    .name = "send_zc", .cancel = coil__op_cancel, .event = sent_event};

void coil_send_zc_start(struct coil_future *future, int fd, const void *buf, size_t len, int flags)
{
    (void)coil__self(); /* outside of a coroutine there may be no ring either */
    bool has = coil__ring_here->has_send_zc;
    struct io_uring_sqe *sqe = coil__op_begin(future, has ? &send_zc_kind : &copying_kind, fd);
    if (sqe == NULL)
        return;
    if (!has) {
        io_uring_prep_send(sqe, fd, buf, coil__op_length(len), flags);
        coil__op_fire(sqe, future);
        return;
    }
    future->entry.fd = fd;
    future->entry.closes = coil__op_closes(fd);
    future->entry.sending = (struct coil_sending){buf, coil__op_length(len), flags};
    io_uring_prep_send_zc(sqe, fd, buf, coil__op_length(len), flags, 0);
    coil__op_fire_events(sqe, future);
}

ssize_t coil_send_zc(int fd, const void *buf, size_t len, int flags)
{
    struct coil_future future;
    coil_send_zc_start(&future, fd, buf, len, flags);
    return coil__await(&future);
}

ssize_t coil_send_zc_all(int fd, const void *buf, size_t len, int flags)
{
    size_t done = 0;
    uint32_t closes = coil__op_closes(fd);
    do { /* ends: each round moves bytes or returns; nearly always there is one */
        ssize_t n = coil_send_zc(fd, coil__op_rest(buf, done), len - done, flags | MSG_WAITALL);
        if (coil__op_repeats(n))
            continue;
        if (n < 0)
            return coil__op_outcome(done, n);
        done += (size_t)n;
    } while (done < len && coil__op_closes(fd) == closes);
    return (ssize_t)done;
}
