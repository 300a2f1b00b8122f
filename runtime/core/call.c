/* SPDX-License-Identifier: MIT */
/*
 * A call: a coroutine on another core, and a future here for its result.
 *
 *     home core                                       target core
 *     coil_call() -------- note or message ---------> fn runs, at once if nobody else is ready
 *     the future is done <---- answer or message ---- fn has returned
 *
 *     cancel ------------- stop --------------------> fn is cancelled, or never runs
 *     the future may be done <---- the stop comes back
 *
 * A call comes as a note where it can, and if its caller may look out, the result is the answer to
 * it: then one cache line goes to and fro, and the target never touches the future, whose memory is
 * home's, unless fn has to wait. Where it can't, because the mailbox is not empty or others are
 * about to post as well, the call is a message; it brings its result where nobody looks out. A stop
 * is a message of its own; it arrives after its call, and comes back in any case. The future is
 * done when both have: so the target never finds it gone.
 */
#include "core/core.h"

#include "base/relax.h"

#include <errno.h>

/* The coroutine that runs a call, on its own stack. */
struct coil__callee {
    struct coil_call *call;
    struct coil_task *task;
    uint64_t awaited; /* what the note said about its answer */
    unsigned home;
    bool known;              /* call->callee says where this is */
    bool stopped;            /* `scope` is open, and cancelled */
    bool over;               /* fn has returned: a stop comes too late */
    struct coil_scope scope; /* around all that fn does, once a stop has come */
};

unsigned coil__call_looks = 32;

/* The call itself, or its stop. */
static void post(unsigned core, struct coil_message *message,
                 void (*deliver)(struct coil_message *))
{
    message->deliver = deliver;
    coil__core_post(coil__core_here->run->cores[core], message);
}

static struct coil_call *call_of(struct coil_message *message)
{
    return coil__container_of(message, struct coil_call, message);
}

static struct coil_call *stopped_by(struct coil_message *stop)
{
    return coil__container_of(stop, struct coil_call, stop);
}

/* At home: the coroutine has ended, and unless a stop is out, nobody else knows the call. */
static void end(struct coil_call *call, int result)
{
    call->result = result;
    call->done = true;
    if (!call->stop_is_out)
        coil__future_complete(coil__container_of(call, struct coil_future, call), result);
}

static void reply_arrives(struct coil_message *message)
{
    struct coil_call *call = call_of(message);
    end(call, call->result);
}

static void stop_returns(struct coil_message *stop)
{
    struct coil_call *call = stopped_by(stop);
    call->stop_is_out = false;
    if (call->done)
        end(call, call->result);
}

/* At the target: sends the result home. */
static void reply(struct coil_call *call, unsigned home, int result)
{
    call->result = result;
    post(home, &call->message, reply_arrives);
    coil__core_hand_over();
}

/* As above, if `awaited` says so by an answer to the note; unless that would overtake what was
 * posted before. */
static void answer(struct coil_call *call, unsigned home, uint64_t awaited, int result)
{
    struct coil__core *here = coil__core_here;
    if (awaited == COIL__NOTE_NONE || here->outbox.to == here->run->cores[home] ||
        !coil__note_answer(&here->mailbox.messages.note, awaited, result))
        reply(call, home, result);
}

/* In the coroutine. */
static int run_fn(struct coil__callee *callee, coil_fn *fn, void *arg)
{
    callee->task = coil__self();
    callee->stopped = false;
    callee->over = false;
    int result = fn(arg);
    struct coil_task *task = coil__self(); /* a child of fork() ends here */
    coil__require(task->scope == (callee->stopped ? &callee->scope : task->home),
                  "a coroutine returned with a scope open");
    /* What fn brought about counts, also when it was cancelled: it may be a descriptor. */
    if (callee->stopped)
        coil_scope_drop(&callee->scope);
    callee->over = true;
    coil__locals_end(task); /* who waits for the call finds them gone */
    return result;
}

