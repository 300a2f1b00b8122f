/* SPDX-License-Identifier: MIT */
/*
 * One address for all cores. A connection that is handed to another core lies in that core's
 * channel until it is taken: so whoever closes the channel knows what has to be closed with it.
 */
#include "core/core.h"

#include <coil/fd.h>
#include <coil/listener.h>
#include <coil/net.h>
#include <coil/stop.h>
#include <coil/xchan.h>
#include <errno.h>
#include <stdlib.h>

enum {
    ROOM_MIN = 64, /* connections in an inbox; then whoever accepts keeps them */
    ROOM_MAX = 4096,
    LEFT = 1u << 30, /* the load of a core that takes no more */
};

/* How long those of a handshake may be on their way. */
static const int64_t last_packets = 10 * COIL_MSEC;

struct coil_listener_core {
    struct coil_acceptor acceptor;
    struct coil_xchan inbox;
    int *conns; /* the slots of the inbox, if it has any */
    int fd;     /* its own socket; -1: it has none */
    bool accepts;
    bool deaf, has_waited; /* since coil_stop() */
    bool stopped;          /* it left after coil_stop() */
    uint32_t load; /* connections that have not ended; written by whoever hands one over, too */
    char pad[64];
};

static struct coil_listener_core *mine(const struct coil_listener *listener)
{
    (void)coil__self();
    coil__require(listener->cores != NULL, "coil_listener: it is not open");
    return &listener->cores[coil_core_self()];
}

/*
 * An inbox has room for as many as the queue of a socket: all of those may come within one turn, at
 * whose end the other cores hear of them. What keeps a core from more than its share is its load. A
 * negative backlog is the largest, as it is to the kernel.
 */
static int open_inboxes(struct coil_listener *listener, int backlog)
{
    unsigned wanted = (unsigned)backlog;
    unsigned room = wanted < ROOM_MIN ? ROOM_MIN : wanted < ROOM_MAX ? wanted : ROOM_MAX;
    for (unsigned i = 0; i < listener->core_count; i++) {
        struct coil_listener_core *core = &listener->cores[i];
        core->conns = calloc(room, sizeof(*core->conns));
        if (core->conns == NULL)
            return -ENOMEM;
        coil_xchan_init(&core->inbox, core->conns, sizeof(*core->conns), room);
    }
    return 0;
}

/* The others have to be bound to the port that the first one got. */
static int open_sockets(struct coil_listener *listener, const struct sockaddr *addr,
                        socklen_t addrlen, int backlog)
{
    if (listener->balance == COIL_BALANCE_LEAST) {
        int fd = coil_tcp_listen(addr, addrlen, backlog);
        listener->cores[listener->home].fd = fd;
        return fd < 0 ? fd : 0;
    }
    struct sockaddr_storage same;
    for (unsigned i = 0; i < listener->core_count; i++) {
        int fd = coil_tcp_listen(addr, addrlen, backlog);
        listener->cores[i].fd = fd;
        if (fd < 0)
            return fd;
        if (i > 0)
            continue;
        addrlen = sizeof(same);
        addr = (const struct sockaddr *)&same;
        int err = coil_getsockname(fd, (struct sockaddr *)&same, &addrlen);
        if (err < 0)
            return err;
    }
    return 0;
}

int coil_listener_open(struct coil_listener *listener, const struct sockaddr *addr,
                       socklen_t addrlen, int backlog, enum coil_balance balance)
{
    (void)coil__self();
    *listener = (struct coil_listener){
        .core_count = coil_core_count(), .home = coil_core_self(), .balance = balance};
    listener->cores = calloc(listener->core_count, sizeof(*listener->cores));
    if (listener->cores == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < listener->core_count; i++)
        listener->cores[i].fd = -1;
    /* Inboxes that are all zero are empty, and nobody will send to them. */
    int err = balance == COIL_BALANCE_LEAST ? open_inboxes(listener, backlog) : 0;
    if (err == 0)
        err = open_sockets(listener, addr, addrlen, backlog);
    if (err < 0)
        coil_listener_destroy(listener);
    return err;
}

int coil_listener_address(const struct coil_listener *listener, struct sockaddr *addr,
                          socklen_t *addrlen)
{
    (void)mine(listener);
    return coil_getsockname(listener->cores[listener->home].fd, addr, addrlen);
}

unsigned coil_listener_load(const struct coil_listener *listener, unsigned core)
{
    coil__require(core < listener->core_count, "coil_listener_load: there is no such core");
    return coil__count_read(&listener->cores[core].load) & ~(uint32_t)LEFT;
}

