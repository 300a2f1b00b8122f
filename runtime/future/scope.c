/* SPDX-License-Identifier: MIT */
/* Scopes: spawning into them, and cancelling a part of the tree. */
#include "future/scope.h"

#include "future/timers.h"

#include <string.h>

void (*coil__scope_on_failure)(const char *name, const char *site, int error);

enum { COPY_MAX = 1024, COPY_ALIGN = 64 };

static void scope_expire(struct coil_timer *timer)
{
    struct coil_scope *scope = coil__container_of(timer, struct coil_scope, timer);
    scope->armed = false;
    coil__scope_cancel(scope, COIL__CAUSE_DEADLINE);
}

static void arm(struct coil_scope *scope, coil_time deadline)
{
    scope->timer.deadline = deadline;
    if (deadline == COIL_FOREVER)
        return;
    scope->timer.expire = scope_expire;
    scope->armed = true;
    coil__timers_arm(coil__timers_here, &scope->timer);
}

static void disarm(struct coil_scope *scope)
{
    if (!scope->armed)
        return;
    scope->armed = false;
    coil__timers_disarm(coil__timers_here, &scope->timer);
}

/* Opens it within `parent`, which is cancelled or not, with everything but a deadline. */
static inline void begin_in(struct coil_scope *scope, struct coil_task *owner,
                            struct coil_scope *parent, bool cancelled)
{
    scope->parent = parent;
    scope->owner = owner;
    coil__list_init(&scope->children);
    scope->child_count = 0;
    scope->error = 0;
    scope->phase = COIL__SCOPE_OPEN;
    scope->cause = cancelled ? COIL__CAUSE_ENCLOSING : COIL__CAUSE_NONE;
    scope->later_cause = COIL__CAUSE_NONE;
    scope->shielded = false;
    scope->armed = false;
    scope->felt = false;
    scope->lent = NULL;
}

static inline void begin(struct coil_scope *scope, struct coil_task *owner)
{
    begin_in(scope, owner, owner->scope, owner->cancelled);
    owner->scope = scope;
}

void coil__scope_open(struct coil_scope *scope, struct coil_task *owner, coil_time deadline)
{
    begin(scope, owner);
    arm(scope, deadline);
}

void coil__scope_surround(struct coil_scope *scope, struct coil_task *task)
{
    struct coil_scope **outermost = &task->scope;
    while (*outermost != task->home) /* ends: all it has open lies within */
        outermost = &(*outermost)->parent;
    begin_in(scope, task, task->home, task->home->cause != COIL__CAUSE_NONE);
    scope->timer.deadline = COIL_FOREVER;
    *outermost = scope;
}

/* The rest of coil_scope_open(): with a deadline, or on a stack that may be a generator's. */
static __attribute__((noinline)) void open_rest(struct coil_scope *scope, struct coil_task *task,
                                                coil_time deadline)
{
    arm(scope, deadline);
    scope->lent = coil__task_find_lent(coil__sched, task);
    if (scope->lent != NULL)
        scope->lent->scopes_held++;
}

void coil_scope_open(struct coil_scope *scope, coil_time deadline)
{
    struct coil_task *task = coil__self();
    coil__require(scope != task->scope, "coil_scope_open: it is open already");
    begin(scope, task);
    scope->timer.deadline = deadline;
    if (deadline != COIL_FOREVER || !coil__task_is_on_its_stack(coil__sched, task))
        open_rest(scope, task, deadline);
}

static void mark(struct coil_scope **list, struct coil_scope *scope, enum coil__scope_cause cause)
{
    if (scope->cause != COIL__CAUSE_NONE)
        return;
    scope->cause = (uint8_t)cause;
    scope->next_cancelled = *list;
    *list = scope;
    disarm(scope);
}

static struct coil_scope *take(struct coil_scope **list)
{
    struct coil_scope *scope = *list;
    if (scope != NULL)
        *list = scope->next_cancelled;
    return scope;
}

/* Notes that the cancellation of `scope` stopped something: there, and in the scopes around up to
 * the one where it began. If one of them knows, so do those around it: no scope is visited twice.
 */
static void feel(struct coil_scope *scope)
{
    for (; scope->cause != COIL__CAUSE_NONE && !scope->felt; scope = scope->parent) {
        scope->felt = true;
        if (scope->cause != COIL__CAUSE_ENCLOSING)
            return;
    }
}

/* Cancels the part of `task` that lies inside `around`, one of its scopes or its home. */
static void cancel_task(struct coil__cancelling *list, struct coil_task *task,
                        struct coil_scope *around)
{
    struct coil_scope *innermost = task->scope;
    for (struct coil_scope *scope = task->scope; scope != around; scope = scope->parent) {
        if (scope->shielded)
            innermost = scope->parent;
    }
    for (struct coil_scope *scope = innermost; scope != around; scope = scope->parent)
        mark(&list->first, scope, COIL__CAUSE_ENCLOSING);
    if (innermost != task->scope)
        return;
    task->cancelled = true;
    coil__yield_wish = &coil__yield_always; /* one that computes hears of it */
    if (task->waits_on != NULL)
        coil_future_cancel(task->waits_on);
}

