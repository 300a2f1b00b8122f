/* SPDX-License-Identifier: MIT */
#include "sim/stage.h"

#include "sim/bell.h"
#include "sim/disk.h"
#include "sim/op.h"
#include "sim/socket.h"
#include "sim/work.h"
#include "future/timers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum actor_state {
    READY,  /* to begin, or resumed */
    INSIDE, /* it runs, or waits in enter() */
    PAUSED, /* until somebody resumes all who are */
    ENDED,
};

/* A core's loop, its stack, and what its thread's variables are while it runs. */
struct actor {
    void *context;
    enum actor_state state;
    unsigned id;
    char *memory;
    struct coil__sched *sched;
    struct coil__ring *ring;
    struct coil__timers *timers;
    void *here;
    struct coil__hooks_task hooks;
};

static const size_t guard_size = (size_t)64 << 10;
static const size_t stack_size = (size_t)512 << 10;

static struct {
    const struct coil__ring_stage *stage;
    struct actor *actors;
    struct actor *running; /* NULL: the thread itself */
    struct actor thread;
} theatre;

static bool has_reason(const struct actor *actor)
{
    if (actor->state != INSIDE)
        return actor->state == READY;
    const struct coil__sim_ring *ring = coil__sim.rings[actor->id];
    return !ring->waiting || ring->deadline <= coil__sim.now ||
           ring->cq_tail - ring->cq_head >= ring->wait;
}

/* One of those that have a reason to run, which the thread itself has when work is due; NULL:
 * nobody has. */
static struct actor *choose(void)
{
    unsigned count = theatre.stage->count;
    bool is_due = coil__sim_work_is_due();
    if (count == 1 && !is_due)
        return has_reason(&theatre.actors[0]) ? &theatre.actors[0] : NULL;
    unsigned able = is_due ? 1 : 0;
    for (unsigned i = 0; i < count; i++)
        able += has_reason(&theatre.actors[i]) ? 1 : 0;
    if (able == 0)
        return NULL;
    unsigned left = coil__sim_below(able);
    if (is_due && left-- == 0)
        return &theatre.thread;
    struct actor *actor = theatre.actors;
    while (!has_reason(actor) || left-- > 0) /* ends: as many have a reason */
        actor++;
    return actor;
}

/* The next instant at which something happens or somebody wakes up. */
static coil_time next_instant(void)
{
    coil_time next = coil__sim_next();
    for (unsigned i = 0; i < theatre.stage->count; i++) {
        const struct coil__sim_ring *ring = coil__sim.rings[i];
        if (theatre.actors[i].state == INSIDE && ring->deadline < next)
            next = ring->deadline;
    }
    return next;
}

/* In a closed world nobody is left who could do what they wait for. */
static void tell_stuck(void)
{
    for (unsigned i = 0; i < theatre.stage->count; i++) {
        if (theatre.actors[i].state == INSIDE) {
            coil__sim_post_alone(coil__sim.rings[i], COIL__TAG_STUCK, 0);
            return;
        }
    }
    coil__require(false, "the simulated cores all wait for each other to start or to end");
}

/* Whether a thread of the program owes somebody an answer: else its bells are of no use. */
static bool threads_may_help(void)
{
    for (unsigned i = 0; i < theatre.stage->count; i++) {
        if (theatre.actors[i].state == INSIDE && coil__sim.rings[i]->ring->hears_threads)
            return true;
    }
    return false;
}

static void pass_time(void)
{
    coil_time next = next_instant();
    if (next != COIL_FOREVER)
        coil__sim.now = next > coil__sim.now ? next : coil__sim.now;
    else if (!threads_may_help() || !coil__sim_bells_wait())
        tell_stuck();
}

static struct actor *await_reason(void)
{
    for (;;) { /* ends: time passes, or somebody is told that it does not */
        coil__sim_fire();
        coil__sim_bells_hear();
        struct actor *actor = choose();
        if (actor != NULL)
            return actor;
        pass_time();
    }
}

