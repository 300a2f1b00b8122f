/* SPDX-License-Identifier: MIT */
/*
 * A coroutine and the queue of those that are ready on this core.
 *
 *     IDLE --start--> READY --switch--> RUNNING --park--> PARKED
 *      ^                ^                  |  ^              |
 *      |                +------ wake ------|--|--------------+
 *      +---------------- end --------------+  +-- yield: READY
 *
 * A parking coroutine switches directly to the next ready one. The loop's own context stands
 * for "nobody is ready, or the loop is due". Readied tasks run in the next turn.
 */
#ifndef COIL_CORO_TASK_H
#define COIL_CORO_TASK_H

#include "coro/context.h"
#include "coro/hooks.h"
#include "coro/origin.h"
#include "coro/quarantine.h"
#include "coro/queue.h"
#include "coro/stack.h"
#include "base/list.h"

#include <coil/local.h>
#include <coil/time.h>

struct coil_future;
struct coil_scope;

enum coil__task_state {
    COIL__TASK_IDLE, /* also the loop, always: it is no coroutine */
    COIL__TASK_READY,
    COIL__TASK_RUNNING,
    COIL__TASK_PARKED,
    COIL__TASK_LENT, /* no coroutine: its stack serves a generator */
};

/* C++'s caught exceptions and uncaught count: what __cxa_get_globals() points to. */
struct coil__exceptions {
    void *caught;
    uintptr_t uncaught;
};

struct coil_task {
    /* Touched by every switch: one cache line. */
    void *context;                /* where it goes on; NULL: the stack is cold */
    struct coil_task *next;       /* in a ready queue */
    struct coil_future *waits_on; /* what cancellation must stop; NULL: it may not be stopped */
    struct coil_scope *scope;     /* innermost open scope */
    uint8_t state;                /* enum coil__task_state */
    bool cancelled;               /* the innermost scope is cancelled, from wherever */
    uint8_t locals_set;           /* a bit for each of `locals` that has a value */
    uint8_t queue;                /* which work queue it belongs to */
    uint32_t in_flight;           /* futures it started that are not done */
    struct coil__exceptions exceptions;
    coil_time parked_at; /* sched->time when it last parked */

    /* Touched by its start and its end. */
    void (*main)(struct coil_task *task); /* what the entry loop calls */
    coil_fn *fn;
    void *arg;
    struct coil_scope *home;       /* the scope it was spawned into */
    struct coil_link sibling;      /* in home->children; in the pool's hot list while idle */
    const char *name;              /* function and line, or what coil_task_rename() said */
    const char *site;              /* function and line that spawned it */
    uint32_t locks_held;           /* by sync/: what it has to unlock before it ends */
    bool doomed;                   /* `home` was cancelled, though somebody may have shielded it */
    struct coil__hooks_task hooks; /* what sanitizers want to know */
    void *locals[COIL_LOCALS];     /* by the number of the key */
    struct coil__origins origins;  /* of its operations in flight */
    uint32_t scopes_held;          /* of a lent stack: scopes opened on it that are still open */
    uint32_t pass;                 /* of one that computes: see core/tick.h */
};

/* Of future/: scopes that are cancelled and whose inside has yet to be. Lists, since the tree may
 * be deep, and so may a line of coroutines that await each other. */
struct coil__cancelling {
    struct coil_scope *first;
    struct coil_scope *outermost; /* those of which not even the owner has heard */
    bool busy;
};

/* Those that are ready on one core, and its stacks. */
struct coil__sched {
    struct coil_task *current;
    struct coil_task *run;               /* this turn's, first to last */
    unsigned budget;                     /* resumes left before the loop runs */
    uint32_t bursts;                     /* how often the budget was given out */
    unsigned quiet_turns;                /* turns left that may pass without the loop */
    bool loop_due;                       /* entries wait to be submitted: the turn must end */
    uint8_t queue;                       /* the work queue that `run` and `ready` belong to */
    struct coil_task *ready;             /* the next turn's */
    struct coil_task **ready_tail;       /* where the next one is linked */
    struct coil__exceptions *exceptions; /* the thread's; NULL without a C++ runtime */
    uint64_t floats;   /* the control words with which coroutines begin: coro/context.h */
    size_t task_count; /* started and not ended */
    coil_time time;    /* when the loop last looked at the clock, which it does when it has to */
    /* Switches from the running coroutine, which has parked, where the loop is next and due: to the
     * loop, unless this has done what it is due for and somebody else is ready. */
    void (*end_turn)(struct coil__sched *sched);
    struct coil__stacks stacks;
    struct coil__quarantine quarantine;
    struct coil__queues queues;
    struct coil_task loop; /* stands for the thread's own context */
    struct coil__cancelling cancelling;
};

/* The sched of the core this thread runs; in other threads coil__nowhere, on which no coroutine
 * ever runs: to ask for the running one takes a single comparison that way. */
