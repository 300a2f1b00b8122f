/* SPDX-License-Identifier: MIT */
/*
 * The handler may interrupt any thread, also a core in the middle of its mailbox, and so does only
 * what never waits: it passes the gate as a thread that is no core, and posts.
 */
#include "core/signals.h"

#include "core/core.h"
#include "ring/poll.h"
#include "future/waiters.h"

#include <coil/signal.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

enum { SIGNALS = 64 };

/* What is caught in this run. The handler reads the first two. */
static struct {
    uint32_t number; /* of the run; 0: nothing is caught */
    struct coil__run *run;
    pthread_mutex_t lock; /* of what follows */
    uint64_t caught;
    struct sigaction before[SIGNALS];
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void tell(struct coil__core *core, uint64_t signal)
{
    struct coil__signals *signals = &core->signals;
    /* Acquire; pairs with the release in coil_signals_open(): the core has a bell. */
    if ((__atomic_load_n(&signals->wanted, __ATOMIC_ACQUIRE) & signal) == 0)
        return;
    /* Sequentially consistent, as in message_arrives(): a signal that finds others there comes with
     * their message. */
    if (__atomic_fetch_or(&signals->arrived, signal, __ATOMIC_SEQ_CST) == 0)
        coil__core_post_outside(core, &signals->message);
}

static void handle(int number)
{
    int error = errno;
    /* While we are inside, the run of that number is the current one. */
    if (coil__gate_enter(__atomic_load_n(&process.number, __ATOMIC_SEQ_CST))) {
        struct coil__run *run = __atomic_load_n(&process.run, __ATOMIC_RELAXED);
        for (unsigned i = 0; i < run->options->core_count; i++)
            tell(run->cores[i], COIL_SIGNAL(number));
        coil__gate_leave();
    }
    errno = error;
}

/* Gives what is noted to who waits. */
static void hand_out(struct coil_signals *signals)
{
    while (signals->pending != 0 && !coil__waiters_empty(&signals->waiters)) {
        int number = __builtin_ctzll(signals->pending) + 1;
        signals->pending &= ~COIL_SIGNAL(number);
        signals->home->outside--;
        coil__future_complete(coil__waiters_pop(&signals->waiters), number);
    }
}

static void message_arrives(struct coil_message *message)
{
    struct coil__signals *here = coil__container_of(message, struct coil__signals, message);
    uint64_t arrived = __atomic_exchange_n(&here->arrived, 0, __ATOMIC_SEQ_CST);
    for (struct coil_link *link = here->open.next; link != &here->open; link = link->next) {
        struct coil_signals *signals = coil__container_of(link, struct coil_signals, link);
        signals->pending |= arrived & signals->wanted;
        hand_out(signals);
    }
}

void coil__signals_init(struct coil__signals *signals)
{
    *signals = (struct coil__signals){.message.deliver = message_arrives};
    coil__list_init(&signals->open);
}

/* With the lock held, as the next two. */
static int catch_one(int number)
{
    /* A coroutine's stack has no room for it. */
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    if ((process.caught & COIL_SIGNAL(number)) != 0)
        return 0;
    if (sigaction(number, &action, &process.before[number - 1]) < 0)
        return -errno;
    process.caught |= COIL_SIGNAL(number);
    return 0;
}

static void let_go(uint64_t set)
{
    for (uint64_t left = set; left != 0; left &= left - 1) {
        int number = __builtin_ctzll(left) + 1;
        sigaction(number, &process.before[number - 1], NULL);
    }
    process.caught &= ~set;
}

/* All of them or none. */
static int catch (struct coil__run *run, uint64_t set)
{
    int err = 0;
    pthread_mutex_lock(&process.lock);
    uint64_t caught = process.caught;
    __atomic_store_n(&process.run, run, __ATOMIC_RELAXED);
    __atomic_store_n(&process.number, run->number, __ATOMIC_SEQ_CST);
    for (uint64_t left = set; left != 0 && err == 0; left &= left - 1)
        err = catch_one(__builtin_ctzll(left) + 1);
    if (err < 0)
        let_go(process.caught & ~caught);
    pthread_mutex_unlock(&process.lock);
    return err;
}

void coil__signals_restore(void)
{
    let_go(process.caught); /* without the lock: there are no cores any more */
    __atomic_store_n(&process.number, 0, __ATOMIC_SEQ_CST);
}

/* The program may have blocked them in all of its threads, and we have inherited that. */
static void unblock(uint64_t set)
{
    sigset_t unblocked;
    sigemptyset(&unblocked);
    for (uint64_t left = set; left != 0; left &= left - 1)
        sigaddset(&unblocked, __builtin_ctzll(left) + 1);
    pthread_sigmask(SIG_UNBLOCK, &unblocked, NULL);
}

/* Faults, those that the kernel lets nobody catch, and those between the usual and the first
 * real-time one, which are the C library's. */
static uint64_t uncatchable(void)
{
    static const uint64_t faults = COIL_SIGNAL(SIGSEGV) | COIL_SIGNAL(SIGBUS) |
                                   COIL_SIGNAL(SIGILL) | COIL_SIGNAL(SIGFPE) |
                                   COIL_SIGNAL(SIGTRAP) | COIL_SIGNAL(SIGSYS);
    return faults | COIL_SIGNAL(SIGKILL) | COIL_SIGNAL(SIGSTOP) |
           (COIL_SIGNAL(SIGRTMIN) - COIL_SIGNAL(32));
}

int coil_signals_open(struct coil_signals *signals, uint64_t set)
{
    (void)coil__self(); /* outside of a coroutine there may be no core either */
    struct coil__core *core = coil__core_here;
    coil__require(signals->home == NULL, "coil_signals_open: it is open already");
    if (set == 0 || (set & uncatchable()) != 0)
        return -EINVAL;
    if ((set & (coil__stall_signals() | coil__poll_signals())) != 0)
        return -EBUSY;
    int err = coil__core_open_bell(core);
    if (err < 0)
        return err;
    /* Release; pairs with the acquire in tell(). */
    __atomic_fetch_or(&core->signals.wanted, set, __ATOMIC_RELEASE);
    err = catch (core->run, set);
    if (err < 0)
        return err;
    *signals = (struct coil_signals){.home = core, .wanted = set};
    coil__list_append(&core->signals.open, &signals->link);
    unblock(set);
    return 0;
}

static struct coil_signals *waited_for(const struct coil_future *future)
{
    return future->waiting.object;
}

static void wait_cancel(struct coil_future *future)
{
    waited_for(future)->home->outside--;
    coil__waiters_cancel(&waited_for(future)->waiters, future);
}

/* Nobody has seen the signal: the next one gets it. */
static void wait_discard(struct coil_future *future)
{
    int number = (int)future->result;
    if (number <= 0)
        return; /* it may not even have begun to wait */
    waited_for(future)->pending |= COIL_SIGNAL(number);
    hand_out(waited_for(future));
}

static const struct coil_future_kind wait_kind = {
    .name = "signal", .cancel = wait_cancel, .discard = wait_discard};

static bool is_home(const struct coil_signals *signals)
{
    return signals->home != NULL && signals->home == coil__core_here;
}

void coil_signal_wait_start(struct coil_future *future, struct coil_signals *signals)
{
    (void)coil__self();
    coil__require(is_home(signals), "coil_signal_wait: it is not open on this core");
    if (!coil__future_begin(future, &wait_kind))
        return;
    signals->home->outside++;
    future->waiting.object = signals;
    coil__waiters_append(&signals->waiters, future);
    hand_out(signals);
}

int coil_signal_wait(struct coil_signals *signals)
{
    struct coil_future future;
    coil_signal_wait_start(&future, signals);
    return (int)coil__await(&future);
}

void coil_signals_close(struct coil_signals *signals)
{
    if (signals->home == NULL)
        return;
    coil__require(is_home(signals), "coil_signals_close: it is not open on this core");
    coil__require(coil__waiters_empty(&signals->waiters),
                  "coil_signals_close: coroutines wait for it");
    coil__list_remove(&signals->link);
    signals->home = NULL;
}
