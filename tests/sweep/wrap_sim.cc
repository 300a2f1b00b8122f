/* SPDX-License-Identifier: MIT */
/* The opcodes of the simulated kernel: each gets its own copy, whose attempts may fail. */
#include "sweep/fault.h"
#include "sweep/results.h"

#include <liburing.h>

extern "C" {
#include "sim/op.h"
}

using namespace coil_test;

extern "C" {
const struct coil__sim_opcode *__real_coil__sim_opcode_of(unsigned opcode);
const struct coil__sim_opcode *__wrap_coil__sim_opcode_of(unsigned opcode);
}

namespace {

constexpr unsigned kOpcodes = 64;

/* What has moved wins; and what is closed is closed. That another core can't be woken the kernel
 * knows at once, before anybody waits for it: here it would come late. */
int32_t attempt(coil__sim_op *op)
{
    const coil__sim_opcode *real = __real_coil__sim_opcode_of(op->sqe.opcode);
    bool exempt = op->progress > 0 || op->sqe.opcode == IORING_OP_MSG_RING;
    int error = exempt ? 0 : fails(Kind::kResult, row_of_opcode(op->sqe.opcode));
    if (error == 0)
        return real->attempt(op);
    if (op->sqe.opcode == IORING_OP_CLOSE)
        real->attempt(op);
    return -error;
}

} // namespace

const struct coil__sim_opcode *__wrap_coil__sim_opcode_of(unsigned opcode)
{
    static coil__sim_opcode copies[kOpcodes]; /* all cores are on one thread */
    const coil__sim_opcode *real = __real_coil__sim_opcode_of(opcode);
    if (opcode >= kOpcodes || real->attempt == nullptr)
        return real;
    copies[opcode] = *real;
    copies[opcode].attempt = attempt;
    return &copies[opcode];
}
