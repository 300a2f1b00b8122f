/* SPDX-License-Identifier: MIT */
#include "ring/host.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

static int result_of(int result)
{
    return result < 0 ? -errno : result;
}

int coil__host_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
    return result_of(bind(fd, addr, addrlen));
}

int coil__host_listen(int fd, int backlog)
{
    return result_of(listen(fd, backlog));
}

int coil__host_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    return result_of(setsockopt(fd, level, name, value, len));
}

int coil__host_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
    return result_of(getsockname(fd, addr, addrlen));
}

cpu_set_t coil__host_away_from_core(const struct coil__ring_options *options)
{
    size_t size = options->worker_cpus_size;
    cpu_set_t own, wanted, away;
    CPU_ZERO(&own);
    CPU_ZERO(&wanted);
    memcpy(&wanted, options->worker_cpus, size < sizeof(wanted) ? size : sizeof(wanted));
    if (sched_getaffinity(0, sizeof(own), &own) < 0)
        return wanted;
    CPU_AND(&own, &own, &wanted);
    CPU_XOR(&away, &own, &wanted);
    return CPU_COUNT(&away) > 0 ? away : wanted;
}
