/* SPDX-License-Identifier: MIT */
/* Accepting with one multishot operation, whose completions wait in a small array for their taker.
 */
#include "ops/op.h"

#include <coil/net.h>
#include <coil/stop.h>
#include <stdlib.h>
#include <string.h>

enum {
    CAPACITY_MIN = 64,
    WAITING_MAX = 256, /* connections nobody took yet: more stay in the listener's backlog */
};

static const int64_t pause_min = 10 * COIL_MSEC;
static const int64_t pause_max = 100 * COIL_MSEC;

/* Makes room for one more. A ring that wraps: unrolled into the new half. */
static bool make_room(struct coil_acceptor *acceptor)
{
    if (acceptor->count < acceptor->capacity)
        return true;
    uint32_t capacity = acceptor->capacity == 0 ? CAPACITY_MIN : 2 * acceptor->capacity;
    int *conns = realloc(acceptor->conns, capacity * sizeof(*conns));
    if (conns == NULL)
        return false;
    memcpy(conns + acceptor->capacity, conns, acceptor->head * sizeof(*conns));
    acceptor->conns = conns;
    acceptor->capacity = capacity;
    return true;
}

/* Without memory for its number a connection is better refused than lost. */
static void refuse(int conn)
{
    coil__fds_note_kind(conn, COIL__FD_UNKNOWN);
    struct io_uring_sqe *sqe = coil__ring_sqe(coil__ring_here);
    io_uring_prep_close(sqe, conn);
    coil__ring_push(coil__ring_here, sqe, COIL__TAG_IGNORE);
}

static void accept_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    struct coil_acceptor *acceptor = coil__container_of(future, struct coil_acceptor, future);
    if (result >= 0)
        coil__op_made(result, true);
    if (result >= 0 && !make_room(acceptor)) {
        refuse(result);
    } else if (result >= 0) {
        uint32_t at = (acceptor->head + acceptor->count++) & (acceptor->capacity - 1);
        acceptor->conns[at] = result;
        acceptor->pause_ns = 0;
        acceptor->found_none = false;
    }
    if ((flags & IORING_CQE_F_MORE) == 0) {
        coil__ending_leave(future);
        bool is_our_stop = result == -ECANCELED && future->state == COIL__FUTURE_CANCELLING;
        coil__future_complete(future, is_our_stop ? 0 : result);
        return;
    }
    if (acceptor->count >= WAITING_MAX)
        coil_future_cancel(future);
    if (future->waiter != NULL)
        coil__task_wake(future->waiter);
}

static const struct coil_future_kind acceptor_kind = {
    .name = "accept", .cancel = coil__op_cancel, .event = accept_event};

static void arm(struct coil_acceptor *acceptor)
{
    struct io_uring_sqe *sqe =
        coil__op_begin_accept(&acceptor->future, &acceptor_kind, acceptor->fd);
    if (sqe == NULL)
        return;
    io_uring_prep_multishot_accept(sqe, acceptor->fd, NULL, NULL, acceptor->flags | SOCK_CLOEXEC);
    acceptor->found_none = coil_stopping(); /* until it finds one */
    coil__op_fire_accept(sqe, &acceptor->future);
}

void coil_acceptor_open(struct coil_acceptor *acceptor, int fd, int flags)
{
    coil__require(!coil__future_busy(&acceptor->future), "coil_acceptor_open: it is open already");
    (void)coil__self(); /* outside of a coroutine there may be no core either */
    *acceptor = (struct coil_acceptor){.fd = fd, .flags = flags, .closes = coil__op_closes(fd)};
}

/* Waits for completions of the armed accept. */
static void wait_for_event(struct coil_acceptor *acceptor, struct coil_task *task)
{
    coil__require(acceptor->future.waiter == NULL,
                  "coil_acceptor_next: another coroutine waits for a connection");
    acceptor->future.waiter = task;
    task->waits_on = &acceptor->future;
    if (coil__future_busy(&acceptor->future))
        coil__task_park(task);
    task->waits_on = NULL;
    acceptor->future.waiter = NULL;
}

/* What the end of an accept means: 0 to go on, or the error to report. */
static int after_end(struct coil_acceptor *acceptor, int result)
{
    switch (-result) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        acceptor->pause_ns = acceptor->pause_ns == 0              ? pause_min
                             : acceptor->pause_ns < pause_max / 2 ? 2 * acceptor->pause_ns
                                                                  : pause_max;
        return coil_sleep(acceptor->pause_ns);
    case EINVAL:
    case EBADF:
    case ENOTSOCK:
    case EOPNOTSUPP:
    case EPERM:
    case EACCES: /* by a rule, which leaves the connection in the queue, and would say so again */
    case ECANCELED: /* by coil_close(): the number may soon mean another file */
        return result;
    default: /* a connection that died in the queue: go on */
        return 0;
    }
}

int coil_acceptor_next(struct coil_acceptor *acceptor)
{
    struct coil_task *task = coil__self();
    for (;;) { /* ends with a connection, an error of the listener, or a cancellation */
        if (task->cancelled)
            return coil__future_refuse(task);
        if (acceptor->count > 0) {
            int conn = acceptor->conns[acceptor->head];
            acceptor->head = (acceptor->head + 1) & (acceptor->capacity - 1);
            acceptor->count--;
            return conn;
        }
        if (acceptor->future.state == COIL__FUTURE_DONE) {
            acceptor->future.state = COIL__FUTURE_IDLE;
            int result = (int)acceptor->future.result;
            if (acceptor->found_none && (result == 0 || result == -EAGAIN))
                return -ESHUTDOWN;
            int err = result < 0 ? after_end(acceptor, result) : 0;
            if (err < 0)
                return err;
        }
        if (!coil__future_busy(&acceptor->future)) {
            if (coil__op_closes(acceptor->fd) != acceptor->closes)
                return -ECANCELED; /* the number may be another listener's by now */
            arm(acceptor);
            coil__origins_attribute(&task->origins, &acceptor->future, __builtin_return_address(0));
        }
        wait_for_event(acceptor, task);
    }
}

void coil_acceptor_close(struct coil_acceptor *acceptor)
{
    coil_future_drop(&acceptor->future);
    while (acceptor->count > 0) {
        coil_close(acceptor->conns[acceptor->head]);
        acceptor->head = (acceptor->head + 1) & (acceptor->capacity - 1);
        acceptor->count--;
    }
    free(acceptor->conns);
    *acceptor = (struct coil_acceptor){.fd = -1};
}
