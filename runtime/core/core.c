/* SPDX-License-Identifier: MIT */
/* The turn: run what is ready, fire timers, enter the ring once, reap, read the mail. */
#include "core/core.h"

#include "core/buffers.h"
#include "core/deadlock.h"
#include "base/clock.h"
#include "base/prefetch.h"
#include "base/relax.h"

#include <string.h>

__thread struct coil__core *coil__core_here;

/* Debug builds and sanitizers note more in each task. */
_Static_assert(sizeof(struct coil__origins) > 1 || sizeof(struct coil__hooks_task) > 4 ||
                   offsetof(struct coil__core, timers.slots) <= 4096,
               "what every turn touches lies in one page");

static void stop_deliver(struct coil_message *message)
{
    struct coil__core *core = coil__container_of(message, struct coil__core, stop);
    core->stopping = true;
    coil__scope_cancel(&core->root, COIL__CAUSE_REQUEST);
}

static void give_up_deliver(struct coil_message *message)
{
    struct coil__core *core = coil__container_of(message, struct coil__core, give_up);
    coil__scope_cancel(&core->root, COIL__CAUSE_REQUEST);
}

static void finish_deliver(struct coil_message *message)
{
    coil__container_of(message, struct coil__core, finish)->finished = true;
}

/* Stacks that stay warm however long they are idle; those that a tick gives back at most, which
 * takes about a millisecond; and the time in which a stack must not have been needed. */
enum { WARM_STACKS = 64, TRIM_MAX = 256 };
static const int64_t trim_period = 250 * COIL_MSEC;

static void arm_trim(struct coil__core *core)
{
    if (core->trimming || core->sched.stacks.hot_count <= WARM_STACKS)
        return;
    if (core->ring.driver->time_is_virtual) /* to be idle for long means nothing there */
        return;
    core->trimming = true;
    core->trim.deadline = coil__clock_now() + trim_period;
    coil__timers_arm(&core->timers, &core->trim);
}

static void trim_expire(struct coil_timer *timer)
{
    struct coil__core *core = coil__container_of(timer, struct coil__core, trim);
    size_t excess = core->sched.stacks.hot_count - WARM_STACKS;
    core->trimming = false;
    if (core->sched.stacks.hot_count > WARM_STACKS)
        coil__stacks_trim(&core->sched.stacks, excess < TRIM_MAX ? excess : TRIM_MAX);
}

static void disarm_trim(struct coil__core *core)
{
    if (core->trimming)
        coil__timers_disarm(&core->timers, &core->trim);
    core->trimming = false;
}

int coil__core_open(struct coil__core *core, struct coil__run *run, unsigned id,
                    const struct coil__ring_options *ring)
{
    memset(core, 0, sizeof(*core));
    core->run = run;
    core->id = id;
    core->stop.deliver = stop_deliver;
    core->finish.deliver = finish_deliver;
    core->give_up.deliver = give_up_deliver;
    core->trim.expire = trim_expire;
    coil__signals_init(&core->signals);
    coil__ending_init(&core->ending);
    coil__mailbox_init(&core->mailbox);
    for (unsigned i = 0; i < COIL__ANSWERED; i++)
        core->answered[i] = (struct coil__answered){i, COIL__MPSC_FIRST};
    coil__spin_init(&core->spin, run->options->spin_ns);
    coil__timers_init(&core->timers, coil__clock_now());
    int err = coil__sched_open(&core->sched, run->options->stack_size);
    if (err < 0)
        return err;
    core->sched.queues.terms = run->queues;
    err = coil__ring_open(&core->ring, run->ring.driver, ring);
    /* Without memory for its table of descriptors the driver was not asked: another is no help. */
    core->refused = err < 0 && core->ring.fds != NULL;
    if (err < 0)
        goto close_sched;
    coil__timers_here = &core->timers;
    coil__core_here = core;
    coil__scope_open(&core->root, &core->sched.loop, COIL_FOREVER);
    return 0;
close_sched:
    coil__sched_close(&core->sched);
    return err;
}