static void store(struct actor *actor)
{
    actor->sched = coil__sched;
    actor->ring = coil__ring_here;
    actor->timers = coil__timers_here;
    actor->here = *theatre.stage->here;
}

static void load(const struct actor *actor)
{
    coil__sched = actor->sched;
    coil__ring_here = actor->ring;
    coil__timers_here = actor->timers;
    *theatre.stage->here = actor->here;
}

static void switch_to(struct actor *to)
{
    struct actor *from = theatre.running;
    if (from == to)
        return;
    store(from);
    load(to);
    theatre.running = to;
    coil__hooks_leave(&from->hooks, &to->hooks);
    struct coil__transfer transfer = coil__jump(to->context, from);
    ((struct actor *)transfer.data)->context = transfer.context;
    coil__hooks_enter(&from->hooks);
}

static bool all_have_ended(void)
{
    for (unsigned i = 0; i < theatre.stage->count; i++) {
        if (theatre.actors[i].state != ENDED)
            return false;
    }
    return true;
}

static void actor_entry(struct coil__transfer transfer)
{
    struct actor *self = theatre.running;
    ((struct actor *)transfer.data)->context = transfer.context;
    coil__hooks_enter(&self->hooks);
    self->state = INSIDE;
    theatre.stage->work(theatre.stage->members[self->id]);
    self->state = ENDED;
    switch_to(all_have_ended() ? &theatre.thread : await_reason());
    coil__assert(false); /* nobody switches to who has ended */
}

static int open_actor(struct actor *actor, unsigned id)
{
    void *memory = mmap(NULL, guard_size + stack_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    *actor = (struct actor){.id = id, .memory = memory, .sched = &coil__nowhere};
    if (mprotect(memory, guard_size, PROT_NONE) < 0) {
        munmap(memory, guard_size + stack_size);
        return -ENOMEM;
    }
    char *bottom = actor->memory + guard_size;
    actor->context = make_fcontext(bottom + stack_size, stack_size, actor_entry);
    coil__hooks_create(&actor->hooks, bottom, stack_size);
    return 0;
}

static void close_actors(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        coil__hooks_destroy(&theatre.actors[i].hooks);
        munmap(theatre.actors[i].memory, guard_size + stack_size);
    }
    free(theatre.actors);
    theatre.actors = NULL;
}

static void play(void)
{
    theatre.running = &theatre.thread;
    coil__hooks_thread(&theatre.thread.hooks);
    switch_to(&theatre.actors[0]);
    while (coil__sim_work_is_due()) { /* ends: no core ends before its work has arrived */
        coil__sim_work_run();
        switch_to(await_reason());
    }
    coil__hooks_thread_end(&theatre.thread.hooks);
}

int coil__sim_stage(const struct coil__ring_stage *stage)
{
    int err = coil__sim_begin(stage->parameter, stage->count);
    if (err < 0)
        return err;
    theatre.stage = stage;
    theatre.actors = calloc(stage->count, sizeof(*theatre.actors));
    unsigned opened = 0;
    if (theatre.actors == NULL)
        err = -ENOMEM;
    while (err == 0 && opened < stage->count) {
        err = open_actor(&theatre.actors[opened], opened);
        opened += err == 0 ? 1 : 0;
    }
    if (err == 0)
        err = coil__sim_files_open(coil__sim.knobs.descriptors);
    coil__sim_net_open();
    coil__sim_disk_open();
    if (err == 0)
        play();
    coil__sim_files_close();
    coil__sim_disk_close();
    close_actors(opened);
    coil__sim_free_ops();
    coil__sim_end();
    return err;
}

void coil__sim_stage_pause(void)
{
    struct actor *self = theatre.running;
    self->state = PAUSED;
    switch_to(await_reason());
    self->state = INSIDE;
}

void coil__sim_stage_resume(void)
{
    for (unsigned i = 0; i < theatre.stage->count; i++) {
        if (theatre.actors[i].state == PAUSED)
            theatre.actors[i].state = READY;
    }
}

unsigned coil__sim_stage_self(void)
{
    return theatre.running->id;
}

void coil__sim_stage_wait(void)
{
    switch_to(await_reason());
}
