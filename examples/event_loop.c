/* SPDX-License-Identifier: MIT */
/*
 * What coil_run() does, in sixty lines: run_loop() below turns over generators and a ring of
 * io_uring. Here a coroutine is a generator that yields what it waits for, and whoever resumes it
 * has seen to that; the ring is liburing's, as in coil. See runtime/core/core.c for the real turn.
 *
 * It leaves out what the rest of coil is for: scopes, cancellation, other cores, and tasks that may
 * wait anywhere in a function without being passed a generator.
 */
#include "lesson.h"

#include <coil.h>
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A generator under the loop, in one of its three places at a time: in the ready queue, among the
 * sleepers, or known to the ring as the user_data of its operation. */
struct task {
    struct coil_gen gen;
    struct task *next;
    coil_time deadline; /* of a sleeper */
    int result;         /* of its operation */
};

struct queue {
    struct task *first, **last;
};

struct loop {
    struct io_uring ring;
    struct queue ready;
    struct task *sleepers; /* the nearest deadline first */
    unsigned task_count;
};

/* What a task yields: how it wants to be known to the loop until it goes on. */
struct wait {
    void (*begin)(struct loop *loop, struct task *task, const struct wait *wait);
    coil_time deadline;
    int fd;
    void *buf;
    unsigned len;
};

static void queue_clear(struct queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static void queue_append(struct queue *queue, struct task *task)
{
    task->next = NULL;
    *queue->last = task;
    queue->last = &task->next;
}

/* --- the loop ------------------------------------------------------------------------------ */

/* 1. Runs those that were ready when the turn began. Who becomes ready meanwhile runs in the next
 * turn, so that the ring is looked at however busy they are. */
static int run_ready(struct loop *loop)
{
    struct task *task = loop->ready.first;
    queue_clear(&loop->ready);
    while (task != NULL) {
        struct task *next = task->next;
        const struct wait *wait = coil_gen_next(&task->gen);
        if (wait != NULL)
            wait->begin(loop, task, wait);
        else if (coil_gen_result(&task->gen) < 0)
            return coil_gen_result(&task->gen);
        else
            loop->task_count--;
        task = next;
    }
    return 0;
}

/* 2. Readies the sleepers whose time has come. */
static void wake_sleepers(struct loop *loop)
{
    while (loop->sleepers != NULL && loop->sleepers->deadline <= coil_now()) {
        struct task *task = loop->sleepers;
        loop->sleepers = task->next;
        queue_append(&loop->ready, task);
    }
}

/* 3. One system call a turn: hands the kernel all that was started, and, when nobody is ready,
 * sleeps until a result is there or the nearest sleeper's time has come. */
static int enter_kernel(struct loop *loop)
{
    if (loop->ready.first != NULL)
        return io_uring_submit(&loop->ring);
    coil_time span = loop->sleepers != NULL ? loop->sleepers->deadline - coil_now() : COIL_SEC;
    if (span < 0)
        span = 0;
    struct __kernel_timespec timeout = {.tv_sec = span / COIL_SEC, .tv_nsec = span % COIL_SEC};
    struct io_uring_cqe *first;
    int result = io_uring_submit_and_wait_timeout(&loop->ring, &first, 1, &timeout, NULL);
    return result == -ETIME || result == -EINTR ? 0 : result;
}

/* 4. Takes the results, and readies whoever waits for one. */
static void reap(struct loop *loop)
{
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    io_uring_for_each_cqe(&loop->ring, head, cqe)
    {
        struct task *task = io_uring_cqe_get_data(cqe);
        seen++;
        if (task == NULL) /* older kernels have the timeout of 3 as an operation of its own */
            continue;
        task->result = cqe->res;
        queue_append(&loop->ready, task);
    }
    io_uring_cq_advance(&loop->ring, seen);
}

static int run_loop(struct loop *loop)
{
    int err = 0;
    while (loop->task_count > 0 && err >= 0) {
        err = run_ready(loop);
        wake_sleepers(loop);
        if (err >= 0)
            err = enter_kernel(loop);
        reap(loop);
    }
    return err < 0 ? err : 0;
}

/* --- ways to wait -------------------------------------------------------------------------- */

static void begin_turn(struct loop *loop, struct task *task, const struct wait *wait)
{
    (void)wait;
    queue_append(&loop->ready, task);
}

static void begin_sleep(struct loop *loop, struct task *task, const struct wait *wait)
{
    struct task **place = &loop->sleepers;
    task->deadline = wait->deadline;
    while (*place != NULL && (*place)->deadline <= task->deadline)
        place = &(*place)->next;
    task->next = *place;
    *place = task;
}

/* The ring has room: it is larger than the number of tasks, and each has one operation. */
static void begin_read(struct loop *loop, struct task *task, const struct wait *wait)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);
    io_uring_prep_read(sqe, wait->fd, wait->buf, wait->len, (uint64_t)-1);
    io_uring_sqe_set_data(sqe, task);
}

