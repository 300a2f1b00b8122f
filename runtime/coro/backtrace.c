/* SPDX-License-Identifier: MIT */
/* By the tables that compilers write for exceptions, which functions of libc have as well; where
 * there are none, by the frame pointers, within the stack that the thread was on. */
#include "coro/backtrace.h"
#include "base/peek.h"

#include <ucontext.h>
#include <unwind.h>

struct walk {
    uintptr_t place; /* of the interruption */
    const void **frames;
    size_t size, count;
};

struct registers {
    uintptr_t place, stack, frame;
};

#if defined(__x86_64__)
static struct registers registers_of(const ucontext_t *context)
{
    const greg_t *all = context->uc_mcontext.gregs;
    return (struct registers){(uintptr_t)all[REG_RIP], (uintptr_t)all[REG_RSP],
                              (uintptr_t)all[REG_RBP]};
}
#elif defined(__aarch64__)
static struct registers registers_of(const ucontext_t *context)
{
    const mcontext_t *all = &context->uc_mcontext;
    return (struct registers){all->pc, all->sp, all->regs[29]};
}
#else
static struct registers registers_of(const ucontext_t *context)
{
    (void)context;
    return (struct registers){0, 0, 0};
}
#endif

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    uintptr_t place = _Unwind_GetIP(context);
    if (walk->count == 0 && place != walk->place) /* still in the handler */
        return _URC_NO_REASON;
    if (walk->count == walk->size || place == 0)
        return _URC_END_OF_STACK;
    walk->frames[walk->count] = (const char *)place + (walk->count == 0);
    walk->count++;
    return _URC_NO_REASON;
}

/* What a frame pointer leads to. */
struct saved {
    uintptr_t frame; /* the caller's */
    uintptr_t place; /* in the caller */
};

static size_t follow_pointers(const struct registers *at, const struct coil_task *task,
                              const void **frames, size_t size)
{
    size_t count = 1;
    uintptr_t lowest = at->stack;
    uintptr_t frame = at->frame;
    while (count < size && frame >= lowest && frame % sizeof(uintptr_t) == 0 &&
           frame + sizeof(struct saved) <= (uintptr_t)task) { /* ends: ever further up */
        struct saved saved; /* or whatever lies there, if a function made no frame */
        if (coil__peek(&saved, (const void *)frame, sizeof(saved)) < 0 || saved.place == 0)
            break;
        frames[count++] = (const void *)saved.place;
        lowest = frame + sizeof(saved);
        frame = saved.frame;
    }
    return count;
}

size_t coil__backtrace(const struct coil__sched *sched, const void *context, const void **frames,
                       size_t size, const struct coil_task **stack)
{
    struct registers at = registers_of(context);
    const struct coil_task *task;
    frames[0] = (const char *)at.place + 1; /* as if a call there had returned */
    *stack = NULL;
    if (coil__stacks_find(&sched->stacks, (const void *)at.stack, &task) != COIL__STACK_INSIDE)
        return 1;
    *stack = task;
    struct walk walk = {at.place, frames, size, 0};
    _Unwind_Backtrace(take_frame, &walk);
    return walk.count > 1 ? walk.count : follow_pointers(&at, task, frames, size);
}
