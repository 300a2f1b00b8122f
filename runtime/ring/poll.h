/* SPDX-License-Identifier: MIT */
/*
 * The poll driver, for hosts where io_uring is forbidden: the ring is private memory, and its
 * entries are executed by system calls that do not wait, epoll, and worker threads.
 *
 *     SQE ──attempt──▶ done ───────────────────────────────────────────▶ CQE
 *            │  ▲
 *            │  └─ epoll says ready ─ waits with its file   (poll_files.c) ─┐
 *            ├────────────────────▶ runs with a worker    (poll_jobs.c)  ──┼─ cancel ─▶ CQE
 *            └────────────────────▶ waits for an instant  (poll_timers.c) ─┘ (poll_cancel.c)
 *
 * It never sets O_NONBLOCK where it can do without, since that belongs to the open file, which
 * other processes may share: sockets get MSG_DONTWAIT, everything else RWF_NOWAIT. What knows
 * neither is a listener, which gets the flag for good when it first accepts here, and a socket that
 * connects, which has it for the length of that call.
 */
#ifndef COIL_RING_POLL_H
#define COIL_RING_POLL_H

#include "ring/ring.h"
#include "base/heap.h"
#include "base/mpsc.h"
#include "base/workers.h"

#include <sys/epoll.h>

/* What an attempt can return instead of a result. */
enum {
    COIL__POLL_AGAIN = INT32_MIN, /* would block: when its file is ready, or a worker does it */
    COIL__POLL_BLOCKS = INT32_MIN + 1,  /* a worker has to do it: of those for regular files */
    COIL__POLL_FOREVER = INT32_MIN + 2, /* as above, of those for what may never end */
    COIL__POLL_TAKEN = INT32_MIN + 3,   /* it waits in another way, or has ended already */
};

/* Where an operation waits with its file. */
enum coil__poll_side { COIL__POLL_IN, COIL__POLL_OUT, COIL__POLL_ANY, COIL__POLL_SIDES };

enum coil__poll_place {
    COIL__POLL_NOWHERE,
    COIL__POLL_WITH_FILE,
    COIL__POLL_WITH_WORKER,
    COIL__POLL_WITH_TIMER,
};

/* An operation that has not completed, or a completion for which the CQ has no room. */
struct coil__poll_op {
    struct coil__mpsc_node finished;   /* first; or the next one in the list of the free */
    struct io_uring_sqe sqe;           /* a copy */
    struct coil__poll_op *next, *prev; /* of those that wait with the file, or for room in the CQ */
    struct coil__poll_op *twin;        /* the next one in the table of user_data */
    struct coil_node timer;
    struct coil_link retrying; /* linked: it is tried again later */
    struct coil__job job;
    struct coil_link jobs; /* linked: with a worker */
    struct coil__poll *poll;
    coil_time deadline; /* with a timer */
    uint32_t done;      /* bytes that have moved already */
    int32_t result;
    uint32_t flags;  /* of its completion */
    uint8_t place;   /* an enum coil__poll_place */
    uint8_t side;    /* an enum coil__poll_side */
    bool connecting; /* connect() has begun */
    bool stopped;    /* somebody wants the worker to stop */
    bool running;    /* `worker` has it; under the lock */
    bool unending;   /* which kind of workers has it */
    pthread_t worker;
};

/* A number, and who waits for the file behind it. */
struct coil__poll_file {
    struct coil__poll_op *first[COIL__POLL_SIDES], *last[COIL__POLL_SIDES];
    uint32_t generation;  /* of its place in epoll's set: events of an earlier one are a ghost's */
    uint32_t events;      /* registered with epoll, as far as we know; 0: none */
    uint8_t false_alarms; /* the latest events, by which nobody who waits got on */
};

enum { COIL__POLL_EVENTS = 256 }; /* at a time: more come the next time */

