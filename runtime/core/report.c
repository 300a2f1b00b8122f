/* SPDX-License-Identifier: MIT */
#include "core/report.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

/* What a coroutine waits for. */
static void describe_wait(const struct coil_task *task, char *text, size_t size)
{
    const struct coil_scope *scope = task->scope;
    const char *cancelled = task->cancelled ? ", cancelled" : "";
    if (task->waits_on != NULL)
        snprintf(text, size, "%s%s", task->waits_on->kind->name, cancelled);
    else if (scope != task->home && scope->phase == COIL__SCOPE_CLOSING)
        snprintf(text, size, "the %u coroutine%s of its scope%s", scope->child_count,
                 scope->child_count == 1 ? "" : "s", cancelled);
    else if (task->state != COIL__TASK_PARKED)
        snprintf(text, size, "its turn%s", cancelled);
    else
        snprintf(text, size, "something that can't be cancelled");
}

static void report_task(unsigned core, const struct coil_task *task, coil_time now)
{
    char wait[128];
    describe_wait(task, wait, sizeof(wait));
    bool renamed = strcmp(task->name, task->site) != 0;
    int64_t msec = (now - task->parked_at) / COIL_MSEC;
    coil__log("  core %u: %s%s%s has waited %lld.%03lld s for %s", core, task->name,
              renamed ? ", spawned as " : "", renamed ? task->site : "", (long long)msec / 1000,
              (long long)msec % 1000, wait);
}

void coil__report_tasks(struct coil__core *core)
{
    coil_time now = coil__clock_now();
    struct coil_task *task = NULL;
    while ((task = coil__scope_next_task(&core->root, task)) != NULL)
        report_task(core->id, task, now);
}