extern __thread struct coil__sched *coil__sched __attribute__((tls_model("initial-exec")));
extern struct coil__sched coil__nowhere;

/* Resumes, and turns in which nothing was asked of the kernel, before the loop runs in any case: so
 * that completions, timers and messages are seen while coroutines are busy among themselves. */
enum { COIL__TURN_BUDGET = 256, COIL__QUIET_TURNS = 8 };

/* Prepares this thread to run coroutines / to stop doing so. Returns 0 or -errno. */
int coil__sched_open(struct coil__sched *sched, size_t stack_size);
void coil__sched_close(struct coil__sched *sched);

/* In a child of fork(): from now on nobody is switched to, and a coroutine that ends stops the
 * process with a line that says why. */
void coil__sched_bury(struct coil__sched *sched);

/* Runs the coroutines that are ready, up to the budget. Called by the loop. */
void coil__sched_run(struct coil__sched *sched);

/* The entry of every stack. Never returns. */
void coil__task_entry(struct coil__transfer transfer);

/* This thread's; NULL without a C++ runtime. */
struct coil__exceptions *coil__exceptions_here(void);

/* Lends a stack on which `entry` begins when its context is switched to, or NULL without memory;
 * takes it back, from elsewhere and for good: whatever runs on it never goes on. */
struct coil_task *coil__stacks_lend(struct coil__stacks *stacks,
                                    void (*entry)(struct coil__transfer), const char *name);
void coil__stacks_reclaim(struct coil__stacks *stacks, struct coil_task *stack);

/* The lent stack that the running coroutine `task` is on; NULL when it is on its own. */
struct coil_task *coil__task_find_lent(const struct coil__sched *sched,
                                       const struct coil_task *task);

/* Whether the running coroutine `task` is on its own stack, and not on a lent one or another. */
static inline bool coil__task_is_on_its_stack(const struct coil__sched *sched,
                                              const struct coil_task *task)
{
    const char *frame = (const char *)__builtin_frame_address(0);
    return (size_t)((const char *)task - frame) < sched->stacks.slot_size;
}

/* The running coroutine. Aborts with a clear line outside of one. */
static inline struct coil_task *coil__self(void)
{
    struct coil__sched *sched = coil__sched;
    coil__require(sched->current != &sched->loop,
                  "called outside a coroutine: only fn of coil_run() and what it spawns may");
    return sched->current;
}

static inline bool coil__sched_has_ready(const struct coil__sched *sched)
{
    return sched->run != NULL || sched->ready != NULL || sched->queues.waiting != 0;
}

/* Appends to the next turn's, in the work queue that is being served. */
static inline void coil__task_enqueue(struct coil__sched *sched, struct coil_task *task)
{
    task->state = COIL__TASK_READY;
    task->next = NULL;
    *sched->ready_tail = task;
    sched->ready_tail = &task->next;
}

/* As above, in the task's own work queue. */
static inline void coil__task_ready(struct coil__sched *sched, struct coil_task *task)
{
    if (__builtin_expect(task->queue != sched->queue, 0))
        coil__queues_enqueue(sched, task);
    else
        coil__task_enqueue(sched, task);
}

/* Readies a parked task; a second reason to wake it before it ran changes nothing. */
static inline void coil__task_wake(struct coil_task *task)
{
    if (task->state != COIL__TASK_PARKED)
        return;
    /* Its stack is likely cold: on its way into the cache by the time it runs. There lie what
     * jump_fcontext() has saved, room that is skipped, and the frames of who has parked it. */
    const char *context = (const char *)task->context;
    __builtin_prefetch(context);
    __builtin_prefetch(context + 64);
    __builtin_prefetch(context + 192);
    __builtin_prefetch(context + 256);
    __builtin_prefetch(context + 320);
    coil__task_ready(coil__sched, task);
}

/* Switches from `from`, whose state the caller has set, to `to`; returns when `from` runs again. */
static inline __attribute__((always_inline)) void
coil__switch(struct coil__sched *sched, struct coil_task *from, struct coil_task *to)
{
    sched->current = to;
    struct coil__exceptions *exceptions = sched->exceptions;
    if (exceptions != NULL) {
        from->exceptions = *exceptions;
        *exceptions = to->exceptions;
    }
    coil__hooks_leave(&from->hooks, &to->hooks);
    struct coil__transfer transfer = coil__jump(to->context, from);
    ((struct coil_task *)transfer.data)->context = transfer.context;
    coil__hooks_enter(&from->hooks);
}

/* Begins the next turn: those that became ready in the last one. */
static inline void coil__sched_turn(struct coil__sched *sched)
{
    sched->run = sched->ready;
    sched->ready = NULL;
    sched->ready_tail = &sched->ready;
}