struct coil__poll {
    struct coil__ring *ring;
    int epoll_fd;
    int wake_fd; /* an eventfd: other threads end our wait with it */
    bool coarse; /* there is no epoll_pwait2(): waits are in milliseconds */

    struct coil__poll_file *files; /* by number */
    unsigned file_count;
    unsigned waiting; /* operations that wait with a file */

    struct coil__poll_op *free;
    struct coil__poll_slab *slabs;
    struct coil__poll_op *overflow_first, *overflow_last; /* completions, oldest first */
    struct coil__poll_op **table;                         /* pending ones, by user_data */
    unsigned table_bits, table_count;

    struct coil__heap timers;
    struct coil_link retrying; /* of those, what waits for no instant, but for its file */

    struct coil__workers bounded, unbounded;
    pthread_mutex_t running;    /* of `running` and `worker` of all */
    struct coil__mpsc finished; /* what workers are done with */
    struct coil_link jobs;
    unsigned stopping; /* of those, told to stop */

    struct io_uring_buf_ring *buffers; /* group 0; NULL: none */
    unsigned buffer_count;
    uint16_t buffer_head;

    struct epoll_event events[COIL__POLL_EVENTS];
};

extern const struct coil__ring_driver coil__ring_poll;

/* ---- poll_ops.c: operations, and the completion queue ---- */

/* A new operation for the entry; NULL without memory. */
struct coil__poll_op *coil__poll_op_new(struct coil__poll *poll, const struct io_uring_sqe *sqe);
void coil__poll_op_free(struct coil__poll *poll, struct coil__poll_op *op);

/* Takes the operation into the table, where a cancel finds it / out of it. */
void coil__poll_remember(struct coil__poll *poll, struct coil__poll_op *op);
void coil__poll_forget(struct coil__poll *poll, struct coil__poll_op *op);

/* The first one with that user_data; NULL: none. */
struct coil__poll_op *coil__poll_find(struct coil__poll *poll, uint64_t user_data);

/* Puts a completion into the CQ, or in line for it. */
void coil__poll_post(struct coil__poll *poll, uint64_t user_data, int32_t result, uint32_t flags);

/* Completes the operation, which waits nowhere any more, and frees it. */
void coil__poll_finish(struct coil__poll *poll, struct coil__poll_op *op, int32_t result);

bool coil__poll_has_room(const struct coil__poll *poll);
void coil__poll_flush_overflow(struct coil__poll *poll);

int coil__poll_ops_open(struct coil__poll *poll);
void coil__poll_ops_close(struct coil__poll *poll);

/* ---- poll_verbs.c, poll_calls.c: what the opcodes mean ---- */

/* Executes one entry as far as it can be done now. */
void coil__poll_begin(struct coil__poll *poll, const struct io_uring_sqe *sqe);

/* Tries the operation, which waits nowhere, again. Not COIL__POLL_AGAIN: it is seen to. */
int32_t coil__poll_attempt(struct coil__poll *poll, struct coil__poll_op *op);

/* Lets the operation wait as `outcome` says, or completes it with that. */
void coil__poll_settle(struct coil__poll *poll, struct coil__poll_op *op, int32_t outcome);

/* Reading and writing, on any file. */
int32_t coil__poll_try_read(struct coil__poll *poll, struct coil__poll_op *op);
int32_t coil__poll_try_write(struct coil__poll *poll, struct coil__poll_op *op);

/* Sockets. */
int32_t coil__poll_try_recv(struct coil__poll *poll, struct coil__poll_op *op);
int32_t coil__poll_try_send(struct coil__poll *poll, struct coil__poll_op *op);
int32_t coil__poll_try_recvmsg(struct coil__poll *poll, struct coil__poll_op *op);
int32_t coil__poll_try_sendmsg(struct coil__poll *poll, struct coil__poll_op *op);
int32_t coil__poll_try_accept(struct coil__poll *poll, struct coil__poll_op *op);
int32_t coil__poll_try_connect(struct coil__poll *poll, struct coil__poll_op *op);

