/* SPDX-License-Identifier: MIT */
/*
 * The better of the two liburing echo servers that coil stands beside: multishot accept, multishot
 * recv out of a provided-buffer ring, and a send straight from the buffer, which goes back to the
 * ring when the send has completed. One enter per turn, nothing allocated on the path.
 */
#include "bare/ring.h"
#include "bare/server.h"

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 64 * 1024,
    /* Buffers 64 KiB apart share their cache sets: the odd lines spread them. */
    BUFFER_STRIDE = BUFFER_SIZE + 5 * 64,
    BUFFER_MAX = 2048,
    /*
     * The ring hands buffers out in turn, so all that circulate pass through the cache. Only as
     * many circulate as the traffic has needed at once.
     */
    BUFFER_FIRST = 32,
    GROUP = 0,
    NO_BUFFER = UINT16_MAX,
};

enum kind { ACCEPT, RECV, SEND };

struct connection {
    uint16_t first, last; /* buffers that wait for the send before them; NO_BUFFER: none */
    bool sending;
    bool ended; /* the peer has finished, or the connection failed: close when nothing is sent */
};

struct buffer {
    uint32_t length;
    uint16_t next;
};

static struct io_uring ring;
static struct io_uring_buf_ring *free_buffers;
static uint16_t free_tail;    /* as the kernel will see it once it is published */
static unsigned buffer_count; /* how many circulate */
static char *memory;
static struct buffer buffers[BUFFER_MAX];
static struct connection connections[SERVER_FD_MAX];
static int starved[SERVER_FD_MAX]; /* connections that found no buffer */
static unsigned starved_count;

static uint64_t tag(enum kind kind, unsigned buffer, int fd)
{
    return (uint64_t)kind << 48 | (uint64_t)buffer << 32 | (uint32_t)fd;
}

static char *buffer_address(unsigned buffer)
{
    return memory + (size_t)buffer * BUFFER_STRIDE;
}

/* Queues a buffer for the kernel, which sees it when publish_buffers() is called. */
static void recycle(unsigned buffer)
{
    struct io_uring_buf *entry = &free_buffers->bufs[free_tail & (BUFFER_MAX - 1)];
    entry->addr = (uintptr_t)buffer_address(buffer);
    entry->len = BUFFER_SIZE;
    entry->bid = (uint16_t)buffer;
    free_tail++;
}

static void publish_buffers(void)
{
    io_uring_smp_store_release(&free_buffers->tail, free_tail);
}

static void add_buffers(unsigned count)
{
    for (; count > 0 && buffer_count < BUFFER_MAX; count--)
        recycle(buffer_count++);
}

