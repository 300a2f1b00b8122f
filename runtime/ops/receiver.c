/* SPDX-License-Identifier: MIT */
/*
 * Receiving through shared buffers. The receiver's one future is, in turn:
 *
 *     the multishot recv, each of whose completions brings a buffer
 *     the wait for a buffer that anybody releases, when all are lent out
 *     without rings of buffers in the kernel: a poll, then a recv into a buffer of one's own
 *
 * A receiver that has waited for a buffer is invited: one is kept for it until it has asked the
 * kernel. If its peer has sent nothing it needs none, and invites the next.
 */
#include "ops/op.h"
#include "core/buffers.h"

#include <coil/receiver.h>
#include <assert.h>
#include <poll.h>
#include <stddef.h>

/* Buffers that a slow coroutine may have waiting before its receiver is stopped. */
enum { PENDING_MAX = 8 };

enum receiver_state { RECEIVING, ENDED }; /* ENDED: by the peer or an error; `error` says which */

/* Of a thousand connections each line that a message touches is one that has left the cache. */
#define LINE_OF(member) (offsetof(struct coil_receiver, member) / 64)
static_assert(LINE_OF(future.order) == LINE_OF(fd) && LINE_OF(reply.order) == LINE_OF(reply_data),
              "a message touches two lines of its receiver");

static struct coil_receiver *receiver_of(struct coil_future *future)
{
    return coil__container_of(future, struct coil_receiver, future);
}

static void append(struct coil__buffers *buffers, struct coil_receiver *receiver, uint16_t id)
{
    buffers->table[id].next = COIL__BUFFER_NONE;
    if (receiver->pending++ == 0)
        receiver->head = id;
    else
        buffers->table[receiver->tail].next = id;
    receiver->tail = id;
}

static uint16_t pop(struct coil__buffers *buffers, struct coil_receiver *receiver)
{
    uint16_t id = receiver->head;
    receiver->head = buffers->table[id].next;
    receiver->pending--;
    return id;
}

/* The first error stays: a reset is told to one operation only, and looks like the end to others.
 */
static void end(struct coil_receiver *receiver, int32_t error)
{
    if (receiver->state == ENDED && receiver->error < 0)
        return;
    receiver->state = ENDED;
    receiver->error = error;
}

/* Whether the number may be another file's by now. */
static bool was_closed(const struct coil_receiver *receiver)
{
    return coil__op_closes(receiver->fd) != receiver->closes;
}

/* The operation is over. Whether that ends the stream is seen by the result. When it was not we who
 * cancelled it the descriptor is being closed, and its number may soon mean another file. */
static void disarmed(struct coil_receiver *receiver, int32_t result)
{
    bool goes_on = result > 0 || result == -ENOBUFS || result == -EINTR ||
                   (result == -ECANCELED && receiver->future.state == COIL__FUTURE_CANCELLING);
    if (!goes_on)
        end(receiver, result);
    coil__future_complete(&receiver->future, result);
}

static __attribute__((hot)) void recv_event(struct coil_future *future, int32_t result,
                                            uint32_t flags)
{
    struct coil_receiver *receiver = receiver_of(future);
    struct coil__buffers *buffers = coil__core_here->buffers;
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        uint16_t id = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);
        coil__buffers_filled(buffers, id, (uint32_t)result);
        append(buffers, receiver, id);
        __builtin_prefetch(&receiver->reply_data); /* most likely what comes next */
    } else if (result == -ENOBUFS) {
        coil__buffers_raise_goal(buffers);
    }
    if ((flags & IORING_CQE_F_MORE) == 0) {
        disarmed(receiver, result);
        return;
    }
    if (receiver->pending >= PENDING_MAX)
        coil_future_cancel(future); /* the rest stays in the socket, and holds the peer back */
    if (future->waiter != NULL)
        coil__task_wake(future->waiter);
}

static const struct coil_future_kind recv_kind = {
    .name = "receive", .cancel = coil__op_cancel, .event = recv_event};

/* Without rings of buffers in the kernel: waits for data first, which needs no buffer. */
static void readable_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    (void)flags;
    disarmed(receiver_of(future), result);
}

static const struct coil_future_kind readable_kind = {
    .name = "receive", .cancel = coil__op_cancel, .event = readable_event};

/* Then one receive, into a buffer of the receiver's own. */
static void private_event(struct coil_future *future, int32_t result, uint32_t flags)
{
    struct coil_receiver *receiver = receiver_of(future);
    struct coil__buffers *buffers = coil__core_here->buffers;
    (void)flags;
    buffers->table[receiver->own].len = (uint32_t)result;
    if (result > 0)
        append(buffers, receiver, receiver->own);
    else
        coil__buffers_release(buffers, receiver->own);
    disarmed(receiver, result);
}

static const struct coil_future_kind private_kind = {
    .name = "receive", .cancel = coil__op_cancel, .event = private_event};

static void starved_cancel(struct coil_future *future)
{
    coil__list_remove(&receiver_of(future)->starved);
    coil__future_complete(future, -ECANCELED);
}

