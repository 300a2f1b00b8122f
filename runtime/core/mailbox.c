/* SPDX-License-Identifier: MIT */
/* The atomics by which cores meet, and threads that are no cores. */
#include "core/mailbox.h"

#include "base/assert.h"
#include "base/prefetch.h"

#include <assert.h>
#include <sched.h>
#include <string.h>

static_assert(sizeof(struct coil__parcel) == 256, "a parcel takes four cache lines");
static_assert(offsetof(struct coil__mailbox, messages.read) == 64, "a note comes in one line");

static_assert(sizeof(struct coil__mpsc_node) == offsetof(struct coil_message, deliver),
              "a message begins with its link");

static struct coil__mpsc_node *node_of(struct coil_message *message)
{
    return (struct coil__mpsc_node *)(void *)message;
}

/* What a parcel would do, which is opened instead: by this it is known. */
static void parcel_arrives(struct coil_message *message)
{
    (void)message;
    coil__panic(__FILE__, __LINE__, "a parcel was delivered unopened");
}

void coil__mailbox_init(struct coil__mailbox *mailbox)
{
    coil__mpsc_init(&mailbox->messages);
    mailbox->open = NULL;
    mailbox->has_bell = 0;
}

static bool post_chain(struct coil__mailbox *mailbox, struct coil_message *newest,
                       struct coil_message *oldest)
{
    return coil__mpsc_push_chain(&mailbox->messages, node_of(newest), node_of(oldest)) &&
           coil__mpsc_unmark(&mailbox->messages);
}

bool coil__mailbox_post(struct coil__mailbox *mailbox, struct coil_message *message)
{
    return post_chain(mailbox, message, message);
}

bool coil__mailbox_post_all(struct coil__mailbox *mailbox, struct coil_message *const *messages,
                            unsigned count, struct coil__parcel *parcel)
{
    if (parcel == NULL) {
        for (unsigned i = 1; i < count; i++)
            node_of(messages[i])->next = node_of(messages[i - 1]);
        return post_chain(mailbox, messages[count - 1], messages[0]);
    }
    coil__prefetch_to_write(&mailbox->messages); /* it comes while the parcel is written */
    parcel->message.deliver = parcel_arrives;
    parcel->count = count;
    memcpy(parcel->contents, messages, sizeof(parcel->contents)); /* of a fixed size: faster */
    /* Relaxed: the push hands it over. */
    __atomic_store_n(&parcel->under_way, 1, __ATOMIC_RELAXED);
    return coil__mailbox_post(mailbox, &parcel->message);
}

bool coil__parcel_is_here(const struct coil__parcel *parcel)
{
    /* Acquire; pairs with the release in next_of_parcel(): the receiver has read it. */
    return __atomic_load_n(&parcel->under_way, __ATOMIC_ACQUIRE) == 0;
}

bool coil__mailbox_post_outside(struct coil__mailbox *mailbox, struct coil_message *message)
{
    /* Who sees no bell after the push was here before the receiver got it, and only then does it
     * sleep for what comes from outside: so it sees the message first. That the bell can be rung
     * comes with it; pairs with coil__mailbox_give_bell(). */
    return coil__mpsc_push(&mailbox->messages, node_of(message)) &&
           __atomic_load_n(&mailbox->has_bell, __ATOMIC_SEQ_CST) != 0 &&
           coil__mpsc_unmark(&mailbox->messages);
}

void coil__mailbox_give_bell(struct coil__mailbox *mailbox)
{
    __atomic_store_n(&mailbox->has_bell, 1, __ATOMIC_SEQ_CST);
}

bool coil__mailbox_is_empty(struct coil__mailbox *mailbox, bool *wake)
{
    bool empty = coil__mpsc_nothing_new(&mailbox->messages);
    *wake = !empty && coil__mpsc_unmark(&mailbox->messages);
    return empty;
}

static void open_parcel(struct coil__mailbox *mailbox, struct coil__parcel *parcel)
{
    mailbox->open = parcel;
    mailbox->unpacked = 0;
    for (unsigned i = 0; i < parcel->count; i++)
        __builtin_prefetch(parcel->contents[i]);
}

