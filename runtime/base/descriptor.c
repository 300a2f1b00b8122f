/* SPDX-License-Identifier: MIT */
/* The lowest free number is what everybody gets, unless asking for more. */
#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int coil__descriptor_beyond_streams(int fd)
{
    const int first = STDERR_FILENO + 1;
    if (fd < 0 || fd >= first)
        return fd;
    int beyond = fcntl(fd, F_DUPFD_CLOEXEC, first);
    int error = errno == EINVAL ? EMFILE : errno; /* the limit allows none of them */
    close(fd);
    errno = error;
    return beyond;
}
