/* SPDX-License-Identifier: MIT */
/* The atomics by which cores meet. */
#include "core/mailbox.h"

bool coil__mailbox_post(struct coil__mailbox *mailbox, struct coil__message *message)
{
    coil__mpsc_push(&mailbox->messages, &message->node);
    /* Sequentially consistent; pairs with the fence in coil__mailbox_sleep(). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&mailbox->asleep, __ATOMIC_RELAXED) != 0 &&
           __atomic_exchange_n(&mailbox->asleep, 0, __ATOMIC_RELAXED) != 0;
}

void coil__mailbox_drain(struct coil__mailbox *mailbox)
{
    if (coil__mpsc_empty(&mailbox->messages))
        return;
    struct coil__mpsc_node *node = coil__mpsc_take(&mailbox->messages);
    while (node != NULL) { /* ends: what is posted meanwhile waits for the next turn */
        struct coil__message *message = (struct coil__message *)node;
        node = node->next;
        message->deliver(message);
    }
}

bool coil__mailbox_sleep(struct coil__mailbox *mailbox)
{
    __atomic_store_n(&mailbox->asleep, 1, __ATOMIC_RELAXED);
    /* Sequentially consistent; pairs with the fence in coil__mailbox_post(). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (coil__mpsc_empty(&mailbox->messages))
        return true;
    coil__mailbox_awake(mailbox);
    return false;
}

void coil__mailbox_awake(struct coil__mailbox *mailbox)
{
    __atomic_store_n(&mailbox->asleep, 0, __ATOMIC_RELAXED);
}

uint32_t coil__count_raise(uint32_t *count)
{
    return __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
}

bool coil__step_try(uint32_t *step, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(step, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
