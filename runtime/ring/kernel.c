/* SPDX-License-Identifier: MIT */
/* The kernel driver: a real ring, set up through liburing and entered without detours. */
#include "ring/kernel.h"

#include "ring/choose.h"
#include "ring/host.h"
#include "ring/refusal.h"

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct coil__kernel_lacks coil__kernel_lacks;

enum {
    CQ_FACTOR = 8,         /* a multishot operation completes many times for its one entry */
    SQ_MAX = 32768,        /* the kernel's own limit */
    SQ_LEAST = 16,         /* under that, better no ring than one that enters all the time */
    MEMLOCK_PATIENCE = 10, /* attempts, with pauses of 1, 2, 4, ... ms between: about a second */
};

/*
 * Set-up flags, best first, by the kernel that brought them. What a kernel doesn't know it refuses
 * with -EINVAL. Not for this list: NO_SQARRAY, CQE_MIXED, NO_MMAP and REGISTERED_FD_ONLY, which
 * liburing 2.3 would drive wrongly. A newer liburing may add NO_SQARRAY by itself.
 */
static const unsigned ladder[] = {
    /* 6.1: completions are processed in our enter() only, in batches, without interrupts. */
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL,
    /* 6.0 */
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL,
    /* 5.19 */
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    /* 5.18 */
    IORING_SETUP_SUBMIT_ALL,
    0,
};

/* What we can't do without: completions that wait when the CQ is full (5.5), a deadline in enter
 * (5.11), completions only on failure (5.17). */
static const unsigned needed_features =
    IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP;

static size_t whole_pages(size_t size)
{
    const size_t page = 4096;
    return (size + page - 1) & ~(page - 1);
}

size_t coil__kernel_ring_size(unsigned entries)
{
    const size_t header = 320; /* the kernel's struct io_rings, roughly */
    size_t sq = entries;
    return whole_pages(sq * sizeof(struct io_uring_sqe)) +
           whole_pages(header + sq * CQ_FACTOR * sizeof(struct io_uring_cqe) +
                       sq * sizeof(unsigned));
}

/* Before anything is registered with it. */
static int leave_streams(struct io_uring *uring)
{
    int fd = coil__descriptor_beyond_streams(uring->ring_fd);
    int err = fd < 0 ? -errno : 0;
    uring->ring_fd = fd;
    uring->enter_ring_fd = fd;
    if (err < 0)
        io_uring_queue_exit(uring);
    return err;
}

static int set_up_once(struct io_uring *uring, unsigned entries)
{
    for (size_t rung = 0; rung < sizeof(ladder) / sizeof(ladder[0]); rung++) {
        struct io_uring_params params = {
            .flags = ladder[rung] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
            .cq_entries = entries * CQ_FACTOR,
        };
        int err = -EINVAL;
        if ((params.flags & coil__kernel_lacks.setup_flags) == 0)
            err = io_uring_queue_init_params(entries, uring, &params);
        if (err != -EINVAL)
            return err < 0 ? err : leave_streams(uring);
    }
    return -EOPNOTSUPP;
}

/* Whether a ring of that size can ever be had under RLIMIT_MEMLOCK. */
static bool fits_memlock(unsigned entries)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_MEMLOCK, &limit) < 0 ||
           coil__kernel_ring_size(entries) <= limit.rlim_cur;
}

/* The locked memory of a closed ring returns to the user's account up to 0.1 s late, so -ENOMEM
 * may pass. */
static int set_up_patiently(struct io_uring *uring, unsigned entries)
{
    int err = set_up_once(uring, entries);
    for (int i = 0; err == -ENOMEM && i < MEMLOCK_PATIENCE && fits_memlock(entries); i++) {
        struct timespec pause = {.tv_nsec = COIL_MSEC << i};
        nanosleep(&pause, NULL);
        err = set_up_once(uring, entries);
    }
    return err;
}

