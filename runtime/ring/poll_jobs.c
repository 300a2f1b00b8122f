/* SPDX-License-Identifier: MIT */
/*
 * What blocks, on worker threads. A worker that waits in a system call is told to stop by a signal
 * that does nothing but interrupt it: one that the program has left alone. A signal that comes
 * just before the call is lost, so it is sent again until the worker has stopped.
 */
#include "ring/poll.h"

#include "ring/host.h"
#include "ring/kernel.h"
#include "base/clock.h"
#include "base/log.h"

#include <coil/signal.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    unsigned rings;
    int number;  /* 0: the program uses every one */
    bool unsent; /* it was said that there is no room for it */
    struct sigaction before;
} interrupt = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void do_nothing(int number)
{
    (void)number;
}

/* One that has a handler is the program's. */
static bool claim(int number)
{
    const struct sigaction handler = {.sa_handler = do_nothing}; /* and no SA_RESTART */
    struct sigaction *before = &interrupt.before;
    return sigaction(number, NULL, before) == 0 &&
           (before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN) &&
           sigaction(number, &handler, NULL) == 0;
}

/* The first one is sent by nothing in Linux any more, and needs no room as those for free use do,
 * which RLIMIT_SIGPENDING may refuse. */
static int claim_signal(void)
{
    if (claim(SIGSTKFLT))
        return SIGSTKFLT;
    for (int number = SIGRTMAX; number >= SIGRTMIN; number--)
        if (claim(number))
            return number;
    coil__log("no signal is free to interrupt worker threads with: what blocks them goes on "
              "although it is cancelled");
    return 0;
}

static void open_interrupt(void)
{
    pthread_mutex_lock(&interrupt.lock);
    if (interrupt.rings++ == 0) {
        interrupt.number = claim_signal();
        interrupt.unsent = false;
    }
    pthread_mutex_unlock(&interrupt.lock);
}

static void close_interrupt(void)
{
    struct sigaction now;
    pthread_mutex_lock(&interrupt.lock);
    if (--interrupt.rings == 0 && sigaction(interrupt.number, NULL, &now) == 0 &&
        now.sa_handler == do_nothing)
        sigaction(interrupt.number, &interrupt.before, NULL);
    pthread_mutex_unlock(&interrupt.lock);
}

uint64_t coil__poll_signals(void)
{
    pthread_mutex_lock(&interrupt.lock);
    bool taken = interrupt.rings > 0 && interrupt.number != 0;
    uint64_t signals = taken ? COIL_SIGNAL(interrupt.number) : 0;
    pthread_mutex_unlock(&interrupt.lock);
    return signals;
}

static int64_t result_of(int64_t result)
{
    return result < 0 ? -errno : result;
}

/* The rest of a transfer of which a part has moved already. */
static int64_t transfer(const struct coil__poll_op *op)
{
    const struct io_uring_sqe *sqe = &op->sqe;
    bool vectored = sqe->opcode == IORING_OP_READV || sqe->opcode == IORING_OP_WRITEV;
    bool reads = sqe->opcode == IORING_OP_READ || sqe->opcode == IORING_OP_READV;
    const struct iovec single = {(void *)(uintptr_t)sqe->addr, sqe->len};
    const struct iovec *all = vectored ? (const struct iovec *)(uintptr_t)sqe->addr : &single;
    struct iovec rest[IOV_MAX];
    if (vectored && sqe->len > IOV_MAX)
        return -EINVAL;
    int count = coil__poll_rest(all, vectored ? (int)sqe->len : 1, op->done, rest, IOV_MAX);
    off_t offset = (off_t)sqe->off;
    if (offset == -1 && sqe->rw_flags == 0)
        return result_of(reads ? readv(sqe->fd, rest, count) : writev(sqe->fd, rest, count));
    if (offset != -1)
        offset += op->done;
    if (sqe->rw_flags == 0)
        return result_of(reads ? preadv(sqe->fd, rest, count, offset)
                               : pwritev(sqe->fd, rest, count, offset));
    return result_of(reads ? preadv2(sqe->fd, rest, count, offset, (int)sqe->rw_flags)
                           : pwritev2(sqe->fd, rest, count, offset, (int)sqe->rw_flags));
}

static int64_t execute(const struct coil__poll_op *op)
{
    const struct io_uring_sqe *sqe = &op->sqe;
    const char *path = (const char *)(uintptr_t)sqe->addr;
    switch (sqe->opcode) {
    case IORING_OP_OPENAT:
        if (path == NULL)
            return -EFAULT; /* the C library's function may not be asked */
        return result_of(openat(sqe->fd, path, (int)sqe->open_flags, (mode_t)sqe->len));
    case IORING_OP_STATX:
        if (path == NULL || sqe->off == 0)
            return -EFAULT;
        return result_of(statx(sqe->fd, path, (int)sqe->statx_flags, sqe->len,
                               (struct statx *)(uintptr_t)sqe->off));
    case IORING_OP_FSYNC:
        return result_of((sqe->fsync_flags & IORING_FSYNC_DATASYNC) != 0 ? fdatasync(sqe->fd)
                                                                         : fsync(sqe->fd));
    case IORING_OP_CLOSE:
        return result_of(close(sqe->fd));
    default:
        return transfer(op);
    }
}