/* What a coroutine runs that begins later, and may be stopped before. */
static int run_call(void *arg)
{
    struct coil_call *call = arg;
    unsigned home = call->home;
    int result = -ECANCELED;
    if (!call->stopped) {
        struct coil__callee callee;
        call->callee = &callee;
        result = run_fn(&callee, call->fn, call->arg);
        call->callee = NULL;
    }
    reply(call, home, result);
    return 0; /* The result is the caller's affair: no failure of this core. */
}

static void call_arrives(struct coil_message *message)
{
    struct coil_call *call = call_of(message);
    int err = coil__scope_spawn_in(&coil__core_here->root, run_call, call, call->site, call->queue);
    if (err < 0)
        reply(call, call->home, err);
}

/* A coroutine that begins at once. `callee` is where it is, until it has ended; the loop sees it
 * there only if it has to wait. */
struct beginning {
    const struct coil__note *note;
    struct coil__callee *callee;
};

/* Looks out for another call in place of the loop, in a coroutine that has answered one and never
 * waited: who calls now finds it on its stack, and all that begins and ends a coroutine saved. For
 * that call it is a coroutine of its own: the last one has left it as its stack would be left. */
static bool find_next(struct coil__core *here, struct coil_task *task)
{
    struct coil__mpsc *queue = &here->mailbox.messages;
    const struct coil__note *note;
    unsigned looks = coil__call_looks;
    coil__scope_check_end(task);
    coil__mpsc_end_note(queue);
    if (!coil__core_may_look_out(here) || coil__queues_many(&here->sched.queues) || task->cancelled)
        return false;
    do { /* ends: a look less each time */
        if (looks-- == 0 || coil__core_hears_ring(here))
            return false;
        coil__relax(); /* also at first: who was answered needs the line now, to see that */
        note = coil__mpsc_only_note(queue);
    } while (note == NULL && !coil__mailbox_has_mail(&here->mailbox));
    if (note == NULL || note->queue != task->queue)
        return false;
    coil__mpsc_take_note(queue);
    coil__spin_hit_mail(&here->spin);
    here->sched.budget--; /* as if another one had run */
    task->name = note->site;
    task->site = note->site;
    return true;
}

static int run_note(void *arg)
{
    struct beginning *beginning = arg;
    const struct coil__note *note = beginning->note;
    struct coil__callee callee;
    do { /* ends with the turn's budget */
        callee.call = note->about;
        callee.awaited = coil__note_awaited(note);
        callee.home = note->from;
        callee.known = false;
        beginning->callee = &callee;
        int result = run_fn(&callee, note->fn, note->arg);
        if (callee.known) {
            callee.call->callee = NULL;
            answer(callee.call, callee.home, callee.awaited, result);
            break;
        }
        beginning->callee = NULL;
        answer(callee.call, callee.home, callee.awaited, result);
    } while (find_next(coil__core_here, callee.task));
    return 0;
}

/* From now on a stop finds it. */
static void make_known(struct coil__callee *callee)
{
    callee->known = true;
    callee->call->callee = callee;
}

static void call_note_arrives(const struct coil__note *note)
{
    struct coil__core *here = coil__core_here;
    struct coil_call *call = note->about;
    /* What came since may be its stop. */
    if (!coil__sched_may_run_now(&here->sched, note->queue) ||
        coil__mailbox_has_mail(&here->mailbox)) {
        call->fn = note->fn;
        call->arg = note->arg;
        call->site = note->site;
        call->home = note->from;
        call->queue = note->queue;
        call_arrives(&call->message);
        return;
    }
    struct beginning beginning = {.note = note};
    uint64_t awaited = coil__note_awaited(note);
    unsigned home = note->from;
    int err = coil__scope_run_now(&here->root, run_note, &beginning, note->site, note->queue);
    if (__builtin_expect(err < 0, 0))
        answer(call, home, awaited, err);
    else if (beginning.callee != NULL)
        make_known(beginning.callee);
}

