/* SPDX-License-Identifier: MIT */
/* All that is not the plain way of an item, which is inline in the public header. */
#include "gen/gen.h"

#include <errno.h>
#include <stdio.h>

bool coil__gen_ignore_exceptions;

/* Stops the program with a sentence about one generator. */
static void __attribute__((noreturn, cold))
panic(int line, const struct coil_gen *gen, const char *sentence)
{
    char text[320];
    snprintf(text, sizeof(text), "%s: %s", sentence,
             gen->site != NULL ? gen->site : "it was never opened");
    coil__panic(__FILE__, line, text);
}

/* A generator that is watched hides its context where the inline functions do not look. */
static void **resume_of(struct coil_gen *gen)
{
    return gen->watched ? &gen->watched_resume : &gen->resume;
}

static bool is_running(struct coil_gen *gen)
{
    return gen->state == COIL__GEN_STARTED && *resume_of(gen) == NULL;
}

/* Whether the caller runs on the stack of this generator's body. */
static bool is_inside(const struct coil_gen *gen)
{
    if (gen->stack == NULL)
        return false;
    uintptr_t depth = (uintptr_t)gen->stack - (uintptr_t)__builtin_frame_address(0);
    return depth < coil__stack_size(gen->stacks, gen->stack);
}

static void *take(void **context)
{
    void *taken = *context;
    *context = NULL;
    return taken;
}

static void require_thread(const struct coil_gen *gen)
{
    if (gen->stacks != coil__thread_stacks())
        panic(__LINE__, gen, "a generator may not move to another thread, core or run");
}

/* Leaves for `context`, on the stack `to`, and returns when this side goes on. Each side keeps its
 * own C++ exceptions. Inlined, as coil__hooks_leave() has to be. */
static inline __attribute__((always_inline)) struct coil__transfer
cross(bool watched, void *context, struct coil__hooks_task *to, void *data,
      struct coil__transfer (*on_arrival)(struct coil__transfer))
{
    struct coil__exceptions *exceptions = watched ? coil__exceptions_here() : NULL;
    struct coil__exceptions own = {NULL, 0};
    if (exceptions != NULL)
        own = *exceptions;
    if (watched)
        coil__hooks_visit(coil__thread_hooks(), to);
    struct coil__transfer from =
        on_arrival != NULL ? ontop_fcontext(context, data, on_arrival) : coil__jump(context, data);
    if (watched)
        coil__hooks_enter(coil__thread_hooks());
    if (exceptions != NULL)
        *exceptions = own;
    return from;
}

static void release(struct coil_gen *gen)
{
    coil__stacks_reclaim(gen->stacks, gen->stack);
    gen->stack = NULL;
    gen->stack_span = 0;
}

/* On the consumer's stack, when the body of the root has returned: makes it look like a NULL
 * yielded by nobody. Those who watch must first hear where we are. */
static struct coil__transfer on_end(struct coil__transfer from)
{
    struct coil_gen *gen = from.data;
    if (!gen->watched)
        release(gen);
    return (struct coil__transfer){NULL, NULL};
}

/* Leaves the stack of a body for good. */
static void end(struct coil_gen *gen, int result)
{
    struct coil_gen *delegator = gen->delegator;
    if (gen->stack->scopes_held != 0)
        panic(__LINE__, gen, "a generator's body returned with a scope open");
    gen->result = result;
    gen->state = COIL__GEN_DONE;
    if (delegator != NULL)
        cross(gen->watched, delegator->parked, &delegator->stack->hooks, NULL, NULL);
    else
        cross(gen->watched, gen->consumer, gen->consumer_stack, gen, on_end);
    panic(__LINE__, gen, "a generator that had ended was resumed");
}

/* The entry of a generator's stack. Never returns. */
static void begin(struct coil__transfer from)
{
    struct coil_gen *gen = from.data;
    struct coil__exceptions *exceptions = gen->watched ? coil__exceptions_here() : NULL;
    if (gen->watched)
        coil__hooks_enter(coil__thread_hooks());
    if (exceptions != NULL)
        *exceptions = (struct coil__exceptions){NULL, 0};
    if (gen->delegator != NULL) {
        gen->delegator->parked = from.context;
        gen->consumer = gen->delegator->consumer;
    } else {
        gen->consumer = from.context;
    }
    end(gen, gen->fn(gen, gen->arg));
}

/* Gives a new generator its stack. Returns false when it has ended for want of one. */
static bool start(struct coil_gen *gen)
{
    gen->stacks = coil__thread_stacks();
    if (gen->stacks != NULL)
        gen->stack = coil__stacks_lend(gen->stacks, begin, gen->site);
    if (gen->stack == NULL) {
        gen->state = COIL__GEN_DONE;
        gen->result = -ENOMEM;
        return false;
    }
    bool has_exceptions = !coil__gen_ignore_exceptions && coil__exceptions_here() != NULL;
    gen->watched = COIL__HOOKS_SWITCHES || has_exceptions;
    gen->scopes_held = &gen->stack->scopes_held;
    if (!gen->watched)
        gen->stack_span = (uint32_t)coil__stack_size(gen->stacks, gen->stack);
    gen->state = COIL__GEN_STARTED;
    *resume_of(gen) = gen->stack->context;
    return true;
}

