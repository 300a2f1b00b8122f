/* SPDX-License-Identifier: MIT */
/*
 * Waiting with a file. A number stays in epoll's set after the last wait on it, since the next one
 * mostly comes soon; it leaves when epoll reports what nobody waits for. Yet a number may be closed
 * by anybody, and mean another file by then: so every wait tells epoll anew, which knows the file.
 *
 * Epoll keeps a file that lives on under another number (dup, or a child process), and reports it
 * under the number that is gone. Such a ghost is known by its generation, and can be laid only by
 * leaving the whole set.
 */
#include "ring/poll.h"

#include "base/descriptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES_MIN = 64, FALSE_ALARMS_MAX = 3 };

static const uint32_t always = EPOLLERR | EPOLLHUP;

struct coil__poll_file *coil__poll_file_of(struct coil__poll *poll, int fd)
{
    return (unsigned)fd < poll->file_count ? &poll->files[fd] : NULL;
}

static int make_room(struct coil__poll *poll, int fd)
{
    unsigned count = poll->file_count > 0 ? poll->file_count : FILES_MIN;
    while (count <= (unsigned)fd)
        count *= 2;
    struct coil__poll_file *files = realloc(poll->files, count * sizeof(*files));
    if (files == NULL)
        return -ENOMEM;
    memset(files + poll->file_count, 0, (count - poll->file_count) * sizeof(*files));
    poll->files = files;
    poll->file_count = count;
    return 0;
}

static uint32_t events_of(const struct coil__poll_op *op)
{
    if (op->side == COIL__POLL_IN)
        return EPOLLIN;
    if (op->side == COIL__POLL_OUT)
        return EPOLLOUT;
    bool polls = op->sqe.opcode == IORING_OP_POLL_ADD;
    return always | (polls ? op->sqe.poll32_events : (uint32_t)EPOLLPRI);
}

static uint32_t wanted_events(const struct coil__poll_file *file)
{
    uint32_t events = 0;
    if (file->first[COIL__POLL_IN] != NULL)
        events |= EPOLLIN;
    if (file->first[COIL__POLL_OUT] != NULL)
        events |= EPOLLOUT;
    for (const struct coil__poll_op *op = file->first[COIL__POLL_ANY]; op != NULL; op = op->next)
        events |= events_of(op);
    return events;
}

static int tell_epoll(struct coil__poll *poll, int call, int fd, uint32_t events)
{
    const struct coil__poll_file *file = &poll->files[fd];
    struct epoll_event event = {.events = events,
                                .data.u64 = (uint64_t)file->generation << 32 | (unsigned)fd};
    return epoll_ctl(poll->epoll_fd, call, fd, &event) < 0 ? -errno : 0;
}

static int add(struct coil__poll *poll, int fd, uint32_t events)
{
    poll->files[fd].generation++;
    int err = tell_epoll(poll, EPOLL_CTL_ADD, fd, events);
    poll->files[fd].events = err < 0 ? 0 : events;
    return err;
}

struct coil__poll_op *coil__poll_waiting(struct coil__poll *poll, int fd)
{
    const struct coil__poll_file *file = coil__poll_file_of(poll, fd);
    for (unsigned side = 0; file != NULL && side < COIL__POLL_SIDES; side++) {
        if (file->first[side] != NULL)
            return file->first[side];
    }
    return coil__poll_retrying(poll, fd);
}

/* The file is gone under that number: who still waits for it would wait for ever, or be served by
 * another one. */
static void end_waits(struct coil__poll *poll, int fd)
{
    struct coil__poll_op *op;
    while ((op = coil__poll_waiting(poll, fd)) != NULL) /* ends: each is removed */
        coil__poll_cancel(poll, op);
}

/* What epoll thinks of a number that it may know. */
static int register_events(struct coil__poll *poll, int fd, uint32_t events)
{
    if (poll->files[fd].events == 0)
        return add(poll, fd, events);
    int err = tell_epoll(poll, EPOLL_CTL_MOD, fd, poll->files[fd].events | events);
    if (err == 0)
        poll->files[fd].events |= events;
    if (err != -ENOENT)
        return err;
    end_waits(poll, fd);
    return add(poll, fd, events);
}

static void append(struct coil__poll_file *file, struct coil__poll_op *op)
{
    op->prev = file->last[op->side];
    op->next = NULL;
    if (op->prev != NULL)
        op->prev->next = op;
    else
        file->first[op->side] = op;
    file->last[op->side] = op;
}

int coil__poll_wait(struct coil__poll *poll, struct coil__poll_op *op)
{
    int fd = op->sqe.fd;
    if (fd < 0)
        return -EBADF;
    if ((unsigned)fd >= poll->file_count) {
        int err = make_room(poll, fd);
        if (err < 0)
            return err;
    }
    int err = register_events(poll, fd, events_of(op));
    if (err < 0)
        return err;
    append(&poll->files[fd], op);
    op->place = COIL__POLL_WITH_FILE;
    poll->waiting++;
    coil__poll_remember(poll, op);
    return 0;
}

static void unlink_op(struct coil__poll_file *file, struct coil__poll_op *op)
{
    if (op->prev != NULL)
        op->prev->next = op->next;
    else
        file->first[op->side] = op->next;
    if (op->next != NULL)
        op->next->prev = op->prev;
    else
        file->last[op->side] = op->prev;
}

void coil__poll_leave(struct coil__poll *poll, struct coil__poll_op *op)
{
    unlink_op(&poll->files[op->sqe.fd], op);
    op->place = COIL__POLL_NOWHERE;
    poll->waiting--;
    coil__poll_forget(poll, op);
}

