/* SPDX-License-Identifier: MIT */
/* One core: a thread, its ring, and the turn of its loop. */
#ifndef COIL_CORE_CORE_H
#define COIL_CORE_CORE_H

#include "core/ending.h"
#include "core/mailbox.h"
#include "core/signals.h"
#include "core/spin.h"
#include "core/stall.h"
#include "core/tick.h"
#include "ring/choose.h"
#include "ring/op.h"
#include "future/scope.h"
#include "future/timers.h"

#include <coil/runtime.h>

struct coil__buffers;
struct coil__placement;
struct coil__run;

/* Where its thread runs. */
struct coil__place {
    int cpu;       /* -1: wherever the caller of coil was */
    int error;     /* why it could not be pinned there; 0: it is */
    unsigned node; /* of the CPU, and so of the memory that it touches first */
};

/* Messages for another core that leave together, the oldest first. */
struct coil__outbox {
    struct coil__core *to; /* NULL: it is empty */
    unsigned count;
    struct coil_message *messages[COIL__PARCEL_MAX];
};

/* Parcels of a core; while all are under way its messages go one by one. */
enum { COIL__PARCELS = 8 };

/* The last note to `core` whose answer was taken: the room of the next one, most likely. */
struct coil__answered {
    unsigned core;
    uintptr_t number;
};

/* Cores of which a core remembers that. */
enum { COIL__ANSWERED = 8 };

/* Begins with what every turn touches: one page, since after a system call a machine may find its
 * translations gone. */
struct coil__core {
    struct coil__sched sched __attribute__((aligned(4096)));
    struct coil__ring ring;
    struct coil__spin spin;
    struct coil_scope root; /* of the loop: holds fn of coil_run(), and calls from other cores */
    struct coil__mailbox mailbox;
    struct coil__outbox outbox; /* empty whenever this core sleeps */
    struct coil__run *run;
    struct coil__buffers *buffers; /* of the receivers; NULL until there is one */
    struct coil__tick tick;
    struct coil__watched stall;
    struct coil__ending ending; /* what coil_stop() brought */
    unsigned id;
    uint32_t outside;           /* waits that a thread which is no core may end, and ports */
    uint32_t offloaded;         /* work that threads of pools have yet to send back */
    bool refused;               /* its driver would not open a ring, and has said why */
    bool stopping;              /* the root is cancelled: no task will start any more */
    bool counted;               /* this core is among run->ended */
    bool finished;              /* all cores are: the loop may end */
    bool trimming;              /* `trim` is armed */
    struct coil__timers timers; /* of which it begins with what is in use */

    struct coil__place place;
    struct coil_timer trim;       /* gives memory of idle stacks back, once in a while */
    struct coil_message stop;     /* makes it stopping */
    struct coil_message finish;   /* makes it finished */
    struct coil_message give_up;  /* cancels the root: all cores wait for each other */
    struct coil__signals signals; /* that coroutines of this core wait for */
    unsigned next_parcel;         /* of `parcels`, whose turn it is */
    struct coil__answered answered[COIL__ANSWERED]; /* by the core's number, modulo that */
    struct coil__parcel parcels[COIL__PARCELS];
};

/* All cores of a coil_run(). */
struct coil__run {
    const struct coil_options *options; /* with every default filled in */
    const struct coil__placement *placement;
    struct coil__ring_choice ring; /* who drives the rings of all cores */
    coil_fn *fn;
    void *arg;
    int result;
    struct coil__core **cores; /* each allocated by its own thread */
    uint32_t ended;            /* cores without a task left, after the stop */
    uint32_t number;           /* of this run, by which the gate knows it (core/mailbox.h) */
    bool attached;             /* core 0 is the thread that called */
    int64_t grace_end;         /* when coil_stop() cancels what is left (core/mailbox.h) */
    bool deadlocked;           /* all cores waited for each other, and gave up */
    bool refused;              /* a core's driver would not open a ring */
    uint32_t queue_count;      /* work queues that were created, with the default queue */
    struct coil__queue_terms queues[COIL_QUEUES];
    uint64_t quiet __attribute__((aligned(64))); /* the cores that only a message could wake */
};

/* The core this thread runs; NULL in other threads. */
extern __thread struct coil__core *coil__core_here __attribute__((tls_model("initial-exec")));

