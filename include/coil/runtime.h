/* SPDX-License-Identifier: MIT */
/* Starting coil, its options, and its cores. */
#ifndef COIL_RUNTIME_H
#define COIL_RUNTIME_H

#include <coil/base.h>
#include <coil/future.h>

COIL_BEGIN_DECLS

/* Values of coil_options.spin_ns. */
#define COIL_SPIN_ADAPTIVE INT64_C(0)
#define COIL_SPIN_OFF INT64_C(-1)

/* A value of coil_options.stall_ns. */
#define COIL_STALL_OFF INT64_C(-1)

/*
 * A zero field means the default in parentheses, so {0} is always valid. Where a field is zero,
 * the environment variable named beside it is read; numbers there may end in K, M or G.
 */
struct coil_options {
    unsigned core_count;     /* COIL_CORES: threads, one ring each (the CPUs we may run on, by
                              * affinity and cgroup: see coil/topology.h) */
    const char *cpus;        /* COIL_CPUS: where to pin them, like "0,2-5" (the same CPUs) */
    unsigned hyperthreads;   /* COIL_HYPERTHREADS: of each physical core that are used, if no CPUs
                              * are given (all) */
    const char *ring;        /* COIL_RING: what executes operations: "kernel" is io_uring, "poll"
                              * does the same with epoll and threads, and "sim:SEED" simulates it
                              * (coil/sim.h) ("kernel"; "poll" where that is refused, and under
                              * valgrind) */
    unsigned ring_entries;   /* COIL_RING_ENTRIES: submission entries of a core (256) */
    size_t stack_size;       /* COIL_STACK_SIZE: address space of a coroutine, half of it
                              * (64 KiB at most) guard; rounded up to a power of two (128 KiB).
                              * A frame larger than the guard would jump over it: compile with
                              * -fstack-clash-protection, as coil.pc and coil::coil say */
    int64_t spin_ns;         /* COIL_SPIN_NS, where 0 means off: how long a core looks out for
                              * events before it sleeps. COIL_SPIN_OFF: not at all.
                              * (COIL_SPIN_ADAPTIVE: while it recently paid, never when idle) */
    int64_t stall_ns;        /* COIL_STALL_NS, where 0 means off: a coroutine that keeps a core for
                              * longer, computing or in system calls that block, is reported to the
                              * log, with its queue and backtrace; five a minute at most. It is
                              * asked by a signal, after which some calls end with EINTR, like
                              * nanosleep. Time in which it could have run, but got no CPU, does not
                              * count. Without /proc, nor does that in which it blocks; where
                              * process_vm_readv(2) is forbidden, nothing does, which is logged.
                              * COIL_STALL_OFF: never (20 ms in debug builds of coil, else off) */
    size_t recv_buffer_size; /* COIL_RECV_BUFFER_SIZE: of one buffer of a coil_receiver (64 KiB) */
    unsigned recv_buffer_count; /* COIL_RECV_BUFFER_COUNT: buffers of a core, a power of two, up to
                                 * which it is rounded, 32768 at most; they take memory only as
                                 * data fills them (1024) */
    unsigned blocking_threads;  /* COIL_BLOCKING_THREADS: of the pool for coil_offload() that all
                                 * share, and of pools without a limit of their own (64) */
    const char *io_worker_cpus; /* COIL_IO_WORKER_CPUS: where the threads run that do for a core
                                 * what would block it (of the kernel: io-wq), like "6,7"; never
                                 * on the core's own CPU if there is another (all that we may) */
    unsigned io_workers;        /* COIL_IO_WORKERS: how many a core may have for files, and twice
                                 * as many for other things that block (8) */
    void (*log)(const char *line); /* where messages go: a line without its end (to stderr, if that
                                    * is open when the run begins) */
    /* Told of each child whose error is the first of its scope, and so what the scope reports: its
     * name, the function and line that spawned it, and -errno. Called by the child as its last
     * act, on any core; may not suspend. (nobody) */
    void (*on_failure)(const char *name, const char *site, int error);
};

