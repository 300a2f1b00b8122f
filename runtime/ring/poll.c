/* SPDX-License-Identifier: MIT */
/* The poll driver: its ring, its wait, and its wakes. */
#include "ring/poll.h"

#include "ring/host.h"
#include "ring/refusal.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { CQ_FACTOR = 8, SQ_MAX = 32768 };

/* The heads and tails of both queues, as the kernel would map them. */
struct shared {
    unsigned sq_head, sq_tail, sq_flags, sq_dropped;
    unsigned cq_head, cq_tail, cq_flags, cq_overflow;
};

static struct coil__poll *poll_of(const struct coil__ring *ring)
{
    return ring->own;
}

static size_t ring_size(unsigned entries)
{
    return sizeof(struct shared) + entries * sizeof(struct io_uring_sqe) +
           (size_t)entries * CQ_FACTOR * sizeof(struct io_uring_cqe);
}

static void describe_sq(struct io_uring_sq *sq, struct shared *shared, unsigned entries)
{
    sq->khead = &shared->sq_head;
    sq->ktail = &shared->sq_tail;
    sq->kflags = &shared->sq_flags;
    sq->kdropped = &shared->sq_dropped;
    sq->ring_mask = entries - 1;
    sq->ring_entries = entries;
}

static void describe_cq(struct io_uring_cq *cq, struct shared *shared, unsigned entries)
{
    cq->khead = &shared->cq_head;
    cq->ktail = &shared->cq_tail;
    cq->kflags = &shared->cq_flags;
    cq->koverflow = &shared->cq_overflow;
    cq->ring_mask = entries - 1;
    cq->ring_entries = entries;
}

/* The queues in memory of our own, of which liburing's inline functions see no difference. */
static int make_queues(struct coil__ring *ring, unsigned wanted)
{
    unsigned entries = 1;
    while (entries < wanted && entries < SQ_MAX)
        entries *= 2;
    char *memory =
        mmap(NULL, ring_size(entries), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    struct shared *shared = (struct shared *)memory;
    struct io_uring *uring = &ring->uring;
    describe_sq(&uring->sq, shared, entries);
    describe_cq(&uring->cq, shared, entries * CQ_FACTOR);
    uring->sq.sqes = (struct io_uring_sqe *)(shared + 1);
    uring->cq.cqes = (struct io_uring_cqe *)(uring->sq.sqes + entries);
    uring->ring_fd = -1;
    ring->full_at = entries;
    ring->has_bind = true;
    ring->has_multishot_recv = true;
    ring->has_send_zc = true;
    ring->can_look_out = true;
    return 0;
}

static void drop_queues(struct coil__ring *ring)
{
    munmap(ring->uring.sq.khead, ring_size(ring->uring.sq.ring_entries));
}

/* `call` becomes the system call that failed. */
static int open_descriptors(struct coil__poll *poll, const char **call)
{
    struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.u64 = UINT64_MAX};
    *call = "epoll_create1";
    poll->epoll_fd = coil__descriptor_beyond_streams(epoll_create1(EPOLL_CLOEXEC));
    if (poll->epoll_fd < 0)
        return -errno;
    *call = "eventfd2";
    poll->wake_fd = coil__descriptor_beyond_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    int err = poll->wake_fd < 0 ? -errno : 0;
    if (err == 0 && epoll_ctl(poll->epoll_fd, EPOLL_CTL_ADD, poll->wake_fd, &wake) < 0) {
        *call = "epoll_ctl";
        err = -errno;
        close(poll->wake_fd);
    }
    if (err < 0)
        close(poll->epoll_fd);
    return err;
}

static void explain(const char *call, int err)
{
    struct coil__refusal_facts facts;
    coil__refusal_collect(&facts, call, -err, 0);
    facts.what = "the poll driver";
    coil__refusal_say(&facts);
}