/* Tries it again, after which it may have no place any more, and the table may have moved. Returns
 * whether it got on, if only in part. */
static bool try_again(struct coil__poll *poll, struct coil__poll_op *op)
{
    const unsigned *posted = poll->ring->uring.cq.ktail, posted_before = *posted;
    uint32_t done_before = op->done;
    int32_t outcome = coil__poll_attempt(poll, op);
    if (outcome == COIL__POLL_AGAIN)
        return op->done != done_before || *posted != posted_before;
    coil__poll_leave(poll, op);
    coil__poll_settle(poll, op, outcome);
    return true;
}

/* Who waited longest is tried first, until one has to wait on. */
static bool try_in_order(struct coil__poll *poll, int fd, unsigned side)
{
    bool got_on = false;
    struct coil__poll_op *op;
    while ((op = poll->files[fd].first[side]) != NULL) { /* ends: each goes, or is the last */
        got_on |= try_again(poll, op);
        if (poll->files[fd].first[side] == op)
            break;
    }
    return got_on;
}

/* Each waits for events of its own. */
static bool try_all(struct coil__poll *poll, int fd)
{
    bool got_on = false;
    struct coil__poll_op *next;
    for (struct coil__poll_op *op = poll->files[fd].first[COIL__POLL_ANY]; op != NULL; op = next) {
        next = op->next;
        got_on |= try_again(poll, op);
    }
    return got_on;
}

/* Leaves the set for a new one, in which there is nothing but what is waited for. Without a
 * descriptor for it the old one stays, and the ghost is met again. */
static __attribute__((cold)) void lay_ghosts(struct coil__poll *poll)
{
    int epoll_fd = coil__descriptor_beyond_streams(epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.u64 = UINT64_MAX};
    if (epoll_fd < 0)
        return;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, poll->wake_fd, &wake) < 0) {
        close(epoll_fd);
        return;
    }
    close(poll->epoll_fd);
    poll->epoll_fd = epoll_fd;
    for (unsigned fd = 0; fd < poll->file_count; fd++) {
        uint32_t events = wanted_events(&poll->files[fd]);
        poll->files[fd].events = events;
        if (events == 0 || tell_epoll(poll, EPOLL_CTL_ADD, (int)fd, events) == 0)
            continue;
        poll->files[fd].events = 0;
        end_waits(poll, (int)fd);
    }
}

static void watch(struct coil__poll *poll, int fd, uint32_t events)
{
    int err = tell_epoll(poll, events != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, fd, events);
    poll->files[fd].events = events;
    if (err < 0)
        lay_ghosts(poll);
}

/* Epoll reports what nobody waits for any more: it is told what somebody does wait for. */
static void trim(struct coil__poll *poll, int fd)
{
    watch(poll, fd, wanted_events(&poll->files[fd]));
}

static void retry_later(struct coil__poll *poll, int fd, unsigned side)
{
    struct coil__poll_op *op;
    while ((op = poll->files[fd].first[side]) != NULL) { /* ends: each goes */
        coil__poll_leave(poll, op);
        coil__poll_retry_later(poll, op);
    }
}

/* Nobody got on by what epoll reports, which it would report again and again. Who was promised that
 * he can go on has to ask, since nothing tells when he really can: a Unix socket may always send,
 * though who shall receive has no room. All else, such as an error that nobody reads, is heard of
 * once; what comes later is news, and is told. */
static void note_false_alarm(struct coil__poll *poll, int fd, uint32_t events)
{
    struct coil__poll_file *file = &poll->files[fd];
    if (file->false_alarms < FALSE_ALARMS_MAX) {
        file->false_alarms++;
        return;
    }
    if ((events & EPOLLIN) != 0)
        retry_later(poll, fd, COIL__POLL_IN);
    if ((events & EPOLLOUT) != 0)
        retry_later(poll, fd, COIL__POLL_OUT);
    uint32_t wanted = wanted_events(file);
    uint32_t once = wanted != 0 ? wanted | EPOLLET : 0;
    if (file->events != once)
        watch(poll, fd, once);
}

/* Somebody got on, and may have left something for the next one, of which epoll has to tell. */
static void note_true_alarm(struct coil__poll *poll, int fd)
{
    poll->files[fd].false_alarms = 0;
    if ((poll->files[fd].events & EPOLLET) != 0)
        trim(poll, fd);
}

void coil__poll_ready(struct coil__poll *poll, const struct epoll_event *event)
{
    int fd = (int)(uint32_t)event->data.u64;
    if (poll->files[fd].generation != event->data.u64 >> 32) {
        lay_ghosts(poll);
        return;
    }
    uint32_t wanted = wanted_events(&poll->files[fd]);
    if (wanted == 0 || (event->events & ~always & ~wanted) != 0)
        trim(poll, fd);
    if (wanted == 0)
        return;
    bool got_on = false;
    if ((event->events & (EPOLLIN | always)) != 0)
        got_on |= try_in_order(poll, fd, COIL__POLL_IN);
    if ((event->events & (EPOLLOUT | always)) != 0)
        got_on |= try_in_order(poll, fd, COIL__POLL_OUT);
    got_on |= try_all(poll, fd);
    if (got_on)
        note_true_alarm(poll, fd);
    else
        note_false_alarm(poll, fd, event->events);
}

void coil__poll_closing(struct coil__poll *poll, int fd)
{
    struct coil__poll_file *file = coil__poll_file_of(poll, fd);
    end_waits(poll, fd);
    if (file == NULL || file->events == 0)
        return;
    tell_epoll(poll, EPOLL_CTL_DEL, fd, 0); /* which may have gone already: then it is as well */
    file->events = 0;
}
