/* SPDX-License-Identifier: MIT */
/* Random trees of scopes and coroutines, held against a model of what is cancelled. */
#include "support/running.h"
#include "support/sanitizer.h"

#include <cerrno>
#include <deque>
#include <random>

using namespace coil_test;

namespace {

enum class Cause { kNone, kAround, kOwn };

/* What the model knows of a scope. It asks upwards, where coil passes the news down. */
struct ModelScope {
    coil_scope scope = COIL_ZERO;
    ModelScope *parent;
    bool shielded = false;
    bool cancelled_first_by_own = false; /* the first cause stays */
    bool cancelled = false;
    int error = 0;
    bool felt = false;
    int running = 0; /* children */

    explicit ModelScope(ModelScope *around) : parent(around) {}

    Cause cause() const
    {
        if (cancelled)
            return cancelled_first_by_own ? Cause::kOwn : Cause::kAround;
        return !shielded && parent != nullptr && parent->cause() != Cause::kNone ? Cause::kAround
                                                                                 : Cause::kNone;
    }

    void cancel_own()
    {
        if (cause() != Cause::kNone) {
            freeze();
            return;
        }
        cancelled = cancelled_first_by_own = true;
    }

    /* A cause from around stays the cause, also when the scope's own comes later. */
    void freeze() { cancelled = true; }

    /* A call inside returned -ECANCELED because of it. */
    void feel()
    {
        for (ModelScope *at = this; at != nullptr; at = at->parent) {
            if (at->cause() == Cause::kNone)
                return;
            at->felt = true;
            if (at->cause() == Cause::kOwn)
                return;
        }
    }

    /* The body, or a child, came to this end. */
    void note(int result)
    {
        if (result >= 0)
            return;
        if (result == -ECANCELED && cause() != Cause::kNone) {
            feel();
            return;
        }
        if (error == 0)
            error = result;
        cancel_own();
    }

    int outcome(int result) const
    {
        if (error != 0)
            return error;
        if (!felt || cause() == Cause::kNone)
            return result;
        return cause() == Cause::kAround ? -ECANCELED : result < 0 ? 0 : result;
    }
};

/* One tree: its chance, its bounds, and what was seen. */
struct Tree {
    std::mt19937 random;
    int tasks_left = 60;
    int refusals = 0, passes = 0, own = 0, around = 0, errors = 0;
    Children children;

    explicit Tree(unsigned seed) : random(seed) {}

    int choose(int count) { return int(random() % unsigned(count)); }

    /* What is done in the scope `here`, at some depth. Returns what the body may then return. */
    int act(ModelScope &here, int depth);
    int wait(ModelScope &here);
    int open(ModelScope &here, int depth);
    void spawn(ModelScope &into, int depth);
    static ModelScope &ancestor(ModelScope &here, int up);
};

ModelScope &Tree::ancestor(ModelScope &here, int up)
{
    ModelScope *scope = &here;
    while (up-- > 0 && scope->parent != nullptr)
        scope = scope->parent;
    return *scope;
}

/* A call that may suspend: refused if and only if the scope is cancelled when it begins. */
int Tree::wait(ModelScope &here)
{
    bool cancelled = here.cause() != Cause::kNone;
    EXPECT_EQ(cancelled, coil_scope_cancelled(&here.scope));
    int kind = choose(4);
    int result = kind == 0   ? coil_yield()
                 : kind == 1 ? coil_nop()
                 : kind == 2 ? coil_sleep(choose(50) * COIL_USEC)
                             : coil_sleep(0);
    EXPECT_TRUE(!cancelled || result == -ECANCELED) << result;
    if (result == -ECANCELED) {
        EXPECT_NE(Cause::kNone, here.cause()) << "stopped by nobody";
        here.feel();
        refusals++;
        return result;
    }
    EXPECT_EQ(0, result);
    passes++;
    return result;
}

int Tree::open(ModelScope &here, int depth)
{
    ModelScope inner(&here);
    coil_scope_open(&inner.scope, choose(2) == 0 ? COIL_FOREVER : coil_after(3600 * COIL_SEC));
    if (choose(6) == 0) {
        coil_scope_shield(&inner.scope);
        inner.shielded = true;
    }
    int result = act(inner, depth + 1);
    if (choose(8) == 0)
        result = -EIO;
    else if (choose(2) == 0)
        result = 1 + choose(5);
    inner.note(result);
    int closed = coil_scope_close(&inner.scope, result);
    EXPECT_EQ(0, inner.running);
    EXPECT_EQ(inner.outcome(result), closed);
    own += inner.cause() == Cause::kOwn;
    around += inner.cause() == Cause::kAround;
    errors += closed < 0 && closed != -ECANCELED;
    if (closed == -ECANCELED)
        return closed;
    return choose(3) == 0 ? closed : 0;
}

void Tree::spawn(ModelScope &into, int depth)
{
    bool cancelled = into.cause() != Cause::kNone;
    if (--tasks_left < 0)
        return;
    int err = children.spawn(into.scope, [this, &into, depth] {
        int result = act(into, depth + 1);
        if (choose(12) == 0)
            result = -EPIPE;
        into.note(result);
        into.running--;
        return result;
    });
    EXPECT_EQ(cancelled ? -ECANCELED : 0, err);
    into.running += err == 0;
}

int Tree::act(ModelScope &here, int depth)
{
    int result = 0;
    for (int steps = 1 + choose(6); steps > 0 && depth < 12; steps--) {
        int kind = choose(20);
        if (kind < 8)
            result = wait(here);
        else if (kind < 13)
            spawn(ancestor(here, choose(4)), depth);
        else if (kind < 19)
            result = open(here, depth);
        else {
            ModelScope &target = ancestor(here, choose(5));
            coil_scope_cancel(&target.scope);
            target.cancel_own();
        }
        if (result < 0 && choose(2) == 0)
            return result; /* obeys; or goes on, which level-triggering has to bear */
    }
    return result < 0 && choose(2) == 0 ? result : 0;
}

TEST(Tree, RandomOnesAgreeWithAModelSlow)
{
    const unsigned trees = kSanitized ? 200 : 3000;
    int refusals = 0, passes = 0, own = 0, around = 0, errors = 0;
    run([&] {
        for (unsigned seed = 1; seed <= trees && !testing::Test::HasFailure(); seed++) {
            SCOPED_TRACE(seed);
            Tree tree(seed);
            ModelScope root(nullptr);
            coil_scope_open(&root.scope, COIL_FOREVER);
            int result = tree.act(root, 0);
            root.note(result);
            int closed = coil_scope_close(&root.scope, result);
            EXPECT_EQ(root.outcome(result), closed);
            EXPECT_EQ(0, root.running);
            refusals += tree.refusals;
            passes += tree.passes;
            own += tree.own;
            around += tree.around;
            errors += tree.errors;
        }
        return coil_yield();
    });
    for (int seen : {refusals, passes, own, around, errors})
        EXPECT_GT(seen, 100) << "the trees were too tame";
}

} // namespace