static void open_buffers(void)
{
    size_t ring_size = BUFFER_MAX * sizeof(struct io_uring_buf);
    free_buffers =
        mmap(NULL, ring_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory = mmap(NULL, (size_t)BUFFER_MAX * BUFFER_STRIDE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (free_buffers == MAP_FAILED || memory == MAP_FAILED)
        err(1, "no memory for buffers");
    struct io_uring_buf_reg reg = {
        .ring_addr = (uintptr_t)free_buffers,
        .ring_entries = BUFFER_MAX,
        .bgid = GROUP,
    };
    int error = io_uring_register_buf_ring(&ring, &reg, 0);
    if (error < 0)
        errx(1, "cannot register the buffer ring: %s", strerror(-error));
    add_buffers(BUFFER_FIRST);
    publish_buffers();
}

static void arm_accept(int listener)
{
    struct io_uring_sqe *sqe = bare_ring_sqe(&ring);
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, tag(ACCEPT, 0, listener));
}

static void arm_recv(int fd)
{
    struct io_uring_sqe *sqe = bare_ring_sqe(&ring);
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    io_uring_sqe_set_data64(sqe, tag(RECV, 0, fd));
}

static void start_send(int fd, unsigned buffer)
{
    struct io_uring_sqe *sqe = bare_ring_sqe(&ring);
    io_uring_prep_send(sqe, fd, buffer_address(buffer), buffers[buffer].length, MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, tag(SEND, buffer, fd));
}

static void on_accept(const struct io_uring_cqe *cqe, int listener)
{
    if (cqe->res < 0 && cqe->res != -ECONNABORTED)
        errx(1, "accept: %s", strerror(-cqe->res));
    if (cqe->res >= SERVER_FD_MAX)
        errx(1, "too many connections");
    if (cqe->res >= 0) {
        connections[cqe->res] = (struct connection){.first = NO_BUFFER, .last = NO_BUFFER};
        arm_recv(cqe->res);
    }
    if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        arm_accept(listener);
}

/* The multishot recv is over: for good, or because it found no buffer or no room in the CQ. */
static void recv_over(struct connection *connection, int fd, int result)
{
    if (result > 0) {
        arm_recv(fd);
    } else if (result == -ENOBUFS) {
        starved[starved_count++] = fd;
    } else {
        connection->ended = true;
        if (!connection->sending)
            close(fd);
    }
}

static void on_recv(const struct io_uring_cqe *cqe, int fd)
{
    struct connection *connection = &connections[fd];
    if (cqe->res > 0) {
        uint16_t buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        buffers[buffer] = (struct buffer){.length = (uint32_t)cqe->res, .next = NO_BUFFER};
        if (!connection->sending) {
            connection->sending = true;
            start_send(fd, buffer);
        } else {
            if (connection->first == NO_BUFFER)
                connection->first = buffer;
            else
                buffers[connection->last].next = buffer;
            connection->last = buffer;
        }
    }
    if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        recv_over(connection, fd, cqe->res);
}

/* Two sends at a time could interleave, so the next one starts when this one has completed. */
static void on_send(const struct io_uring_cqe *cqe, int fd, unsigned buffer)
{
    struct connection *connection = &connections[fd];
    bool failed = cqe->res != (int)buffers[buffer].length;
    recycle(buffer);
    unsigned next = connection->first;
    if (next != NO_BUFFER && !failed) {
        connection->first = buffers[next].next;
        start_send(fd, next);
        return;
    }
    connection->sending = false;
    for (; next != NO_BUFFER; next = buffers[next].next)
        recycle(next);
    connection->first = NO_BUFFER;
    if (connection->ended)
        close(fd);
    else if (failed)
        shutdown(fd, SHUT_RDWR); /* ends the recv, whose completion closes */
}

static void handle(const struct io_uring_cqe *cqe)
{
    int fd = (int)(uint32_t)cqe->user_data;
    unsigned buffer = (cqe->user_data >> 32) & 0xffff;
    switch ((enum kind)(cqe->user_data >> 48)) {
    case RECV:
        on_recv(cqe, fd);
        break;
    case SEND:
        on_send(cqe, fd, buffer);
        break;
    case ACCEPT:
        on_accept(cqe, fd);
        break;
    }
}

/* Some found no buffer: let more circulate, and once there are any, try again. */
static void feed_starved(void)
{
    add_buffers(buffer_count);
    if (free_tail == free_buffers->tail)
        return; /* all are in use; a send that completes brings one back */
    for (unsigned i = 0; i < starved_count; i++) {
        arm_recv(starved[i]);
    }
    starved_count = 0;
}

int main(int argc, char **argv)
{
    struct server_options options;
    server_parse(&options, argc, argv,
                 "Echoes every byte back: liburing, multishot recv, provided buffers.");
    int listener = server_listen(&options, 0);
    int error = bare_ring_open(&ring, 1024, 8192);
    if (error < 0)
        errx(1, "cannot open a ring: %s", strerror(-error));
    open_buffers();
    arm_accept(listener);
    server_announce(listener);

    while ((error = bare_ring_turn(&ring, options.spin_ns)) >= 0) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            handle(cqe);
            count++;
        }
        io_uring_cq_advance(&ring, count);
        if (starved_count > 0)
            feed_starved();
        publish_buffers();
    }
    errx(1, "enter: %s", strerror(-error));
}