static int poll_open(struct coil__ring *ring, const struct coil__ring_options *options)
{
    coil__assert(options->entries > 0);
    struct coil__poll *poll = calloc(1, sizeof(*poll));
    const char *call = "mmap";
    int err = -ENOMEM;
    if (poll == NULL)
        goto failed;
    err = make_queues(ring, options->entries);
    if (err < 0)
        goto free_poll;
    err = coil__poll_ops_open(poll);
    if (err < 0)
        goto drop_queues;
    err = open_descriptors(poll, &call);
    if (err < 0)
        goto close_ops;
    coil__poll_jobs_open(poll, options);
    coil__heap_init(&poll->timers);
    coil__list_init(&poll->retrying);
    coil__mpsc_init(&poll->finished);
    poll->ring = ring;
    ring->own = poll;
    return 0;
close_ops:
    coil__poll_ops_close(poll);
drop_queues:
    drop_queues(ring);
free_poll:
    free(poll);
failed:
    if (coil__log_first())
        explain(call, err);
    return err;
}

/* The number of milliseconds that is not shorter. */
static int to_milliseconds(int64_t span)
{
    const int64_t longest = 3600 * 1000;
    int64_t milliseconds = span / COIL_MSEC + (span % COIL_MSEC != 0);
    return (int)(milliseconds < longest ? milliseconds : longest);
}

/* Events, for which it waits until the deadline at most. */
static int wait_for_events(struct coil__poll *poll, bool wait, coil_time deadline)
{
    int64_t span = 0;
    if (wait && deadline != COIL_FOREVER) {
        coil_time now = coil__clock_monotonic();
        span = deadline > now ? deadline - now : 0;
    }
    bool for_ever = wait && deadline == COIL_FOREVER;
    int count = -1;
    if (span > 0 && !poll->coarse) {
        struct timespec time = {.tv_sec = span / COIL_SEC, .tv_nsec = span % COIL_SEC};
        count = epoll_pwait2(poll->epoll_fd, poll->events, COIL__POLL_EVENTS, &time, NULL);
        /* A filter may say anything; what is wrong with the wait itself epoll_wait() says, too. */
        poll->coarse = count < 0 && errno != EINTR;
    }
    if (span == 0 || poll->coarse)
        count = epoll_wait(poll->epoll_fd, poll->events, COIL__POLL_EVENTS,
                           for_ever ? -1 : to_milliseconds(span));
    return count < 0 ? -errno : count;
}

static void handle(struct coil__poll *poll, const struct epoll_event *event)
{
    if (event->data.u64 == UINT64_MAX)
        coil__poll_post(poll, COIL__TAG_WAKE, 0, 0);
    else
        coil__poll_ready(poll, event);
}

static unsigned completions(const struct coil__ring *ring)
{
    return *ring->uring.cq.ktail - *ring->uring.cq.khead;
}

static void execute(struct coil__ring *ring, unsigned submit)
{
    struct io_uring_sq *sq = &ring->uring.sq;
    while (submit-- > 0) {
        coil__poll_begin(poll_of(ring), &sq->sqes[*sq->khead & sq->ring_mask]);
        ++*sq->khead;
    }
}

/* What has happened without us. */
static void catch_up(struct coil__poll *poll)
{
    coil__poll_collect(poll);
    coil__poll_fire(poll);
}

static int wait_for(struct coil__ring *ring, unsigned wait, coil_time deadline)
{
    struct coil__poll *poll = poll_of(ring);
    for (;;) { /* ends with enough completions, a signal, or the deadline */
        bool must_wait = completions(ring) < wait;
        if (!must_wait && poll->waiting == 0)
            return 0;
        coil_time next = coil__poll_next(poll);
        coil_time until = next < deadline ? next : deadline;
        if (poll->stopping > 0)
            until = coil__poll_remind(poll, until);
        int count = wait_for_events(poll, must_wait, until);
        if (count < 0)
            return count == -EINTR ? 0 : count;
        for (int i = 0; i < count; i++)
            handle(poll, &poll->events[i]);
        catch_up(poll);
        bool in_time = deadline == COIL_FOREVER || coil__clock_monotonic() < deadline;
        if (!must_wait || completions(ring) >= wait || !in_time)
            return 0;
    }
}

