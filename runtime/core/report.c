/* SPDX-License-Identifier: MIT */
#include "core/report.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

/* Whether it would run if it were let; it may never have parked since it was spawned. */
static bool is_ready(const struct coil_task *task)
{
    return task->state != COIL__TASK_PARKED;
}

/* What a coroutine waits for. */
static void describe_wait(const struct coil_task *task, char *text, size_t size)
{
    const struct coil_scope *scope = task->scope;
    const char *cancelled = task->cancelled ? ", cancelled" : "";
    if (is_ready(task))
        snprintf(text, size, "a turn%s", cancelled);
    else if (task->waits_on != NULL)
        snprintf(text, size, "%s%s", task->waits_on->kind->name, cancelled);
    else if (scope != task->home && scope->phase == COIL__SCOPE_CLOSING)
        snprintf(text, size, "the %u coroutine%s of its scope%s", scope->child_count,
                 scope->child_count == 1 ? "" : "s", cancelled);
    else
        snprintf(text, size, "something that can't be cancelled");
}

/* Those of one name that wait for the same. */
struct group {
    const struct coil_task *first;
    char wait[128];
    size_t count;
    coil_time since; /* when the one that waits longest began to; of no meaning for a turn */
};

struct groups {
    struct group all[32];
    unsigned count;
    size_t others; /* coroutines for whose like there was no room */
};

/* Where a task belongs: behind the last one, if none has its like. */
static unsigned find(const struct groups *groups, const struct coil_task *task, const char *wait)
{
    unsigned at = 0;
    for (; at < groups->count; at++) {
        const struct group *group = &groups->all[at];
        if (strcmp(group->wait, wait) == 0 && strcmp(group->first->site, task->site) == 0 &&
            strcmp(group->first->name, task->name) == 0)
            break;
    }
    return at;
}

static void add(struct groups *groups, const struct coil_task *task)
{
    char wait[sizeof(groups->all->wait)];
    describe_wait(task, wait, sizeof(wait));
    unsigned at = find(groups, task, wait);
    if (at == sizeof(groups->all) / sizeof(groups->all[0])) {
        groups->others++;
        return;
    }
    struct group *group = &groups->all[at];
    if (at == groups->count) {
        *group = (struct group){.first = task, .since = task->parked_at};
        memcpy(group->wait, wait, sizeof(wait));
        groups->count++;
    }
    group->count++;
    if (task->parked_at < group->since)
        group->since = task->parked_at;
}

/* "has waited 0.100 s", with the time only where it is known: no clock is read for a coroutine that
 * is spawned, or yields. */
static void describe_time(const struct group *group, coil_time now, char *text, size_t size)
{
    bool many = group->count > 1;
    int64_t msec = (now - group->since) / COIL_MSEC;
    if (is_ready(group->first))
        snprintf(text, size, many ? "wait" : "waits");
    else
        snprintf(text, size, "%s %lld.%03lld s", many ? "have waited up to" : "has waited",
                 (long long)msec / 1000, (long long)msec % 1000);
}

static void report_group(unsigned core, const struct group *group, coil_time now)
{
    const struct coil_task *task = group->first;
    bool renamed = strcmp(task->name, task->site) != 0;
    char many[32] = "";
    if (group->count > 1)
        snprintf(many, sizeof(many), "%zu of ", group->count);
    char time[64];
    describe_time(group, now, time, sizeof(time));
    coil__log("  core %u: %s%s%s%s %s for %s", core, many, task->name,
              renamed ? ", spawned as " : "", renamed ? task->site : "", time, group->wait);
}

void coil__report_tasks(struct coil__core *core)
{
    coil_time now = coil__clock_now();
    struct groups groups = {.count = 0};
    struct coil_task *task = NULL;
    while ((task = coil__scope_next_task(&core->root, task)) != NULL)
        add(&groups, task);
    for (unsigned i = 0; i < groups.count; i++)
        report_group(core->id, &groups.all[i], now);
    if (groups.others > 0)
        coil__log("  core %u: %zu more, each unlike these", core->id, groups.others);
}
