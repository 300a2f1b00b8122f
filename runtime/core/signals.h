/* SPDX-License-Identifier: MIT */
/* How a signal comes to the cores that wait for it: the handler leaves each a message. */
#ifndef COIL_CORE_SIGNALS_H
#define COIL_CORE_SIGNALS_H

#include "core/mailbox.h"

#include <coil/base.h>

struct coil__run;

/* A core's part. The sets of signals are those that the public header has. */
struct coil__signals {
    struct coil_message message; /* on its way while something has arrived */
    uint64_t arrived;            /* and was not yet noted; written by the handler */
    uint64_t wanted;             /* of any set that was open here; read by the handler */
    struct coil_link open;       /* struct coil_signals */
};

void coil__signals_init(struct coil__signals *signals);

/* Makes the signals mean what they meant before the run. Once its gate is closed. */
void coil__signals_restore(void);

#endif