/* Of those with the fewest connections the one after whoever accepts: it has the most to do. */
static unsigned least_loaded(const struct coil_listener *listener)
{
    unsigned best = listener->home;
    uint32_t least = UINT32_MAX;
    for (unsigned i = 1; i <= listener->core_count; i++) {
        unsigned core = (listener->home + i) % listener->core_count;
        uint32_t load = coil__count_read(&listener->cores[core].load);
        if (load < least) {
            least = load;
            best = core;
        }
    }
    return best;
}

/* Whether the connection is another core's from now on. */
static bool hand_over(const struct coil_listener *listener, int conn)
{
    unsigned target = least_loaded(listener);
    if (target == listener->home)
        return false;
    struct coil_listener_core *core = &listener->cores[target];
    coil__count_raise(&core->load); /* first: it may have ended by the time we return */
    if (coil_xchan_try_send(&core->inbox, &conn) == 0)
        return true;
    coil__count_lower(&core->load);
    return false;
}

/* Nobody else gets into the queue of its socket. Where that is not to be had, who connects in the
 * last moment may find the connection reset. */
static void deafen(struct coil_listener_core *core)
{
    if (!core->deaf)
        (void)coil__ring_here->driver->deafen(core->fd);
    core->deaf = true;
}

/* The next connection of the core's own socket. After coil_stop(), when the queue is empty for the
 * first time, some clients may be connected as they see it while their last packet is on its way.
 */
static int accept_next(struct coil_listener_core *core)
{
    if (coil_stopping())
        deafen(core);
    int conn = coil_acceptor_next(&core->acceptor);
    if (conn != -ESHUTDOWN || core->has_waited)
        return conn;
    deafen(core);
    core->has_waited = true;
    int err = coil_sleep(last_packets);
    return err < 0 ? err : coil_acceptor_next(&core->acceptor);
}

static bool has_left(const struct coil_listener_core *core)
{
    return (coil__count_read(&core->load) & LEFT) != 0;
}

/* The next connection that is handed to this core. */
static int take_next(const struct coil_listener *listener, struct coil_listener_core *core)
{
    int conn;
    int err = coil_xchan_recv(&core->inbox, &conn);
    /* Whoever accepts closed the inbox, and had written before that whether it was stopped. */
    if (err == -EPIPE && listener->cores[listener->home].stopped)
        return -ESHUTDOWN;
    return err < 0 ? err : conn;
}

int coil_listener_next(struct coil_listener *listener)
{
    struct coil_listener_core *core = mine(listener);
    bool one_accepts = listener->balance == COIL_BALANCE_LEAST;
    if (has_left(core))
        return -EPIPE;
    if (one_accepts && coil_core_self() != listener->home)
        return take_next(listener, core);
    int conn;
    if (!core->accepts)
        coil_acceptor_open(&core->acceptor, core->fd, 0);
    core->accepts = true;
    do { /* ends with a connection that is ours, or an error */
        conn = accept_next(core);
    } while (conn >= 0 && one_accepts && hand_over(listener, conn));
    if (conn >= 0)
        coil__count_raise(&core->load);
    return conn;
}

void coil_listener_done(struct coil_listener *listener)
{
    coil__count_lower(&mine(listener)->load);
}

/* Nothing comes in any more; what is in there is nobody's. */
static void empty_inbox(struct coil_listener_core *core)
{
    int conn;
    coil_xchan_close(&core->inbox);
    while (coil_xchan_try_recv(&core->inbox, &conn) == 0) {
        coil_close(conn);
        coil__count_lower(&core->load);
    }
}

void coil_listener_leave(struct coil_listener *listener)
{
    struct coil_listener_core *core = mine(listener);
    if (has_left(core))
        return;
    coil__count_mark(&core->load, LEFT);
    if (core->accepts)
        coil_acceptor_close(&core->acceptor);
    core->accepts = false;
    empty_inbox(core);
    if (core->fd < 0)
        return;
    coil_close(core->fd);
    core->fd = -1;
    core->stopped = coil_stopping();
    for (unsigned i = 0; i < listener->core_count && listener->balance == COIL_BALANCE_LEAST; i++)
        coil_xchan_close(&listener->cores[i].inbox); /* they take what they have, and end */
}

void coil_listener_destroy(struct coil_listener *listener)
{
    if (listener->cores == NULL)
        return;
    for (unsigned i = 0; i < listener->core_count; i++) {
        struct coil_listener_core *core = &listener->cores[i];
        coil__require(!core->accepts, "coil_listener_destroy: a core has not left it");
        empty_inbox(core);
        coil_xchan_destroy(&core->inbox);
        free(core->conns);
        if (core->fd >= 0)
            coil_close(core->fd);
    }
    free(listener->cores);
    listener->cores = NULL;
}
