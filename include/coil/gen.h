/* SPDX-License-Identifier: MIT */
/*
 * A generator hands values to its consumer one at a time. Its body is plain code on a stack of its
 * own, which goes on where it was each time the consumer asks for the next value.
 *
 *     static int count(struct coil_gen *gen, void *arg)
 *     {
 *         for (int i = 0; i < *(int *)arg; i++) {
 *             int err = coil_gen_yield(gen, &i, NULL);
 *             if (err < 0)
 *                 return err;
 *         }
 *         return 0;
 *     }
 *
 *     COIL_GEN(numbers, count, &limit);
 *     COIL_FOREACH(int *, i, &numbers)
 *         printf("%d\n", *i);
 *     return coil_gen_close(&numbers);
 *
 * It behaves like Python's: nothing of the body runs before the first value is asked for; the
 * consumer may send values into it, and errors; and it may delegate to another generator.
 * Generators work anywhere, also outside coil_run(). Within a coroutine the body runs as a part of
 * its consumer: it may wait for whatever a coroutine may wait for, the consumer then waits too, and
 * what cancels the consumer cancels the wait. Resuming is no wait in itself, and never refused for
 * a cancellation. A generator belongs to the core that resumed it first, or to the thread if that
 * was outside coil_run(): also coil_run_attached() on that thread is elsewhere.
 *
 * The body may not hold a scope open over a yield, and declares its futures by COIL_FUTURE(), so
 * that nothing is in flight when it returns.
 */
#ifndef COIL_GEN_H
#define COIL_GEN_H

#include <coil/base.h>

COIL_BEGIN_DECLS

struct coil_gen;

/* private: where its stack comes from */
struct coil__stacks;

/* A generator's body. Returns 0 or more for success, -errno for failure: the generator's result. */
typedef int coil_gen_fn(struct coil_gen *gen, void *arg);

/* A generator. A variable of its consumer; must not move while open. */
struct coil_gen {
    /* private */
    void *resume;
    void *consumer;
    const uint32_t *scopes_held;
    uint32_t stack_span;
    int32_t thrown;
    int32_t result;
    uint8_t state;
    bool watched, closing;
    struct coil_gen *root, *leaf, *delegator;
    void *parked;
    void *watched_resume;
    void *consumer_stack;
    struct coil__stacks *stacks;
    struct coil_task *stack;
    coil_gen_fn *fn;
    void *arg;
    const char *site;
};

/*
 * Declares a generator whose body will be fn(gen, arg), to be closed however the block is left.
 * `arg` must live as long.
 */
#define COIL_GEN(name, fn, arg)                                   \
    __attribute__((cleanup(coil_gen_drop))) struct coil_gen name; \
    coil_gen_open(&name, fn, arg)

/*
 * As COIL_GEN(), for one declared elsewhere, which must then be closed. Takes no memory and cannot
 * fail: the first resume gives the body its stack.
 *
 * A macro over a function only so that a generator knows its function and line: messages show both.
 */
#define coil_gen_open(gen, fn, arg) coil__gen_open((gen), (fn), (arg), COIL__SITE(#fn))

/*
 * Resumes the generator. Returns what it yields next, which is good until it is resumed again; or
 * NULL when there is no value, and coil_gen_result() says why: mostly that it has ended. Suspends
 * if the body does.
 */
COIL_MUST_CHECK static inline void *coil_gen_next(struct coil_gen *gen);

/* As coil_gen_next(), and the yield in the body gets `value`. Before the first yield there is none
 * to get it: then only NULL may be sent, and anything else is -EINVAL. */
COIL_MUST_CHECK static inline void *coil_gen_send(struct coil_gen *gen, void *value);

/* As coil_gen_next(), and the yield in the body returns `error`, a -errno. A body that was not
 * started yet never will be: the generator ends, with that result. */
COIL_MUST_CHECK void *coil_gen_throw(struct coil_gen *gen, int error);

/*
 * Why the last call returned NULL: the generator has ended, and this is what its body returned, or
 * the error thrown into it before its start or after its end. Or the call was refused, and the
 * generator is as before: -EBUSY, its body is running, which includes that it waits or that another
 * generator delegates to it; -EINVAL, a value sent too early. -ENOMEM: it ended without a stack.
 */