void coil__core_close(struct coil__core *core)
{
    disarm_trim(core);
    coil__ending_close(&core->ending);
    coil__buffers_close(core);
    coil__ring_close(&core->ring);
    coil__sched_close(&core->sched);
    coil__timers_here = NULL;
    coil__core_here = NULL;
    coil__yield_wish = &coil__yield_always;
}

static void fire_timers(struct coil__core *core)
{
    if (coil__timers_empty(&core->timers))
        return;
    coil_time now = coil__clock_now();
    core->sched.time = now;
    struct coil_timer *timer;
    while ((timer = coil__timers_pop(&core->timers, now)) != NULL)
        timer->expire(timer);
}

/* Enters without waiting, if there is anything to enter for. */
static __attribute__((hot)) void enter_if_useful(struct coil__core *core)
{
    struct coil__ring *ring = &core->ring;
    bool blind = !ring->flags_tell && ring->in_flight > 0;
    if (coil__ring_unsubmitted(ring) > 0 || coil__ring_wants_enter(ring) || blind)
        coil__ring_enter(ring, 0, COIL_FOREVER);
    else if (coil__ring_has_completions(ring))
        coil__ring_reap(ring);
}

/* The parcels take turns: so the next one is that which is longest under way, and by the time it is
 * needed its lines can have come back from the cache of who unpacked it. */
static struct coil__parcel *find_parcel(struct coil__core *core)
{
    struct coil__parcel *parcel = &core->parcels[core->next_parcel++ % COIL__PARCELS];
    const char *next = (const char *)&core->parcels[core->next_parcel % COIL__PARCELS];
    for (size_t line = 0; line < sizeof(*parcel); line += 64)
        coil__prefetch_to_write(next + line);
    return coil__parcel_is_here(parcel) ? parcel : NULL;
}

void coil__core_send_outbox(struct coil__core *core)
{
    struct coil__outbox *outbox = &core->outbox;
    struct coil__core *to = outbox->to;
    outbox->to = NULL;
    struct coil__parcel *parcel = outbox->count > 1 ? find_parcel(core) : NULL;
    if (coil__mailbox_post_all(&to->mailbox, outbox->messages, outbox->count, parcel))
        core->ring.driver->wake(&core->ring, &to->ring);
}

static inline void empty_outbox(struct coil__core *core)
{
    if (core->outbox.to != NULL)
        coil__core_send_outbox(core);
}

/* As COIL__SUBMIT_COST, when somebody waits for the clock, at which only the loop looks. */
enum { SUBMIT_COST_WITH_TIMERS = 64 };

static unsigned cost_of_turn(const struct coil__core *core, unsigned entries)
{
    unsigned cost = coil__timers_empty(&core->timers) ? COIL__SUBMIT_COST : SUBMIT_COST_WITH_TIMERS;
    return entries > cost ? entries : cost;
}

/* Whether all that the loop would do next is to enter without waiting. It does so where others are
 * ready, and before it looks out. */
static bool may_turn_in_place(const struct coil__core *core)
{
    return core->ring.flags_tell && core->outbox.to == NULL &&
           (core->sched.ready != NULL || coil__spin_would(&core->spin)) &&
           !coil__mailbox_has_mail(&core->mailbox);
}

/* What the loop would do now, if that is only to submit. Returns who runs next. */
static inline struct coil_task *turn_in_place(struct coil__core *core)
{
    struct coil__sched *sched = &core->sched;
    struct coil__ring *ring = &core->ring;
    unsigned entries = coil__ring_unsubmitted(ring);
    unsigned cost = cost_of_turn(core, entries);
    if (sched->budget <= cost || !may_turn_in_place(core))
        return &sched->loop;
    sched->budget -= cost;
    if (entries == ring->in_flight && !coil__ring_wants_enter(ring))
        coil__ring_submit(ring);
    else
        coil__ring_enter(ring, 0, COIL_FOREVER);
    if (sched->ready == NULL || core->outbox.to != NULL)
        return &sched->loop;
    coil__sched_turn(sched);
    return coil__sched_next(sched);
}

