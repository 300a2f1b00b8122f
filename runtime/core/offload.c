/* SPDX-License-Identifier: MIT */
/* Work for other threads as a future. */
#include "core/pool.h"

static void work_arrives(struct coil_message *message)
{
    struct coil_offloaded *work = coil__container_of(message, struct coil_offloaded, message);
    coil__pools_forget(work);
    coil__future_complete(coil__container_of(work, struct coil_future, offloaded), work->result);
}

/* What runs can't be stopped, and has its say when it arrives. */
static void offload_cancel(struct coil_future *future)
{
    if (coil__pools_remove(&future->offloaded))
        coil__future_complete(future, -ECANCELED);
}

static const struct coil_future_kind offload_kind = {.name = "offload", .cancel = offload_cancel};

void coil_offload_start(struct coil_future *future, struct coil_pool *pool, coil_blocking_fn *fn,
                        void *arg)
{
    (void)coil__self();
    if (!coil__future_begin(future, &offload_kind))
        return;
    future->offloaded =
        (struct coil_offloaded){.message.deliver = work_arrives, .fn = fn, .arg = arg};
    int err = coil__pools_add(pool, &future->offloaded);
    if (err < 0)
        coil__future_complete(future, err);
}

ssize_t coil_offload(struct coil_pool *pool, coil_blocking_fn *fn, void *arg)
{
    struct coil_future future;
    coil_offload_start(&future, pool, fn, arg);
    return coil__await(&future);
}
