/* SPDX-License-Identifier: MIT */
/* Paths as the simulated disk knows them: absolute, and one for each file. */
#ifndef COIL_SIM_PATH_H
#define COIL_SIM_PATH_H

#include <limits.h>
#include <stdbool.h>

struct coil__sim_path {
    char text[PATH_MAX];
    bool of_directory; /* it was given with a slash at its end */
};

/* Reads a path that a relative one continues; `base` is absolute, or NULL, which is the process's
 * directory. 0, -ENOENT for an empty one, -EFAULT for NULL, or -ENAMETOOLONG. */
int coil__sim_path_read(struct coil__sim_path *path, const char *base, const char *given);

/* Whether it is a directory, which are those of the machine. */
bool coil__sim_path_is_directory(const char *path);

/* Why there is no file of that path, and whether there could be one: -ENOTDIR or -ENOENT when what
 * comes before its last slash is no directory, else 0. */
int coil__sim_path_check(const struct coil__sim_path *path);

#endif