/*
 * Of the sched: the last coroutine of a turn that parks submits what the turn has led to, in place
 * of the loop. That spares two switches, and often a third, since what it waits for is done. It
 * counts as the loop meanwhile: what completions find wrong is not its doing. Not for ever: the
 * budget pays for it.
 */
static __attribute__((hot)) void end_turn(struct coil__sched *sched)
{
    struct coil__core *core = coil__container_of(sched, struct coil__core, sched);
    struct coil_task *task = sched->current;
    sched->current = &sched->loop;
    struct coil_task *next = turn_in_place(core);
    if (next != task)
        coil__switch(sched, task, next);
    else
        sched->current = task;
}

static __attribute__((hot)) bool has_work(struct coil__core *core)
{
    return coil__sched_has_ready(&core->sched) || coil__mailbox_has_mail(&core->mailbox) ||
           core->outbox.to != NULL;
}

/* So often a core looks out before it asks for the time, which takes as long as two looks. */
enum { LOOKS = 32 };

/* The coroutine that alone is ready, if it waits for little else; else NULL. */
static const struct coil_task *alone_ready(const struct coil__sched *sched)
{
    const struct coil_task *task = sched->ready;
    bool alone = task != NULL && task->next == NULL && sched->run == NULL;
    return alone && sched->queues.waiting == 0 && task->in_flight <= 1 ? task : NULL;
}

/* Looks out for events, until `deadline` at most. Returns whether there is something to do. */
static __attribute__((hot)) bool look_out(struct coil__core *core, int64_t span, coil_time deadline)
{
    enter_if_useful(core);
    if (has_work(core))
        return true;

    coil_time end = coil__clock_now() + span;
    coil_time now;
    do { /* ends with the span */
        for (unsigned i = 0; i < LOOKS; i++) {
            if (coil__core_hears_ring(core))
                break;
            if (coil__mailbox_has_mail(&core->mailbox)) {
                coil__spin_hit_mail(&core->spin);
                return true;
            }
            coil__relax();
        }
        enter_if_useful(core);
        if (has_work(core)) {
            coil__spin_hit(&core->spin, coil__completions, alone_ready(&core->sched));
            return true;
        }
        now = coil__clock_now();
        core->sched.time = now;
        if (now >= deadline)
            return true;
    } while (now < end);
    coil__spin_miss(&core->spin);
    return false;
}

/* Whether only a message from another core could wake this one. */
static bool is_quiet(const struct coil__core *core)
{
    return core->ring.in_flight == 0 && core->outside == 0 && core->offloaded == 0 &&
           core->timers.armed == (core->trimming ? 1u : 0u);
}

/* Sleeps where nothing but a message ends the sleep, unless all cores do. */
static void sleep_quietly(struct coil__core *core, coil_time deadline)
{
    core->sched.time = coil__clock_now();
    if (coil__deadlock_check(core))
        return;
    coil__ring_enter(&core->ring, 1, deadline);
    coil__quiet_leave(&core->run->quiet);
    core->sched.time = coil__clock_now();
}