/* Delivers what is left in the open parcel. Returns what is left of the budget. */
static unsigned unpack(struct coil__mailbox *mailbox, unsigned budget)
{
    struct coil__parcel *parcel = mailbox->open;
    unsigned next = mailbox->unpacked, count = parcel->count;
    do { /* ends: bounded by both; in a child of fork() the mailbox is another one afterwards */
        struct coil_message *message = parcel->contents[next++];
        mailbox->unpacked = next;
        if (next == count) {
            mailbox->open = NULL;
            /* Release; pairs with the acquire in coil__parcel_is_here(). */
            __atomic_store_n(&parcel->under_way, 0, __ATOMIC_RELEASE);
        }
        message->deliver(message);
    } while (--budget > 0 && mailbox->open == parcel);
    return budget;
}

/* Delivers a note; false when there is none. */
static bool deliver_note(struct coil__mailbox *mailbox)
{
    if (coil__mpsc_note(&mailbox->messages) == NULL)
        return false;
    coil__mpsc_deliver(&mailbox->messages);
    return true;
}

__attribute__((hot)) void coil__mailbox_drain(struct coil__mailbox *mailbox)
{
    unsigned budget = COIL__MAIL_BUDGET;
    while (budget > 0) {
        if (mailbox->open != NULL) {
            budget = unpack(mailbox, budget);
            continue;
        }
        struct coil_message *message = (void *)coil__mpsc_pop(&mailbox->messages);
        if (message == NULL) {
            if (!deliver_note(mailbox))
                break;
            budget--;
            continue;
        }
        for (size_t line = 64; line < sizeof(struct coil__parcel); line += 64)
            __builtin_prefetch((const char *)message + line); /* the rest, if it is a parcel */
        if (message->deliver == parcel_arrives) {
            open_parcel(mailbox, (struct coil__parcel *)(void *)message);
        } else {
            message->deliver(message);
            budget--;
        }
    }
}

__attribute__((hot)) bool coil__mailbox_sleep(struct coil__mailbox *mailbox)
{
    return mailbox->open == NULL && coil__mpsc_mark(&mailbox->messages);
}

__attribute__((hot)) void coil__mailbox_awake(struct coil__mailbox *mailbox)
{
    coil__mpsc_unmark(&mailbox->messages);
}

uint32_t coil__count_raise(uint32_t *count)
{
    return __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
}

void coil__count_lower(uint32_t *count)
{
    __atomic_sub_fetch(count, 1, __ATOMIC_SEQ_CST);
}

void coil__count_mark(uint32_t *count, uint32_t bits)
{
    __atomic_or_fetch(count, bits, __ATOMIC_SEQ_CST);
}

uint32_t coil__count_read(const uint32_t *count)
{
    return __atomic_load_n(count, __ATOMIC_RELAXED);
}