int coil__future_refuse(struct coil_task *task)
{
    feel(task->scope);
    return -ECANCELED;
}

static void cancel_children(struct coil__cancelling *list, struct coil_scope *scope)
{
    /* The youngest first: the kernel looks for an operation in few and long lists, each from its
     * latest entry on, and this is about the order in which they were begun. */
    for (struct coil_link *link = scope->children.prev; link != &scope->children;
         link = link->prev) {
        struct coil_task *child = coil__container_of(link, struct coil_task, sibling);
        child->doomed = true;
        cancel_task(list, child, scope);
    }
}

void coil__scope_cancel(struct coil_scope *scope, enum coil__scope_cause cause)
{
    struct coil__cancelling *list = &coil__sched->cancelling;
    if (scope->cause != COIL__CAUSE_NONE) {
        if (scope->later_cause == COIL__CAUSE_NONE)
            scope->later_cause = (uint8_t)cause;
        return;
    }
    mark(&list->outermost, scope, cause);
    if (list->busy) /* of a child whom one awaits that is being cancelled: its turn comes */
        return;
    list->busy = true;
    while (list->outermost != NULL) { /* ends: a scope is marked once */
        struct coil_scope *next = take(&list->outermost);
        cancel_task(list, next->owner, next);
        cancel_children(list, next);
        while ((next = take(&list->first)) != NULL)
            cancel_children(list, next);
    }
    list->busy = false;
}

void coil_scope_cancel(struct coil_scope *scope)
{
    coil__require(scope->phase != COIL__SCOPE_CLOSED, "coil_scope_cancel: the scope is not open");
    coil__require(coil__sched != &coil__nowhere,
                  "coil_scope_cancel: called by a thread that is no core");
    coil__scope_cancel(scope, COIL__CAUSE_REQUEST);
}

bool coil_scope_cancelled(const struct coil_scope *scope)
{
    return scope->cause != COIL__CAUSE_NONE;
}

void coil_scope_deadline(struct coil_scope *scope, coil_time deadline)
{
    coil__require(scope->phase != COIL__SCOPE_CLOSED, "coil_scope_deadline: the scope is not open");
    coil__require(coil__timers_here != NULL,
                  "coil_scope_deadline: called by a thread that is no core");
    disarm(scope);
    arm(scope, deadline);
}

void coil_scope_shield(struct coil_scope *scope)
{
    struct coil_task *task = coil__self();
    coil__require(scope == task->scope, "coil_scope_shield: not the caller's innermost scope");
    scope->shielded = true;
    if (scope->cause == COIL__CAUSE_ENCLOSING) {
        scope->cause = COIL__CAUSE_NONE;
        scope->felt = false;
        task->cancelled = false;
        disarm(scope); /* the cancellation may have done so, but not a scope opened after it */
        arm(scope, scope->timer.deadline);
        if (scope->later_cause != COIL__CAUSE_NONE)
            coil__scope_cancel(scope, scope->later_cause);
    }
}

/* An error of `task`, but for the -ECANCELED with which one obeys a cancellation. Returns whether
 * it is what the scope will report. */
static bool note_error(struct coil_scope *scope, const struct coil_task *task, int error)
{
    if (error == -ECANCELED && task->cancelled) {
        feel(scope);
        return false;
    }
    bool first = scope->error == 0;
    if (first)
        scope->error = error;
    coil__scope_cancel(scope, COIL__CAUSE_FAILURE);
    return first;
}

/* What a scope that was cancelled reports. */
static int outcome(const struct coil_scope *scope, int result)
{
    if (scope->error != 0)
        return scope->error;
    if (!scope->felt)
        return result;
    switch ((enum coil__scope_cause)scope->cause) {
    case COIL__CAUSE_DEADLINE:
        return -ETIMEDOUT;
    case COIL__CAUSE_ENCLOSING:
        return -ECANCELED;
    case COIL__CAUSE_REQUEST:
    case COIL__CAUSE_FAILURE:
    case COIL__CAUSE_NONE:
        break;
    }
    return result < 0 ? 0 : result;
}

int coil_scope_close(struct coil_scope *scope, int result)
{
    struct coil_task *task = coil__self();
    coil__require(scope == task->scope && scope->owner == task,
                  "coil_scope_close: not the innermost scope that the caller opened");
    if (__builtin_expect(result < 0, 0))
        note_error(scope, task, result);
    scope->phase = COIL__SCOPE_CLOSING;
    while (scope->child_count > 0)
        coil__task_park(task);
    disarm(scope);
    scope->phase = COIL__SCOPE_CLOSED;
    if (__builtin_expect(scope->lent != NULL, 0))
        scope->lent->scopes_held--;
    task->scope = scope->parent;
    task->cancelled = task->scope->cause != COIL__CAUSE_NONE ||
                      (__builtin_expect(task->doomed, 0) && task->scope == task->home);
    bool eventful = scope->cause != COIL__CAUSE_NONE || scope->error != 0;
    return __builtin_expect(eventful, 0) ? outcome(scope, result) : result;
}