/* A smaller ring enters more often and is otherwise as good: better than none. */
static int set_up(struct io_uring *uring, unsigned entries)
{
    int err = set_up_patiently(uring, entries);
    for (unsigned fewer = entries / 2; err == -ENOMEM && fewer >= SQ_LEAST; fewer /= 2) {
        err = set_up_once(uring, fewer);
        if (err == 0)
            coil__log("no memory to lock for a ring of %u entries (RLIMIT_MEMLOCK): "
                      "this core runs with %u",
                      entries, fewer);
    }
    return err;
}

/* Inside a time namespace with a shifted clock the kernel takes the instants of enter for the
 * host's, so that waits end at once or never. When /proc can't tell, spans do: they cost a read of
 * the clock for each sleep. */
static bool clock_is_the_hosts(void)
{
    FILE *file = fopen("/proc/self/timens_offsets", "re");
    if (file == NULL)
        return false;
    long long seconds = -1;
    long nanoseconds = -1;
    int read = fscanf(file, "monotonic %lld %ld", &seconds, &nanoseconds);
    fclose(file);
    return read == 2 && seconds == 0 && nanoseconds == 0;
}

/* With the identity in the index array, once, an entry is published by storing the tail. */
static void fill_index_array(struct io_uring_sq *sq)
{
    if (sq->array == NULL)
        return;
    for (unsigned i = 0; i < sq->ring_entries; i++)
        sq->array[i] = i;
}

/* Writes down what set-up gave us. */
static int describe(struct coil__ring *ring)
{
    struct io_uring *uring = &ring->uring;
    if ((uring->features & needed_features) != needed_features)
        return -EOPNOTSUPP;
    fill_index_array(&uring->sq);
    ring->full_at = uring->sq.ring_entries;
    ring->enter_flags = IORING_ENTER_GETEVENTS;
    ring->flags_tell = (uring->flags & IORING_SETUP_TASKRUN_FLAG) != 0;
    ring->has_abs_timer = (uring->features & COIL__FEAT_MIN_TIMEOUT) != 0 &&
                          !coil__kernel_lacks.abs_timer && clock_is_the_hosts();
    return 0;
}

/* A child after fork() would share the rings' memory with us, and ruin it. */
static int keep_from_children(struct coil__ring *ring)
{
    return io_uring_ring_dontfork(&ring->uring);
}

/* Spares every enter the look-up of the descriptor. A thread has 16 places for these: without one
 * the descriptor does. */
static void register_ring_fd(struct coil__ring *ring)
{
    if (coil__kernel_lacks.registered_fd)
        return;
    if (io_uring_register_ring_fd(&ring->uring) == 1)
        ring->enter_flags |= IORING_ENTER_REGISTERED_RING;
}

static int probe_opcodes(struct coil__ring *ring)
{
    enum { OPCODES = 64 };
    union {
        struct io_uring_probe probe;
        char room[sizeof(struct io_uring_probe) + OPCODES * sizeof(struct io_uring_probe_op)];
    } answer = {.room = {0}};
    int err = io_uring_register_probe(&ring->uring, &answer.probe, OPCODES);
    if (err < 0)
        return err;
    if (!io_uring_opcode_supported(&answer.probe, IORING_OP_MSG_RING))
        return -EOPNOTSUPP;
    ring->has_bind = !coil__kernel_lacks.bind &&
                     io_uring_opcode_supported(&answer.probe, COIL__OP_BIND) &&
                     io_uring_opcode_supported(&answer.probe, COIL__OP_LISTEN);
    ring->has_send_zc =
        !coil__kernel_lacks.send_zc && io_uring_opcode_supported(&answer.probe, IORING_OP_SEND_ZC);
    return 0;
}

/*
 * A probe doesn't know flags, so we try: a kernel without multishot recv (6.0) finds fault with the
 * flag (-EINVAL) before it looks for the descriptor (-EBADF). Buffer rings are older (5.19). Either
 * completes at once. This is the ring's first enter: it shows whether we may enter at all.
 */
