/* SPDX-License-Identifier: MIT */
/*
 * Where other cores leave messages for one, and the doorbell that wakes it.
 *
 *     receiver: declare asleep, unless a message is there      sender: post; if asleep, ring
 *
 * Both change one word (base/mpsc.h), so that one of them always sees the other.
 */
#ifndef COIL_CORE_MAILBOX_H
#define COIL_CORE_MAILBOX_H

#include "base/mpsc.h"

#include <coil/port.h>
#include <stdint.h>

/*
 * Several messages that travel as one, in four cache lines, so that the receiver can have all of
 * them on their way at once. It is the sender's, who uses it again once it was unpacked.
 */
enum { COIL__PARCEL_MAX = 29 };

struct coil__parcel {
    struct coil_message message;
    uint32_t under_way; /* the receiver has yet to unpack it */
    uint32_t count;
    struct coil_message *contents[COIL__PARCEL_MAX];
} __attribute__((aligned(64)));

/* Of cache lines of its own, of which other cores write the first, which has room for a note. */
struct coil__mailbox {
    struct coil__mpsc messages __attribute__((aligned(64))); /* marked: the receiver sleeps */
    struct coil__parcel *open;                               /* it is being unpacked; NULL: none */
    uint32_t unpacked;                                       /* so many of its messages */
    uint32_t has_bell; /* threads that are no cores can wake the receiver (ring/ring.h) */
};

/* Messages that are delivered before the loop looks at anything else. */
enum { COIL__MAIL_BUDGET = 256 };

void coil__mailbox_init(struct coil__mailbox *mailbox);

/* Leaves a message. Returns true when the receiver sleeps and the caller has to wake it. */
bool coil__mailbox_post(struct coil__mailbox *mailbox, struct coil_message *message);

/* As above, of several messages, the oldest first: in the parcel, or if that is NULL, each for
 * itself. */
bool coil__mailbox_post_all(struct coil__mailbox *mailbox, struct coil_message *const *messages,
                            unsigned count, struct coil__parcel *parcel);

/* Whether a parcel may be used. By its sender. */
bool coil__parcel_is_here(const struct coil__parcel *parcel);

/* As the first, for a thread that is no core. Without a bell it can't wake the receiver, which then
 * reads the message when it wakes for another reason. */
bool coil__mailbox_post_outside(struct coil__mailbox *mailbox, struct coil_message *message);

/* Lets threads that are no cores wake the receiver from now on. By the receiver, awake. */
void coil__mailbox_give_bell(struct coil__mailbox *mailbox);

/* Whether nothing is there. If something is and nobody has woken the receiver, `*wake` says that
 * the caller has to. From any core. */
bool coil__mailbox_is_empty(struct coil__mailbox *mailbox, bool *wake);

/* Whether there is something to deliver. By the receiver. */
static inline bool coil__mailbox_has_mail(const struct coil__mailbox *mailbox)
{
    return mailbox->open != NULL || !coil__mpsc_empty(&mailbox->messages);
}

/* Delivers what is there, up to the budget. */
void coil__mailbox_drain(struct coil__mailbox *mailbox);

/* Declares the receiver asleep. Returns false when a message is there. */
bool coil__mailbox_sleep(struct coil__mailbox *mailbox);
void coil__mailbox_awake(struct coil__mailbox *mailbox);

/* Raises a count that cores share; what they did before is done for who sees the new value. */
uint32_t coil__count_raise(uint32_t *count);

/* The same the other way / sets bits of it / without a promise about anything else. */
void coil__count_lower(uint32_t *count);
void coil__count_mark(uint32_t *count, uint32_t bits);
uint32_t coil__count_read(const uint32_t *count);

/*
 * The cores that are quiet: those that sleep, and that only a message could wake. The last one to
 * join sees all of them (core/deadlock.c). The value changes with every step, so that one value
 * seen twice means that nobody has moved.
 */
uint64_t coil__quiet_join(uint64_t *quiet);
void coil__quiet_leave(uint64_t *quiet);
/* Leaves if nobody has moved since `seen`, else returns false. What the cores did before they
 * joined is visible to who leaves. */
bool coil__quiet_leave_if(uint64_t *quiet, uint64_t seen);

static inline uint32_t coil__quiet_count(uint64_t quiet)
{
    return quiet & 0xffff;
}

/*
 * A door through which any thread passes while it is open; zero is a shut one. Once it is shut
 * nobody enters, and when it is empty then, those who were inside have left.
 */
void coil__door_open(uint32_t *door);
bool coil__door_enter(uint32_t *door);
void coil__door_leave(uint32_t *door);
void coil__door_shut(uint32_t *door);
bool coil__door_is_empty(const uint32_t *door);

/*
 * The gate through which threads that are no cores come to the cores of a run. Each run has a
 * number of its own; 0 is none, with which nobody comes in. Once the gate is closed, nobody is
 * inside and nobody comes in.
 */
uint32_t coil__gate_open(void);
void coil__gate_close(void);
bool coil__gate_enter(uint32_t run);
bool coil__gate_is_open(uint32_t run);
void coil__gate_leave(void);

/* In a child of fork(): shuts it, and forgets who was inside. */
void coil__gate_after_fork(void);

/* Raises a flag that cores share; false when it was up already. Whoever lowers it afterwards sees
 * what was done before, in either case. */
bool coil__flag_raise(uint32_t *flag);
void coil__flag_lower(uint32_t *flag);

/* Brings an instant that cores share forward, if that is earlier. */
void coil__instant_lower(int64_t *instant, int64_t to);
int64_t coil__instant_now(const int64_t *instant);

/* Moves a step that two cores share from `from` to `to`; false when the other one was faster. */
bool coil__step_try(uint32_t *step, uint32_t from, uint32_t to);
uint32_t coil__step_now(const uint32_t *step);

#endif
