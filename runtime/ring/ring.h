/* SPDX-License-Identifier: MIT */
/*
 * The only place that knows SQE and CQE. Operations fill entries of `uring`, in plain memory; a
 * driver executes them once per turn, in enter(). Nothing above asks which driver that is.
 */
#ifndef COIL_RING_RING_H
#define COIL_RING_RING_H

#include "ring/compat.h"
#include "ring/fds.h"
#include "future/future.h"

#include <coil/file.h>
#include <coil/memory.h>
#include <liburing.h>
#include <sys/socket.h>

struct coil__ring;

/* The kernel moves no more in one operation, whatever is asked. */
enum { COIL__LENGTH_MAX = 0x7ffff000 };

/* What a core wants of its ring. */
struct coil__ring_options {
    unsigned entries;             /* SQ size; the CQ is 8 times as large */
    const cpu_set_t *worker_cpus; /* where the kernel's worker threads may run; NULL: anywhere */
    size_t worker_cpus_size;
    const char *parameter; /* of the driver's name: what follows its colon; "": nothing */
    const char *instead;   /* the driver that runs if this one is refused; NULL: none */
    unsigned workers;      /* most threads for files; twice as many for what else blocks; 0: 8 */
};

/* Who does what blocks, for a driver that has no threads do it. */
struct coil__ring_pool {
    const void *id;
    unsigned limit; /* so many jobs at once */
    void (*run)(struct coil_link *job);
};

struct addrinfo;

/* The cores of a run, for a driver that has them all on one thread. */
struct coil__ring_stage {
    const char *parameter; /* of the driver's name */
    unsigned count;
    void (*work)(void *member); /* the whole life of a core */
    void *const *members;       /* one for each */
    void **here;                /* a variable of the thread whose value is each core's own */
};

/*
 * A world in which entries are executed. Only enter() is on the path of an operation. Functions
 * return 0 or more, or -errno. Those below the line are for what has no opcode everywhere.
 */
struct coil__ring_driver {
    const char *name;
    bool time_is_virtual;  /* it passes by itself */
    bool may_lack_workers; /* an entry for which no thread was to be had ends with -ECANCELED */
    bool loses_position;   /* a file's own does not move by all that is read or written there */
    bool loses_messages;   /* that wait for room in a Unix socket's queue of datagrams */
    unsigned usual_cores;  /* 0: as many as there are CPUs */

    /* Runs the cores of a coil_run(), when they are not to have a thread each; NULL: they are. Then
     * a core that waits for all others to come as far pauses; the last one resumes them. */
    int (*stage)(const struct coil__ring_stage *stage);
    void (*pause)(void);
    void (*resume)(void);

    /* Makes the ring on the thread that will use it. A refusal is explained to the log. */
    int (*open)(struct coil__ring *ring, const struct coil__ring_options *options);
    void (*close)(struct coil__ring *ring);

    /* Executes the `submit` new entries, then waits until `wait` completions are in the CQ or the
     * deadline has passed. Interruption and timeout are no errors: callers look at the CQ. After an
     * error the ring is lost, and what is in flight with it. */
    int (*enter)(struct coil__ring *ring, unsigned submit, unsigned wait, coil_time deadline);

    /* Executes the `submit` new entries and looks for no completions but theirs. What is not taken
     * is left to enter(), and so are errors. NULL: nothing is gained by that. */
    void (*submit)(struct coil__ring *ring, unsigned submit);

    /* Explains to the log why enter() failed with `err`. */
    void (*explain)(const struct coil__ring *ring, int err);

    /* Says how to make happen again what has gone wrong. NULL: nobody knows. */
    void (*tell_replay)(void);

    /* Makes `target`'s enter() return soon, with a COIL__TAG_WAKE completion. */
    void (*wake)(struct coil__ring *ring, struct coil__ring *target);

    /* Threads without a ring wake this one by a bell. Opens it, once, on the ring's own thread /
     * rings it, from any thread, for what wake() does too / arms it again after it was heard /
     * closes it, with nothing left in flight. It does not count as in flight. */
    int (*open_bell)(struct coil__ring *ring);
    void (*ring_bell)(struct coil__ring *ring);
    void (*arm_bell)(struct coil__ring *ring);
    void (*close_bell)(struct coil__ring *ring);

