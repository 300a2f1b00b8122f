/* SPDX-License-Identifier: MIT */
/* An operation in the simulated kernel, from its entry to its last completion. */
#ifndef COIL_SIM_OP_H
#define COIL_SIM_OP_H

#include "sim/world.h"

struct coil__sim_file;

enum coil__sim_op_state {
    COIL__SIM_OP_PLANNED, /* its event is going to happen */
    COIL__SIM_OP_PARKED,  /* it waits for its file to wake it */
    COIL__SIM_OP_POSTED,  /* a completion behind a full CQ, no operation any more */
};

struct coil__sim_op {
    struct coil__sim_event event;
    struct coil_link of_ring; /* in its ring's `ops`, or `overflow` */
    struct coil_link of_user_data;
    struct coil_link of_file; /* among those who wait for its file */
    struct coil__sim_ring *ring;
    struct coil__sim_file *file; /* it holds one reference; NULL: it needs none */
    const struct coil__sim_opcode *code;
    const struct coil_task *owner;       /* its future's; NULL: it has no future */
    const struct coil_future_kind *kind; /* its future's, when it was submitted */
    uint64_t number;
    enum coil__sim_op_state state;
    bool tried;      /* at least once */
    bool stopped;    /* cancelled: its event brings only that news */
    bool in_vain;    /* nobody hears it ask, however often */
    bool holds;      /* the user's memory, beyond its result: until its event brings the news */
    bool told;       /* its result, if it holds */
    uint32_t read;   /* by so many parcels that are on their way, again and again */
    uint32_t rounds; /* of a repeating one, so far */
    size_t progress; /* bytes moved so far */
    int32_t result;  /* of a posted one, or decided before its event */
    uint32_t flags;  /* of a posted one */
    struct io_uring_sqe sqe;
};

/* Beside a result: wait until the file has news; it goes on and has planned its next event. */
enum { COIL__SIM_PARK = INT32_MIN, COIL__SIM_GOES_ON = INT32_MIN + 1 };

/* What an opcode is. */
struct coil__sim_opcode {
    const char *name;
    /* Done when it is submitted, in the order of the entries: returns how long it takes, or
     * -errno. NULL: `usual`. */
    int64_t (*start)(struct coil__sim_op *op);
    /* Done when its event is due: returns its result, or one of the above. */
    int32_t (*attempt)(struct coil__sim_op *op);
    uint32_t usual; /* ns it takes at most, as a rule */
    bool needs_file;
};

/* The opcode's; NULL: there is none. */
const struct coil__sim_opcode *coil__sim_opcode_of(unsigned opcode);

/* Whether a test has its say about the operation / what it is then, in place of an attempt, and in
 * place of the result that a stop has. */
static inline bool coil__sim_op_forced(const struct coil__sim_op *op)
{
    return __builtin_expect(coil__sim.forced.moment != COIL__SIM_AT_NONE, 0) &&
           coil__sim.forced.opcode == op->sqe.opcode;
}

int32_t coil__sim_attempt_forced(struct coil__sim_op *op);
int32_t coil__sim_stop_forced(int32_t result);

/* Takes all entries of the SQ. */
void coil__sim_submit(struct coil__sim_ring *ring);

/* Moves completions into the CQ that found it full. */
void coil__sim_flush(struct coil__sim_ring *ring);

/* Whether a multishot operation ends with the completion that it is about to have: the CQ is full,
 * where the kernel goes on with none of them, or chance wants it. */
bool coil__sim_ends_early(const struct coil__sim_op *op);

/* A completion of an operation that goes on. */
void coil__sim_post_more(struct coil__sim_op *op, int32_t result, uint32_t flags);

/* Posts a completion that belongs to no entry. */
void coil__sim_post_alone(struct coil__sim_ring *ring, uint64_t user_data, int32_t result);

/* Lets the parked operation try again, soon. */
void coil__sim_op_wake(struct coil__sim_op *op);

/* Of what it sends, one parcel more has arrived or is lost for good. */
void coil__sim_op_let_go(struct coil__sim_op *op);

/* Cancels what the entry of `op` matches. Returns its result. */
int32_t coil__sim_cancel(struct coil__sim_op *op);

/* Lets go of the parked operations of a file or number: for close and shutdown. */
void coil__sim_op_stop(struct coil__sim_op *op, int32_t result);

/* Cuts the power, very soon. */
void coil__sim_power_plan(void);

/* Ends all operations that would do something: the power is off. */
void coil__sim_cut_ops(void);

/* Forgets what a ring that closes still has in flight, none of which anybody waits for. */
void coil__sim_drop_ops(struct coil__sim_ring *ring);

/* Frees the memory of all operations: none is in flight. */
void coil__sim_free_ops(void);

#endif
