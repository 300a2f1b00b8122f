/* SPDX-License-Identifier: MIT */
/* The entry loop of every stack, and a turn of the ready queue. */
#include "coro/task.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

_Static_assert(offsetof(struct coil_task, main) == 64, "a switch touches one cache line");

struct coil__sched coil__nowhere = {.current = &coil__nowhere.loop};
__thread struct coil__sched *coil__sched = &coil__nowhere;

/* Defined by the C++ runtime of programs that have one. */
extern void *__cxa_get_globals(void) __attribute__((weak));

static const char *current_name(void)
{
    struct coil__sched *sched = coil__sched;
    return sched->current == &sched->loop ? NULL : sched->current->name;
}

int coil__sched_open(struct coil__sched *sched, size_t stack_size)
{
    memset(sched, 0, sizeof(*sched));
    int err = coil__stacks_open(&sched->stacks, stack_size);
    if (err < 0)
        return err;
    sched->ready_tail = &sched->ready;
    sched->loop.state = COIL__TASK_RUNNING;
    sched->loop.name = "the loop";
    sched->time = coil__clock_now();
    sched->current = &sched->loop;
    if (__cxa_get_globals != NULL)
        sched->exceptions = __cxa_get_globals();
    coil__hooks_thread(&sched->loop.hooks);
    coil__panic_who = current_name;
    coil__sched = sched;
    return 0;
}

void coil__sched_close(struct coil__sched *sched)
{
    coil__assert(sched->current == &sched->loop && sched->task_count == 0);
    coil__assert(!coil__sched_has_ready(sched) && sched->loop.in_flight == 0);
    coil__quarantine_drain(&sched->quarantine, &sched->stacks);
    coil__stacks_close(&sched->stacks);
    coil__hooks_thread_end(&sched->loop.hooks);
    coil__panic_who = NULL;
    coil__sched = &coil__nowhere;
}

void coil__sched_run(struct coil__sched *sched)
{
    if (sched->run == NULL)
        coil__sched_turn(sched);
    sched->budget = COIL__TURN_BUDGET;
    sched->quiet_turns = COIL__QUIET_TURNS;
    struct coil_task *first = coil__sched_next(sched);
    if (first != &sched->loop)
        coil__switch(sched, &sched->loop, first);
    if (COIL__QUARANTINE_IS_ON)
        coil__quarantine_settle(&sched->quarantine, &sched->stacks);
}

/* Gives the stack of the running task to the next tenant; returns when there is one. */
static inline __attribute__((always_inline)) void retire(struct coil_task *task)
{
    struct coil__sched *sched = coil__sched;
    task->state = COIL__TASK_IDLE;
    sched->task_count--;
    if (COIL__QUARANTINE_IS_ON)
        coil__quarantine_put(&sched->quarantine, &sched->stacks, task);
    else
        coil__stacks_put(&sched->stacks, task);
    coil__switch(sched, task, coil__sched_next(sched));
}

void coil__task_entry(struct coil__transfer transfer)
{
    struct coil_task *task = coil__sched->current;
    ((struct coil_task *)transfer.data)->context = transfer.context;
    coil__hooks_enter(&task->hooks);
    for (;;) { /* for as long as the stack is pooled */
        task->main(task);
        retire(task);
    }
}

void coil__task_prepare(struct coil__sched *sched, struct coil_task *task, size_t copy_size)
{
    /* A context rests where the last tenant left it, unless room is wanted above it. */
    if (task->context != NULL && copy_size != 0) {
        coil__hooks_destroy(&task->hooks);
        coil__hooks_create(&task->hooks, coil__stack_bottom(&sched->stacks, task),
                           sched->stacks.slot_size - sched->stacks.guard_size);
    }
    task->context =
        make_fcontext((char *)task - copy_size, coil__stack_size(&sched->stacks, task) - copy_size,
                      coil__task_entry);
}
