/* SPDX-License-Identifier: MIT */
/*
 * Generators, resumed by hand. Each is a function that can stop in the middle, and go on there.
 *
 * Nothing here waits for anything but its consumer: no coil_run() is needed. scheduler.c goes on
 * from here.
 */
#include "lesson.h"

#include <coil.h>
#include <stdio.h>

/* A pause: something to hand over when only the pause is of interest. */
static char pause_here;

/* --- manual scheduling: we decide who goes on, line by line. ------------------------------- */

/* `arg` is the name, as in all that follow. */
static int work_twice(struct coil_gen *gen, void *arg)
{
    const char *name = arg;
    printf("%s doing some work\n", name);
    int err = coil_gen_yield(gen, &pause_here, NULL);
    if (err < 0)
        return err; /* closed before its end */
    printf("%s doing more work\n", name);
    return 0;
}

static int manual_scheduling(void)
{
    COIL_GEN(one, work_twice, "Gen one");
    COIL_GEN(two, work_twice, "Gen two");
    for (int i = 0; i < 2; i++) {
        void *from_one = coil_gen_next(&one); /* NULL the second time: then it has ended */
        void *from_two = coil_gen_next(&two);
        (void)from_one, (void)from_two;
    }
    int err = coil_gen_close(&one);
    return err < 0 ? err : coil_gen_close(&two);
}

/* --- send: a yield hands a value out, and is handed one. ----------------------------------- */

static int receive(struct coil_gen *gen, void *arg)
{
    const char *name = arg;
    void *data;
    printf("%s doing some work\n", name);
    int err = coil_gen_yield(gen, &pause_here, &data);
    if (err < 0)
        return err;
    printf("Received data: %s\n", (const char *)data);
    printf("%s doing more work\n", name);
    return 0;
}

static int sending(void)
{
    COIL_GEN(one, receive, "Coroutine one");
    if (coil_gen_next(&one) == NULL) /* to the yield, which can then receive */
        return coil_gen_result(&one);
    void *value = coil_gen_send(&one, "lorem ipsum");
    (void)value;
    return coil_gen_close(&one);
}

/* --- delegation: a generator made of others. ----------------------------------------------- */

/* Whoever resumes it resumes one, then two, as if there were nothing in between. */
static int one_then_two(struct coil_gen *gen, void *arg)
{
    (void)arg;
    COIL_GEN(one, work_twice, "Coroutine one");
    COIL_GEN(two, work_twice, "Coroutine two");
    int err = coil_gen_delegate(gen, &one);
    return err < 0 ? err : coil_gen_delegate(gen, &two);
}

static int delegation(void)
{
    COIL_GEN(three, one_then_two, NULL);
    COIL_FOREACH(char *, pause, &three)
    {
        (void)pause; /* between two pauses somebody has worked */
    }
    return coil_gen_close(&three);
}

/* --- the returned value: what a generator computes for its delegator. ---------------------- */

/* Yields the numbers up to *arg, and returns their sum. */
static int count_up(struct coil_gen *gen, void *arg)
{
    int sum = 0;
    for (int number = 1; number <= *(const int *)arg; number++) {
        int err = coil_gen_yield(gen, &number, NULL);
        if (err < 0)
            return err;
        sum += number;
    }
    return sum;
}

static int count_and_add(struct coil_gen *gen, void *arg)
{
    COIL_GEN(numbers, count_up, arg);
    int sum = coil_gen_delegate(gen, &numbers);
    if (sum < 0)
        return sum;
    printf("Coroutine three received the sum: %d\n", sum);
    return 0;
}

static int returned_value(void)
{
    int last = 4;
    COIL_GEN(three, count_and_add, &last);
    COIL_FOREACH(int *, number, &three)
    printf("Number: %d\n", *number);
    return coil_gen_close(&three);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *heading;
        int (*run)(void);
    } parts[] = {
        {"manual scheduling", manual_scheduling},
        {"send", sending},
        {"delegation", delegation},
        {"the value returned by a sub-generator", returned_value},
    };
    lesson_options_parse(argc, argv, "Shows generators, which need no loop: see the source.");
    int err = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && err >= 0; i++) {
        lesson_heading(parts[i].heading);
        err = parts[i].run();
    }
    return lesson_end(err);
}
