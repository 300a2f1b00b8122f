/* SPDX-License-Identifier: MIT */
#include "sim/force.h"

#include "sim/op.h"

void coil__sim_force(unsigned opcode, enum coil__sim_moment moment, int32_t result)
{
    coil__sim.forced =
        (struct coil__sim_forced){.moment = moment, .opcode = opcode, .result = result};
}

bool coil__sim_force_waits(void)
{
    return coil__sim.forced.moment != COIL__SIM_AT_NONE;
}

static int32_t attempt_half(struct coil__sim_op *op)
{
    coil__sim.forced.halves = true;
    int32_t result = op->code->attempt(op);
    coil__sim.forced.halves = false;
    coil__sim.forced.moment = COIL__SIM_AT_FIRST;
    return result;
}

/* What has moved wins, and the next one hears of the error: as in the kernel. */
static int32_t attempt_nothing(const struct coil__sim_op *op)
{
    if (op->progress > 0)
        return (int32_t)op->progress;
    coil__sim.forced.moment = COIL__SIM_AT_NONE;
    return coil__sim.forced.result;
}

int32_t coil__sim_attempt_forced(struct coil__sim_op *op)
{
    if (coil__sim.forced.moment == COIL__SIM_AFTER_PART)
        return attempt_half(op);
    if (coil__sim.forced.moment == COIL__SIM_AT_FIRST)
        return attempt_nothing(op);
    static const int64_t until_stopped = 3600 * COIL_SEC;
    coil__sim_plan(&op->event, until_stopped);
    return COIL__SIM_GOES_ON;
}

int32_t coil__sim_stop_forced(int32_t result)
{
    if (coil__sim.forced.moment != COIL__SIM_WHEN_STOPPED)
        return result;
    coil__sim.forced.moment = COIL__SIM_AT_NONE;
    return coil__sim.forced.result;
}
