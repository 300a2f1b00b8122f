/* SPDX-License-Identifier: MIT */
#include "sim/trace.h"

#include <coil/future.h>

#include <stdio.h>
#include <stdlib.h>

void coil__sim_trace_begin(struct coil__sim_trace *trace, uint64_t seed)
{
    const char *wanted = getenv("COIL_SIM_TRACE");
    trace->hash = coil__mix(seed);
    trace->events = 0;
    trace->prints = wanted != NULL && *wanted != '\0' && *wanted != '0';
}

void coil__sim_trace_print(const struct coil__sim_fact *fact)
{
    fprintf(stderr, "sim %lld.%09lld core %u: %s #%llu %s %lld", (long long)(fact->at / COIL_SEC),
            (long long)(fact->at % COIL_SEC), fact->core, fact->what,
            (unsigned long long)fact->number, fact->subject, (long long)fact->value);
    if (fact->more != 0)
        fprintf(stderr, ", %lld", (long long)fact->more);
    fputc('\n', stderr);
}
