/* SPDX-License-Identifier: MIT */
#include "sim/outage.h"

#include <errno.h>
#include <netinet/in.h>

enum { HARSH_PARTITION = 5000 };

/* How long it is sent again: as long as 15 times take (net.ipv4.tcp_retries2), from 200 ms on, each
 * twice as long as the one before, up to 120 s. */
static const int64_t retransmission_limit = 924600 * COIL_MSEC;
static const int64_t retransmission_longest = 120 * COIL_SEC;

static struct {
    struct coil__sim_event heals;
    coil_time until; /* the last one's end */
    int64_t span;
    uint64_t salt; /* which port is on which side */
    uint64_t count;
} partition;

void coil__sim_outage_open(void)
{
    partition.until = 0;
    partition.count = 0;
}

static void note_partition(const char *what, int64_t span)
{
    coil__sim_record(0, COIL__FACT_NOTE, 0, what, "partition", partition.count, span, 0);
}

static void heal(struct coil__sim_event *event)
{
    (void)event;
    note_partition("end of", 0);
}

/* Most are short; none is so long that a connection breaks. */
static int64_t draw_span(void)
{
    static const int64_t longest[] = {10 * COIL_MSEC, COIL_SEC, 30 * COIL_SEC, 180 * COIL_SEC};
    int64_t most = longest[coil__sim_below(4)];
    return COIL_MSEC + (int64_t)coil__sim_below((uint32_t)(most / COIL_USEC)) * COIL_USEC;
}

static uint32_t partition_odds(void)
{
    if (coil__sim.knobs.faults == COIL_SIM_FAULTS_OFF)
        return 0;
    if (coil__sim.knobs.partition != COIL__SIM_AS_FAULTS)
        return coil__sim.knobs.partition;
    return coil__sim.knobs.faults == COIL_SIM_FAULTS_HARSH ? HARSH_PARTITION : 0;
}

void coil__sim_outage_draw(void)
{
    uint32_t odds = partition_odds();
    if (odds == 0 || coil__sim.now < partition.until || coil__sim_below(odds) != 0)
        return;
    partition.span = draw_span();
    partition.until = coil__sim.now + partition.span;
    partition.salt = coil__random_next(&coil__sim.random);
    partition.count++;
    partition.heals = (struct coil__sim_event){.fire = heal};
    note_partition("begin of", partition.span);
    coil__sim_plan(&partition.heals, partition.span);
}

static unsigned port_of(const struct sockaddr *name)
{
    return name->sa_family == AF_INET ? ((const struct sockaddr_in *)name)->sin_port
                                      : ((const struct sockaddr_in6 *)name)->sin6_port;
}

static bool is_internet(const struct sockaddr *name)
{
    return name->sa_family == AF_INET || name->sa_family == AF_INET6;
}

static bool side_of(const struct sockaddr *name)
{
    return (coil__mix(partition.salt ^ port_of(name)) & 1) != 0;
}

bool coil__sim_parted(const struct coil__sim_address *own, const struct sockaddr *other)
{
    const struct sockaddr *name = (const struct sockaddr *)&own->name;
    return coil__sim.now < partition.until && is_internet(name) && is_internet(other) &&
           side_of(name) != side_of(other);
}

coil_time coil__sim_held_until(const struct coil__sim_socket *to)
{
    if (!coil__sim_parted(&to->own, (const struct sockaddr *)&to->other.name))
        return 0;
    int64_t pause =
        partition.span < retransmission_longest ? partition.span : retransmission_longest;
    return partition.until + 1 +
           (int64_t)coil__sim_below((uint32_t)(pause / COIL_USEC)) * COIL_USEC;
}

/* ---- silence ---- */

static void note_silence(const char *what, const struct coil__sim_socket *socket)
{
    unsigned own = ntohs((in_port_t)port_of((const struct sockaddr *)&socket->own.name));
    unsigned other = ntohs((in_port_t)port_of((const struct sockaddr *)&socket->other.name));
    coil__sim_record(0, COIL__FACT_NOTE, 0, what, "connection", own, other, 0);
}

/* Somebody on the way may have said why: then Linux tells that in the end. */
static int why_given_up(void)
{
    if (!coil__sim_chance(COIL_SIM_FAULTS_HARSH, 250000))
        return ETIMEDOUT;
    return coil__sim_below(2) == 0 ? EHOSTUNREACH : ENETUNREACH;
}

static void give_up(struct coil__sim_event *event)
{
    struct coil__sim_socket *socket = coil__container_of(event, struct coil__sim_socket, gives_up);
    socket->will_give_up = false;
    socket->reset = true;
    socket->error = why_given_up();
    note_silence("time-out of", socket);
    coil__sim_file_news(&socket->file);
}

/* How long, from when nothing was heard any more; 0: it waits for ever. */
static int64_t patience(const struct coil__sim_socket *socket)
{
    const struct coil__sim_patience *set = &socket->patience;
    if (socket->unacked == 0 && !set->keeps_alive)
        return 0;
    if (set->user_timeout_ms > 0)
        return set->user_timeout_ms * COIL_MSEC;
    if (socket->unacked > 0)
        return retransmission_limit;
    return (set->idle_s + set->interval_s * set->count) * COIL_SEC;
}

void coil__sim_plan_giving_up(struct coil__sim_socket *socket)
{
    if (socket->will_give_up)
        coil__sim_unplan(&socket->gives_up);
    int64_t span = patience(socket);
    socket->will_give_up = span > 0 && !socket->reset;
    if (!socket->will_give_up)
        return;
    coil_time end = (socket->unacked > 0 ? socket->unacked_since : socket->silent_since) + span;
    socket->gives_up.fire = give_up;
    coil__sim_plan(&socket->gives_up, end > coil__sim.now ? end - coil__sim.now : 0);
}

void coil__sim_swallow(struct coil__sim_socket *socket, size_t len)
{
    if (socket->unacked == 0)
        socket->unacked_since = coil__sim.now;
    socket->unacked += len;
    coil__sim_plan_giving_up(socket);
}

static void fall_silent(struct coil__sim_socket *socket)
{
    size_t lost = coil__sim_lose_parcels(socket->peer);
    socket->silent = true;
    socket->silent_since = coil__sim.now;
    if (lost > 0)
        coil__sim_swallow(socket, lost);
    else
        coil__sim_plan_giving_up(socket);
    coil__sim_file_news(&socket->file);
}

void coil__sim_silence_draw(struct coil__sim_socket *socket)
{
    uint32_t odds = coil__sim.knobs.silence;
    if (odds == 0 || coil__sim.knobs.faults == COIL_SIM_FAULTS_OFF || socket->silent ||
        socket->domain == AF_UNIX || socket->peer == NULL || coil__sim_below(odds) != 0)
        return;
    note_silence("silence of", socket);
    fall_silent(socket);
    fall_silent(socket->peer);
}