static int try_multishot_recv(struct coil__ring *ring)
{
    struct io_uring_sqe *sqe = coil__ring_sqe(ring);
    io_uring_prep_recv_multishot(sqe, -1, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->user_data = COIL__TAG_IGNORE;
    ring->uring.sq.sqe_tail++;
    int err = coil__ring_kernel.enter(ring, 1, 0, COIL_FOREVER);
    if (err < 0)
        return err;
    ring->full_at = ring->uring.sq.sqe_tail + ring->uring.sq.ring_entries;
    if (!coil__ring_has_completions(ring))
        return 0;
    const struct io_uring_cqe *cqe = &ring->uring.cq.cqes[0];
    ring->has_multishot_recv = cqe->res == -EBADF && !coil__kernel_lacks.multishot_recv;
    io_uring_cq_advance(&ring->uring, 1);
    return 0;
}

/*
 * The kernel's workers for what can't be done asynchronously inherit the core's one CPU, where
 * they'd fight with the loop for it; and their number is bounded only by the processes of the user.
 * 8 for files keep a disk busy while a core's buffered writes and fsyncs pile up: writes to one
 * file take turns on its lock anyway. What isn't a file (terminals, odd devices) may block for
 * ever, so it has its own, and twice as many.
 */
static int tame_workers(struct coil__ring *ring, const struct coil__ring_options *options)
{
    unsigned files = options->workers > 0 ? options->workers : COIL__WORKERS;
    unsigned most[2] = {files, 2 * files};
    int err = io_uring_register_iowq_max_workers(&ring->uring, most);
    if (err < 0 || options->worker_cpus == NULL)
        return err;
    /* The kernel lets a worker run on those of its CPUs that the core is pinned to as well, if
     * there are any: with the core's own one among them it would be the only one. */
    cpu_set_t cpus = coil__host_away_from_core(options);
    err = io_uring_register_iowq_aff(&ring->uring, sizeof(cpus), &cpus);
    if (err != -EINVAL)
        return err;
    /* As with a core's own CPU: that one is not ours (any more) makes it slower, no worse. */
    coil__log("the kernel's workers of a core can't be kept to the CPUs meant for them, of which "
              "its cpuset forbids some: they run where the core does");
    return 0;
}

static void kernel_close(struct coil__ring *ring)
{
    coil__kernel_drop_files(ring);
    /* A registered descriptor would keep the ring alive after its close. */
    if ((ring->enter_flags & IORING_ENTER_REGISTERED_RING) != 0)
        io_uring_unregister_ring_fd(&ring->uring);
    coil__host_order_mappings();
    io_uring_queue_exit(&ring->uring);
}

static void explain(const char *call, int err, unsigned entries, const char *instead)
{
    struct coil__refusal_facts facts;
    coil__refusal_collect(&facts, call, -err, coil__kernel_ring_size(entries));
    if (instead != NULL && coil__ring_is_refusal(err))
        coil__refusal_say_instead(&facts, instead);
    else
        coil__refusal_say(&facts);
}

static int kernel_open(struct coil__ring *ring, const struct coil__ring_options *options)
{
    unsigned entries = options->entries < SQ_MAX ? options->entries : SQ_MAX;
    const char *call = "io_uring_setup";
    coil__assert(entries > 0);
    int err = set_up(&ring->uring, entries);
    if (err < 0)
        goto refused;
    coil__host_order_mappings();
    err = describe(ring);
    if (err < 0)
        goto close_ring;
    call = "madvise(MADV_DONTFORK)";
    err = keep_from_children(ring);
    if (err < 0)
        goto close_ring;
    register_ring_fd(ring);
    call = "io_uring_register";
    err = probe_opcodes(ring);
    if (err < 0)
        goto close_ring;
    err = tame_workers(ring, options);
    if (err < 0)
        goto close_ring;
    call = "io_uring_enter";
    err = try_multishot_recv(ring);
    if (err < 0)
        goto close_ring;
    return 0;
close_ring:
    kernel_close(ring);
refused:
    if (coil__log_first())
        explain(call, err, entries, options->instead);
    /* To our caller a kernel that lacks a part of io_uring is one without it. */
    return err == -EOPNOTSUPP ? -ENOSYS : err;
}

/*
 * What an enter means that didn't do what it was asked for. Asks once more through the process's
 * descriptor: registered ones belong to a thread, so that a wrong thread finds none or its own;
 * and an enter that fails to submit skips the completions that we must see to get on.
 */
static __attribute__((cold, noinline)) int enter_failed(struct coil__ring *ring, int result)
{
    if (result == -EINTR || result == -ETIME)
        return 0;
    int again =
        io_uring_enter2((unsigned)ring->uring.ring_fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    coil__require(result != -EEXIST && again != -EEXIST,
                  "ring used from another thread or after fork");
    coil__require(result != -EBADR && again != -EBADR,
                  "the kernel had no memory left and dropped completions");
    /* No memory for a request, or completions to take first: the entries stay for the next turn. */
    if (result == 0 || result == -EAGAIN || result == -EBUSY || result == -ENOMEM)
        return 0;
    return result;
}

static inline __attribute__((always_inline)) int enter_with(struct coil__ring *ring,
                                                            unsigned submit, unsigned wait,
                                                            unsigned flags, void *arg, size_t size)
{
    for (;;) {
        int taken = io_uring_enter2((unsigned)ring->uring.enter_ring_fd, submit, wait,
                                    ring->enter_flags | flags, arg, size);
        if (__builtin_expect(taken == (int)submit, 1))
            return 0;
        if (taken <= 0)
            return enter_failed(ring, taken);
        /* The rest wasn't looked at, and we have not waited. It gets shorter every time. */
        submit -= (unsigned)taken;
    }
}

/* Given an instant, the kernel ends the wait at once when it has passed; given a span, we have to
 * look at the clock anyway. */
static int enter_until(struct coil__ring *ring, unsigned submit, unsigned wait, coil_time deadline)
{
    unsigned flags = IORING_ENTER_EXT_ARG | COIL__ENTER_ABS_TIMER;
    coil_time time = deadline;
    if (!ring->has_abs_timer) {
        coil_time now = coil__clock_monotonic();
        flags = IORING_ENTER_EXT_ARG;
        time = deadline > now ? deadline - now : 0;
    }
    if (time <= 0)
        return enter_with(ring, submit, 0, 0, NULL, 0);
    struct __kernel_timespec timespec = {.tv_sec = time / COIL_SEC, .tv_nsec = time % COIL_SEC};
    struct io_uring_getevents_arg arg = {.ts = (uintptr_t)&timespec};
    return enter_with(ring, submit, wait, flags, &arg, sizeof(arg));
}

static __attribute__((hot)) int kernel_enter(struct coil__ring *ring, unsigned submit,
                                             unsigned wait, coil_time deadline)
{
    struct io_uring_sq *sq = &ring->uring.sq;
    coil__assert(submit == coil__ring_unsubmitted(ring));
    /* Release: the kernel reads the tail with acquire, and then the entries. */
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    if (wait == 0 || deadline == COIL_FOREVER)
        return enter_with(ring, submit, wait, 0, NULL, 0);
    return enter_until(ring, submit, wait, deadline);
}

/* Ends with the call: a processor that forgets its return stack in the kernel mispredicts each
 * return that follows a system call. */
static __attribute__((hot)) void kernel_submit(struct coil__ring *ring, unsigned submit)
{
    struct io_uring_sq *sq = &ring->uring.sq;
    unsigned flags = ring->enter_flags & ~IORING_ENTER_GETEVENTS;
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail); /* as above */
    io_uring_enter2((unsigned)ring->uring.enter_ring_fd, submit, 0, flags, NULL, 0);
}

/* What the kernel allowed when it was tried at the start. */
static void kernel_explain(const struct coil__ring *ring, int err)
{
    bool is_another = err == -EOPNOTSUPP; /* its number is another file's by now */
    explain("io_uring_enter", is_another ? -EBADFD : err, ring->uring.sq.ring_entries, NULL);
}

static void kernel_wake(struct coil__ring *ring, struct coil__ring *target)
{
    struct io_uring_sqe *sqe = coil__ring_sqe(ring);
    io_uring_prep_msg_ring(sqe, target->uring.ring_fd, 0, COIL__TAG_WAKE, 0);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    coil__ring_push(ring, sqe, (uint64_t)(uintptr_t)target | COIL__TAG_UNHEARD);
}

static int kernel_open_bell(struct coil__ring *ring)
{
    ring->bell_fd = coil__descriptor_beyond_streams(eventfd(0, EFD_CLOEXEC));
    return ring->bell_fd < 0 ? -errno : 0;
}

static void kernel_ring_bell(struct coil__ring *ring)
{
    const uint64_t once = 1;
    /* Can't fail else: the value is far from its end. */
    ssize_t written = write(ring->bell_fd, &once, sizeof(once));
    coil__require(written == sizeof(once), COIL__BELL_CLOSED);
}

static void kernel_arm_bell(struct coil__ring *ring)
{
    struct io_uring_sqe *sqe = coil__ring_sqe(ring);
    io_uring_prep_read(sqe, ring->bell_fd, &ring->bell_value, sizeof(ring->bell_value), 0);
    coil__ring_push(ring, sqe, COIL__TAG_BELL);
}

/* An eventfd gives what was added to it, which is not 0; what else has its number by now may give
 * anything. What passes is no fault of the number's. */
static bool kernel_is_bell(const struct coil__ring *ring, int32_t result)
{
    if (result == (int32_t)sizeof(ring->bell_value))
        return ring->bell_value != 0;
    return result == -ENOMEM || coil__op_was_stopped(result);
}

/* Rings it itself and waits for that: the kernel then knows neither the read nor its memory. */
static void kernel_close_bell(struct coil__ring *ring)
{
    ring->has_bell = false; /* it is not armed again */
    kernel_ring_bell(ring);
    while (ring->bell_armed) /* ends with the completion of the read */
        coil__ring_enter(ring, 1, COIL_FOREVER);
    close(ring->bell_fd);
}

static void kernel_forget(struct coil__ring *ring)
{
    close(ring->uring.ring_fd);
    if (ring->has_bell)
        close(ring->bell_fd);
}

const struct coil__ring_driver coil__ring_kernel = {
    .name = "kernel",
    .may_lack_workers = true,
    .loses_position = true,
    .loses_messages = true,
    .open = kernel_open,
    .close = kernel_close,
    .enter = kernel_enter,
    .submit = kernel_submit,
    .explain = kernel_explain,
    .wake = kernel_wake,
    .open_bell = kernel_open_bell,
    .ring_bell = kernel_ring_bell,
    .arm_bell = kernel_arm_bell,
    .close_bell = kernel_close_bell,
    .is_bell = kernel_is_bell,
    .forget = kernel_forget,
    .now = coil__clock_monotonic,
    .bind = coil__host_bind,
    .listen = coil__host_listen,
    .setsockopt = coil__host_setsockopt,
    .getsockname = coil__host_getsockname,
    .deafen = coil__host_deafen,
    .register_buffers = coil__kernel_register_buffers,
    .unregister_buffers = coil__kernel_unregister_buffers,
    .register_memory = coil__kernel_register_memory,
    .register_file = coil__kernel_register_file,
    .check_file = coil__host_check_file,
};