/* Takes the next ready coroutine; NULL when the loop is next. When the turn is over and the loop
 * would have nothing to do, the next turn follows at once. */
static inline struct coil_task *coil__sched_take(struct coil__sched *sched)
{
    if (sched->run == NULL && sched->ready != NULL && !sched->loop_due && sched->quiet_turns > 0) {
        sched->quiet_turns--;
        coil__sched_turn(sched);
    }
    struct coil_task *to = sched->run;
    if (to == NULL || sched->budget == 0)
        return NULL;
    sched->budget--;
    sched->run = to->next;
    to->state = COIL__TASK_RUNNING;
    return to;
}

/* Who runs after the current coroutine: the next ready one, or the loop. */
static inline struct coil_task *coil__sched_next(struct coil__sched *sched)
{
    struct coil_task *to = coil__sched_take(sched);
    return to != NULL ? to : &sched->loop;
}

/* Lets others run until coil__task_wake(task). */
static inline __attribute__((always_inline)) void coil__task_park(struct coil_task *task)
{
    struct coil__sched *sched = coil__sched;
    task->state = COIL__TASK_PARKED;
    task->parked_at = sched->time;
    struct coil_task *next = coil__sched_take(sched);
    if (__builtin_expect(next == NULL && sched->loop_due, 0))
        sched->end_turn(sched);
    else
        coil__switch(sched, task, next != NULL ? next : &sched->loop);
}

/* Lets the other ready coroutines of this core run once. */
static inline void coil__task_yield(struct coil_task *task)
{
    struct coil__sched *sched = coil__sched;
    coil__task_enqueue(sched, task);
    struct coil_task *next = coil__sched_next(sched);
    if (next != task) /* else nobody else is ready */
        coil__switch(sched, task, next);
}

/* Gives a task a fresh context, below `copy_size` bytes (a multiple of 64) kept free at the top. */
void coil__task_prepare(struct coil__sched *sched, struct coil_task *task, size_t copy_size);

/* A task with a stack, not started yet; NULL when there is no memory for one. */
static inline struct coil_task *coil__stacks_get(struct coil__stacks *stacks)
{
    struct coil_link *link = stacks->hot.next;
    if (__builtin_expect(link == &stacks->hot, 0))
        return coil__stacks_grow(stacks);
    stacks->hot.next = link->next;
    link->next->prev = &stacks->hot;
    if (--stacks->hot_count < stacks->hot_low)
        stacks->hot_low = stacks->hot_count;
    stacks->used_count++;
    return coil__container_of(link, struct coil_task, sibling);
}

static inline void coil__stacks_put(struct coil__stacks *stacks, struct coil_task *task)
{
    coil__assert(task->in_flight == 0); /* else the kernel could write into the next tenant */
    coil__list_prepend(&stacks->hot, &task->sibling);
    stacks->hot_count++;
    stacks->used_count--;
}

/* Takes a stack for main(task), which is to run in that work queue; `copy_size` as above. NULL when
 * there is no memory for a stack. */
static inline struct coil_task *coil__task_make(struct coil__sched *sched, unsigned queue,
                                                void (*main)(struct coil_task *), size_t copy_size)
{
    struct coil_task *task = coil__stacks_get(&sched->stacks);
    if (task == NULL)
        return NULL;
    if (task->context == NULL || copy_size != 0)
        coil__task_prepare(sched, task, copy_size);
    coil__context_set_floats(task->context, sched->floats);
    /* The last tenant left nothing else behind: it waits for nothing, has nothing in flight (that
     * is asserted), its local values are destroyed, and no exception is caught in the entry loop.
     */
    task->cancelled = false;
    task->doomed = false;
    task->queue = (uint8_t)queue;
    task->main = main;
    sched->task_count++;
    return task;
}

/* As above, and lets it run from the next turn on. The caller has yet to set what `main` wants to
 * find. */
static inline struct coil_task *coil__task_start(struct coil__sched *sched, unsigned queue,
                                                 void (*main)(struct coil_task *), size_t copy_size)
{
    struct coil_task *task = coil__task_make(sched, queue, main, copy_size);
    if (task != NULL)
        coil__task_ready(sched, task);
    return task;
}

/* Whether the loop may let a coroutine of that work queue run at once. Nobody is overtaken then. */
static inline bool coil__sched_may_run_now(const struct coil__sched *sched, unsigned queue)
{
    return sched->queue == queue && sched->budget > 0 && !coil__sched_has_ready(sched) &&
           !coil__queues_many(&sched->queues);
}

/* Lets a new one run at once, by the loop, which goes on when nobody is ready any more or the
 * budget is spent. */
static inline void coil__task_run_now(struct coil__sched *sched, struct coil_task *task)
{
    sched->budget--;
    task->state = COIL__TASK_RUNNING;
    coil__switch(sched, &sched->loop, task);
}

#endif