int coil_gen_result(const struct coil_gen *gen);

/*
 * Ends the generator and returns its result: what coil_gen_result() says if it had ended by itself.
 * Else the yield in the body returns -ECANCELED; the body should clean up, for which it may wait,
 * and return. If it returns -ECANCELED the result is 0. That it yields again is a bug and aborts.
 *
 * Closing again returns the same; -EBUSY, without any effect: its body is running.
 */
int coil_gen_close(struct coil_gen *gen);

/* As coil_gen_close(), and throws the result away. What COIL_GEN() calls; aborts where that would
 * leave a running body behind. */
void coil_gen_drop(struct coil_gen *gen);

/*
 * For the body: hands over `value`, which must not be NULL, and waits until it is resumed. Returns
 * 0 with what was sent in *sent, which is NULL after coil_gen_next(), or the error thrown. The
 * pointer `sent` may be NULL.
 */
COIL_MUST_CHECK static inline int coil_gen_yield(struct coil_gen *gen, void *value, void **sent);

/*
 * For the body: hands over whatever `sub` yields until that ends, and returns the result of `sub`.
 * What the consumer sends and throws meanwhile goes to `sub`, at no cost for the generators in
 * between. When the consumer closes, `sub` is closed first; then this returns -ECANCELED, or the
 * error with which `sub` failed. -EBUSY: the body of `sub` is running.
 */
COIL_MUST_CHECK int coil_gen_delegate(struct coil_gen *gen, struct coil_gen *sub);

/*
 * A loop over all values: COIL_FOREACH(int *, number, &numbers) { ... }. The generator is closed
 * when the loop ends, also by break, return or goto; its result is what coil_gen_close() then
 * returns to whoever asks.
 */
#define COIL_FOREACH(type, name, gen)                                                    \
    for (struct coil_gen * name##_gen __attribute__((cleanup(coil__gen_leave))) = (gen), \
                                      *name##_once = name##_gen;                         \
         name##_once != NULL; name##_once = NULL)                                        \
        for (type name; (name = (type)coil_gen_next(name##_gen)) != NULL;)

/* private: behind the macros and inline functions */
void coil__gen_open(struct coil_gen *gen, coil_gen_fn *fn, void *arg, const char *site);
void coil__gen_leave(struct coil_gen **gen);
void *coil__gen_send(struct coil_gen *gen, void *value);
int coil__gen_yield(struct coil_gen *gen, void *value, void **sent);

/* private: Boost.Context's switch, by a name that is ours: others may declare it as well */
struct coil__transfer coil__gen_jump(void *to, void *data) __asm__("jump_fcontext");

/*
 * Inline down to the switch itself, since each function that returns after a switch costs as much
 * as the switch. Whatever is not a plain item fails a comparison here and goes the long way: the
 * first start, the end, a body that runs already, misuse, and programs in which somebody must be
 * told of each switch.
 */
static inline void *coil_gen_send(struct coil_gen *gen, void *value)
{
    void *body = gen->resume;
    if (__builtin_expect(body == NULL, 0))
        return coil__gen_send(gen, value);
    gen->resume = NULL;
    struct coil__transfer from = coil__gen_jump(body, value);
    gen->resume = from.context;
    return from.data;
}

/* To a body, next is a send of nothing. */
static inline void *coil_gen_next(struct coil_gen *gen)
{
    return coil_gen_send(gen, NULL);
}

/* The other side of coil_gen_send(). */
static inline int coil_gen_yield(struct coil_gen *gen, void *value, void **sent)
{
    /* How far below the top of the generator's stack the caller is: else he is on another one. */
    uintptr_t depth = (uintptr_t)gen->scopes_held - (uintptr_t)__builtin_frame_address(0);
    if (__builtin_expect(depth >= gen->stack_span || *gen->scopes_held != 0 || value == NULL, 0))
        return coil__gen_yield(gen, value, sent);
    struct coil__transfer from = coil__gen_jump(gen->consumer, value);
    gen->consumer = from.context;
    if (sent != NULL)
        *sent = from.data;
    int thrown = gen->thrown;
    gen->thrown = 0;
    return thrown;
}

COIL_END_DECLS
#endif
