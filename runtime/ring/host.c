/* SPDX-License-Identifier: MIT */
#include "ring/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
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

/* A filter that drops what is SYN and not ACK, the first packet of a connection. Whoever sent it
 * sends it again after a second, and finds another listener or none. */
int coil__host_deafen(int fd)
{
    enum { FLAGS_AT = 13 }; /* in the TCP header, with which a TCP socket's filter begins */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_AT),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return coil__host_setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}

/* What was opened with O_PATH names a file and can't do anything with it. */
int coil__host_check_file(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || (flags & O_PATH) != 0 ? -EBADF : 0;
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

void coil__host_order_mappings(void)
{
    static unsigned changes;
    __atomic_fetch_add(&changes, 1, __ATOMIC_ACQ_REL);
}
