/* SPDX-License-Identifier: MIT */
/* The wait group. */
#include "future/waiters.h"

#include <coil/sync.h>

static void wait_cancel(struct coil_future *future)
{
    struct coil_wait_group *group = future->waiting.object;
    coil__waiters_cancel(&group->waiters, future);
}

static const struct coil_future_kind wait_kind = {.name = "wait group", .cancel = wait_cancel};

void coil_wait_group_add(struct coil_wait_group *group, uint32_t count)
{
    (void)coil__self();
    coil__require(count <= UINT32_MAX - group->count,
                  "coil_wait_group_add: more than it can count");
    group->count += count;
}

void coil_wait_group_done(struct coil_wait_group *group)
{
    (void)coil__self();
    coil__require(group->count > 0, "coil_wait_group_done: more was done than added");
    if (--group->count == 0)
        coil__waiters_complete(&group->waiters, 0);
}

void coil_wait_group_wait_start(struct coil_future *future, struct coil_wait_group *group)
{
    if (!coil__future_begin(future, &wait_kind))
        return;
    future->waiting.object = group;
    if (group->count == 0)
        coil__future_complete(future, 0);
    else
        coil__waiters_append(&group->waiters, future);
}

int coil_wait_group_wait(struct coil_wait_group *group)
{
    struct coil_future future;
    coil_wait_group_wait_start(&future, group);
    return (int)coil__await(&future);
}

void coil_wait_group_destroy(struct coil_wait_group *group)
{
    coil__require(coil__waiters_empty(&group->waiters),
                  "coil_wait_group_destroy: a coroutine waits for it");
    group->count = 0;
}
