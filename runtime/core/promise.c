/* SPDX-License-Identifier: MIT */
/*
 * A promise, and its way home.
 *
 *     elsewhere                                  home core
 *     UNSET --set--> SENT ------ message ------> SET ---drop--> DROPPED
 *                      set at home:  UNSET ----> SET
 *                      drop:         UNSET --------------------> DROPPED
 *
 * Whoever moves it away from UNSET is the only one who may write the value. After it has posted the
 * message, a thread touches the core's mailbox and its bell, but the promise no more.
 */
#include "core/core.h"

#include <coil/promise.h>

#include <errno.h>

enum step { UNSET, SENT, SET, DROPPED };

static struct coil_future *waiting_future(struct coil_link *link)
{
    return coil__container_of(link, struct coil_future, waits_for_promise);
}

/* At home: hands the value to who waits. They run later, so that the promise is still there. */
static void resolve(struct coil_promise *promise)
{
    while (!coil__list_empty(&promise->waiters)) {
        struct coil_link *link = promise->waiters.next;
        coil__assert(coil__list_linked(link));
        coil__list_remove(link);
        promise->home->outside--;
        coil__future_complete(waiting_future(link), promise->value);
    }
}

/* At home: the value arrives. */
static void promise_arrives(struct coil_message *message)
{
    struct coil_promise *promise = coil__container_of(message, struct coil_promise, message);
    bool moved = coil__step_try(&promise->step, SENT, SET);
    coil__assert(moved);
    resolve(promise);
}

void coil_promise_init(struct coil_promise *promise)
{
    (void)coil__self();
    *promise = (struct coil_promise){
        .message.deliver = promise_arrives,
        .home = coil__core_here,
        .run = coil__core_here->run->number,
        .step = UNSET,
    };
    coil__list_init(&promise->waiters);
}

static bool is_home(const struct coil_promise *promise)
{
    const struct coil__core *core = coil__core_here;
    return core != NULL && promise->home == core && promise->run == core->run->number;
}

static int set_at_home(struct coil_promise *promise, int64_t value)
{
    if (!coil__step_try(&promise->step, UNSET, SET))
        return -EALREADY;
    promise->value = value;
    resolve(promise);
    return 0;
}

/* From another core, or from outside. */
static int send_home(struct coil_promise *promise, int64_t value,
                     void (*post)(struct coil__core *, struct coil_message *))
{
    struct coil__core *home = promise->home;
    if (!coil__step_try(&promise->step, UNSET, SENT))
        return -EALREADY;
    promise->value = value;
    post(home, &promise->message);
    return 0;
}

int coil_promise_set(struct coil_promise *promise, ssize_t value)
{
    if (is_home(promise))
        return set_at_home(promise, value);
    const struct coil__core *core = coil__core_here;
    if (core != NULL && (core->run->number != promise->run || core->finished))
        return -ESHUTDOWN;
    if (core != NULL)
        return send_home(promise, value, coil__core_post);
    if (!coil__gate_enter(promise->run))
        return -ESHUTDOWN;
    int err = send_home(promise, value, coil__core_post_outside);
    coil__gate_leave();
    return err;
}

static void wait_cancel(struct coil_future *future)
{
    coil__list_remove(&future->waits_for_promise);
    coil__core_here->outside--;
    coil__future_complete(future, -ECANCELED);
}

static const struct coil_future_kind wait_kind = {.name = "promise", .cancel = wait_cancel};

void coil_promise_wait_start(struct coil_future *future, struct coil_promise *promise)
{
    (void)coil__self(); /* outside of a coroutine there may be no core either */
    coil__require(is_home(promise), "coil_promise_wait: the promise belongs to another core");
    uint32_t step = coil__step_now(&promise->step);
    coil__require(step != DROPPED, "coil_promise_wait: the promise was dropped");
    if (!coil__future_begin(future, &wait_kind))
        return;
    int64_t result = step == SET ? promise->value : coil__core_open_bell(coil__core_here);
    if (step == SET || result < 0) {
        coil__future_complete(future, result);
        return;
    }
    coil__core_here->outside++;
    coil__list_append(&promise->waiters, &future->waits_for_promise);
}

ssize_t coil_promise_wait(struct coil_promise *promise)
{
    struct coil_future future;
    coil_promise_wait_start(&future, promise);
    return coil__await(&future);
}

void coil_promise_drop(struct coil_promise *promise)
{
    struct coil_task *task = coil__self();
    coil__require(is_home(promise), "coil_promise_drop: the promise belongs to another core");
    coil__require(coil__list_empty(&promise->waiters),
                  "coil_promise_drop: coroutines wait for the promise");
    if (coil__step_try(&promise->step, UNSET, DROPPED))
        return;
    /* Ends when the message arrives, which its sender is just posting if it has not yet: too short
     * a time to sleep, and without a bell the sender could not wake us. */
    while (coil__step_now(&promise->step) == SENT)
        coil__task_yield(task);
    coil__step_try(&promise->step, SET, DROPPED);
}