/* Whether who was woken for nothing may stop waiting: after shutdown() a receive of datagrams and
 * an accept from a Unix socket find, if they don't wait, only that there is nothing yet, for ever.
 */
bool coil__poll_is_shut(const struct coil__poll_op *op);

/* The part of `from` behind its first `skip` bytes, in at most `most` pieces, and no more than the
 * kernel would move after those. Returns how many. */
int coil__poll_rest(const struct iovec *from, int count, size_t skip, struct iovec *to, int most);

/* ---- poll_files.c: waiting with a file ---- */

/* Lets the operation wait on its side of its file. 0; -EPERM: epoll takes no such file, regular
 * ones for example; or another -errno. */
int coil__poll_wait(struct coil__poll *poll, struct coil__poll_op *op);

/* Takes the operation away from its file. */
void coil__poll_leave(struct coil__poll *poll, struct coil__poll_op *op);

/* Tries what waits for what epoll has found / the number is about to be closed. */
void coil__poll_ready(struct coil__poll *poll, const struct epoll_event *event);
void coil__poll_closing(struct coil__poll *poll, int fd);

/* One that waits for the file of that number, other than with a worker; NULL: there is none. */
struct coil__poll_op *coil__poll_waiting(struct coil__poll *poll, int fd);

/* The file of a number; NULL when nothing has waited there yet. */
struct coil__poll_file *coil__poll_file_of(struct coil__poll *poll, int fd);

/* ---- poll_jobs.c: worker threads ---- */

int coil__poll_jobs_open(struct coil__poll *poll, const struct coil__ring_options *options);
void coil__poll_jobs_close(struct coil__poll *poll);

/* The set of the signal by which workers are interrupted; empty where there are none. From any
 * thread. */
uint64_t coil__poll_signals(void);

/* Hands the operation to a worker. Returns 0 or -errno. */
int coil__poll_submit(struct coil__poll *poll, struct coil__poll_op *op, bool unending);

/* Completes what workers are done with. */
void coil__poll_collect(struct coil__poll *poll);

/* Takes the operation back from the workers. False: one of them has it, and was told to stop. */
bool coil__poll_take_back(struct coil__poll *poll, struct coil__poll_op *op);

/* Tells those again that were told to stop and go on. Returns when to do so next, or `until` if
 * that is sooner. */
coil_time coil__poll_remind(struct coil__poll *poll, coil_time until);

/* ---- poll_timers.c: waiting for an instant ---- */

/* IORING_OP_TIMEOUT / fires what is due / when the next one is. */
int32_t coil__poll_try_timeout(struct coil__poll *poll, struct coil__poll_op *op);
void coil__poll_fire(struct coil__poll *poll);
coil_time coil__poll_next(const struct coil__poll *poll);

/* Lets the operation be tried again a little later, where nothing would tell that it is time. */
void coil__poll_retry_later(struct coil__poll *poll, struct coil__poll_op *op);

/* One that is tried again later with the file of that number; NULL: there is none. */
struct coil__poll_op *coil__poll_retrying(struct coil__poll *poll, int fd);

/* Takes the operation out of the timers. */
void coil__poll_disarm(struct coil__poll *poll, struct coil__poll_op *op);

/* ---- poll_cancel.c ---- */

/* IORING_OP_ASYNC_CANCEL / POLL_REMOVE and TIMEOUT_REMOVE. */
int32_t coil__poll_try_cancel(struct coil__poll *poll, struct coil__poll_op *op);
int32_t coil__poll_try_remove(struct coil__poll *poll, struct coil__poll_op *op);

/* Ends an operation that waits: with what it has moved, or -ECANCELED. Returns 0, or -EALREADY:
 * a worker has it, and was told to stop. */
int coil__poll_cancel(struct coil__poll *poll, struct coil__poll_op *op);

#endif