/* At the target, where the call has arrived before. It may have ended. */
static void stop_arrives(struct coil_message *stop)
{
    struct coil_call *call = stopped_by(stop);
    struct coil__callee *callee = call->callee;
    call->stopped = true;
    if (callee != NULL && !callee->over) {
        callee->stopped = true;
        coil__scope_surround(&callee->scope, callee->task);
        coil__scope_cancel(&callee->scope, COIL__CAUSE_ENCLOSING);
    }
    post(call->home, stop, stop_returns);
}

static void call_cancel(struct coil_future *future)
{
    struct coil_call *call = &future->call;
    call->stop_is_out = true;
    post(call->target, &call->stop, stop_arrives);
}

static const struct coil_future_kind call_kind = {.name = "call", .cancel = call_cancel};

/* Returns the number of the note for whose answer the caller has to look out, if it may, or 0. */
static inline __attribute__((always_inline)) uintptr_t start(struct coil_future *future,
                                                             unsigned core, coil_fn *fn, void *arg,
                                                             const char *site, bool may_look_out)
{
    if (!coil__future_begin(future, &call_kind))
        return 0;
    struct coil__core *here = coil__core_here;
    if (core >= here->run->options->core_count) {
        coil__future_complete(future, -EINVAL);
        return 0;
    }
    struct coil_call *call = &future->call;
    call->callee = NULL;
    call->home = (uint16_t)here->id;
    call->target = (uint16_t)core;
    call->stopped = false;
    call->stop_is_out = false;
    call->done = false;
    uint8_t queue = future->owner->queue;
    bool looks_out = may_look_out && coil__core_may_look_out(here);
    uintptr_t number;
    struct coil__note *note = coil__core_claim_note(here, core, &number);
    if (note != NULL) {
        note->about = call;
        note->fn = fn;
        note->arg = arg;
        note->site = site;
        note->from = (uint16_t)here->id;
        note->queue = queue;
        coil__mpsc_leave(note, number, looks_out, call_note_arrives);
        return looks_out ? number : 0;
    }
    call->fn = fn;
    call->arg = arg;
    call->site = site;
    call->queue = queue;
    post(core, &call->message, call_arrives);
    return 0;
}

void coil__call_start(struct coil_future *future, unsigned core, coil_fn *fn, void *arg,
                      const char *site)
{
    start(future, core, fn, arg, site, false);
}

/* Waits for the answer without giving way, while nobody else wants this core. Whatever comes but
 * the answer ends that, and so does time; false: the wait then is as every other. */
static bool look_out(struct coil__core *here, struct coil__note *note, uintptr_t number,
                     int32_t *result)
{
    for (unsigned i = 0; i < coil__call_looks && !coil__core_hears_ring(here); i++) {
        if (coil__note_answered(note, result)) {
            coil__note_take_answer(note);
            return true;
        }
        if (coil__mailbox_has_mail(&here->mailbox))
            break;
        coil__relax();
    }
    if (coil__note_give_up(note, number))
        return false;
    coil__note_answered(note, result);
    coil__note_take_answer(note);
    return true;
}

/* The answer is there. What was posted before comes first. */
static void take_answer(struct coil__core *here, struct coil_call *call, uintptr_t number,
                        int32_t result)
{
    here->answered[call->target % COIL__ANSWERED] = (struct coil__answered){call->target, number};
    here->sched.budget--; /* as if it had run again */
    coil__spin_hit_mail(&here->spin);
    if (coil__mailbox_has_mail(&here->mailbox)) {
        call->result = result;
        post(here->id, &call->message, reply_arrives);
    } else {
        end(call, result);
    }
}

int coil__call(unsigned core, coil_fn *fn, void *arg, const char *site)
{
    struct coil_future future;
    uintptr_t number = start(&future, core, fn, arg, site, true);
    struct coil__core *here = coil__core_here;
    int32_t result;
    if (number == 0)
        coil__core_hand_over();
    else if (look_out(here, &here->run->cores[core]->mailbox.messages.note, number, &result))
        take_answer(here, &future.call, number, result);
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
