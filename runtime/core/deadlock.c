/* SPDX-License-Identifier: MIT */
/*
 * Telling that all cores wait for each other, and who waits for what.
 *
 * A core joins the quiet ones when it has declared itself asleep and found its mailbox empty, and
 * has nothing in flight, no timer, and nothing that a thread outside could complete. It leaves
 * before it takes a message. So while all are quiet no core posts anything, and the last one to
 * join
 *
 *     1. sees in the mailboxes whatever was posted before: if anything is there, its receiver
 *        wakes, and joins again later;
 *     2. leaves if nobody has moved since it joined. Then all were quiet with empty mailboxes at
 *        one instant, which nothing can change any more.
 *
 * Step 2 is needed since a receiver may leave, take its message and with it the evidence of step 1.
 * Threads outside may post at any time, but nothing that lets a coroutine run: `outside` is 0.
 * Meanwhile the others sleep, or have woken up for nothing, and change none of their coroutines.
 */
#include "core/deadlock.h"

#include "core/report.h"
#include "base/log.h"

static void report(const struct coil__run *run)
{
    size_t count = 0;
    for (unsigned i = 0; i < run->options->core_count; i++)
        count += run->cores[i]->sched.task_count;
    coil__log("deadlock: nothing can wake any of the %zu coroutine%s any more", count,
              count == 1 ? "" : "s");
    for (unsigned i = 0; i < run->options->core_count; i++)
        coil__report_tasks(run->cores[i]);
}

/* Wakes who was left a message by a thread that could not wake it. */
static bool all_mailboxes_are_empty(struct coil__core *core)
{
    const struct coil__run *run = core->run;
    bool all_empty = true;
    for (unsigned i = 0; i < run->options->core_count; i++) {
        bool wake;
        all_empty &= coil__mailbox_is_empty(&run->cores[i]->mailbox, &wake);
        if (wake && run->cores[i] != core)
            core->ring.driver->wake(&core->ring, &run->cores[i]->ring);
    }
    return all_empty;
}

/* Whether `core` may sleep; else it leaves: a thread that can't wake it has left it a message. */
static bool stay_quiet(struct coil__core *core)
{
    if (coil__mpsc_nothing_new(&core->mailbox.messages))
        return true;
    coil__quiet_leave(&core->run->quiet);
    return false;
}

static void give_up(struct coil__core *core)
{
    struct coil__run *run = core->run;
    report(run);
    if (core->ring.driver->tell_replay != NULL)
        core->ring.driver->tell_replay();
    coil__require(!run->deadlocked && !core->stopping,
                  "deadlock: coroutines stay parked although they were cancelled");
    run->deadlocked = true;
    for (unsigned i = 0; i < run->options->core_count; i++)
        coil__core_post(run->cores[i], &run->cores[i]->give_up);
}

void coil__deadlock_declare(struct coil__core *core)
{
    bool lost_power = core->ring.lost_power;
    core->ring.stuck = false;
    core->ring.lost_power = false;
    if (lost_power)
        coil__scope_cancel(&core->root, COIL__CAUSE_REQUEST);
    else
        give_up(core);
}

bool coil__deadlock_check(struct coil__core *core)
{
    struct coil__run *run = core->run;
    uint64_t seen = coil__quiet_join(&run->quiet);
    if (coil__quiet_count(seen) < run->options->core_count)
        return false;
    if (!all_mailboxes_are_empty(core))
        return !stay_quiet(core);
    if (!coil__quiet_leave_if(&run->quiet, seen))
        return false;
    give_up(core);
    return true;
}