    /* Whether what it was heard with says that it is one still. NULL: it always is. */
    bool (*is_bell)(const struct coil__ring *ring, int32_t result);

    /* In a child of fork(): closes the copies of the ring's descriptors. NULL: there are none. */
    void (*forget)(struct coil__ring *ring);

    /* ---- */
    coil_time (*now)(void);
    int (*bind)(int fd, const struct sockaddr *addr, socklen_t addrlen);
    int (*listen)(int fd, int backlog);
    int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t len);
    int (*getsockname)(int fd, struct sockaddr *addr, socklen_t *addrlen);

    /* Has a listening TCP socket hear nobody who begins to connect; connections that are being made
     * come about, and those that are queued stay. For a socket that is about to be closed. */
    int (*deafen)(int fd);

    /* Runs a job of a pool some time, outside of all cores / takes it back, unless somebody has
     * begun with it. NULL: the pool's threads do it. */
    int (*add_job)(const struct coil__ring_pool *pool, struct coil_link *job);
    bool (*remove_job)(struct coil_link *job);

    /* getaddrinfo(3), where names are not the machine's; NULL: they are. */
    int (*getaddrinfo)(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found);

    /* Registers `entries` (a power of two) of shared receive buffers as group 0; the ring of their
     * descriptions is the caller's, page-aligned. -EINVAL or -ENOSYS: not supported. */
    int (*register_buffers)(struct coil__ring *ring, struct io_uring_buf_ring *buffers,
                            unsigned entries);
    int (*unregister_buffers)(struct coil__ring *ring);

    /* Makes memory known by a number, for IORING_OP_READ_FIXED and WRITE_FIXED; with a size of 0
     * unknown again. NULL: those are not needed here. */
    int (*register_memory)(struct coil__ring *ring, unsigned number, void *at, size_t size);

    /* Makes a file known by its place in a table of `COIL_FILES`, for IOSQE_FIXED_FILE; an entry
     * that closes the place makes it unknown. NULL: those are not needed here. */
    int (*register_file)(struct coil__ring *ring, unsigned place, int fd);

    /* Whether a file is open there: 0 or -EBADF. */
    int (*check_file)(int fd);
};

/* Why a core can't be woken any more, and what helps. */
#define COIL__BELL_CLOSED                                                                   \
    "the descriptor by which a core is woken was closed by the program; look for it with: " \
    "strace -f -y -e trace=close,close_range,dup2,dup3"

extern const struct coil__ring_driver coil__ring_kernel;
extern const struct coil__ring_driver coil__ring_sim;

/* What a completion's user_data says. Futures are aligned, so the low bits are free. */
enum coil__tag {
    COIL__TAG_FUTURE = 0,   /* a future with one completion */
    COIL__TAG_EVENT = 1,    /* a future whose kind takes every completion */
    COIL__TAG_IGNORE = 2,   /* nobody waits: a cancel, a doorbell's own completion */
    COIL__TAG_WAKE = 3,     /* another core rang: look at the mailbox */
    COIL__TAG_TRANSFER = 4, /* as FUTURE, to or from memory that the ring knows */
    COIL__TAG_MASK = 7,
    COIL__TAG_BELL = COIL__TAG_WAKE | 4,  /* a wake by the bell: it has to be armed again */
    COIL__TAG_STUCK = COIL__TAG_WAKE | 8, /* nothing in flight on any core will ever end */

    /* A cancel, whose success is silent: it has found nothing to stop, or only told a worker to. */
    COIL__TAG_MISSED = COIL__TAG_IGNORE | 4,

    /* A doorbell, whose success is silent, in the low bits of the target's address: the kernel had
     * no memory to ring it, and the target sleeps on. */
    COIL__TAG_UNHEARD = COIL__TAG_IGNORE,
};

struct coil__ring_memory {
    uintptr_t at;
    size_t size;        /* 0: none has that number */
    uint32_t in_flight; /* operations to or from it */
    bool registered;    /* the driver knows it */
};

