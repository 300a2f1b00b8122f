/* SPDX-License-Identifier: MIT */
/* What a thread without a core needs to run generators: stacks, and to survive their overflow
 * long enough to name it. */
#include "coro/thread.h"

#include "coro/fault.h"

#include <pthread.h>

enum { STACK_SIZE = 128 << 10 };

struct thread {
    struct coil__stacks stacks; /* .slot_size is 0 while they are closed */
    struct coil__hooks_task hooks;
    struct coil__fault_stack fault_stack;
};

/* Read by the handler of SIGSEGV, which may not be the first to touch a thread's variable. */
static __thread struct thread here __attribute__((tls_model("initial-exec")));

/* Its destructor runs at the end of each thread that set a value. One for all threads; who can't
 * make it leaves that to the next who tries. */
static struct {
    pthread_mutex_t lock;
    bool made;
    pthread_key_t key;
} at_end = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void close_stacks(void *thread)
{
    struct thread *self = thread;
    coil__require(self->stacks.used_count == 0,
                  "a thread ended with a generator that was never closed: coil_gen_close()");
    coil__stacks_close(&self->stacks);
    coil__hooks_thread_end(&self->hooks);
    coil__fault_stack_close(&self->fault_stack);
    coil__fault_close();
}

static bool make_key(void)
{
    pthread_mutex_lock(&at_end.lock);
    if (!at_end.made)
        at_end.made = pthread_key_create(&at_end.key, close_stacks) == 0;
    bool made = at_end.made;
    pthread_mutex_unlock(&at_end.lock);
    return made;
}

static bool open_stacks(void)
{
    if (!make_key() || pthread_setspecific(at_end.key, &here) != 0)
        return false;
    if (coil__fault_open() < 0)
        goto forget;
    if (coil__fault_stack_open(&here.fault_stack) < 0)
        goto close_fault;
    if (coil__stacks_open(&here.stacks, STACK_SIZE) < 0)
        goto close_fault_stack;
    coil__hooks_thread(&here.hooks);
    return true;
close_fault_stack:
    coil__fault_stack_close(&here.fault_stack);
close_fault:
    coil__fault_close();
forget:
    pthread_setspecific(at_end.key, NULL);
    return false;
}

struct coil__stacks *coil__thread_stacks(void)
{
    if (coil__sched != &coil__nowhere)
        return &coil__sched->stacks;
    if (here.stacks.slot_size == 0 && !open_stacks())
        return NULL;
    return &here.stacks;
}

const struct coil__stacks *coil__thread_own_stacks(void)
{
    return here.stacks.slot_size != 0 ? &here.stacks : NULL;
}

struct coil__hooks_task *coil__thread_hooks(void)
{
    return coil__sched != &coil__nowhere ? &coil__sched->current->hooks : &here.hooks;
}
