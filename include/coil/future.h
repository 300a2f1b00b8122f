/* SPDX-License-Identifier: MIT */
/*
 * A future is an operation in flight: a read, a timer, a call to another core.
 * It is a local variable of whoever started it; starting never allocates and
 * never fails. What went wrong is what coil_await() returns.
 *
 *     COIL_FUTURE(read);
 *     coil_pread_start(&read, fd, buf, sizeof(buf), 0);
 *     ... other work ...
 *     ssize_t n = coil_await(&read);
 *
 * Between start and await the future, and every buffer given to it, belong to
 * the kernel: do not move, reuse or free them. A future belongs to the core
 * that started it; one coroutine at a time may wait for it.
 */
#ifndef COIL_FUTURE_H
#define COIL_FUTURE_H

#include <coil/base.h>
#include <coil/port.h>
#include <coil/time.h>

COIL_BEGIN_DECLS

struct coil_scope;
struct coil_xchan;

/* private: a coroutine that another core has called */
struct coil__callee;

/* private: the core of a coil_run() */
struct coil__core;
struct coil__sched;

/* private: what a core knows of a descriptor number */
struct coil__fd;

/* private: how to cancel and name this kind of operation */
struct coil_future_kind;

/* private: membership in one intrusive heap */
struct coil_node {
    struct coil_node *next, *prev, *child;
};

/* private: an entry of the core's timers */
struct coil_timer {
    void (*expire)(struct coil_timer *timer);
    union {
        struct coil_link link; /* far: in a slot of the wheel */
        struct coil_node node; /* near: in the heap */
    };
    coil_time deadline;
};

/* private: a call on its way to another core, and back */
struct coil_call {
    struct coil_message message;
    struct coil_message stop; /* a cancel, likewise */
    coil_fn *fn;
    void *arg;
    const char *site;
    struct coil__callee *callee;
    int32_t result;
    uint16_t home, target;
    uint8_t queue;
    bool stopped;           /* the target's: it was cancelled before it ran */
    bool stop_is_out, done; /* home's */
};

/* private: work on its way to another thread, and back */
struct coil_offloaded {
    struct coil_message message;
    struct coil_link line; /* linked: no thread has taken it */
    ssize_t (*fn)(void *arg);
    union {
        void *arg;
        int64_t result;
    };
    struct coil_pool *pool;
    struct coil__core *home;
};

/* private: a coroutine whose result somebody awaits */
struct coil_child {
    coil_fn *fn;
    void *arg;
    struct coil_scope *scope;
    bool cancelled;
};

/* private: a place among those who wait for the same lock, channel and the like */
struct coil_waiting {
    struct coil_link link;
    void *object;   /* what it waits for */
    void *value;    /* what a channel copies from or to; the mutex that a condition gives back */
    int64_t result; /* what it will have been when its turn comes */
    const struct coil__sched *home; /* of who waits */
};

/* private: a place among those who wait for a channel between cores */
struct coil_crossing {
    struct coil_message message;
    struct coil_link link;   /* not linked: somebody decided on the result */
    struct coil__core *home; /* of who waits */
    struct coil_xchan *xchan;
    void *value;
    int64_t result;
};

/* private: what a send sends */
struct coil_sending {
    const void *data;
    uint32_t len;
    int32_t flags;
};

/* private: an entry of the ring */
struct coil_entry {
    struct coil__fd *on;         /* the number of the descriptor that it is on */
    struct coil_link cancelling; /* those in flight that were asked to stop */
    union {
        struct coil_link accepting; /* those in flight that take connections */
        struct coil_sending sending;
        int64_t position;        /* the file's own, before */
        struct coil_timer pause; /* of a close, until it asks those in flight again to stop */
    };
    union {
        uint32_t memory; /* what a transfer goes to or comes from, by its number */
        /* of what may have to be asked again: a poll, or a send that could not do without a copy;
         * and of what moves a position */
        int32_t fd;
    };
    uint32_t closes; /* of the number, when it began */
    uint32_t told;   /* the events that end a poll; how often a close has asked */
    int32_t seen;    /* those that did, while it is being stopped */
};

