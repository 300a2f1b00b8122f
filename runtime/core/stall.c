/* SPDX-License-Identifier: MIT */
/* The watcher of all cores of a run, and the handler that answers it. */
#include "core/stall.h"

#include "core/core.h"
#include "coro/backtrace.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/log.h"
#include "base/peek.h"
#include "base/start.h"
#include "base/symbol.h"

#include <coil/signal.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOKS = 4, /* in each limit */
    FRAMES = 16,
    NAME_SIZE = 160,
    REPORTS_MAX = 5, /* in each period */
    ANSWER_MS = 200, /* how long to wait for a thread that may not get the CPU */
    /* Ignored by default, so that one that comes late does no harm; hardly any program uses it. */
    SIGNAL = SIGURG,
};

static const int64_t period = 60 * COIL_SEC;

/* What a core says of itself. */
struct answer {
    unsigned core;
    bool blocked;
    char name[NAME_SIZE], generator[NAME_SIZE];
    const char *queue;
    size_t count; /* of frames; 0: it has said nothing */
    const void *frames[FRAMES];
};

static struct {
    bool open;
    int64_t limit_ns;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ending;
    struct coil_link cores;
    struct sigaction previous;
    bool may_ask; /* the signal was free */
    coil_time period_begun;
    unsigned reported, kept_back; /* in this period */
} watcher = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Between the watcher and the handler; one question at a time. */
static struct {
    const struct coil__core *asked; /* who has to answer */
    struct coil__stamp stamp;       /* while it is there */
    uint32_t question, answered;    /* their numbers */
    struct answer answer;
} talk;

static uint32_t stall_count;

uint32_t coil__stall_count(void)
{
    return __atomic_load_n(&stall_count, __ATOMIC_RELAXED);
}

static void copy_name(char to[NAME_SIZE], const char *name)
{
    size_t i = 0;
    for (; name != NULL && name[i] != '\0' && i < NAME_SIZE - 1; i++)
        to[i] = name[i];
    to[i] = '\0';
}

static bool is_same(const struct coil__stamp *stamp, const struct coil__stamp *other)
{
    return stamp->current == other->current && stamp->bursts == other->bursts &&
           stamp->budget == other->budget;
}

/* The core writes it meanwhile, and not for us: nothing is added to a switch. What comes half old
 * and half new makes no difference: another value than before is no stall, whichever it is. */
static struct coil__stamp read_stamp(const struct coil__core *core)
{
    const struct coil__sched *sched = &core->sched;
    struct coil__stamp stamp;
    if (coil__peek(&stamp.current, &sched->current, sizeof(stamp.current)) == 0 &&
        coil__peek(&stamp.bursts, &sched->bursts, sizeof(stamp.bursts)) == 0 &&
        coil__peek(&stamp.budget, &sched->budget, sizeof(stamp.budget)) == 0)
        return stamp;
    return (struct coil__stamp){.current = &sched->loop}; /* unknown, so nobody is to blame */
}

static void fill_in(struct answer *answer, const struct coil__core *core, const void *context)
{
    const struct coil_task *task = core->sched.current;
    const struct coil_task *stack;
    answer->count = coil__backtrace(&core->sched, context, answer->frames, FRAMES, &stack);
    copy_name(answer->name, task->name);
    copy_name(answer->generator, stack != NULL && stack != task ? stack->name : NULL);
    answer->queue = core->run->queues[task->queue].name;
}

/* On the thread of a core, in the middle of whatever it does. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info; /* whoever has sent it: there is a question, or none */
    const struct coil__core *core = coil__core_here;
    /* Acquire; pairs with the release in ask(): the question is complete. */
    uint32_t question = __atomic_load_n(&talk.question, __ATOMIC_ACQUIRE);
    if (core == NULL || talk.asked != core || question == talk.answered)
        return;
    const struct coil__sched *sched = &core->sched;
    struct coil__stamp stamp = {sched->current, sched->bursts, sched->budget};
    if (is_same(&stamp, &talk.stamp)) /* else it has just gone on */
        fill_in(&talk.answer, core, context);
    /* Release; pairs with the acquire in ask(): the answer is complete. */
    __atomic_store_n(&talk.answered, question, __ATOMIC_RELEASE);
}

static void pause_ms(long ms)
{
    const struct timespec span = {.tv_nsec = ms * 1000000};
    nanosleep(&span, NULL);
}