/* --- tasks --------------------------------------------------------------------------------- */

/* A part of the task `gen` is in: yields straight to the loop, which knows only the task. */
static int fetch(struct coil_gen *gen, void *arg)
{
    struct task *task = arg;
    char text[16] = "";
    int fd = lesson_open_data();
    if (fd < 0)
        return fd;
    printf("Fetching data awaiting IO..\n");
    struct wait read = {.begin = begin_read, .fd = fd, .buf = text, .len = sizeof(text) - 1};
    int err = coil_gen_yield(gen, &read, NULL);
    close(fd);
    if (err == 0)
        err = task->result < 0 ? task->result : 0;
    if (err < 0)
        return err;
    printf("Fetching data IO ready..\n");
    return atoi(text);
}

static int work_on_data(struct coil_gen *gen, void *arg)
{
    printf("Coroutine four doing some work\n");
    COIL_GEN(fetching, fetch, arg);
    int data = coil_gen_delegate(gen, &fetching);
    if (data < 0)
        return data;
    printf("Coroutine four doing more work with data: %d\n", data);
    return 0;
}

static int work_twice(struct coil_gen *gen, void *arg)
{
    (void)arg;
    printf("Coroutine one doing some work\n");
    struct wait turn = {.begin = begin_turn};
    int err = coil_gen_yield(gen, &turn, NULL);
    if (err < 0)
        return err;
    printf("Coroutine one doing more work\n");
    return 0;
}

static int work_later(struct coil_gen *gen, void *arg)
{
    (void)arg;
    printf("Coroutine five scheduling work for later\n");
    struct wait sleep = {.begin = begin_sleep, .deadline = coil_after(50 * COIL_MSEC)};
    int err = coil_gen_yield(gen, &sleep, NULL);
    if (err < 0)
        return err;
    printf("Coroutine five doing its work later\n");
    return 0;
}

static void add(struct loop *loop, struct task *task, coil_gen_fn *fn)
{
    coil_gen_open(&task->gen, fn, task);
    queue_append(&loop->ready, task);
    loop->task_count++;
}

int main(int argc, char **argv)
{
    static struct task one, five, four;
    static struct loop loop;
    lesson_options_parse(argc, argv,
                         "Runs generators by an event loop of its own: see the source.");
    int err = io_uring_queue_init(8, &loop.ring, 0);
    if (err < 0)
        return lesson_end(err);
    queue_clear(&loop.ready);
    add(&loop, &one, work_twice);
    add(&loop, &five, work_later);
    add(&loop, &four, work_on_data);

    lesson_heading("the event loop");
    err = run_loop(&loop);
    /* All generators have ended; or, after an error, are left alone, since the kernel may still
     * write into the stack of one that waits. */
    io_uring_queue_exit(&loop.ring);
    return lesson_end(err);
}
