/* SPDX-License-Identifier: MIT */
/* coil_run(): what belongs to the whole process. */
#include "core/fork.h"
#include "core/options.h"
#include "core/pool.h"
#include "core/queue.h"
#include "core/worker.h"
#include "coro/fault.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/start.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

/* By which a write that fails kills the process. */
enum { OF_WRITES = 2 };
static const int of_writes[OF_WRITES] = {SIGPIPE, SIGXFSZ};

struct ignored {
    bool is_ignored;
    struct sigaction before;
};

/* Such a write returns -EPIPE or -EFBIG. A handler of the program's own stays. */
static void ignore_signals(struct ignored signals[OF_WRITES])
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (int i = 0; i < OF_WRITES; i++)
        signals[i].is_ignored = sigaction(of_writes[i], NULL, &signals[i].before) == 0 &&
                                signals[i].before.sa_handler == SIG_DFL &&
                                sigaction(of_writes[i], &ignore, NULL) == 0;
}

static void give_signals_back(const struct ignored signals[OF_WRITES])
{
    for (int i = 0; i < OF_WRITES; i++)
        if (signals[i].is_ignored)
            sigaction(of_writes[i], &signals[i].before, NULL);
}

static int run_cores(struct coil__run *run)
{
    run->cores = calloc(run->options->core_count, sizeof(struct coil__core *));
    if (run->cores == NULL)
        return -ENOMEM;
    int err = coil__fault_open();
    if (err == 0) {
        coil__pools_open(&run->placement->topology.allowed, run->options->blocking_threads);
        coil__stall_open(run);
        err = coil__workers_run(run);
        if (run->refused && run->ring.instead != NULL && coil__ring_is_refusal(err)) {
            run->ring = (struct coil__ring_choice){.driver = run->ring.instead, .parameter = ""};
            coil__log_retry();
            err = coil__workers_run(run);
        }
        coil__signals_restore();
        coil__stall_close();
        coil__pools_close();
        coil__fault_close();
    }
    free(run->cores);
    if (err == 0 && run->deadlocked)
        err = -EDEADLK;
    return err < 0 ? err : run->result;
}

static int choose_and_run(bool attached, const struct coil_options *options, coil_fn *fn, void *arg)
{
    struct coil__placement placement;
    struct coil_options resolved;
    struct coil__ring_choice ring;
    int err = coil__options_resolve(options, &resolved, &placement);
    if (err == 0)
        err = coil__ring_choose(resolved.ring, &ring);
    if (err < 0)
        return err;
    struct coil__run run = {.options = &resolved,
                            .placement = &placement,
                            .ring = ring,
                            .fn = fn,
                            .arg = arg,
                            .number = coil__gate_open(),
                            .attached = attached,
                            .grace_end = COIL_FOREVER};
    coil__queues_init(&run);
    coil__ring_choice_say(&ring);
    int result = run_cores(&run);
    coil__gate_close();
    return result;
}

static int run_as(bool attached, const struct coil_options *options, coil_fn *fn, void *arg)
{
    coil__require(coil__core_here == NULL, "coil_run: called from a coroutine");
    if (coil__fork_is_child()) {
        coil__log("coil_run: coil ran when this process was forked, and can't run in it");
        return -ESHUTDOWN;
    }
    if (!coil__workers_claim())
        return -EBUSY;
    coil__thread_must_return(true); /* on its stack is what the cores share */
    coil__fork_watch();
    coil__log_find_stderr();
    int saved_errno = errno; /* files that are missing are no error of the caller's */
    if (options != NULL) {
        coil__log_to(options->log);
        coil__scope_on_failure = options->on_failure;
    }
    struct ignored signals[OF_WRITES];
    ignore_signals(signals); /* before the first line, which is a write, too */
    int result = choose_and_run(attached, options, fn, arg);
    give_signals_back(signals);
    coil__log_to(NULL);
    coil__scope_on_failure = NULL;
    coil__workers_release();
    coil__thread_must_return(false);
    errno = saved_errno;
    return result;
}

int coil_run(const struct coil_options *options, coil_fn *fn, void *arg)
{
    return run_as(false, options, fn, arg);
}

int coil_run_attached(const struct coil_options *options, coil_fn *fn, void *arg)
{
    struct coil_options modest = {.core_count = 0};
    if (options != NULL)
        modest = *options;
    if (modest.core_count == 0 && coil__options_variable("COIL_CORES") == NULL)
        modest.core_count = 1;
    return run_as(true, &modest, fn, arg);
}

unsigned coil_core_count(void)
{
    coil__require(coil__core_here != NULL, "coil_core_count: called outside coil_run()");
    return coil__core_here->run->options->core_count;
}

unsigned coil_core_self(void)
{
    coil__require(coil__core_here != NULL, "coil_core_self: called outside coil_run()");
    return coil__core_here->id;
}

const char *coil_ring_name(void)
{
    coil__require(coil__core_here != NULL, "coil_ring_name: called outside coil_run()");
    return coil__core_here->ring.driver->name;
}