/* See ring/registered.h. */
struct coil__ring_files {
    uint16_t *places;                /* by descriptor, plus 1; 0: none. NULL: none has one */
    uint64_t taken[COIL_FILES / 64]; /* a bit for each place */
    uint64_t known[COIL_FILES / 64]; /* those of which the driver knows */
    bool releasing;                  /* an entry that empties a place may not be submitted yet */
};

struct coil__ring {
    struct io_uring uring;
    const struct coil__ring_driver *driver;
    unsigned full_at;      /* the SQ's tail when it may be full: as of the last look at its head */
    bool stuck;            /* the driver said so; for the core to see, and to reset */
    bool lost_power;       /* a simulated one: all in flight has ended, which is no deadlock */
    bool hears_threads;    /* asleep, for one that is no core as well: as the core saw it last */
    bool reaping;          /* coil__ring_reap() is on its way through the CQ */
    unsigned in_flight;    /* futures whose final completion is to come */
    struct coil__fd *fds;  /* by descriptor number */
    struct coil__fd no_fd; /* the place of COIL__NO_FD */
    unsigned until_piece;  /* transfers, until it is time to see about a piece of the SQ */
    unsigned until_alone; /* operations, until one that is alone in its turn is submitted at once */

    /* Operations in flight that were asked to stop. The kernel finds none that it is just moving
     * between its queues, so when a cancel has missed, all that are still there are asked again. */
    struct coil_link cancelling;
    bool closes_stopped;     /* some were asked by coil_close() */
    bool lacked_worker;      /* and the log was told */
    bool missed;             /* since the last look */
    bool asking_again;       /* `ask_again` is armed */
    int64_t ask_again_pause; /* grows with each time in a row */
    struct coil_timer ask_again;

    void *own; /* the driver's, if it needs more than what follows */

    unsigned enter_flags; /* kernel driver: flags of every enter */
    bool flags_tell;      /* IORING_SQ_TASKRUN tells when there is work: else always enter */
    bool can_look_out;    /* by entering over and over, though no flag tells */
    bool has_bind;        /* IORING_OP_BIND and LISTEN */
    bool has_multishot_recv;
    bool has_send_zc;   /* IORING_OP_SEND_ZC */
    bool has_abs_timer; /* the wait takes an instant, not a span */
    bool has_bell;      /* it is open */
    bool bell_armed;    /* its completion is to come */
    int bell_fd;        /* kernel driver: an eventfd, read through the ring into */
    uint64_t bell_value;

    bool has_memory_table; /* kernel driver: there is room for the numbers */
    unsigned memory_end;   /* no number from here on is in use */
    struct coil__ring_memory memories[COIL_MEMORIES];

    bool has_file_table; /* kernel driver: likewise */
    struct coil__ring_files files;
};

/* Opens the ring with `driver` / closes it; nothing may be in flight. */
int coil__ring_open(struct coil__ring *ring, const struct coil__ring_driver *driver,
                    const struct coil__ring_options *options);
void coil__ring_close(struct coil__ring *ring);

/* Lets threads without a ring wake this one. Idempotent. Returns 0 or -errno. */
int coil__ring_open_bell(struct coil__ring *ring);

/* Makes room in the SQ, if it is full, by submitting it. Runs no user code. */
void coil__ring_flush(struct coil__ring *ring);

/* Submits what is queued if it is enough for a piece, and finds out whether that helped. */
void coil__ring_submit_piece(struct coil__ring *ring);

/* Submits the one entry that is queued, of a future that somebody is about to wait for, and takes
 * its completion if it is done by that. If not, those that follow are left to the loop for a while.
 */
void coil__ring_submit_alone(struct coil__ring *ring, const struct coil_future *future);

/* Submits everything, waits for `wait` completions until `deadline` at most, and hands all that
 * are there to their futures. */
void coil__ring_enter(struct coil__ring *ring, unsigned wait, coil_time deadline);

/* Hands the completions in the CQ to their futures, without entering. */
void coil__ring_reap(struct coil__ring *ring);