void coil_scope_drop(struct coil_scope *scope)
{
    if (scope->phase == COIL__SCOPE_CLOSED)
        return;
    if (scope->child_count > 0) /* else nobody hears it */
        coil__scope_cancel(scope, COIL__CAUSE_REQUEST);
    int ignored = coil_scope_close(scope, 0);
    (void)ignored;
}

static __attribute__((cold)) void child_failed(struct coil_scope *home,
                                               const struct coil_task *task, int error)
{
    if (note_error(home, task, error) && coil__scope_on_failure != NULL)
        coil__scope_on_failure(task->name, task->site, error);
}

/* What a spawned task's stack runs. */
static void child_main(struct coil_task *task)
{
    int result = task->fn(task->arg);
    struct coil_scope *home = task->home;
    coil__locals_end(task);
    coil__scope_check_end(task);
    coil__list_remove(&task->sibling);
    home->child_count--;
    if (__builtin_expect(result < 0, 0))
        child_failed(home, task, result);
    if (home->child_count == 0 && home->phase == COIL__SCOPE_CLOSING)
        coil__task_wake(home->owner);
}

/* Inlined always, so that who copies nothing does not ask. */
static inline __attribute__((always_inline)) int spawn(struct coil_scope *scope, coil_fn *fn,
                                                       const void *arg, size_t copy_size,
                                                       const char *site, unsigned queue, bool now)
{
    coil__require(scope->phase != COIL__SCOPE_CLOSED, "coil_spawn: the scope is not open");
    coil__require(copy_size <= COPY_MAX, "coil_spawn_copy: more than 1 KiB to copy");
    if (scope->cause != COIL__CAUSE_NONE)
        return -ECANCELED;
    struct coil__sched *sched = coil__sched;
    size_t room = (copy_size + COPY_ALIGN - 1) & ~(size_t)(COPY_ALIGN - 1);
    struct coil_task *task = coil__task_make(sched, queue, child_main, room);
    if (task == NULL)
        return -ENOMEM;
    task->fn = fn;
    task->arg = (void *)(uintptr_t)arg;
    if (copy_size != 0)
        task->arg = memcpy((char *)task - room, arg, copy_size);
    task->name = site;
    task->site = site;
    task->scope = scope;
    task->home = scope;
    coil__locals_inherit(sched->current, task);
    coil__list_append(&scope->children, &task->sibling);
    scope->child_count++;
    if (now)
        coil__task_run_now(sched, task);
    else
        coil__task_ready(sched, task);
    return 0;
}

int coil__scope_spawn_in(struct coil_scope *scope, coil_fn *fn, void *arg, const char *site,
                         unsigned queue)
{
    return spawn(scope, fn, arg, 0, site, queue, false);
}

int coil__scope_run_now(struct coil_scope *scope, coil_fn *fn, void *arg, const char *site,
                        unsigned queue)
{
    return spawn(scope, fn, arg, 0, site, queue, true);
}

int coil__scope_spawn(struct coil_scope *scope, coil_fn *fn, const void *arg, size_t copy_size,
                      const char *site)
{
    return spawn(scope, fn, arg, copy_size, site, coil__sched->current->queue, false);
}

int coil__spawn(struct coil_scope *scope, coil_fn *fn, void *arg, const char *site)
{
    return spawn(scope, fn, arg, 0, site, coil__sched->current->queue, false);
}

int coil__spawn_copy(struct coil_scope *scope, coil_fn *fn, const void *arg, size_t arg_size,
                     const char *site)
{
    return coil__scope_spawn(scope, fn, arg, arg_size, site);
}

void coil_task_rename(const char *name)
{
    coil__self()->name = name;
}

const char *coil_task_name(void)
{
    return coil__self()->name;
}

/* The first child of `scope`, or else of the scopes around it up to `around`. */
static struct coil_task *first_child(const struct coil_scope *scope,
                                     const struct coil_scope *around)
{
    for (; scope != around; scope = scope->parent) {
        if (!coil__list_empty(&scope->children))
            return coil__container_of(scope->children.next, struct coil_task, sibling);
    }
    return NULL;
}

struct coil_task *coil__scope_next_task(struct coil_scope *root, struct coil_task *task)
{
    if (task == NULL)
        return first_child(root, root->parent);
    struct coil_task *next = first_child(task->scope, task->home);
    while (next == NULL) { /* ends: each round takes a step towards the root */
        struct coil_scope *home = task->home;
        if (task->sibling.next != &home->children)
            return coil__container_of(task->sibling.next, struct coil_task, sibling);
        if (home == root)
            return NULL;
        task = home->owner;
        next = first_child(home->parent, task->home);
    }
    return next;
}
