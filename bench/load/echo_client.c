/* SPDX-License-Identifier: MIT */
/*
 * The client's side of an echo benchmark. One thread, non-blocking sockets, edge-triggered epoll
 * that never sleeps; a few connections are simply tried in turn, without epoll.
 *
 * The stream on each connection is a fixed pattern, so that where bytes come back in the wrong
 * order or twice shows at the first one.
 */
#include "load/echo_client.h"
#include "harness/clock.h"

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CHUNK = 256 * 1024, /* the most that one call sends or receives */
    PERIOD = 65521,     /* of the pattern: a prime, so that no buffer size hides a mistake */
    FEW = 4,            /* connections that are tried in turn */
    EVENT_MAX = 512,
    OPEN_STAMPS = 8192, /* messages under way on a connection, when sent on schedule */
    CONNECT_BATCH = 256,
    FIRST_MESSAGE_MAX = 4096,
};

static char pattern[PERIOD + CHUNK];
static char received[CHUNK] __attribute__((aligned(4096)));

static void fill_pattern(void)
{
    uint64_t state = 88172645463325252U;
    for (size_t i = 0; i < PERIOD; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        pattern[i] = (char)state;
    }
    for (size_t i = PERIOD; i < sizeof(pattern); i++)
        pattern[i] = pattern[i - PERIOD];
}

static void pump(struct connection *connection)
{
    while (connection->sent < connection->granted) {
        uint64_t left = connection->granted - connection->sent;
        ssize_t n = send(connection->fd, pattern + connection->sent % PERIOD,
                         left < CHUNK ? left : CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN)
                err(1, "send");
            return; /* an edge of epoll, or the next try, goes on */
        }
        connection->sent += (uint64_t)n;
    }
}

static void grant(struct client *client, struct connection *connection, int64_t stamp)
{
    if (connection->stamp_tail - connection->stamp_head > client->stamp_mask)
        errx(1, "the server is more than %u messages behind", client->stamp_mask);
    connection->stamps[connection->stamp_tail++ & client->stamp_mask] = stamp;
    connection->granted += client->options.message_size;
    client->messages_left--;
    client->under_way++;
}

static int connect_to(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int on = 1;
    /* A reset instead of a FIN leaves no port in TIME_WAIT. */
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        err(1, "cannot connect to 127.0.0.1:%u", (unsigned)port);
    return fd;
}

static bool are_few(const struct client *client)
{
    return client->options.connection_count <= FEW;
}