/* The ring of the core this thread runs; NULL in other threads. */
extern __thread struct coil__ring *coil__ring_here __attribute__((tls_model("initial-exec")));

/* Entries filled and not consumed. The kernel moves the head only inside enter(). */
static inline unsigned coil__ring_unsubmitted(const struct coil__ring *ring)
{
    return ring->uring.sq.sqe_tail - IO_URING_READ_ONCE(*ring->uring.sq.khead);
}

/* Whether completions are in the CQ. Acquire; pairs with the kernel's release of the tail. */
static inline bool coil__ring_has_completions(const struct coil__ring *ring)
{
    return io_uring_smp_load_acquire(ring->uring.cq.ktail) != *ring->uring.cq.khead;
}

/* Submits everything, and hands over what is done by that. The kernel looks for nothing else, which
 * takes a tenth of the time of a call. Some may be left, as for lack of memory. */
static inline void coil__ring_submit(struct coil__ring *ring)
{
    ring->driver->submit(ring, coil__ring_unsubmitted(ring));
    /* Before the completions, which may lead to other entries. */
    coil__sched->loop_due = coil__ring_unsubmitted(ring) > 0;
    coil__ring_reap(ring);
}

/* Whether the driver has work that only enter() will do. */
static inline bool coil__ring_wants_enter(const struct coil__ring *ring)
{
    return (IO_URING_READ_ONCE(*ring->uring.sq.kflags) &
            (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* What it means that an operation was stopped, or interrupted. */
int64_t coil__op_stopped(const struct coil_future *future, int32_t result) __attribute__((cold));

/* Whether an entry has ended with nothing done, for somebody has stopped it or its worker. */
static inline bool coil__op_was_stopped(int32_t result)
{
    enum { RESTART_FIRST = 512, RESTART_LAST = 516 }; /* ERESTARTSYS and its kin, no errno */
    bool restarts = result <= -RESTART_FIRST && result >= -RESTART_LAST;
    return result == -EINTR || result == -ECANCELED || restarts;
}

/* What the result of an entry means to who waits for it. */
static inline int64_t coil__op_result(const struct coil_future *future, int32_t result)
{
    if (__builtin_expect(result >= 0, 1))
        return result;
    return coil__op_was_stopped(result) ? coil__op_stopped(future, result) : result;
}

/* The next free entry, of which there is always one. The prep functions write all of it but
 * user_data. */
static inline struct io_uring_sqe *coil__ring_sqe(const struct coil__ring *ring)
{
    const struct io_uring_sq *sq = &ring->uring.sq;
    struct io_uring_sqe *sqe = &sq->sqes[sq->sqe_tail & sq->ring_mask];
    coil__sqe_clear(sqe);
    if (sqe == NULL)
        __builtin_unreachable(); /* spares who asks whether there is one */
    return sqe;
}

/* Where operations on a descriptor are counted. COIL__NO_FD, a constant, costs no question. */
static inline __attribute__((always_inline)) struct coil__fd *coil__ring_fd(struct coil__ring *ring,
                                                                            int fd)
{
    return __builtin_constant_p(fd) && fd == COIL__NO_FD ? &ring->no_fd
                                                         : coil__fds_at(ring->fds, fd);
}

/* Queues the entry from coil__ring_sqe(), filled. Room for the next one is made here, where nothing
 * is left to be done afterwards, so that only a full SQ pays for it. */
static inline void coil__ring_push(struct coil__ring *ring, struct io_uring_sqe *sqe,
                                   uint64_t user_data)
{
    sqe->user_data = user_data;
    ring->uring.sq.sqe_tail++;
    coil__sched->loop_due = true;
    if (__builtin_expect(ring->uring.sq.sqe_tail == ring->full_at, 0))
        coil__ring_flush(ring);
}

/* Called for each entry that reads or writes at an offset, once it is queued. A device is busier if
 * it hears early of the entries of a turn: they go in by pieces. */
static inline void coil__ring_pushed_transfer(struct coil__ring *ring)
{
    if (__builtin_expect(--ring->until_piece == 0, 0))
        coil__ring_submit_piece(ring);
}

#endif