static void wait_for_events(struct coil__core *core)
{
    arm_trim(core);
    coil_time deadline = coil__timers_next(&core->timers);
    int64_t span = coil__spin_span(&core->spin);
    bool can_look_out = core->ring.flags_tell || core->ring.can_look_out;
    if (span > 0 && can_look_out && look_out(core, span, deadline))
        return;
    if (__builtin_expect(core->ring.stuck, 0)) { /* a turn that did not wait has heard of it */
        coil__deadlock_declare(core);
        return;
    }
    if (!coil__mailbox_sleep(&core->mailbox))
        return;
    /* Looking out may have armed one: to ask again what a cancel has missed. */
    deadline = coil__timers_next(&core->timers);
    core->ring.hears_threads = core->outside > 0 || core->offloaded > 0;
    if (is_quiet(core))
        sleep_quietly(core, deadline);
    else
        coil__ring_enter(&core->ring, 1, deadline);
    coil__mailbox_awake(&core->mailbox);
    if (__builtin_expect(core->ring.stuck, 0))
        coil__deadlock_declare(core);
}

/* Once this core has no task left and will get none, and expects nothing from threads that are no
 * cores, says so; the last one ends them all. */
static void count_as_ended(struct coil__core *core)
{
    if (core->counted || core->sched.task_count > 0 || core->offloaded > 0)
        return;
    core->counted = true;
    struct coil__run *run = core->run;
    if (coil__count_raise(&run->ended) < run->options->core_count)
        return;
    for (unsigned i = 0; i < run->options->core_count; i++)
        coil__core_post(run->cores[i], &run->cores[i]->finish);
}

__attribute__((hot)) void coil__core_loop(struct coil__core *core)
{
    coil__stall_watch(core);
    core->sched.end_turn = end_turn;
    while (!core->finished) {
        empty_outbox(core); /* of what completions and messages have led to */
        coil__sched_run(&core->sched);
        fire_timers(core);
        empty_outbox(core);
        if (has_work(core))
            enter_if_useful(core);
        else
            wait_for_events(core);
        coil__mailbox_drain(&core->mailbox);
        if (core->stopping)
            count_as_ended(core);
    }
    empty_outbox(core);
    do { /* ends: the kernel takes the doorbells of the last messages as soon as it has memory */
        enter_if_useful(core);
    } while (coil__ring_unsubmitted(&core->ring) > 0);
    coil__tick_finish(core);
    coil__stall_leave(core);
    coil__assert(core->ring.in_flight == 0);
    coil__require(core->outside == 0, "coil_run: a coroutine ended and left its port open");
    coil__require(core->ring.memory_end == 0, "coil_run: a coil_memory was left open");
}

void coil__core_deliver_rest(struct coil__core *core)
{
    coil__assert(core->finished);                  /* so that a delivery posts nothing */
    while (coil__mailbox_has_mail(&core->mailbox)) /* ends: see there */
        coil__mailbox_drain(&core->mailbox);
}

int coil__core_open_bell(struct coil__core *core)
{
    int err = coil__ring_open_bell(&core->ring);
    if (err == 0)
        coil__mailbox_give_bell(&core->mailbox);
    return err;
}

void coil__core_post_other(struct coil__core *here, struct coil__core *core,
                           struct coil_message *message)
{
    if (core == here) {
        coil__mailbox_post(&core->mailbox, message);
        return;
    }
    empty_outbox(here);
    here->outbox.to = core;
    here->outbox.count = 1;
    here->outbox.messages[0] = message;
}

void coil__core_hand_over(void)
{
    struct coil__core *here = coil__core_here;
    if (!coil__sched_has_ready(&here->sched))
        empty_outbox(here);
}

void coil__core_post_now(struct coil__core *core, struct coil_message *message)
{
    struct coil__core *here = coil__core_here;
    if (core != here)
        empty_outbox(here);
    if (coil__mailbox_post(&core->mailbox, message) && core != here)
        here->ring.driver->wake(&here->ring, &core->ring);
}

void coil__core_post_outside(struct coil__core *core, struct coil_message *message)
{
    if (coil__mailbox_post_outside(&core->mailbox, message))
        core->ring.driver->ring_bell(&core->ring);
}

void coil__run_stop(struct coil__run *run)
{
    for (unsigned i = 0; i < run->options->core_count; i++)
        coil__core_post(run->cores[i], &run->cores[i]->stop);
}
