/* SPDX-License-Identifier: MIT */
/* Operations on any descriptor. */
#include "ops/op.h"

#include <poll.h>

static const struct coil_future_kind nop_kind = {.name = "nop", .cancel = coil__op_cancel};

ssize_t coil_read_all(int fd, void *buf, size_t len)
{
    size_t done = 0;
    uint32_t closes = coil__op_closes(fd);
    while (done < len && coil__op_closes(fd) == closes) { /* ends: each round moves bytes */
        ssize_t n = coil_read(fd, (char *)buf + done, len - done);
        if (coil__op_repeats(n))
            continue;
        if (n < 0)
            return coil__op_outcome(done, n);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t coil_write_all(int fd, const void *buf, size_t len)
{
    size_t done = 0;
    uint32_t closes = coil__op_closes(fd);
    while (done < len && coil__op_closes(fd) == closes) { /* ends: each round moves bytes */
        ssize_t n = coil_write(fd, (const char *)buf + done, len - done);
        if (coil__op_repeats(n))
            continue;
        if (n <= 0)
            return n < 0 ? coil__op_outcome(done, n) : -EIO;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* Waits for what was asked for although the peer has shut down its side: that would end an ordinary
 * poll at once, while this one tells of it once and goes on. */
static void poll_on(struct coil_future *future)
{
    const struct coil_entry *poll = &future->entry;
    struct io_uring_sqe *sqe = coil__op_entry(future, poll->fd);
    io_uring_prep_poll_multishot(sqe, poll->fd, poll->told);
    coil__op_fire_events(sqe, future);
}

static void poll_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    struct coil_entry *poll = &future->entry;
    bool more = (flags & IORING_CQE_F_MORE) != 0;
    if (poll->seen == 0 && result > 0) {
        poll->seen = (int32_t)((uint32_t)result & poll->told);
        if (poll->seen != 0 && more)
            coil_future_cancel(future); /* once: also when somebody has asked already */
    }
    if (more)
        return;
    bool was_closed = coil__op_closes(poll->fd) != poll->closes;
    if (poll->seen != 0)
        coil__future_complete(future, poll->seen);
    else if (result < 0)
        coil__future_complete(future, coil__op_result(future, result));
    else if (future->state == COIL__FUTURE_CANCELLING || was_closed)
        coil__future_complete(future, -ECANCELED);
    else
        poll_on(future);
}

static const struct coil_future_kind poll_kind = {
    .name = "poll", .cancel = coil__op_cancel, .event = poll_event};

void coil_poll_start(struct coil_future *future, int fd, short events)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &poll_kind, fd);
    if (sqe == NULL)
        return;
    uint32_t always = POLLERR | POLLHUP | POLLNVAL; /* what poll(2) tells unasked */
    struct coil_entry *poll = &future->entry;
    poll->fd = fd;
    poll->closes = coil__op_closes(fd);
    poll->told = (unsigned short)events | always;
    poll->seen = 0;
    io_uring_prep_poll_add(sqe, fd, poll->told);
    coil__op_fire_events(sqe, future);
}

int coil_poll(int fd, short events)
{
    struct coil_future future;
    coil_poll_start(&future, fd, events);
    return (int)coil__await(&future);
}

__attribute__((hot)) void coil_nop_start(struct coil_future *future)
{
    struct io_uring_sqe *sqe = coil__op_begin(future, &nop_kind, COIL__NO_FD);
    if (sqe == NULL)
        return;
    io_uring_prep_nop(sqe);
    coil__op_fire(sqe, future);
}

__attribute__((hot)) int coil_nop(void)
{
    struct coil_future future;
    coil_nop_start(&future);
    return (int)coil__op_await_prompt(&future, 0);
}