/* Prepares a core on its own thread / undoes that. A refusal is explained to the log. */
int coil__core_open(struct coil__core *core, struct coil__run *run, unsigned id,
                    const struct coil__ring_options *ring);
void coil__core_close(struct coil__core *core);

/* Turns the loop until every core has finished. */
void coil__core_loop(struct coil__core *core);

/* Lets threads that are no cores wake this one before it sleeps for the first time on their behalf.
 * Idempotent. On its own thread. Returns 0 or -errno. */
int coil__core_open_bell(struct coil__core *core);

/* Delivers what was left in the mailbox when all loops had ended and nobody posts any more. */
void coil__core_deliver_rest(struct coil__core *core);

/* Of coil__core_post(), when others are in the outbox than those for `core` / when it is full. */
void coil__core_post_other(struct coil__core *here, struct coil__core *core,
                           struct coil_message *message);
void coil__core_send_outbox(struct coil__core *here);

/* Leaves a message for `core`, and wakes it if need be. From another core, or itself. It goes at
 * the end of this core's turn, at the latest; messages for the same core keep their order. */
static inline void coil__core_post(struct coil__core *core, struct coil_message *message)
{
    struct coil__core *here = coil__core_here;
    struct coil__outbox *outbox = &here->outbox;
    if (outbox->to != core) {
        coil__core_post_other(here, core, message);
        return;
    }
    outbox->messages[outbox->count++] = message;
    if (outbox->count == COIL__PARCEL_MAX)
        coil__core_send_outbox(here);
}

/* Room for a message by value, which arrives before all that is posted afterwards, and as soon as
 * it is left there; `*number` becomes its number. NULL: it has to be posted, since the mailbox is
 * not empty, or else would overtake what was posted before, or leave others behind who are about to
 * post too. */
static inline struct coil__note *coil__core_claim_note(const struct coil__core *here, unsigned core,
                                                       uintptr_t *number)
{
    struct coil__core *to = here->run->cores[core];
    if (to == here || here->outbox.to == to || coil__sched_has_ready(&here->sched))
        return NULL;
    const struct coil__answered *answered = &here->answered[core % COIL__ANSWERED];
    *number = answered->core == core ? answered->number : (uintptr_t)COIL__MPSC_FIRST;
    return coil__mpsc_claim(&to->mailbox.messages, number);
}

/* Whether a coroutine may look out for something in place of the loop, which has nothing to do: for
 * a microsecond or less, and as long as the loop would go on looking out, too. */
static inline bool coil__core_may_look_out(const struct coil__core *core)
{
    return core->ring.flags_tell && core->sched.budget > 0 && coil__spin_is_on(&core->spin) &&
           core->outbox.to == NULL && core->mailbox.open == NULL &&
           !coil__sched_has_ready(&core->sched) && coil__ring_unsubmitted(&core->ring) == 0;
}

static inline bool coil__core_hears_ring(const struct coil__core *core)
{
    return coil__ring_wants_enter(&core->ring) || coil__ring_has_completions(&core->ring);
}

/* Looks of who calls for his answer, and of who was called for the next one, before they give way:
 * a microsecond or less. Tests take more, so that none is in vain. */
extern unsigned coil__call_looks;

/* Resumes as which it counts when a coroutine does what the loop would do: it may take as long. */
enum { COIL__SUBMIT_COST = 8 };

/* Whether all that the loop would do now is to submit the one entry there is, of a coroutine about
 * to wait for it. Not over and over: whoever does it takes the cost from the turn's budget. */
static inline bool coil__core_may_submit(const struct coil__core *core)
{
    return core->sched.budget >= COIL__SUBMIT_COST && !coil__sched_has_ready(&core->sched) &&
           coil__ring_unsubmitted(&core->ring) == 1 && core->outbox.to == NULL &&
           !coil__core_hears_ring(core);
}

/* Lets what was posted go before the end of the turn, by a coroutine that is about to wait or end;
 * unless others are ready, who may post too. */
void coil__core_hand_over(void);

/* As coil__core_post(), at once. */
void coil__core_post_now(struct coil__core *core, struct coil_message *message);

/* As above, from a thread that is no core and has passed the gate. */
void coil__core_post_outside(struct coil__core *core, struct coil_message *message);

/* Tells all cores to cancel what they have and to come to an end. */
void coil__run_stop(struct coil__run *run);

#endif
