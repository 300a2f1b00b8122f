/* SPDX-License-Identifier: MIT */
/*
 * One of the two liburing echo servers that coil stands beside: multishot accept, a buffer for each
 * connection, and one recv or one send in flight on it: the recv is armed again when the send has
 * completed, by which time the next message is often there. One enter per turn.
 */
#include "bare/ring.h"
#include "bare/server.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 64 * 1024,
    /* Buffers 64 KiB apart share their cache sets: the odd lines spread them. */
    BUFFER_STRIDE = BUFFER_SIZE + 5 * 64,
};

enum kind { ACCEPT, RECV, SEND };

static struct io_uring ring;
static char *memory;

/* A connection's whole state travels in its entry: what, how much, and which descriptor. */
static uint64_t tag(enum kind kind, unsigned length, int fd)
{
    return (uint64_t)kind << 60 | (uint64_t)length << 32 | (uint32_t)fd;
}

static char *buffer_of(int fd)
{
    return memory + (size_t)fd * BUFFER_STRIDE;
}

static void arm_accept(int listener)
{
    struct io_uring_sqe *sqe = bare_ring_sqe(&ring);
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, tag(ACCEPT, 0, listener));
}

static void start_recv(int fd)
{
    struct io_uring_sqe *sqe = bare_ring_sqe(&ring);
    io_uring_prep_recv(sqe, fd, buffer_of(fd), BUFFER_SIZE, 0);
    io_uring_sqe_set_data64(sqe, tag(RECV, 0, fd));
}

static void start_send(int fd, unsigned length)
{
    struct io_uring_sqe *sqe = bare_ring_sqe(&ring);
    io_uring_prep_send(sqe, fd, buffer_of(fd), length, MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, tag(SEND, length, fd));
}

static void on_accept(const struct io_uring_cqe *cqe, int listener)
{
    if (cqe->res < 0 && cqe->res != -ECONNABORTED)
        errx(1, "accept: %s", strerror(-cqe->res));
    if (cqe->res >= SERVER_FD_MAX)
        errx(1, "too many connections");
    if (cqe->res >= 0)
        start_recv(cqe->res);
    if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        arm_accept(listener);
}

static void handle(const struct io_uring_cqe *cqe)
{
    int fd = (int)(uint32_t)cqe->user_data;
    unsigned length = (cqe->user_data >> 32) & 0xfffffff;
    switch ((enum kind)(cqe->user_data >> 60)) {
    case RECV:
        if (cqe->res > 0)
            start_send(fd, (unsigned)cqe->res);
        else
            close(fd);
        break;
    case SEND:
        if (cqe->res == (int)length)
            start_recv(fd);
        else
            close(fd);
        break;
    case ACCEPT:
        on_accept(cqe, fd);
        break;
    }
}

int main(int argc, char **argv)
{
    struct server_options options;
    server_parse(&options, argc, argv,
                 "Echoes every byte back: liburing, one recv or send at a time.");
    int listener = server_listen(&options, 0);
    memory = mmap(NULL, (size_t)SERVER_FD_MAX * BUFFER_STRIDE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        err(1, "no memory for buffers");
    int error = bare_ring_open(&ring, 1024, 8192);
    if (error < 0)
        errx(1, "cannot open a ring: %s", strerror(-error));
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
    }
    errx(1, "enter: %s", strerror(-error));
}