/* Keeps errno, as the kernel would, since a coroutine may look at it after a call that did not
 * suspend it. */
static int poll_enter(struct coil__ring *ring, unsigned submit, unsigned wait, coil_time deadline)
{
    struct coil__poll *poll = poll_of(ring);
    int saved = errno;
    coil__poll_flush_overflow(poll);
    execute(ring, submit);
    catch_up(poll);
    int err = wait_for(ring, wait, deadline);
    errno = saved;
    return err;
}

static void poll_explain(const struct coil__ring *ring, int err)
{
    (void)ring;
    bool is_another = err == -EINVAL; /* its number is another file's by now */
    explain("epoll_wait", is_another ? -EBADFD : err);
}

/* Any thread. The event stays unread: each write is a new edge. */
static void poll_ring_bell(struct coil__ring *ring)
{
    const uint64_t once = 1;
    ssize_t written = write(poll_of(ring)->wake_fd, &once, sizeof(once));
    coil__require(written == sizeof(once), COIL__BELL_CLOSED);
}

static void poll_wake(struct coil__ring *ring, struct coil__ring *target)
{
    (void)ring;
    poll_ring_bell(target);
}

/* The bell is always there: it is what other cores wake us by as well. */
static int poll_open_bell(struct coil__ring *ring)
{
    (void)ring;
    return 0;
}

static void poll_arm_bell(struct coil__ring *ring)
{
    (void)ring;
}

static void poll_close_bell(struct coil__ring *ring)
{
    ring->has_bell = false;
    ring->bell_armed = false;
}

/* Nobody waits for what is left, such as a close that went to a worker: but it is done. */
static void poll_close(struct coil__ring *ring)
{
    struct coil__poll *poll = poll_of(ring);
    while (!coil__list_empty(&poll->jobs)) { /* ends: closing a file does */
        *ring->uring.cq.khead = *ring->uring.cq.ktail;
        if (poll_enter(ring, 0, 1, COIL_FOREVER) < 0)
            break;
    }
    coil__poll_jobs_close(poll);
    close(poll->wake_fd);
    close(poll->epoll_fd);
    coil__poll_ops_close(poll);
    drop_queues(ring);
    free(poll);
}

/* What is in the set stays in it, for the process that goes on with it. */
static void poll_forget(struct coil__ring *ring)
{
    close(poll_of(ring)->epoll_fd);
    close(poll_of(ring)->wake_fd);
}

static int poll_register_buffers(struct coil__ring *ring, struct io_uring_buf_ring *buffers,
                                 unsigned entries)
{
    if (entries == 0 || (entries & (entries - 1)) != 0)
        return -EINVAL;
    struct coil__poll *poll = poll_of(ring);
    poll->buffers = buffers;
    poll->buffer_count = entries;
    poll->buffer_head = 0;
    return 0;
}

static int poll_unregister_buffers(struct coil__ring *ring)
{
    poll_of(ring)->buffers = NULL;
    return 0;
}

const struct coil__ring_driver coil__ring_poll = {
    .name = "poll",
    .open = poll_open,
    .close = poll_close,
    .enter = poll_enter,
    .explain = poll_explain,
    .wake = poll_wake,
    .open_bell = poll_open_bell,
    .ring_bell = poll_ring_bell,
    .arm_bell = poll_arm_bell,
    .close_bell = poll_close_bell,
    .forget = poll_forget,
    .now = coil__clock_monotonic,
    .bind = coil__host_bind,
    .listen = coil__host_listen,
    .setsockopt = coil__host_setsockopt,
    .getsockname = coil__host_getsockname,
    .deafen = coil__host_deafen,
    .register_buffers = poll_register_buffers,
    .unregister_buffers = poll_unregister_buffers,
    .check_file = coil__host_check_file,
};
