/* SPDX-License-Identifier: MIT */
/* Each core has its own timer and its own list of those who accept: it is told once, and again when
 * the grace becomes shorter. */
#include "core/ending.h"

#include "core/core.h"
#include "core/report.h"
#include "future/waiters.h"
#include "base/clock.h"
#include "base/log.h"

#include <coil/stop.h>

/* For who was cancelled to end, before it is named. */
static const int64_t patience = 100 * COIL_MSEC;

static void arm(struct coil__ending *ending, coil_time deadline)
{
    if (ending->armed)
        coil__timers_disarm(coil__timers_here, &ending->timer);
    ending->armed = deadline != COIL_FOREVER;
    ending->timer.deadline = deadline;
    if (ending->armed)
        coil__timers_arm(coil__timers_here, &ending->timer);
}

static void report(struct coil__core *core)
{
    size_t count = core->sched.task_count;
    if (count == 0 && core->offloaded == 0)
        return;
    coil__log(
        "stop: core %u: %zu coroutine%s and %u piece%s of work on other threads have not ended "
        "though they were cancelled %lld ms ago",
        core->id, count, count == 1 ? "" : "s", core->offloaded, core->offloaded == 1 ? "" : "s",
        (long long)(patience / COIL_MSEC));
    coil__report_tasks(core);
}

static void timer_expires(struct coil_timer *timer)
{
    struct coil__ending *ending = coil__container_of(timer, struct coil__ending, timer);
    struct coil__core *core = coil__container_of(ending, struct coil__core, ending);
    ending->armed = false;
    if (ending->phase == ENDING_GRACE) {
        ending->phase = ENDING_CANCELLED;
        arm(ending, coil__clock_now() + patience);
        coil__scope_cancel(&core->root, COIL__CAUSE_REQUEST);
        return;
    }
    coil__assert(ending->phase == ENDING_CANCELLED);
    ending->phase = ENDING_REPORTED;
    report(core);
}

/* Some may end on the way, when the full SQ has to be flushed: hence from list to list. */
static void stop_accepting(struct coil__ending *ending)
{
    struct coil_link *link;
    struct coil_link rest;
    coil__list_init(&rest);
    coil__list_splice(&rest, &ending->accepting);
    while ((link = coil__list_pop(&rest)) != NULL) { /* ends: each is asked once */
        coil__list_append(&ending->accepting, link);
        coil_future_cancel(coil__container_of(link, struct coil_future, entry.accepting));
    }
}

/* Begins the grace, or makes it shorter. */
static void hear(struct coil__core *core)
{
    struct coil__ending *ending = &core->ending;
    bool is_first = ending->phase == ENDING_SERVING;
    if (is_first)
        ending->phase = ENDING_GRACE;
    if (ending->phase == ENDING_GRACE)
        arm(ending, coil__instant_now(&core->run->grace_end));
    if (!is_first)
        return;
    coil__waiters_complete(&ending->waiters, 0);
    stop_accepting(ending);
}

static void message_arrives(struct coil_message *message)
{
    struct coil__core *core = coil__container_of(message, struct coil__core, ending.message);
    coil__flag_lower(&core->ending.sent);
    hear(core);
}

void coil__ending_init(struct coil__ending *ending)
{
    *ending = (struct coil__ending){
        .message.deliver = message_arrives, .timer.expire = timer_expires, .phase = ENDING_SERVING};
    coil__list_init(&ending->accepting);
}

void coil__ending_close(struct coil__ending *ending)
{
    coil__assert(coil__list_empty(&ending->accepting));
    arm(ending, COIL_FOREVER);
}

void coil_stop(int64_t grace_ns)
{
    (void)coil__self(); /* outside of a coroutine there may be no core either */
    struct coil__core *here = coil__core_here;
    struct coil__run *run = here->run;
    coil__instant_lower(&run->grace_end, coil_after(grace_ns > 0 ? grace_ns : 0));
    for (unsigned i = 0; i < run->options->core_count; i++) {
        struct coil__core *core = run->cores[i];
        if (core != here && coil__flag_raise(&core->ending.sent))
            coil__core_post(core, &core->ending.message);
    }
    hear(here);
}

bool coil_stopping(void)
{
    coil__require(coil__core_here != NULL, "coil_stopping: called outside coil_run()");
    return coil__core_here->ending.phase != ENDING_SERVING;
}

static void wait_cancel(struct coil_future *future)
{
    coil__waiters_cancel(&coil__core_here->ending.waiters, future);
}

static const struct coil_future_kind wait_kind = {.name = "stop", .cancel = wait_cancel};

void coil_stop_wait_start(struct coil_future *future)
{
    (void)coil__self();
    if (!coil__future_begin(future, &wait_kind))
        return;
    if (coil_stopping())
        coil__future_complete(future, 0);
    else
        coil__waiters_append(&coil__core_here->ending.waiters, future);
}

int coil_stop_wait(void)
{
    struct coil_future future;
    coil_stop_wait_start(&future);
    return (int)coil__await(&future);
}