/* One operation. Zero-initialised or declared by COIL_FUTURE() before its first start. */
struct coil_future {
    /* private */
    const struct coil_future_kind *kind;
    struct coil_task *owner;
    struct coil_task *waiter;
    int64_t result;
    uint32_t state;
    uint32_t order; /* in which the futures of this core were done */
    union {
        struct coil_timer timer;
        struct coil_call call;
        struct coil_offloaded offloaded;
        struct coil_child child;
        struct coil_link waits_for_promise;
        struct coil_waiting waiting;
        struct coil_crossing crossing;
        struct coil_entry entry;
    };
};

/*
 * Declares a future that cannot outlive its block: however the block is left,
 * an operation still in flight is cancelled and waited for.
 */
#define COIL_FUTURE(name) \
    struct coil_future name __attribute__((cleanup(coil_future_drop))) = COIL_ZERO

/*
 * Waits for the operation and returns its result: what the system call of the
 * same name would return, with -errno in place of errno. -EFBIG at RLIMIT_FSIZE
 * comes without SIGXFSZ, unless the program has a handler for it. -EINTR: the
 * process was stopped (SIGSTOP, a debugger, a freezer) while a thread of the
 * kernel did it, in a file system that takes that for an interruption, as FUSE
 * does; nothing happened: begin again, as the functions named _all do.
 *
 * If an enclosing scope is cancelled the operation is cancelled too, and the
 * call returns once the kernel has let go of the buffers. An operation that
 * completed anyway keeps its result: -ECANCELED means that nothing happened.
 * (A cancelled stream send may have sent a part: it then returns that count.)
 *
 * Awaiting a future that was never started, or twice, is a bug and aborts.
 */
COIL_SUSPENDS ssize_t coil_await(struct coil_future *future);

/*
 * As coil_await(), but cancels at `deadline` and then returns -ETIMEDOUT. Like
 * every cancellation it waits for the kernel: an operation on a regular file may
 * return later than its deadline.
 */
COIL_SUSPENDS ssize_t coil_await_until(struct coil_future *future, coil_time deadline);

/*
 * Waits until one of `count` started futures is done and returns its index; await
 * that one to collect its result. The others stay in flight. When several are done,
 * the lowest index. Returns -ECANCELED, with all of them still in flight, once an
 * enclosing scope is cancelled: of no futures that is all it waits for.
 */
COIL_SUSPENDS int coil_await_any(struct coil_future *const futures[], size_t count);

/*
 * Waits until all are done. Returns 0, or the error of the first in the array that
 * failed. Each future keeps its result: await it to collect it, which no longer waits.
 * Once an enclosing scope is cancelled all of them are cancelled, and waited for.
 */
COIL_SUSPENDS int coil_await_all(struct coil_future *const futures[], size_t count);

/*
 * As coil_await_any(), in the order in which they are done, also within one turn of the
 * loop. Those whose result was collected are skipped; -ENOENT once that is all of them:
 *
 *     while ((i = coil_await_next(futures, count)) >= 0)
 *         use(i, coil_await(futures[i]));
 *
 * Each call looks at every future of the array.
 */
COIL_SUSPENDS int coil_await_next(struct coil_future *const futures[], size_t count);

/*
 * Waits for the first of `count` started futures to be done and returns its index; await
 * that one to collect its result, be it an error or not. The others are cancelled, waited
 * for, and dropped: a descriptor that one of them made all the same is closed. Of no futures it
 * waits for a cancellation.
 *
 * Once an enclosing scope is cancelled all of them are. Then the first one that happened all
 * the same wins; if none did, the call returns -ECANCELED and has dropped them all.
 */
COIL_SUSPENDS int coil_await_race(struct coil_future *const futures[], size_t count);

/* Whether the result is there, so that coil_await() would not wait. */
bool coil_future_done(const struct coil_future *future);

/* Asks the operation to stop. It must still be awaited or dropped. Idempotent. */
void coil_future_cancel(struct coil_future *future);

/*
 * Cancels if needed, waits, and throws the result away: a descriptor that was made
 * is closed, a lock that was granted is released. Descriptors that a recvmsg got in a control
 * message (SCM_RIGHTS) stay open: await it, and close them. What COIL_FUTURE() calls. Does nothing
 * with a future never started.
 */
COIL_UNCANCELLABLE void coil_future_drop(struct coil_future *future);

COIL_END_DECLS
#endif