bool coil__step_try(uint32_t *step, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(step, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

uint32_t coil__step_now(const uint32_t *step)
{
    /* Relaxed: what comes with a step is handed over by coil__step_try() or by a message. */
    return __atomic_load_n(step, __ATOMIC_RELAXED);
}

bool coil__flag_raise(uint32_t *flag)
{
    /* Release, also when it is up; pairs with the acquire in coil__flag_lower(). */
    return __atomic_exchange_n(flag, 1, __ATOMIC_ACQ_REL) == 0;
}

void coil__flag_lower(uint32_t *flag)
{
    /* Acquire; pairs with the release of whoever raised it last. */
    __atomic_exchange_n(flag, 0, __ATOMIC_ACQ_REL);
}

void coil__instant_lower(int64_t *instant, int64_t to)
{
    int64_t now = __atomic_load_n(instant, __ATOMIC_RELAXED);
    /* Relaxed: a message, or a flag, brings it to who reads it. */
    while (to < now && !__atomic_compare_exchange_n(instant, &now, to, true, __ATOMIC_RELAXED,
                                                    __ATOMIC_RELAXED)) {
        /* ends: it only becomes earlier */
    }
}

int64_t coil__instant_now(const int64_t *instant)
{
    return __atomic_load_n(instant, __ATOMIC_RELAXED);
}

/* One more or one fewer is quiet; the upper part counts the steps. */
static const uint64_t one_joins = (UINT64_C(1) << 16) + 1;
static const uint64_t one_leaves = (UINT64_C(1) << 16) - 1;

uint64_t coil__quiet_join(uint64_t *quiet)
{
    /* Sequentially consistent. Each step reads the one before: so the last one to join sees all
     * that the others have posted. */
    return __atomic_add_fetch(quiet, one_joins, __ATOMIC_SEQ_CST);
}

void coil__quiet_leave(uint64_t *quiet)
{
    __atomic_add_fetch(quiet, one_leaves, __ATOMIC_SEQ_CST);
    /* Sequentially consistent; pairs with the fence in coil__quiet_leave_if(): who found our
     * mailbox empty because we took the messages also finds that we have left. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool coil__quiet_leave_if(uint64_t *quiet, uint64_t seen)
{
    /* Sequentially consistent; pairs with the fence in coil__quiet_leave(). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_compare_exchange_n(quiet, &seen, seen + one_leaves, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

enum { DOOR_OPEN = 1u << 31 }; /* the rest counts who is inside */

void coil__door_open(uint32_t *door)
{
    /* Release; pairs with the acquire in coil__door_enter(): what lies behind the door is there. */
    __atomic_fetch_or(door, DOOR_OPEN, __ATOMIC_RELEASE);
}

bool coil__door_enter(uint32_t *door)
{
    /* Acquire; pairs with the release in coil__door_open(). */
    if ((__atomic_fetch_add(door, 1, __ATOMIC_ACQUIRE) & DOOR_OPEN) != 0)
        return true;
    coil__door_leave(door);
    return false;
}

void coil__door_leave(uint32_t *door)
{
    /* Release; pairs with the acquire in coil__door_is_empty(): we are done with what is inside. */
    __atomic_fetch_sub(door, 1, __ATOMIC_RELEASE);
}

void coil__door_shut(uint32_t *door)
{
    __atomic_fetch_and(door, ~(uint32_t)DOOR_OPEN, __ATOMIC_RELAXED);
}

bool coil__door_is_empty(const uint32_t *door)
{
    return __atomic_load_n(door, __ATOMIC_ACQUIRE) == 0;
}

static struct {
    uint32_t run;  /* which one the gate is open to; 0: closed */
    uint32_t last; /* only coil_run() touches it, and there is one at a time */
    uint32_t inside;
} gate;

uint32_t coil__gate_open(void)
{
    if (++gate.last == 0)
        gate.last = 1;
    __atomic_store_n(&gate.run, gate.last, __ATOMIC_SEQ_CST);
    return gate.last;
}

void coil__gate_close(void)
{
    /* Sequentially consistent, as in coil__gate_enter(): either side sees the other. */
    __atomic_store_n(&gate.run, 0, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&gate.inside, __ATOMIC_SEQ_CST) != 0) /* ends: nobody waits inside */
        sched_yield();
}

bool coil__gate_enter(uint32_t run)
{
    if (run == 0) /* it would find the number of a closed gate */
        return false;
    __atomic_add_fetch(&gate.inside, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&gate.run, __ATOMIC_SEQ_CST) == run)
        return true;
    coil__gate_leave();
    return false;
}

bool coil__gate_is_open(uint32_t run)
{
    return __atomic_load_n(&gate.run, __ATOMIC_RELAXED) == run;
}

void coil__gate_after_fork(void)
{
    __atomic_store_n(&gate.inside, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&gate.run, 0, __ATOMIC_RELAXED);
}

void coil__gate_leave(void)
{
    /* Release; pairs with the load in coil__gate_close(): we are done with what belongs to the run.
     */
    __atomic_sub_fetch(&gate.inside, 1, __ATOMIC_RELEASE);
}