/* Asks the core where it is. Whoever did not answer the last question is not asked again. */
static void ask(const struct coil__core *core, struct answer *answer)
{
    *answer = (struct answer){.core = core->id, .blocked = core->stall.blocked};
    if (!core->stall.hears || __atomic_load_n(&talk.answered, __ATOMIC_ACQUIRE) != talk.question)
        return;
    talk.asked = core;
    talk.stamp = core->stall.stamp;
    talk.answer = *answer;
    uint32_t question = talk.question + 1;
    /* Release; pairs with the acquire in on_signal(). */
    __atomic_store_n(&talk.question, question, __ATOMIC_RELEASE);
    if (pthread_kill(core->stall.thread, SIGNAL) != 0)
        return;
    for (int i = 0; i < ANSWER_MS; i++) {
        /* Acquire; pairs with the release in on_signal(). */
        if (__atomic_load_n(&talk.answered, __ATOMIC_ACQUIRE) == question) {
            *answer = talk.answer;
            return;
        }
        pause_ms(1);
    }
}

static int64_t cpu_ns_of(const struct coil__watched *core)
{
    struct timespec used;
    if (clock_gettime(core->cpu_clock, &used) != 0)
        return 0;
    return (int64_t)used.tv_sec * COIL_SEC + used.tv_nsec;
}

/* Whether the thread sleeps in the kernel: the letter after its name in brackets says so. */
static bool is_asleep(const struct coil__watched *core)
{
    char text[128] = "";
    ssize_t length = core->stat >= 0 ? pread(core->stat, text, sizeof(text) - 1, 0) : 0;
    if (length <= 0)
        return false;
    const char *bracket = strrchr(text, ')');
    return bracket != NULL && (strncmp(bracket, ") S", 3) == 0 || strncmp(bracket, ") D", 3) == 0);
}

/* For how much of the time since the last look the coroutine had the core. Asleep, it had all of
 * it; but if this look comes late, the whole program may have been stopped. */
static int64_t kept_since(struct coil__watched *watched, coil_time now, int64_t used)
{
    int64_t span = now - watched->seen;
    if (span > watcher.limit_ns / LOOKS)
        span = watcher.limit_ns / LOOKS;
    watched->blocked = used < span && is_asleep(watched);
    return watched->blocked ? span : used;
}

/* Whether a stall of the core was noticed just now. */
static bool look_at(struct coil__core *core)
{
    struct coil__watched *watched = &core->stall;
    struct coil__stamp stamp = read_stamp(core);
    bool runs = stamp.current != &core->sched.loop;
    bool goes_on = runs && is_same(&stamp, &watched->stamp);
    if (goes_on && watched->stalled)
        return false;
    coil_time now = coil__clock_monotonic();
    int64_t cpu_ns = runs ? cpu_ns_of(watched) : 0;
    watched->kept_ns =
        goes_on ? watched->kept_ns + kept_since(watched, now, cpu_ns - watched->cpu_ns) : 0;
    watched->stamp = stamp;
    watched->seen = now;
    watched->cpu_ns = cpu_ns;
    watched->stalled = watched->kept_ns >= watcher.limit_ns;
    return watched->stalled;
}

/* Whether there may be one more report in this period. */
static bool may_report(void)
{
    coil_time now = coil__clock_monotonic();
    if (watcher.reported == 0 || now - watcher.period_begun >= period) {
        watcher.period_begun = now;
        watcher.reported = 0;
    }
    if (watcher.reported == REPORTS_MAX) {
        watcher.kept_back++;
        return false;
    }
    watcher.reported++;
    return true;
}

static void tell_kept_back(void)
{
    if (watcher.kept_back > 0)
        coil__log("stall: %u more were not reported", watcher.kept_back);
    watcher.kept_back = 0;
}

static void report(const struct answer *answer)
{
    char line[256];
    tell_kept_back();
    if (answer->count == 0) {
        coil__log("stall: a coroutine keeps core %u for %lld ms and more, and doesn't say where",
                  answer->core, (long long)(watcher.limit_ns / COIL_MSEC));
        return;
    }
    bool in_generator = answer->generator[0] != '\0';
    coil__log("stall: %s (queue %s) keeps core %u for %lld ms and more%s%s%s, at", answer->name,
              answer->queue, answer->core, (long long)(watcher.limit_ns / COIL_MSEC),
              answer->blocked ? ", blocked in a system call" : "",
              in_generator ? ", in generator " : "", answer->generator);
    for (size_t i = 0; i < answer->count; i++) {
        coil__symbol_line(answer->frames[i], line, sizeof(line));
        coil__log("stall:   %s", line);
    }
}