static const struct coil_future_kind starved_kind = {.name = "wait for a receive buffer",
                                                     .cancel = starved_cancel};

void coil__receivers_let_go(int fd)
{
    struct coil_link *starved = &coil__core_here->buffers->starved;
    struct coil_link *next;
    for (struct coil_link *link = starved->next; link != starved; link = next) {
        struct coil_receiver *receiver = coil__container_of(link, struct coil_receiver, starved);
        next = link->next;
        if (receiver->fd == fd)
            starved_cancel(&receiver->future);
    }
}

static void starve(struct coil__buffers *buffers, struct coil_receiver *receiver)
{
    if (coil__future_begin(&receiver->future, &starved_kind))
        coil__list_append(&buffers->starved, &receiver->starved);
}

static void arm_multishot(struct coil_receiver *receiver)
{
    struct io_uring_sqe *sqe = coil__op_begin(&receiver->future, &recv_kind, receiver->fd);
    if (sqe == NULL)
        return;
    io_uring_prep_recv_multishot(sqe, receiver->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    coil__op_fire_events(sqe, &receiver->future);
}

static void arm_readable(struct coil_receiver *receiver)
{
    struct io_uring_sqe *sqe = coil__op_begin(&receiver->future, &readable_kind, receiver->fd);
    if (sqe == NULL)
        return;
    io_uring_prep_poll_add(sqe, receiver->fd, POLLIN);
    coil__op_fire_events(sqe, &receiver->future);
}

static void arm_private(struct coil__buffers *buffers, struct coil_receiver *receiver)
{
    struct io_uring_sqe *sqe = coil__op_begin(&receiver->future, &private_kind, receiver->fd);
    if (sqe == NULL)
        return;
    receiver->own = coil__buffers_take(buffers);
    io_uring_prep_recv(sqe, receiver->fd, coil__buffers_at(buffers, receiver->own), buffers->size,
                       0);
    coil__op_fire_events(sqe, &receiver->future);
}

/* Whether a wait of that kind has just ended well. */
static bool has_waited(const struct coil_receiver *receiver, const struct coil_future_kind *kind)
{
    const struct coil_future *future = &receiver->future;
    return future->state == COIL__FUTURE_DONE && future->kind == kind && future->result >= 0;
}

static void arm_with_buffer(struct coil__buffers *buffers, struct coil_receiver *receiver)
{
    if (buffers->published == 0)
        coil__buffers_publish(buffers); /* a recv armed against an empty ring fails at once */
    if (buffers->ring != NULL)
        arm_multishot(receiver);
    else
        arm_private(buffers, receiver);
}

/* Makes use of the buffer that was kept for this receiver, or lets another have it: unless the
 * kernel has filled it by the next turn, nothing was there to receive. */
static void accept_invitation(struct coil__buffers *buffers, struct coil_receiver *receiver)
{
    buffers->invited--;
    arm_with_buffer(buffers, receiver);
    int cancelled = coil_yield();
    (void)cancelled; /* seen by the caller */
    coil__buffers_invite(buffers);
}

static void decline_invitation(struct coil__buffers *buffers, struct coil_receiver *receiver)
{
    receiver->future.state = COIL__FUTURE_IDLE;
    buffers->invited--;
    coil__buffers_invite(buffers);
}

static void give_up(struct coil__buffers *buffers, struct coil_receiver *receiver)
{
    if (has_waited(receiver, &starved_kind))
        decline_invitation(buffers, receiver);
    end(receiver, -ECANCELED);
}

static void arm(struct coil__buffers *buffers, struct coil_receiver *receiver)
{
    if (was_closed(receiver))
        give_up(buffers, receiver);
    else if (has_waited(receiver, &starved_kind))
        accept_invitation(buffers, receiver);
    else if (buffers->ring == NULL && !has_waited(receiver, &readable_kind))
        arm_readable(receiver);
    else if (coil__buffers_spare(buffers))
        arm_with_buffer(buffers, receiver);
    else
        starve(buffers, receiver);
}

void coil_receiver_open(struct coil_receiver *receiver, int fd)
{
    coil__require(!coil__future_busy(&receiver->future) && !coil__future_busy(&receiver->reply),
                  "coil_receiver_open: it is open already");
    (void)coil__self(); /* outside of a coroutine there may be no core either */
    *receiver = (struct coil_receiver){.fd = fd, .closes = coil__op_closes(fd), .state = RECEIVING};
}

/* Waits for the next completion of what is armed; returns also when the scope is cancelled. */
static inline void wait_for_event(struct coil_receiver *receiver, struct coil_task *task)
{
    coil__require(receiver->future.waiter == NULL,
                  "coil_receiver_next: another coroutine waits for data");
    receiver->future.waiter = task;
    task->waits_on = &receiver->future;
    coil__task_park(task);
    task->waits_on = NULL;
    receiver->future.waiter = NULL;
}

static __attribute__((cold)) int refuse(struct coil__buffers *buffers,
                                        struct coil_receiver *receiver, struct coil_task *task)
{
    if (has_waited(receiver, &starved_kind))
        decline_invitation(buffers, receiver);
    return coil__future_refuse(task);
}

/* Data that is there goes before the news that no more will come. */
__attribute__((hot)) ssize_t coil_receiver_next(struct coil_receiver *receiver, void **data)
{
    struct coil_task *task = coil__self();
    struct coil__buffers *buffers = coil__buffers_of(coil__core_here);
    if (buffers == NULL)
        return -ENOMEM;
    for (;;) { /* ends: each wait brings data, the end, or a cancellation */
        if (__builtin_expect(task->cancelled, 0))
            return refuse(buffers, receiver, task);
        if (receiver->pending > 0) {
            uint16_t id = pop(buffers, receiver);
            *data = coil__buffers_at(buffers, id);
            return buffers->table[id].len;
        }
        if (receiver->state == ENDED)
            return receiver->error;
        if (coil__future_busy(&receiver->future)) {
            wait_for_event(receiver, task);
            continue;
        }
        arm(buffers, receiver);
        coil__origins_attribute(&task->origins, &receiver->future, __builtin_return_address(0));
    }
}

static void fire_reply(struct coil_receiver *receiver, struct io_uring_sqe *sqe)
{
    io_uring_prep_send(sqe, receiver->fd, receiver->reply_data, receiver->reply_left, MSG_WAITALL);
    coil__op_fire_events(sqe, &receiver->reply);
}

/* A part was sent: the rest follows. Still the same operation, to everybody else. */
static void go_on_replying(struct coil_receiver *receiver, int32_t sent)
{
    receiver->reply_data += sent;
    receiver->reply_left -= (uint32_t)sent;
    fire_reply(receiver, coil__op_entry(&receiver->reply, receiver->fd));
}

/* Unless somebody has stopped it: us, or a coil_close(). */
static bool may_go_on(const struct coil_receiver *receiver)
{
    return receiver->reply.state == COIL__FUTURE_IN_FLIGHT && !was_closed(receiver);
}

static __attribute__((hot)) void reply_event(struct coil_future *reply, int32_t result,
                                             uint32_t flags)
{
    struct coil_receiver *receiver = coil__container_of(reply, struct coil_receiver, reply);
    (void)flags;
    bool part = result > 0 && (uint32_t)result < receiver->reply_left;
    if (__builtin_expect(part, 0) && may_go_on(receiver)) {
        go_on_replying(receiver, result);
        return;
    }
    coil__buffers_release(coil__core_here->buffers, receiver->reply_id);
    if (__builtin_expect(part || result < 0, 0)) { /* the stream has a hole now */
        end(receiver, part ? -ECANCELED : (int32_t)coil__op_result(reply, result));
        if (receiver->future.waiter != NULL) /* for data that the peer may never send */
            coil__task_wake(receiver->future.waiter);
    }
    coil__future_complete(reply, result);
}

static const struct coil_future_kind reply_kind = {
    .name = "reply", .cancel = coil__op_cancel, .event = reply_event};

__attribute__((hot)) int coil_receiver_reply(struct coil_receiver *receiver, void *data, size_t len)
{
    struct coil_task *task = coil__self(); /* outside of a coroutine there may be no core either */
    struct coil__buffers *buffers = coil__core_here->buffers;
    uint16_t id = buffers != NULL ? coil__buffers_id(buffers, data) : COIL__BUFFER_NONE;
    coil__require(id != COIL__BUFFER_NONE && buffers->table[id].out,
                  "coil_receiver_reply: not a lent buffer of this core, or released already");
    if (coil__future_busy(&receiver->reply))
        coil__future_wait(&receiver->reply);
    int err = receiver->state == ENDED && receiver->error < 0 ? receiver->error : 0;
    if (task->cancelled)
        err = coil__future_refuse(task);
    if (err < 0) {
        coil__buffers_release(buffers, id);
        return err;
    }
    struct io_uring_sqe *sqe = coil__op_begin(&receiver->reply, &reply_kind, receiver->fd);
    receiver->reply_id = id;
    receiver->reply_data = data;
    receiver->reply_left = coil__op_length(len);
    fire_reply(receiver, sqe);
    return 0;
}

void coil_buffer_release(const void *data)
{
    struct coil__buffers *buffers = coil__core_here != NULL ? coil__core_here->buffers : NULL;
    coil__require(buffers != NULL, "coil_buffer_release: this core has lent no buffer");
    coil__buffers_release(buffers, coil__buffers_id(buffers, data));
}

void coil_receiver_close(struct coil_receiver *receiver)
{
    if (coil__future_busy(&receiver->reply))
        coil__future_wait(&receiver->reply);
    if (coil__future_busy(&receiver->future)) {
        coil_future_cancel(&receiver->future);
        coil__future_wait_uncancellable(&receiver->future);
    }
    if (has_waited(receiver, &starved_kind))
        decline_invitation(coil__core_here->buffers, receiver);
    while (receiver->pending > 0) {
        struct coil__buffers *buffers = coil__core_here->buffers;
        coil__buffers_release(buffers, pop(buffers, receiver));
    }
    receiver->future.state = COIL__FUTURE_IDLE;
    receiver->state = ENDED;
    receiver->error = -EBADF;
}
