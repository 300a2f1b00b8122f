/* SPDX-License-Identifier: MIT */
/*
 * The epoll echo server that coil stands beside: one thread, edge-triggered, so that a message
 * costs one recv, one send, and its share of an epoll_wait; no epoll_ctl after the accept.
 */
#include "bare/server.h"
#include "harness/clock.h"

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_SIZE = 64 * 1024, EVENT_MAX = 512 };

/* What the socket did not take yet. While there is some, the connection is not read. */
struct backlog {
    char *bytes;
    size_t length, sent;
    bool more_input; /* an edge was seen meanwhile, and will not come again */
};

static int epoll;
static struct backlog backlogs[SERVER_FD_MAX];
static char buffer[BUFFER_SIZE] __attribute__((aligned(4096)));

static void hang_up(int fd)
{
    free(backlogs[fd].bytes);
    backlogs[fd] = (struct backlog){0};
    close(fd);
}

static void accept_all(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {
            .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
            .data.fd = fd,
        };
        if (fd >= SERVER_FD_MAX || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            close(fd);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        err(1, "accept");
}

/* Keeps what the socket refused. Rare: only here, off the path, is memory allocated. */
static bool keep(int fd, const char *bytes, size_t length)
{
    struct backlog *backlog = &backlogs[fd];
    backlog->bytes = malloc(length);
    if (backlog->bytes == NULL)
        return false;
    memcpy(backlog->bytes, bytes, length);
    backlog->length = length;
    backlog->sent = 0;
    return true;
}

/* Sends what was kept. Returns whether the connection may be read again. */
static bool flush_backlog(int fd)
{
    struct backlog *backlog = &backlogs[fd];
    while (backlog->sent < backlog->length) {
        ssize_t n =
            send(fd, backlog->bytes + backlog->sent, backlog->length - backlog->sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN)
                hang_up(fd);
            return false;
        }
        backlog->sent += (size_t)n;
    }
    free(backlog->bytes);
    backlog->bytes = NULL;
    return true;
}

/* Returns whether all went out, so that the connection may be read on. */
static bool send_back(int fd, size_t length)
{
    ssize_t n = send(fd, buffer, length, MSG_NOSIGNAL);
    if (n == (ssize_t)length)
        return true;
    if (n < 0 && errno != EAGAIN) {
        hang_up(fd);
        return false;
    }
    size_t sent = n < 0 ? 0 : (size_t)n;
    if (!keep(fd, buffer + sent, length - sent))
        hang_up(fd);
    return false;
}

/*
 * A recv shorter than the buffer has emptied the socket: what comes later is a new edge. Only when
 * the peer has finished must it be read up to the end, because that edge has been.
 */
static void echo(int fd, uint32_t events)
{
    struct backlog *backlog = &backlogs[fd];
    if (backlog->bytes != NULL) {
        backlog->more_input |= (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        if (!flush_backlog(fd))
            return;
        if (backlog->more_input)
            events |= EPOLLIN | EPOLLRDHUP;
        backlog->more_input = false;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0)
        return;

    bool finished = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    ssize_t n;
    do {
        n = recv(fd, buffer, sizeof(buffer), 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            hang_up(fd);
            return;
        }
        if (n > 0 && !send_back(fd, (size_t)n)) {
            backlogs[fd].more_input = backlogs[fd].bytes != NULL;
            return;
        }
    } while (n == sizeof(buffer) || (finished && n > 0));
}

/* Waits for events, spinning for the first `spin_ns` so that the core does not go to sleep. */
static int wait_for_events(struct epoll_event *events, int64_t spin_ns)
{
    if (spin_ns > 0) {
        int64_t deadline = clock_ns() + spin_ns;
        do {
            int count = epoll_wait(epoll, events, EVENT_MAX, 0);
            if (count != 0)
                return count;
        } while (clock_ns() < deadline);
    }
    return epoll_wait(epoll, events, EVENT_MAX, -1);
}

int main(int argc, char **argv)
{
    struct server_options options;
    server_parse(&options, argc, argv, "Echoes every byte back: edge-triggered epoll.");
    int listener = server_listen(&options, SOCK_NONBLOCK);

    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        err(1, "epoll");
    server_announce(listener);

    static struct epoll_event events[EVENT_MAX];
    for (;;) {
        int count = wait_for_events(events, options.spin_ns);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(listener);
            else
                echo(events[i].data.fd, events[i].events);
        }
    }
}
