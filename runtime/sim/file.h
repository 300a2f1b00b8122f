/* SPDX-License-Identifier: MIT */
/* What a descriptor of the simulated process stands for. */
#ifndef COIL_SIM_FILE_H
#define COIL_SIM_FILE_H

#include "sim/op.h"

struct coil__sim_file {
    unsigned references;      /* the table's, and of operations in flight */
    struct coil_link waiters; /* operations parked until it has news, longest first */
};

/* The file of a number; NULL: none is open there. */
struct coil__sim_file *coil__sim_file_at(int fd);

/* One reference more / less; the last one frees it. */
void coil__sim_file_get(struct coil__sim_file *file);
void coil__sim_file_put(struct coil__sim_file *file);

#endif