static bool set_running(struct coil__poll_op *op, bool running)
{
    pthread_mutex_lock(&op->poll->running);
    op->running = running;
    op->worker = pthread_self();
    bool stopped = op->stopped;
    pthread_mutex_unlock(&op->poll->running);
    return stopped;
}

static void let_interrupt(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, interrupt.number);
    pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
}

static void wake(struct coil__poll *poll)
{
    const uint64_t once = 1;
    ssize_t written = write(poll->wake_fd, &once, sizeof(once));
    coil__assert(written == sizeof(once));
}

/* On a worker thread. Afterwards the operation is the ring's again, which may free it at once. */
static void run(struct coil__job *job)
{
    struct coil__poll_op *op = coil__container_of(job, struct coil__poll_op, job);
    struct coil__poll *poll = op->poll;
    int64_t result;
    if (interrupt.number != 0)
        let_interrupt();
    bool stopped = set_running(op, true);
    do { /* ends: a signal that nobody sent for this operation comes once */
        result = stopped ? -ECANCELED : execute(op);
        stopped = set_running(op, result == -EINTR);
    } while (result == -EINTR && op->sqe.opcode != IORING_OP_CLOSE);
    set_running(op, false);
    if (op->done > 0)
        result = op->done + (result > 0 ? result : 0);
    op->result = (int32_t)result;
    coil__mpsc_push(&poll->finished, &op->finished);
    wake(poll);
}

int coil__poll_jobs_open(struct coil__poll *poll, const struct coil__ring_options *options)
{
    cpu_set_t cpus;
    const cpu_set_t *where = NULL;
    if (options->worker_cpus != NULL) {
        cpus = coil__host_away_from_core(options);
        where = &cpus;
    }
    unsigned files = options->workers > 0 ? options->workers : COIL__WORKERS;
    coil__workers_open(&poll->bounded, "files", files, where, run);
    coil__workers_open(&poll->unbounded, "waits", 2 * files, where, run);
    pthread_mutex_init(&poll->running, NULL);
    coil__list_init(&poll->jobs);
    open_interrupt();
    return 0;
}

void coil__poll_jobs_close(struct coil__poll *poll)
{
    coil__workers_close(&poll->bounded);
    coil__workers_close(&poll->unbounded);
    pthread_mutex_destroy(&poll->running);
    close_interrupt();
}

int coil__poll_submit(struct coil__poll *poll, struct coil__poll_op *op, bool unending)
{
    op->unending = unending;
    op->place = COIL__POLL_WITH_WORKER;
    coil__poll_remember(poll, op);
    coil__list_append(&poll->jobs, &op->jobs);
    int err = coil__workers_submit(unending ? &poll->unbounded : &poll->bounded, &op->job);
    if (err == 0)
        return 0;
    coil__list_remove(&op->jobs);
    coil__poll_forget(poll, op);
    return err;
}

static void take_away(struct coil__poll *poll, struct coil__poll_op *op)
{
    poll->stopping -= op->stopped;
    coil__list_remove(&op->jobs);
    coil__poll_forget(poll, op);
    op->place = COIL__POLL_NOWHERE;
}

void coil__poll_collect(struct coil__poll *poll)
{
    struct coil__mpsc_node *node;
    while ((node = coil__mpsc_pop(&poll->finished)) != NULL) { /* ends: no job begins meanwhile */
        struct coil__poll_op *op = (struct coil__poll_op *)node;
        take_away(poll, op);
        coil__poll_finish(poll, op, op->result);
    }
}

static __attribute__((cold)) void say_unsent(void)
{
    pthread_mutex_lock(&interrupt.lock);
    bool said = interrupt.unsent;
    interrupt.unsent = true;
    pthread_mutex_unlock(&interrupt.lock);
    if (!said)
        coil__log("no signal can be sent to worker threads, for RLIMIT_SIGPENDING is used up: what "
                  "blocks them goes on although it is cancelled, until there is room");
}

static void tell_to_stop(struct coil__poll *poll, struct coil__poll_op *op)
{
    int err = 0;
    pthread_mutex_lock(&poll->running);
    poll->stopping += !op->stopped;
    op->stopped = true;
    if (op->running && interrupt.number != 0)
        err = pthread_kill(op->worker, interrupt.number);
    pthread_mutex_unlock(&poll->running);
    if (err != 0)
        say_unsent();
}

bool coil__poll_take_back(struct coil__poll *poll, struct coil__poll_op *op)
{
    if (coil__workers_try_remove(op->unending ? &poll->unbounded : &poll->bounded, &op->job)) {
        take_away(poll, op);
        return true;
    }
    tell_to_stop(poll, op);
    return false;
}

coil_time coil__poll_remind(struct coil__poll *poll, coil_time until)
{
    const int64_t pause = 2 * COIL_MSEC;
    coil_time next = coil__clock_monotonic() + pause;
    for (struct coil_link *link = poll->jobs.next; link != &poll->jobs; link = link->next) {
        struct coil__poll_op *op = coil__container_of(link, struct coil__poll_op, jobs);
        if (op->stopped)
            tell_to_stop(poll, op);
    }
    return next < until ? next : until;
}
