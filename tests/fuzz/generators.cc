/* SPDX-License-Identifier: MIT */
/* Generators, whose bodies do what the input says as well. */
#include "generators.h"

#include <cerrno>

namespace coil_fuzz {

namespace {

int produce(coil_gen *gen, void *arg);

/* What a body knows: how deep it is delegated to, and what it hands over. */
struct Body {
    unsigned depth;
    unsigned char item;
};

int wait_in_body()
{
    Input &input = world->input;
    unsigned what = input.below(3);
    if (what == 0)
        return coil_sleep(input.span());
    if (what == 1)
        return coil_nop();
    COIL_FUTURE(future);
    coil_nop_start(&future);
    return coil_yield();
}

/* A scope in a body, which is over before the next value. */
int spawn_in_body(Body &body)
{
    COIL_SCOPE(scope, coil_after(world->input.span()));
    if (body.depth < 2 && world->born < 64) {
        world->born++;
        world->births.push_back({&scope, coil_core_self(), 4, world->born});
        int err = coil_spawn(&scope, live, &world->births.back());
        if (err < 0)
            return err == -ECANCELED ? coil_scope_close(&scope, 0) : err;
    }
    return coil_scope_close(&scope, 0);
}

int delegate(coil_gen *gen, Body &body)
{
    if (body.depth >= 3)
        return 0;
    Body inner = {body.depth + 1, 0};
    COIL_GEN(sub, produce, &inner);
    if (world->input.flag()) {
        void *item = coil_gen_next(&sub);
        (void)item;
    }
    return coil_gen_delegate(gen, &sub);
}

int produce_one(coil_gen *gen, Body &body)
{
    void *sent = &body;
    body.item = world->input.byte();
    int err = coil_gen_yield(gen, &body.item, &sent);
    expect(sent == nullptr || sent == &body || sent == world, "a body gets what was sent");
    return err;
}

/* A cancellation, which is also how it is closed, ends a body; other errors it may overcome. */
int produce(coil_gen *gen, void *arg)
{
    Body &body = *static_cast<Body *>(arg);
    Input &input = world->input;
    while (!input.ended()) { /* ends: each round takes a byte */
        unsigned what = input.below(8);
        int err = 0;
        if (what < 3)
            err = produce_one(gen, body);
        else if (what == 3)
            err = delegate(gen, body);
        else if (what == 4)
            err = spawn_in_body(body);
        else if (what == 5)
            err = wait_in_body();
        else
            return what == 6 ? 0 : -EPROTO;
        if (err == -ECANCELED)
            return err;
    }
    return 0;
}

} // namespace

struct Generator {
    Body body;
    coil_gen gen;
};

namespace {

/* On the heap: it is the actor's, which holds a pointer. */
ssize_t open_generator(Actor &actor)
{
    if (actor.generator != nullptr)
        return kNothing;
    actor.generator = new Generator{};
    coil_gen_open(&actor.generator->gen, produce, &actor.generator->body);
    return 0;
}

ssize_t resume(Actor &actor)
{
    if (actor.generator == nullptr)
        return kNothing;
    coil_gen *gen = &actor.generator->gen;
    unsigned how = actor.input().below(4);
    void *item;
    if (how == 0)
        item = coil_gen_send(gen, world);
    else if (how == 1)
        item = coil_gen_throw(gen, actor.input().flag() ? -EAGAIN : -ECANCELED);
    else
        item = coil_gen_next(gen);
    return item != nullptr ? 0 : coil_gen_result(gen);
}

ssize_t run_through(Actor &actor)
{
    if (actor.generator == nullptr)
        return kNothing;
    unsigned left = 1 + actor.input().below(8);
    COIL_FOREACH(unsigned char *, item, &actor.generator->gen)
    {
        if (--left == 0)
            break;
    }
    return coil_gen_result(&actor.generator->gen);
}

ssize_t close_generator(Actor &actor)
{
    if (actor.generator == nullptr)
        return kNothing;
    return end_generator(actor);
}

} // namespace

int end_generator(Actor &actor)
{
    int result = coil_gen_close(&actor.generator->gen);
    expect(coil_gen_close(&actor.generator->gen) == result, "closing again tells the same", result);
    delete actor.generator;
    actor.generator = nullptr;
    return result;
}

void add_generator_actions(std::vector<Action> &actions)
{
    actions.insert(actions.end(), {{"open_generator", open_generator},
                                   {"resume", resume},
                                   {"run_through", run_through},
                                   {"close_generator", close_generator}});
}

} // namespace coil_fuzz
