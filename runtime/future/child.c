/* SPDX-License-Identifier: MIT */
/* A child as a future: its result goes to who awaits it, and a cancel stops it alone. */
#include "future/scope.h"

_Static_assert(sizeof(struct coil_child) <= 40, "a future has no more room");

/* fn in a scope of its own, which a cancel can reach. */
static int run(struct coil_child *child, struct coil_task *task)
{
    struct coil_scope scope;
    coil__scope_open(&scope, task, COIL_FOREVER);
    child->scope = &scope;
    int result = child->fn(child->arg);
    child->scope = NULL;
    coil__require(task->scope == &scope, "a coroutine returned with a scope open");
    coil_scope_drop(&scope);
    return result;
}

/* What the coroutine runs. One that was cancelled before it ran did not happen. */
static int child_main(void *arg)
{
    struct coil_future *future = arg;
    struct coil_task *task = coil__self();
    int result = -ECANCELED;
    if (task->cancelled)
        result = coil__future_refuse(task);
    else if (!future->child.cancelled)
        result = run(&future->child, task);
    coil__locals_end(task); /* who awaits the child finds them gone */
    coil__future_complete(future, result);
    return 0; /* The result is the affair of who awaits it: no failure of the scope. */
}

static void child_cancel(struct coil_future *future)
{
    future->child.cancelled = true;
    if (future->child.scope != NULL)
        coil__scope_cancel(future->child.scope, COIL__CAUSE_ENCLOSING);
}

static const struct coil_future_kind child_kind = {.name = "child", .cancel = child_cancel};

void coil__spawn_start(struct coil_future *future, struct coil_scope *scope, coil_fn *fn, void *arg,
                       const char *site)
{
    if (!coil__future_begin(future, &child_kind))
        return;
    future->child = (struct coil_child){.fn = fn, .arg = arg};
    int err = coil__scope_spawn(scope, child_main, future, 0, site);
    if (err < 0)
        coil__future_complete(future, err);
}