void coil__gen_open(struct coil_gen *gen, coil_gen_fn *fn, void *arg, const char *site)
{
    *gen = (struct coil_gen){
        .state = COIL__GEN_NEW, .root = gen, .leaf = gen, .fn = fn, .arg = arg, .site = site};
}

static void *refuse(struct coil_gen *gen, int error)
{
    gen->result = error;
    return NULL;
}

/* Goes to the leaf of a suspended generator, and returns with what is yielded next. */
static void *resume(struct coil_gen *gen, void *data)
{
    struct coil_gen *leaf = gen->leaf;
    require_thread(gen);
    leaf->consumer_stack = coil__hooks_stack(coil__thread_hooks());
    struct coil__transfer from =
        cross(gen->watched, take(resume_of(gen)), &leaf->stack->hooks, data, NULL);
    *resume_of(gen) = from.context;
    if (from.context == NULL && gen->watched)
        release(gen);
    return from.data;
}

void *coil__gen_send(struct coil_gen *gen, void *value)
{
    if (gen->state == COIL__GEN_DONE)
        return NULL;
    if (is_running(gen))
        return refuse(gen, -EBUSY);
    if (gen->state == COIL__GEN_STARTED)
        return resume(gen, value);
    if (value != NULL)
        return refuse(gen, -EINVAL);
    return start(gen) ? resume(gen, gen) : NULL;
}

void *coil_gen_throw(struct coil_gen *gen, int error)
{
    coil__require(error < 0, "coil_gen_throw: an error is negative, a -errno");
    if (is_running(gen))
        return refuse(gen, -EBUSY);
    if (gen->state == COIL__GEN_STARTED) {
        gen->leaf->thrown = error;
        return resume(gen, NULL);
    }
    gen->state = COIL__GEN_DONE; /* nobody is there to handle it */
    return refuse(gen, error);
}

int coil_gen_result(const struct coil_gen *gen)
{
    return gen->result;
}

int coil_gen_close(struct coil_gen *gen)
{
    if (is_running(gen))
        return -EBUSY;
    if (gen->state == COIL__GEN_STARTED) {
        gen->leaf->closing = true;
        if (coil_gen_throw(gen, -ECANCELED) != NULL)
            panic(__LINE__, gen, "coil_gen_close: the body yielded when it was told to end");
        if (gen->result == -ECANCELED)
            gen->result = 0;
    }
    gen->state = COIL__GEN_DONE;
    return gen->result;
}

void coil_gen_drop(struct coil_gen *gen)
{
    if (is_running(gen))
        panic(__LINE__, gen, "coil_gen_drop: the body is running");
    int ignored = coil_gen_close(gen);
    (void)ignored;
}

void coil__gen_leave(struct coil_gen **gen)
{
    int ignored = coil_gen_close(*gen);
    (void)ignored;
}

int coil__gen_yield(struct coil_gen *gen, void *value, void **sent)
{
    if (!is_inside(gen))
        panic(__LINE__, gen, "coil_gen_yield: called from outside the body");
    if (value == NULL)
        panic(__LINE__, gen, "coil_gen_yield: a value may not be NULL");
    if (gen->stack->scopes_held != 0)
        panic(__LINE__, gen, "coil_gen_yield: the body has a scope open");
    struct coil__transfer from =
        cross(gen->watched, gen->consumer, gen->consumer_stack, value, NULL);
    gen->consumer = from.context;
    if (sent != NULL)
        *sent = from.data;
    int thrown = gen->thrown;
    gen->thrown = 0;
    return thrown;
}

/* On the stack of a suspended leaf, when somebody delegates to it: its yield returns with nothing
 * sent, as if the consumer had resumed it. */
static struct coil__transfer on_adoption(struct coil__transfer from)
{
    struct coil_gen *delegator = from.data;
    delegator->parked = from.context;
    return (struct coil__transfer){delegator->consumer, NULL};
}

/* Makes `to` the leaf in the place of `from`, towards the root and those who watch. */
static void move_leaf(const struct coil_gen *from, struct coil_gen *to)
{
    to->root = from->root;
    to->root->leaf = to;
    to->consumer_stack = from->consumer_stack;
}

int coil_gen_delegate(struct coil_gen *gen, struct coil_gen *sub)
{
    if (!is_inside(gen))
        panic(__LINE__, gen, "coil_gen_delegate: called from outside the body");
    if (gen->stack->scopes_held != 0)
        panic(__LINE__, gen, "coil_gen_delegate: the body has a scope open");
    bool is_new = sub->state == COIL__GEN_NEW;
    if (is_running(sub))
        return -EBUSY;
    if (sub->state == COIL__GEN_DONE || (is_new && !start(sub)))
        return sub->result;
    require_thread(sub);

    struct coil_gen *leaf = sub->leaf;
    void *body = take(resume_of(sub));
    sub->delegator = gen;
    move_leaf(gen, leaf);
    if (is_new)
        cross(gen->watched, body, &leaf->stack->hooks, sub, NULL);
    else
        cross(gen->watched, body, &leaf->stack->hooks, gen, on_adoption);

    /* Now `sub` is the leaf, and its body has returned. */
    move_leaf(sub, gen);
    gen->consumer = sub->consumer;
    sub->delegator = NULL;
    release(sub);
    if (!sub->closing)
        return sub->result;
    gen->closing = true; /* from the inside out */
    return sub->result >= 0 ? -ECANCELED : sub->result;
}
