/* SPDX-License-Identifier: MIT */
/* System calls by which the library takes something of the system, but for rings. */
#include "sweep/fault.h"

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace coil_test;

namespace {

bool refused(const Row &row)
{
    return fails_by_errno(Kind::kCall, row);
}

/* What the loop of the poll driver waits by. */
bool wait_fails(const char *name)
{
    static const Row lost{"the wait", {EBADF, EFAULT}};
    return fails_by_errno(Kind::kLoss, lost) || refused(Row{name, {EINTR}, 2});
}

} // namespace

extern "C" {

int sweep_eventfd(unsigned value, int flags)
{
    static const Row row{"eventfd", {EMFILE, ENOMEM}};
    return refused(row) ? -1 : eventfd(value, flags);
}

int sweep_epoll_create1(int flags)
{
    static const Row row{"epoll_create1", {EMFILE, ENOMEM}};
    return refused(row) ? -1 : epoll_create1(flags);
}

int sweep_epoll_ctl(int epoll, int what, int fd, epoll_event *event)
{
    static const Row row{"epoll_ctl", {ENOMEM, ENOSPC}};
    bool takes = what == EPOLL_CTL_ADD;
    return takes && refused(row) ? -1 : epoll_ctl(epoll, what, fd, event);
}

int sweep_epoll_wait(int epoll, epoll_event *events, int most, int timeout)
{
    return wait_fails("epoll_wait") ? -1 : epoll_wait(epoll, events, most, timeout);
}

int sweep_epoll_pwait2(int epoll, epoll_event *events, int most, const timespec *timeout,
                       const sigset_t *mask)
{
    return wait_fails("epoll_pwait2") ? -1 : epoll_pwait2(epoll, events, most, timeout, mask);
}

int sweep_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*work)(void *),
                         void *arg)
{
    static const Row row{"pthread_create", {EAGAIN}};
    int error = fails(Kind::kCall, row);
    if (error == 0)
        error = pthread_create(thread, attributes, work, arg);
    if (error == 0)
        __atomic_fetch_add(&ledger().threads, 1, __ATOMIC_RELAXED);
    return error;
}

int sweep_pthread_join(pthread_t thread, void **result)
{
    __atomic_fetch_sub(&ledger().threads, 1, __ATOMIC_RELAXED);
    return pthread_join(thread, result);
}

int sweep_pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *cpus)
{
    static const Row row{"pthread_setaffinity_np", {EINVAL}};
    int error = fails(Kind::kCall, row);
    return error != 0 ? error : pthread_setaffinity_np(thread, size, cpus);
}

int sweep_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus)
{
    static const Row row{"sched_getaffinity", {EPERM}};
    return refused(row) ? -1 : sched_getaffinity(pid, size, cpus);
}

/* Whoever takes the stack away again is not refused: it needs none. */
int sweep_sigaltstack(const stack_t *next, stack_t *previous)
{
    static const Row row{"sigaltstack", {ENOMEM, EPERM}};
    bool takes = next != nullptr && (next->ss_flags & SS_DISABLE) == 0;
    return takes && refused(row) ? -1 : sigaltstack(next, previous);
}

/* The library opens no file of the machine's by these to write to. */
int sweep_open(const char *path, int flags, ...)
{
    static const Row row{"open", {EMFILE, EACCES}};
    return refused(row) ? -1 : open(path, flags);
}

FILE *sweep_fopen(const char *path, const char *mode)
{
    static const Row row{"fopen", {EMFILE}};
    return refused(row) ? nullptr : fopen(path, mode);
}

/* Where these are no operations. */
int sweep_bind(int fd, const sockaddr *addr, socklen_t len)
{
    static const Row row{"bind", {EACCES, ENOMEM}};
    return refused(row) ? -1 : bind(fd, addr, len);
}

int sweep_listen(int fd, int backlog)
{
    static const Row row{"listen", {EOPNOTSUPP, ENOMEM}};
    return refused(row) ? -1 : listen(fd, backlog);
}

int sweep_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    static const Row row{"setsockopt", {ENOMEM}};
    return refused(row) ? -1 : setsockopt(fd, level, name, value, len);
}

int sweep_getsockname(int fd, sockaddr *addr, socklen_t *len)
{
    static const Row row{"getsockname", {ENOBUFS}};
    return refused(row) ? -1 : getsockname(fd, addr, len);
}

int sweep_getaddrinfo(const char *node, const char *service, const addrinfo *hints,
                      addrinfo **found)
{
    static const Row row{"getaddrinfo", {ENOMEM, EAGAIN, EIO}};
    int error = fails(Kind::kCall, row);
    if (error == 0)
        return getaddrinfo(node, service, hints, found);
    errno = error;
    return error == ENOMEM ? EAI_MEMORY : error == EAGAIN ? EAI_AGAIN : EAI_SYSTEM;
}

/* What is closed is closed, whatever this says. */
int sweep_close(int fd)
{
    static const Row row{"close", {EIO}};
    int result = close(fd);
    return refused(row) ? -1 : result;
}

/* The library pauses in its start, for memory to come back, which here it won't. */
int sweep_nanosleep(const timespec *span, timespec *rest)
{
    return is_armed() ? 0 : nanosleep(span, rest);
}

} // extern "C"
