/* SPDX-License-Identifier: MIT */
/* What a filter of system calls says, which has the choice, and a kernel that lacks one. */
#ifndef COIL_BASE_FORBIDDEN_H
#define COIL_BASE_FORBIDDEN_H

#include <errno.h>
#include <stdbool.h>

/* Whether the error, as in errno, means that the call is not to be had at all. */
static inline bool coil__is_forbidden(int error)
{
    return error == EPERM || error == EACCES || error == ENOSYS;
}

#endif
