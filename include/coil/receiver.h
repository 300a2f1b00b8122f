/* SPDX-License-Identifier: MIT */
/*
 * The fastest way to receive: one multishot recv per connection fills buffers that the connections
 * of a core share, so an idle connection holds none. Each piece of data is lent to the coroutine:
 *
 *     struct coil_receiver receiver = COIL_ZERO;
 *     coil_receiver_open(&receiver, conn);
 *     while ((n = coil_receiver_next(&receiver, &data)) > 0) {
 *         ... use the n bytes at data ...
 *         coil_buffer_release(data);      or send them back: coil_receiver_reply()
 *     }
 *     coil_receiver_close(&receiver);
 *
 * A receiver whose coroutine is slow stops receiving after a few pieces and so holds back its
 * peer; when all buffers of a core are lent out, its receivers wait for one to come back.
 */
#ifndef COIL_RECEIVER_H
#define COIL_RECEIVER_H

#include <coil/base.h>
#include <coil/future.h>

COIL_BEGIN_DECLS

/*
 * One connection's receiving end. Must not move while open; one coroutine at a time, which closes
 * it before it returns, and on this core. It ends with -ECANCELED when somebody calls coil_close()
 * for its descriptor here; other ways to close that must wait until the receiver is closed.
 */
struct coil_receiver {
    /* private: the first cache line is what receiving touches, the fourth what a reply does */
    int32_t fd;
    int32_t error;
    uint16_t head, tail, pending;
    uint16_t own, reply_id;
    uint8_t state;
    uint32_t closes; /* of the number, when it was opened */
    struct coil_future future;
    struct coil_link starved;
    char *reply_data __attribute__((aligned(64)));
    uint32_t reply_left;
    struct coil_future reply;
} __attribute__((aligned(64)));

/* Prepares to receive on the stream socket `fd`, which stays the caller's. Never fails. */
void coil_receiver_open(struct coil_receiver *receiver, int fd);

/*
 * Waits for data and lends it: *data points to the returned number of bytes, which the caller may
 * also write to, until coil_buffer_release(). Returns 0 at the end of the stream, or recv(2)'s
 * error; both come only after all data that arrived before. IORING_OP_RECV.
 *
 * The first one of a core maps address space for all its buffers, recv_buffer_size times
 * recv_buffer_count of coil_options (64 MiB). -ENOMEM, without a line in the log: there is none;
 * a receiver that is opened later tries again.
 */
COIL_SUSPENDS ssize_t coil_receiver_next(struct coil_receiver *receiver, void **data);

/* Gives a lent buffer back, on the core that lent it. Any pointer into the buffer will do. */
void coil_buffer_release(const void *data);

/*
 * Sends `len` bytes from a lent buffer, all of them, and gives the buffer back once the kernel has
 * let go of it: nobody is woken for that. Takes the buffer over in any case. Waits only while an
 * earlier reply is on its way. Returns 0; an error of this reply is returned by the next call of
 * this function or of coil_receiver_next(). IORING_OP_SEND.
 */
COIL_SUSPENDS int coil_receiver_reply(struct coil_receiver *receiver, void *data, size_t len);

/*
 * Lets a reply on its way be sent, unless the scope is cancelled; stops receiving, waits for the
 * kernel and gives back what was not taken, which is lost. Buffers lent out stay lent until
 * released.
 */
COIL_UNCANCELLABLE void coil_receiver_close(struct coil_receiver *receiver);

COIL_END_DECLS
#endif
