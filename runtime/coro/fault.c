/* SPDX-License-Identifier: MIT */
/* The SIGSEGV handler. Everything it calls is safe in a signal handler. */
#include "coro/fault.h"

#include "coro/thread.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

enum { HANDLER_STACK_SIZE = 64 << 10 };

/* One handler for all cores: opening and closing it is the only thing that they do together. */
static pthread_mutex_t users_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned user_count;
static struct sigaction previous; /* still read by those who saved our handler as theirs */

/* A line of text that is cut off where it would be too long. */
struct line {
    size_t length;
    char text[512];
};

static void say(struct line *line, const char *text)
{
    while (*text != '\0' && line->length < sizeof(line->text) - 1)
        line->text[line->length++] = *text++;
}

static void say_number(struct line *line, uintptr_t number, unsigned base)
{
    char digits[sizeof(number) * 8 + 1];
    char *first = digits + sizeof(digits) - 1;
    *first = '\0';
    do {
        *--first = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    say(line, first);
}

static void say_address(struct line *line, uintptr_t address)
{
    say(line, "0x");
    say_number(line, address, 16);
}

static void say_name(struct line *line, const char *name)
{
    say(line, "'");
    say(line, name != NULL ? name : "unnamed");
    say(line, "'");
}

static void print(struct line *line)
{
    line->text[line->length++] = '\n';
    coil__log_last(line->text, line->length);
}

/* `running` may be NULL: a thread's own generators run without any coroutine. */
static void report_overflow(const struct coil__stacks *stacks, const struct coil_task *task,
                            const struct coil_task *running, const void *address)
{
    uintptr_t guard_end = (uintptr_t)coil__stack_bottom(stacks, task);
    struct line line = {0};
    say(&line, "coil: stack overflow in ");
    say(&line, task->state == COIL__TASK_LENT ? "generator " : "coroutine ");
    say_name(&line, task->name);
    say(&line, ": address ");
    say_address(&line, (uintptr_t)address);
    say(&line, ", guard ");
    say_address(&line, guard_end - stacks->guard_size);
    say(&line, "-");
    say_address(&line, guard_end);
    say(&line, running != NULL ? ": raise coil_options.stack_size (now "
                               : ": too deep for a stack outside coil_run() (");
    say_number(&line, stacks->size, 10);
    say(&line, running != NULL ? ")" : " bytes)");
    /* Its consumer; or it is more likely a stray pointer of the one that ran. */
    if (running != NULL && task != running) {
        say(&line, "; running: ");
        say_name(&line, running->name);
    }
    print(&line);
}

static void report_retired(const struct coil__sched *sched, const struct coil__retired *retired,
                           const void *address)
{
    struct line line = {0};
    say(&line, "coil: use of the stack of coroutine ");
    say_name(&line, retired->name);
    say(&line, ", which has ended: address ");
    say_address(&line, (uintptr_t)address);
    say(&line, ": a pointer to one of its variables was kept; running: ");
    say_name(&line, sched->current->name);
    print(&line);
}

/* Says so if the fault is in one of this thread's stacks: an overflow, or one out of reach. */
static bool is_in_stack(const siginfo_t *info)
{
    const struct coil__sched *sched = coil__sched;
    bool on_core = sched != &coil__nowhere;
    const struct coil__stacks *stacks = on_core ? &sched->stacks : coil__thread_own_stacks();
    const struct coil_task *task;
    bool has_address = info->si_code > 0; /* else somebody sent the signal */
    if (stacks == NULL || !has_address)
        return false;
    const struct coil__retired *retired =
        coil__quarantine_find(&sched->quarantine, &sched->stacks, info->si_addr);
    if (retired != NULL) {
        report_retired(sched, retired, info->si_addr);
        return true;
    }
    if (coil__stacks_find(stacks, info->si_addr, &task) != COIL__STACK_GUARD)
        return false;
    report_overflow(stacks, task, on_core ? sched->current : NULL, info->si_addr);
    return true;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    bool has_handler = (previous.sa_flags & SA_SIGINFO) != 0 ||
                       (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN);
    bool wants_once = ((unsigned)previous.sa_flags & SA_RESETHAND) != 0;
    if (is_in_stack(info) || !has_handler || wants_once) {
        /* On return the instruction faults again, and the kernel does the rest without us. */
        sigaction(signal, &previous, NULL);
        if (info->si_code <= 0)
            raise(signal);
        return;
    }
    if ((previous.sa_flags & SA_SIGINFO) != 0)
        previous.sa_sigaction(signal, info, context);
    else
        previous.sa_handler(signal);
}

static int install(void)
{
    if (sigaction(SIGSEGV, NULL, &previous) != 0)
        return -errno;
    /* What the previous handler may rely on while we call it. */
    struct sigaction action = {.sa_mask = previous.sa_mask,
                               .sa_flags = previous.sa_flags & (SA_NODEFER | SA_RESTART)};
    action.sa_flags |= SA_SIGINFO | SA_ONSTACK;
    action.sa_sigaction = on_fault;
    return sigaction(SIGSEGV, &action, NULL) == 0 ? 0 : -errno;
}

/* Unless somebody else has taken the signal since. */
static void uninstall(void)
{
    struct sigaction current;
    if (sigaction(SIGSEGV, NULL, &current) != 0)
        return;
    if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == on_fault)
        sigaction(SIGSEGV, &previous, NULL);
}

int coil__fault_open(void)
{
    pthread_mutex_lock(&users_lock);
    int err = user_count == 0 ? install() : 0;
    if (err == 0)
        user_count++;
    pthread_mutex_unlock(&users_lock);
    return err;
}

void coil__fault_close(void)
{
    pthread_mutex_lock(&users_lock);
    coil__assert(user_count > 0);
    if (--user_count == 0)
        uninstall();
    pthread_mutex_unlock(&users_lock);
}

int coil__fault_stack_open(struct coil__fault_stack *stack)
{
    void *memory =
        mmap(NULL, HANDLER_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    stack_t own = {.ss_sp = memory, .ss_size = HANDLER_STACK_SIZE};
    if (sigaltstack(&own, &stack->previous) != 0) {
        int err = -errno;
        munmap(memory, HANDLER_STACK_SIZE);
        return err;
    }
    stack->memory = memory;
    return 0;
}

void coil__fault_stack_close(struct coil__fault_stack *stack)
{
    stack_t current;
    sigaltstack(NULL, &current);
    if (current.ss_sp == stack->memory)
        sigaltstack(&stack->previous, NULL);
    munmap(stack->memory, HANDLER_STACK_SIZE);
    stack->memory = NULL;
}