/* One look at every core. Speaks without the lock: that takes long, and cores have to leave. */
static void look_at_all(void)
{
    struct answer answers[REPORTS_MAX];
    size_t count = 0;
    for (struct coil_link *link = watcher.cores.next; link != &watcher.cores; link = link->next) {
        struct coil__core *core = coil__container_of(link, struct coil__core, stall.link);
        if (!look_at(core))
            continue;
        if (count < REPORTS_MAX && may_report())
            ask(core, &answers[count++]);
        __atomic_add_fetch(&stall_count, 1, __ATOMIC_RELAXED);
    }
    if (count == 0)
        return;
    pthread_mutex_unlock(&watcher.lock);
    for (size_t i = 0; i < count; i++)
        report(&answers[i]);
    pthread_mutex_lock(&watcher.lock);
}

static void *watch(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "coil-stall");
    pthread_mutex_lock(&watcher.lock);
    while (!watcher.ending) {
        coil_time next = coil__clock_monotonic() + watcher.limit_ns / LOOKS;
        const struct timespec until = {next / COIL_SEC, next % COIL_SEC};
        pthread_cond_timedwait(&watcher.changed, &watcher.lock, &until);
        look_at_all();
    }
    pthread_mutex_unlock(&watcher.lock);
    return NULL;
}

static bool is_unused(const struct sigaction *action)
{
    return action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN;
}

/* A handler of the program's own stays; then nobody can be asked. */
static void take_signal(void)
{
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    watcher.may_ask = sigaction(SIGNAL, NULL, &watcher.previous) == 0 &&
                      is_unused(&watcher.previous) && sigaction(SIGNAL, &action, NULL) == 0;
}

static void give_signal_back(void)
{
    struct sigaction current;
    if (watcher.may_ask && sigaction(SIGNAL, NULL, &current) == 0 &&
        (current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == on_signal)
        sigaction(SIGNAL, &watcher.previous, NULL);
}

static int start_thread(void)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watcher.changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return coil__start_thread(&watcher.thread, true, watch, NULL);
}

void coil__stall_open(const struct coil__run *run)
{
    if (run->options->stall_ns == COIL_STALL_OFF || run->ring.driver->stage != NULL)
        return;
    const void *seen;
    int peek_err = coil__peek(&seen, &run, sizeof(seen));
    if (peek_err < 0) {
        coil__log("stalls are not watched for: process_vm_readv() of our own memory is refused "
                  "(%s)",
                  strerror(-peek_err));
        return;
    }
    watcher.limit_ns = run->options->stall_ns;
    watcher.ending = false;
    watcher.reported = 0;
    coil__list_init(&watcher.cores);
    talk.answered = talk.question;
    take_signal();
    int err = start_thread();
    watcher.open = err == 0;
    if (watcher.open)
        return;
    coil__log("stalls are not watched for: no thread (%s)", strerror(-err));
    pthread_cond_destroy(&watcher.changed);
    give_signal_back();
}

void coil__stall_close(void)
{
    if (!watcher.open)
        return;
    pthread_mutex_lock(&watcher.lock);
    watcher.ending = true;
    pthread_cond_signal(&watcher.changed);
    pthread_mutex_unlock(&watcher.lock);
    pthread_join(watcher.thread, NULL);
    pthread_cond_destroy(&watcher.changed);
    coil__assert(coil__list_empty(&watcher.cores));
    give_signal_back();
    tell_kept_back();
    watcher.open = false;
}

/* Whether the signal comes to this thread. A program may have blocked all in all of its threads,
 * and ours have inherited that; but the mask of one that is attached is its own. */
static bool unblock(const struct coil__core *core)
{
    const bool attached = core->id == 0 && core->run->attached;
    sigset_t set, mask;
    sigemptyset(&set);
    sigaddset(&set, SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, attached ? NULL : &set, &mask);
    return !attached || sigismember(&mask, SIGNAL) == 0;
}

uint64_t coil__stall_signals(void)
{
    return watcher.open && watcher.may_ask ? COIL_SIGNAL(SIGNAL) : 0;
}

void coil__stall_watch(struct coil__core *core)
{
    struct coil__watched *watched = &core->stall;
    watched->thread = pthread_self();
    if (!watcher.open || pthread_getcpuclockid(watched->thread, &watched->cpu_clock) != 0)
        return;
    watched->on = true;
    watched->hears = watcher.may_ask && unblock(core);
    watched->stat =
        coil__descriptor_beyond_streams(open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC));
    pthread_mutex_lock(&watcher.lock);
    coil__list_append(&watcher.cores, &watched->link);
    pthread_mutex_unlock(&watcher.lock);
}

void coil__stall_leave(struct coil__core *core)
{
    if (!core->stall.on)
        return;
    pthread_mutex_lock(&watcher.lock);
    coil__list_remove(&core->stall.link);
    pthread_mutex_unlock(&watcher.lock);
    if (core->stall.stat >= 0)
        close(core->stall.stat);
}
