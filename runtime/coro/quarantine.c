/* SPDX-License-Identifier: MIT */
/* Shut by mprotect(2): unlike a guard, what is shut keeps what is in it, such as the context in
 * which the next coroutine will start. */
#include "coro/quarantine.h"

#include "coro/task.h"

#include <sys/mman.h>

/* From the lowest address of the stack up to and with its task. */
static size_t reach(const struct coil__stacks *stacks)
{
    return stacks->slot_size - stacks->guard_size;
}

static struct coil__retired *slot_of(struct coil__quarantine *quarantine, unsigned number)
{
    return &quarantine->slots[number % COIL__QUARANTINE_SIZE];
}

void coil__quarantine_settle(struct coil__quarantine *quarantine, const struct coil__stacks *stacks)
{
    for (unsigned i = quarantine->put_count; i != quarantine->taken_count; i--) {
        struct coil__retired *retired = slot_of(quarantine, i - 1);
        if (retired->shut)
            return; /* and so are those before it */
        /* A process that has all the mappings it may have does without. */
        void *bottom = coil__stack_bottom(stacks, retired->task);
        retired->hooks = retired->task->hooks;
        retired->shut = mprotect(bottom, reach(stacks), PROT_NONE) == 0;
    }
}

static void take_oldest(struct coil__quarantine *quarantine, struct coil__stacks *stacks)
{
    struct coil__retired *oldest = slot_of(quarantine, quarantine->taken_count++);
    void *bottom = coil__stack_bottom(stacks, oldest->task);
    if (!oldest->shut || mprotect(bottom, reach(stacks), PROT_READ | PROT_WRITE) == 0) {
        coil__stacks_put(stacks, oldest->task);
        return;
    }
    /* To open it takes a mapping more, and there is none: its address space stays unused until the
     * core ends. */
    coil__hooks_destroy(&oldest->hooks);
    stacks->used_count--;
}

void coil__quarantine_put(struct coil__quarantine *quarantine, struct coil__stacks *stacks,
                          struct coil_task *task)
{
    coil__assert(task->in_flight == 0); /* as the pool does, and while it is known who it was */
    if (quarantine->put_count - quarantine->taken_count == COIL__QUARANTINE_SIZE)
        take_oldest(quarantine, stacks);
    *slot_of(quarantine, quarantine->put_count++) =
        (struct coil__retired){.task = task, .name = task->name};
}

void coil__quarantine_drain(struct coil__quarantine *quarantine, struct coil__stacks *stacks)
{
    while (quarantine->taken_count != quarantine->put_count)
        take_oldest(quarantine, stacks);
}

const struct coil__retired *coil__quarantine_find(const struct coil__quarantine *quarantine,
                                                  const struct coil__stacks *stacks,
                                                  const void *address)
{
    for (unsigned i = quarantine->taken_count; i != quarantine->put_count; i++) {
        const struct coil__retired *retired = &quarantine->slots[i % COIL__QUARANTINE_SIZE];
        uintptr_t bottom = (uintptr_t)coil__stack_bottom(stacks, retired->task);
        if (retired->shut && (uintptr_t)address - bottom < reach(stacks))
            return retired;
    }
    return NULL;
}
