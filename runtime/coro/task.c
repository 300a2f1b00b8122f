/* SPDX-License-Identifier: MIT */
/* The entry loop of every stack, and a turn of the ready queue. */
#include "coro/task.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

_Static_assert(offsetof(struct coil_task, main) == 64, "a switch touches one cache line");

struct coil__sched coil__nowhere = {
    .current = &coil__nowhere.loop,
    .stacks.hot = {&coil__nowhere.stacks.hot, &coil__nowhere.stacks.hot},
};
__thread struct coil__sched *coil__sched = &coil__nowhere;

/* Defined by the C++ runtime of programs that have one. */
extern void *__cxa_get_globals(void) __attribute__((weak));

static const char *current_name(void)
{
    struct coil__sched *sched = coil__sched;
    return sched->current == &sched->loop ? NULL : sched->current->name;
}

struct coil__exceptions *coil__exceptions_here(void)
{
    return __cxa_get_globals != NULL ? __cxa_get_globals() : NULL;
}

static void switch_to_loop(struct coil__sched *sched)
{
    coil__switch(sched, sched->current, &sched->loop);
}

int coil__sched_open(struct coil__sched *sched, size_t stack_size)
{
    memset(sched, 0, sizeof(*sched));
    int err = coil__stacks_open(&sched->stacks, stack_size);
    if (err < 0)
        return err;
    sched->ready_tail = &sched->ready;
    coil__queues_open(sched);
    sched->loop.name = "the loop";
    sched->time = coil__clock_now();
    sched->current = &sched->loop;
    sched->end_turn = switch_to_loop;
    sched->exceptions = coil__exceptions_here();
    sched->floats = coil__context_floats();
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
    coil__require(sched->stacks.used_count == 0, "a generator was never closed: coil_gen_close()");
    coil__stacks_close(&sched->stacks);
    coil__hooks_thread_end(&sched->loop.hooks);
    coil__panic_who = NULL;
    coil__sched = &coil__nowhere;
}

static void come_to_a_dead_end(struct coil__transfer transfer)
{
    (void)transfer;
    coil__panic(__FILE__, __LINE__, "a coroutine has ended where none may go on");
}

void coil__sched_bury(struct coil__sched *sched)
{
    static _Alignas(64) char stack[16 * 1024];
    sched->run = NULL;
    sched->ready = NULL;
    sched->ready_tail = &sched->ready;
    sched->budget = 0;
    sched->quiet_turns = 0;
    sched->current = &sched->loop;
    sched->loop.context = make_fcontext(stack + sizeof(stack), sizeof(stack), come_to_a_dead_end);
}

static void run_turn(struct coil__sched *sched)
{
    if (sched->run == NULL)
        coil__sched_turn(sched);
    sched->budget = COIL__TURN_BUDGET;
    sched->bursts++;
    sched->quiet_turns = COIL__QUIET_TURNS;
    struct coil_task *first = coil__sched_next(sched);
    if (first != &sched->loop)
        coil__switch(sched, &sched->loop, first);
}

__attribute__((hot)) void coil__sched_run(struct coil__sched *sched)
{
    if (__builtin_expect(coil__queues_many(&sched->queues), 0))
        coil__queues_run(sched);
    else
        run_turn(sched);
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

/* Where frames of an earlier context were, another one is about to begin. */
static void renew(struct coil__stacks *stacks, struct coil_task *task)
{
    coil__hooks_destroy(&task->hooks);
    coil__hooks_create(&task->hooks, coil__stack_bottom(stacks, task),
                       stacks->slot_size - stacks->guard_size);
}

void coil__task_prepare(struct coil__sched *sched, struct coil_task *task, size_t copy_size)
{
    /* A context rests where the last tenant left it, unless room is wanted above it. */
    if (task->context != NULL)
        renew(&sched->stacks, task);
    task->context =
        make_fcontext((char *)task - copy_size, coil__stack_size(&sched->stacks, task) - copy_size,
                      coil__task_entry);
}

struct coil_task *coil__stacks_lend(struct coil__stacks *stacks,
                                    void (*entry)(struct coil__transfer), const char *name)
{
    struct coil_task *stack = coil__stacks_get(stacks);
    if (stack == NULL)
        return NULL;
    if (stack->context != NULL)
        renew(stacks, stack);
    stack->context = make_fcontext(stack, coil__stack_size(stacks, stack), entry);
    stack->state = COIL__TASK_LENT;
    stack->name = name;
    stack->scopes_held = 0;
    return stack;
}

void coil__stacks_reclaim(struct coil__stacks *stacks, struct coil_task *stack)
{
    coil__assert(stack->state == COIL__TASK_LENT);
    renew(stacks, stack);
    stack->context = NULL;
    stack->state = COIL__TASK_IDLE;
    coil__stacks_put(stacks, stack);
}

struct coil_task *coil__task_find_lent(const struct coil__sched *sched,
                                       const struct coil_task *task)
{
    const struct coil_task *found;
    if (coil__task_is_on_its_stack(sched, task))
        return NULL;
    if (coil__stacks_find(&sched->stacks, __builtin_frame_address(0), &found) != COIL__STACK_INSIDE)
        return NULL; /* the program's own: it has switched stacks by itself */
    return (struct coil_task *)(uintptr_t)found;
}