/* Connects, at the beginning of the stream. */
static void begin(struct client *client, struct connection *connection)
{
    connection->fd = connect_to(client->options.port);
    connection->granted = connection->sent = connection->received = 0;
    /* Where it is not asked, it is not told either: that would be part of each round trip. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
    if (!are_few(client) && epoll_ctl(client->epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        err(1, "cannot watch connection");
}

static void renew(struct client *client, struct connection *connection)
{
    close(connection->fd);
    begin(client, connection);
    connection->next_end = client->options.message_size;
}

static void reply(struct client *client, struct connection *connection, int64_t now)
{
    int64_t stamp = connection->stamps[connection->stamp_head++ & client->stamp_mask];
    connection->next_end += client->options.message_size;
    client->under_way--;
    client->replies++;
    if (stamp >= client->record_from && stamp < client->record_to)
        histogram_add(&client->latencies, now - stamp);
    if (client->options.renew)
        renew(client, connection);
    if (client->refill && client->messages_left > 0)
        grant(client, connection, now);
}

static void check(const struct connection *connection, size_t n)
{
    const char *expected = pattern + connection->received % PERIOD;
    size_t edge = n < 8 ? n : 8;
    if (connection->received + n > connection->sent || memcmp(received, expected, edge) != 0 ||
        memcmp(received + n - edge, expected + n - edge, edge) != 0)
        errx(1, "what came back is not what was sent");
}

static void receive(struct client *client, struct connection *connection)
{
    ssize_t n;
    do {
        n = recv(connection->fd, received, sizeof(received), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            errx(1, "the server hung up: %s", n == 0 ? "end of stream" : strerror(errno));
        check(connection, (size_t)n);
        connection->received += (uint64_t)n;
        int64_t now = clock_ns();
        while (connection->received >= connection->next_end)
            reply(client, connection, now);
        pump(connection);
    } while (n == sizeof(received));
}

static void poll_once(struct client *client)
{
    if (are_few(client)) {
        for (unsigned i = 0; i < client->options.connection_count; i++) {
            pump(&client->connections[i]);
            receive(client, &client->connections[i]);
        }
        return;
    }
    static struct epoll_event events[EVENT_MAX];
    int count = epoll_wait(client->epoll, events, EVENT_MAX, 0);
    for (int i = 0; i < count; i++) {
        pump(events[i].data.ptr);
        receive(client, events[i].data.ptr);
    }
}

/* Sends what the schedule says is due. The stamp is the time it was due, however late it is. */
static void send_due(struct client *client, int64_t now)
{
    int64_t interval = (int64_t)(1e9 / client->options.rate);
    while (client->due <= now && client->messages_left > 0) {
        struct connection *connection = &client->connections[client->next_connection];
        client->next_connection = (client->next_connection + 1) % client->options.connection_count;
        grant(client, connection, client->due);
        pump(connection);
        client->due += interval;
    }
}

void client_start(struct client *client, uint64_t messages)
{
    client->messages_left = messages;
    client->due = clock_ns();
    client->refill = client->options.rate <= 0;
    if (!client->refill)
        return;
    for (unsigned i = 0; i < client->options.connection_count; i++) {
        int64_t now = clock_ns();
        for (unsigned k = 0; k < client->options.pipeline && client->messages_left > 0; k++)
            grant(client, &client->connections[i], now);
        pump(&client->connections[i]);
    }
}

void client_run(struct client *client, int64_t deadline)
{
    int64_t now;
    while ((now = clock_ns()) < deadline && client->under_way + client->messages_left > 0) {
        if (!client->refill)
            send_due(client, now);
        poll_once(client);
    }
}

void client_drain(struct client *client)
{
    client->messages_left = 0;
    client_run(client, clock_ns() + INT64_C(5000000000));
    if (client->under_way > 0)
        errx(1, "%llu messages did not come back", (unsigned long long)client->under_way);
}

/* The first message of a connection. Small, so that it fits into the socket whatever its size. */
static void say_hello(struct connection *connection, size_t size)
{
    connection->granted = size;
    pump(connection);
    if (connection->sent != size)
        errx(1, "the socket does not take %zu bytes", size);
}

static void hear_hello(struct connection *connection, size_t size)
{
    while (connection->received < size) {
        struct pollfd readable = {.fd = connection->fd, .events = POLLIN};
        if (poll(&readable, 1, 10000) != 1)
            errx(1, "no reply within 10 s");
        ssize_t n = recv(connection->fd, received, size - connection->received, MSG_DONTWAIT);
        if (n <= 0)
            errx(1, "the server hung up at once");
        check(connection, (size_t)n);
        connection->received += (uint64_t)n;
    }
}

static void open_connection(struct client *client, struct connection *connection)
{
    begin(client, connection);
    connection->stamps = calloc(client->stamp_mask + 1, sizeof(connection->stamps[0]));
    if (connection->stamps == NULL)
        err(1, "cannot remember what was sent");
}

static uint32_t stamp_capacity(const struct client_options *options)
{
    uint32_t capacity = 1;
    while (capacity < options->pipeline)
        capacity *= 2;
    return options->rate > 0 ? OPEN_STAMPS : capacity;
}

void client_open(struct client *client, const struct client_options *options)
{
    const unsigned count = options->connection_count + options->idle_count;
    fill_pattern();
    *client = (struct client){
        .options = *options,
        .stamp_mask = stamp_capacity(options) - 1,
        .connections = calloc(count, sizeof(struct connection)),
        .epoll = epoll_create1(EPOLL_CLOEXEC),
    };
    if (client->connections == NULL || client->epoll < 0)
        err(1, "cannot start");
    size_t size =
        options->message_size < FIRST_MESSAGE_MAX ? options->message_size : FIRST_MESSAGE_MAX;
    /* In batches that the listener's queue holds: a SYN that it drops costs a second. */
    for (unsigned first = 0; first < count; first += CONNECT_BATCH) {
        unsigned end = first + CONNECT_BATCH;
        if (end > count)
            end = count;
        for (unsigned i = first; i < end; i++)
            open_connection(client, &client->connections[i]);
        for (unsigned i = first; i < end; i++)
            say_hello(&client->connections[i], size);
        for (unsigned i = first; i < end; i++)
            hear_hello(&client->connections[i], size);
    }
    for (unsigned i = 0; i < options->connection_count; i++)
        client->connections[i].next_end = size + options->message_size;
}
