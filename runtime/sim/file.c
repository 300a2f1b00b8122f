/* SPDX-License-Identifier: MIT */
#include "sim/file.h"

#include "sim/errors.h"
#include "sim/outside.h"
#include "sim/socket.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

static struct coil__sim_file **table;
static unsigned room;
static unsigned lowest; /* no number below it is free */

int coil__sim_files_open(unsigned count)
{
    table = calloc(count, sizeof(struct coil__sim_file *));
    if (table == NULL)
        return -ENOMEM;
    room = count;
    lowest = 0;
    return 0;
}

void coil__sim_files_close(void)
{
    for (unsigned i = 0; i < room && table != NULL; i++) {
        if (table[i] != NULL)
            coil__sim_file_put(table[i]);
    }
    free(table);
    table = NULL;
    room = 0;
}

unsigned coil__sim_files_count(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < room; i++)
        count += table[i] != NULL ? 1 : 0;
    return count;
}

void coil__sim_file_init(struct coil__sim_file *file, const struct coil__sim_file_kind *kind)
{
    file->kind = kind;
    file->references = 1;
    file->owed = 0;
    coil__list_init(&file->waiters);
}

bool coil__sim_file_has_room(void)
{
    while (lowest < room && table[lowest] != NULL)
        lowest++;
    return lowest < room;
}

int coil__sim_file_install(struct coil__sim_file *file)
{
    if (!coil__sim_file_has_room())
        return -EMFILE;
    table[lowest] = file;
    return (int)(COIL__SIM_FIRST_FD + lowest);
}

static struct coil__sim_file **place_of(int fd)
{
    unsigned index = (unsigned)fd - COIL__SIM_FIRST_FD;
    return fd >= COIL__SIM_FIRST_FD && index < room ? &table[index] : NULL;
}

struct coil__sim_file *coil__sim_file_remove(int fd)
{
    struct coil__sim_file **place = place_of(fd);
    if (fd >= 0 && fd < COIL__SIM_FIRST_FD)
        return coil__sim_outside_at(fd);
    if (place == NULL || *place == NULL)
        return NULL;
    struct coil__sim_file *file = *place;
    unsigned index = (unsigned)(place - table);
    *place = NULL;
    lowest = index < lowest ? index : lowest;
    return file;
}

struct coil__sim_file *coil__sim_file_at(int fd)
{
    struct coil__sim_file **place = place_of(fd);
    if (fd >= 0 && fd < COIL__SIM_FIRST_FD)
        return coil__sim_outside_at(fd);
    return place != NULL ? *place : NULL;
}

void coil__sim_file_get(struct coil__sim_file *file)
{
    file->references++;
}

void coil__sim_file_put(struct coil__sim_file *file)
{
    coil__assert(file->references > 0);
    if (--file->references == 0)
        file->kind->end(file);
}

/* Nobody parks meanwhile: those who are woken try later. */
void coil__sim_file_news(struct coil__sim_file *file)
{
    while (!coil__list_empty(&file->waiters)) {
        struct coil_link *link = file->waiters.next;
        coil__sim_op_wake(coil__container_of(link, struct coil__sim_op, of_file));
    }
}

/* ---- what can be done with any file ---- */

int64_t coil__sim_read_start(struct coil__sim_op *op)
{
    struct coil__sim_transfer transfer;
    coil__sim_transfer_read(op, &transfer);
    /* Of a stream that throws it away there need be no memory. */
    bool may_throw_away =
        (transfer.flags & MSG_TRUNC) != 0 && op->file->kind != &coil__sim_dgram_kind;
    if (!transfer.selects && !may_throw_away)
        coil__sim_scribble(&transfer, op->number);
    return coil__sim_delay(op->code->usual);
}

bool coil__sim_wants_socket(const struct coil__sim_op *op)
{
    switch (op->sqe.opcode) {
    case IORING_OP_SEND:
    case IORING_OP_SEND_ZC:
    case IORING_OP_RECV:
    case IORING_OP_SENDMSG:
    case IORING_OP_RECVMSG:
        return true;
    default:
        return false;
    }
}

/* What reading and writing like a file comes to for a socket, if not to a transfer: 1. */
static int32_t as_file(const struct coil__sim_op *op, const struct coil__sim_transfer *transfer)
{
    if (coil__sim_wants_socket(op) || !op->file->kind->is_socket)
        return 1;
    return transfer->offset != 0 && transfer->offset != UINT64_MAX ? -ESPIPE : 1;
}

int32_t coil__sim_read(struct coil__sim_op *op)
{
    struct coil__sim_transfer transfer;
    if (coil__sim_wants_socket(op) && !op->file->kind->is_socket)
        return -ENOTSOCK;
    if (op->file->kind->read == NULL)
        return -EINVAL;
    coil__sim_transfer_read(op, &transfer);
    int32_t result = as_file(op, &transfer);
    if (result > 0 && transfer.len == 0 && !coil__sim_wants_socket(op))
        result = 0; /* a receive of nothing waits for something, a read does not */
    return result > 0 ? op->file->kind->read(op, &transfer) : result;
}

int32_t coil__sim_write(struct coil__sim_op *op)
{
    struct coil__sim_transfer transfer;
    if (coil__sim_wants_socket(op) && !op->file->kind->is_socket)
        return -ENOTSOCK;
    if (op->file->kind->write == NULL)
        return -EINVAL;
    coil__sim_transfer_read(op, &transfer);
    int32_t result = as_file(op, &transfer);
    return result > 0 ? op->file->kind->write(op, &transfer) : result;
}

/* The number is free from here on, so that the next file may get it before this has completed. */
int64_t coil__sim_close_start(struct coil__sim_op *op)
{
    struct coil__sim_file *file = coil__sim_file_remove(op->sqe.fd);
    if (file == NULL)
        return -EBADF;
    op->result = coil__sim_error_of_start(op, file);
    coil__sim_file_put(file);
    return coil__sim_delay(op->code->usual);
}

int32_t coil__sim_poll(struct coil__sim_op *op)
{
    uint32_t always = POLLERR | POLLHUP | POLLNVAL;
    uint32_t events = op->file->kind->events(op->file) & (op->sqe.poll32_events | always);
    if (events == 0)
        return COIL__SIM_PARK;
    if ((op->sqe.len & IORING_POLL_ADD_MULTI) == 0 || coil__sim_ends_early(op))
        return (int32_t)events;
    coil__sim_post_more(op, (int32_t)events, 0);
    return COIL__SIM_PARK;
}