/*
 * Starts the runtime, runs fn(arg) as its first coroutine on core 0, and returns its result after
 * every core has stopped: what fn left behind is cancelled and waited for. `options` may be NULL.
 * A thread of the program is in coil_run() until then, and may not be a coil core itself. Neither
 * it nor a thread that runs coroutines may be ended meanwhile, by pthread_exit() or
 * pthread_cancel(): the process stops with a line that says so.
 *
 * An operation for which the kernel needs a thread, as for many on files, returns -EAGAIN where
 * none is to be had; the first time a line of the log says so, and what to look at.
 *
 * Meanwhile SIGPIPE and SIGXFSZ are ignored where their action was the default, by the whole
 * process and by what it executes: to write to a pipe or socket that nobody reads returns -EPIPE,
 * to write beyond RLIMIT_FSIZE -EFBIG, and neither kills.
 *
 * A program that a coroutine executes may run on its core's CPU only, and one that is executed
 * within coil_offload() has signals blocked. It has neither if posix_spawn() is called within
 * coil_offload(), with POSIX_SPAWN_SETSIGMASK and an empty mask; elsewhere sched_setaffinity(2)
 * gives it more CPUs. POSIX_SPAWN_SETSIGDEF gives it the default action of SIGPIPE and SIGXFSZ.
 *
 * A child of fork() has no cores: there a call that needs one stops the process with a line that
 * says so, promises and ports refuse with -ESHUTDOWN, and so does coil_run() if coil ran at that
 * moment. The child may exec, or _exit; what is in flight in the parent is not disturbed.
 *
 * Returns fn's result; -EINVAL for an option out of range; -EBUSY when coil already runs in this
 * process (called by a coroutine it aborts); -EDEADLK when all coroutines waited for each other
 * (below); and when a core could not be set up, the reason with a message to the log that names the
 * cause and the remedy: -EMFILE (descriptors), -EAGAIN (threads), -ENOMEM, and, if
 * coil_options.ring or COIL_RING says "kernel", -EPERM or -ENOSYS (io_uring is forbidden here, or
 * missing).
 *
 * Where io_uring is refused and nobody has said "kernel", the run goes by "poll": the same results,
 * fewer operations a second. One line of the log says so, why, and what would help; there is also
 * one when "poll" was asked for. Under valgrind the run goes by "poll" as well, with a line: there
 * all threads stop while one waits for io_uring, so that with "kernel" a program hangs as soon as a
 * core waits for another thread.
 *
 * When no core has anything to run, in flight, or to wake up for, and nobody waits for a promise,
 * nothing will ever happen again. Then the log gets a line for each coroutine: its name and who
 * spawned it, for how long it has waited, and for what; all of them are cancelled, and the result
 * is -EDEADLK. If some wait on although they are cancelled, the log gets the rest, and coil aborts.
 */
COIL_MUST_CHECK int coil_run(const struct coil_options *options, coil_fn *fn, void *arg);

/*
 * As coil_run(), but core 0 is the calling thread, as it is: it keeps its name, its CPUs, its mask
 * of signals and its C++ exceptions, and is a plain thread again afterwards. For one of an existing
 * program's threads, whose others reach it through a coil_port (coil/port.h). A handler of signals
 * on an alternate stack finds coil's there meanwhile. One core, unless the options say otherwise;
 * the others have threads of their own.
 */
COIL_MUST_CHECK int coil_run_attached(const struct coil_options *options, coil_fn *fn, void *arg);

/* How many cores run, and which of them (from 0) the caller is on. Inside coil_run() only. */
unsigned coil_core_count(void);
unsigned coil_core_self(void);

/* What executes this run's operations: "kernel", which is io_uring, "poll" or "sim". Inside
 * coil_run() only. */
const char *coil_ring_name(void);

/*
 * Runs fn(arg) as a coroutine of `core` and waits for its result. Cancelling the call cancels
 * that coroutine, and waits for it. -EINVAL: no such core; -ENOMEM: no stack there.
 */
#define coil_call(core, fn, arg) coil__call((core), (fn), (arg), COIL__SITE(#fn))
#define coil_call_start(future, core, fn, arg) \
    coil__call_start((future), (core), (fn), (arg), COIL__SITE(#fn))

/* private: behind the macros above */
COIL_SUSPENDS int coil__call(unsigned core, coil_fn *fn, void *arg, const char *site);
void coil__call_start(struct coil_future *future, unsigned core, coil_fn *fn, void *arg,
                      const char *site);

COIL_END_DECLS
#endif
