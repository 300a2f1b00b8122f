/* SPDX-License-Identifier: MIT */
/*
 * A call: a coroutine on another core, and a future here for its result.
 *
 *     home core                          target core
 *     POSTED ----------- message ------> RUNNING --- fn returns ---> REPLYING -- message --> done
 *        |  cancel                          | cancel at home
 *        v                                  v
 *     REVOKED --- seen when it arrives   CANCELLING -- message --> CANCELLED -- fn returns --> ...
 *
 * The one message is in at most one mailbox at a time: a cancel travels only once the call itself
 * has arrived, and the reply waits for a cancel that is under way.
 */
#include "core/core.h"

#include <assert.h>
#include <errno.h>

enum step { POSTED, REVOKED, RUNNING, CANCELLING, CANCELLED, REPLYING };

static_assert(sizeof(struct coil__message) == offsetof(struct coil_call, fn),
              "a call begins like a message");

/* The call as a message, which it begins like. */
static void post(unsigned core, struct coil_call *call, void (*deliver)(struct coil_call *))
{
    call->deliver = deliver;
    coil__core_post(coil__core_here->run->cores[core], (struct coil__message *)(void *)call);
}

/* At home: the coroutine has ended, and nobody else knows the call any more. */
static void reply_arrives(struct coil_call *call)
{
    coil__future_complete(coil__container_of(call, struct coil_future, call), call->result);
}

/* At the target: sends the result home, unless a cancel is still on its way here. */
static void finish(struct coil_call *call, int result)
{
    call->result = result;
    call->scope = NULL;
    call->ended = true;
    if (coil__step_try(&call->step, RUNNING, REPLYING) ||
        coil__step_try(&call->step, CANCELLED, REPLYING) ||
        coil__step_try(&call->step, REVOKED, REPLYING))
        post(call->home, call, reply_arrives);
}

/* At the target: stops the coroutine, or if it has ended meanwhile, lets the reply go. */
static void cancel_arrives(struct coil_call *call)
{
    bool moved = coil__step_try(&call->step, CANCELLING, CANCELLED);
    coil__assert(moved);
    call->cancelled = true;
    if (call->ended)
        finish(call, call->result);
    else if (call->scope != NULL)
        coil__scope_cancel(call->scope, COIL__CAUSE_ENCLOSING);
}

/* What the coroutine runs: fn in a scope of its own, which a cancel can reach. */
static int run_call(void *arg)
{
    struct coil_call *call = arg;
    struct coil_scope scope;
    coil__scope_open(&scope, coil__self(), COIL_FOREVER);
    call->scope = &scope;
    if (call->cancelled) /* it overtook the coroutine's start */
        coil__scope_cancel(&scope, COIL__CAUSE_ENCLOSING);
    int result = call->fn(call->arg);
    coil__require(coil__self()->scope == &scope, "a coroutine returned with a scope open");
    /* What fn brought about counts, also when it was cancelled: it may be a descriptor. */
    coil_scope_drop(&scope);
    coil__locals_end(coil__self()); /* who waits for the call finds them gone */
    finish(call, result);
    coil__core_hand_over();
    return 0; /* The result is the caller's affair: no failure of this core. */
}

static void call_arrives(struct coil_call *call)
{
    int err = -ECANCELED;
    if (coil__step_try(&call->step, POSTED, RUNNING))
        err = coil__scope_spawn_in(&coil__core_here->root, run_call, call, call->site, call->queue);
    if (err < 0)
        finish(call, err);
}

static void call_cancel(struct coil_future *future)
{
    struct coil_call *call = &future->call;
    if (coil__step_try(&call->step, POSTED, REVOKED))
        return;
    if (coil__step_try(&call->step, RUNNING, CANCELLING))
        post(call->target, call, cancel_arrives);
}

static const struct coil_future_kind call_kind = {.name = "call", .cancel = call_cancel};

void coil__call_start(struct coil_future *future, unsigned core, coil_fn *fn, void *arg,
                      const char *site)
{
    if (!coil__future_begin(future, &call_kind))
        return;
    if (core >= coil_core_count()) {
        coil__future_complete(future, -EINVAL);
        return;
    }
    future->call = (struct coil_call){
        .fn = fn,
        .arg = arg,
        .site = site,
        .step = POSTED,
        .home = (uint16_t)coil_core_self(),
        .target = (uint16_t)core,
        .queue = coil__self()->queue,
    };
    post(core, &future->call, call_arrives);
}

int coil__call(unsigned core, coil_fn *fn, void *arg, const char *site)
{
    struct coil_future future;
    coil__call_start(&future, core, fn, arg, site);
    coil__core_hand_over();
    return (int)coil__await(&future);
}

/* What coil_spawn_on() makes a coroutine of this core do. */
struct errand {
    unsigned core;
    coil_fn *fn;
    void *arg;
    const char *site;
};

static int run_errand(void *arg)
{
    const struct errand *errand = arg;
    return coil__call(errand->core, errand->fn, errand->arg, errand->site);
}

int coil__spawn_on(struct coil_scope *scope, unsigned core, coil_fn *fn, void *arg,
                   const char *site)
{
    if (core >= coil_core_count())
        return -EINVAL;
    struct errand errand = {core, fn, arg, site};
    return coil__scope_spawn(scope, run_errand, &errand, sizeof(errand), site);
}
