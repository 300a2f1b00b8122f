/* SPDX-License-Identifier: MIT */
#include "sim/file.h"

struct coil__sim_file *coil__sim_file_at(int fd)
{
    (void)fd;
    return NULL;
}

void coil__sim_file_get(struct coil__sim_file *file)
{
    file->references++;
}

void coil__sim_file_put(struct coil__sim_file *file)
{
    file->references--;
}
