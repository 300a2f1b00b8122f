/* SPDX-License-Identifier: MIT */
/*
 * Generators under a scheduler. Instead of resuming them by hand, a loop takes the first of a
 * deque, resumes it, and puts it back at the end, until all have ended.
 *
 * In the second part one of them needs data that is not there yet. All that it can do is to start
 * reading, and to yield until that is done. Read tasks.c beside this one: it does the same.
 */
#include "lesson.h"

#include <coil.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { GEN_MAX = 4 };

/* A pause: something to hand over when only the pause is of interest. */
static char pause_here;

/* --- the scheduler ------------------------------------------------------------------------- */

struct deque {
    struct coil_gen *gens[GEN_MAX];
    unsigned first, count;
};

static void push_last(struct deque *deque, struct coil_gen *gen)
{
    deque->gens[(deque->first + deque->count++) % GEN_MAX] = gen;
}

static struct coil_gen *pop_first(struct deque *deque)
{
    struct coil_gen *gen = deque->gens[deque->first];
    deque->first = (deque->first + 1) % GEN_MAX;
    deque->count--;
    return gen;
}

/* Round robin, until all have ended. Returns the first error. */
static int run_all(struct deque *deque)
{
    while (deque->count > 0) {
        struct coil_gen *gen = pop_first(deque);
        if (coil_gen_next(gen) != NULL)
            push_last(deque, gen);
        else if (coil_gen_result(gen) < 0)
            return coil_gen_result(gen);
    }
    return 0;
}

/* --- two that only work -------------------------------------------------------------------- */

static int work_twice(struct coil_gen *gen, void *arg)
{
    const char *name = arg;
    printf("%s doing some work\n", name);
    int err = coil_gen_yield(gen, &pause_here, NULL);
    if (err < 0)
        return err;
    printf("%s doing more work\n", name);
    return 0;
}

static int two_workers(void *arg)
{
    (void)arg;
    struct deque deque = {.count = 0};
    COIL_GEN(one, work_twice, "Coroutine one");
    COIL_GEN(two, work_twice, "Coroutine two");
    push_last(&deque, &one);
    push_last(&deque, &two);
    return run_all(&deque);
}

/* --- one that needs data ------------------------------------------------------------------- */

/* Reads a number from *arg, a descriptor, and returns it. */
static int fetch(struct coil_gen *gen, void *arg)
{
    char text[16] = "";
    COIL_FUTURE(read);
    coil_read_start(&read, *(const int *)arg, text, sizeof(text) - 1);
    printf("Fetching data awaiting IO..\n");
    do {
        /* The scheduler does not know what we wait for: it comes back here again and again. */
        int err = coil_gen_yield(gen, &pause_here, NULL);
        if (err == 0)
            err = coil_yield(); /* lets the ring go on */
        if (err < 0)
            return err;
    } while (!coil_future_done(&read));
    printf("Fetching data IO ready..\n");
    ssize_t n = coil_await(&read); /* which no longer waits */
    return n < 0 ? (int)n : atoi(text);
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

static int worker_and_reader(void *arg)
{
    struct deque deque = {.count = 0};
    COIL_GEN(one, work_twice, "Coroutine one");
    COIL_GEN(four, work_on_data, arg);
    push_last(&deque, &one);
    push_last(&deque, &four);
    return run_all(&deque);
}

int main(int argc, char **argv)
{
    lesson_options_parse(argc, argv,
                         "Runs generators by a scheduler with a deque: see the source.");
    lesson_heading("a scheduler with a deque");
    int err = two_workers(NULL);

    lesson_heading("I/O in the middle, with generators");
    int fd = lesson_open_data();
    if (err >= 0 && fd >= 0)
        err = coil_run(&(struct coil_options){.core_count = 1}, worker_and_reader, &fd);
    close(fd);
    return lesson_end(fd < 0 ? fd : err);
}
