/* SPDX-License-Identifier: MIT */
/* Values that belong to a coroutine. */
#include "support/running.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

using namespace coil_test;

namespace {

/* Keys last as long as the process: the tests share these. */
coil_local plain, counted, inherited, late, early;

std::atomic<int> destroyed;

void count_destroyed(void *value)
{
    destroyed++;
    free(value);
}

void *copy_string(void *value)
{
    return strdup(static_cast<const char *>(value));
}

void *refuse_to_inherit(void *)
{
    return nullptr;
}

struct Local : testing::Test {
    Local()
    {
        counted.destroy = count_destroyed;
        inherited.destroy = count_destroyed;
        inherited.inherit = copy_string;
        destroyed = 0;
    }
};

std::string text(const coil_local &key)
{
    const void *value = coil_local_get(&key);
    return value == nullptr ? "" : static_cast<const char *>(value);
}

TEST_F(Local, IsNullUntilItIsSet)
{
    static coil_local never_used;
    run([] {
        EXPECT_EQ(nullptr, coil_local_get(&never_used));
        EXPECT_EQ(nullptr, coil_local_get(&plain));
        int value;
        coil_local_set(&plain, &value);
        EXPECT_EQ(&value, coil_local_get(&plain));
        coil_local_set(&plain, nullptr);
        EXPECT_EQ(nullptr, coil_local_get(&plain));
        return 0;
    });
}

TEST_F(Local, EachCoroutineHasItsOwnAndKeepsItWhileOthersRun)
{
    run([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        int values[10];
        for (int &value : values) {
            children.start(scope, [&value] {
                EXPECT_EQ(nullptr, coil_local_get(&plain));
                coil_local_set(&plain, &value);
                give_way(3);
                EXPECT_EQ(&value, coil_local_get(&plain));
                return 0;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(nullptr, coil_local_get(&plain));
        return 0;
    });
}

TEST_F(Local, ANextCoroutineOnTheSameStackFindsNothing)
{
    run([] {
        Children children;
        for (int i = 0; i < 3; i++) {
            COIL_SCOPE(scope, COIL_FOREVER);
            children.start(scope, [] {
                EXPECT_EQ(nullptr, coil_local_get(&plain));
                EXPECT_EQ(nullptr, coil_local_get(&counted));
                coil_local_set(&plain, &plain);
                coil_local_set(&counted, strdup("x"));
                return 0;
            });
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
        }
        return 0;
    });
    EXPECT_EQ(3, destroyed);
}

TEST_F(Local, IsDestroyedWhenItsCoroutineEndsHoweverItEnds)
{
    run([] {
        Children children;
        for (int result : {0, 7, -EIO}) {
            COIL_SCOPE(scope, COIL_FOREVER);
            children.start(scope, [result] {
                coil_local_set(&counted, strdup("x"));
                return result;
            });
            EXPECT_EQ(result < 0 ? result : 0, coil_scope_close(&scope, 0));
        }
        EXPECT_EQ(3, destroyed);
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] {
            coil_local_set(&counted, strdup("x"));
            return wait_for_ever();
        });
        give_way();
        EXPECT_EQ(3, destroyed);
        coil_scope_cancel(&scope);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(4, destroyed);
        coil_local_set(&counted, strdup("of fn of coil_run()"));
        return 0;
    });
    EXPECT_EQ(5, destroyed);
}

TEST_F(Local, ThatWasSetToNullIsNotDestroyed)
{
    run([] {
        void *value = strdup("x");
        coil_local_set(&counted, value);
        coil_local_set(&counted, nullptr);
        free(value);
        return 0;
    });
    EXPECT_EQ(0, destroyed);
}

TEST_F(Local, IsDestroyedByItsCoroutineWhichMaySuspendAndUseOthers)
{
    static std::vector<std::string> seen;
    seen.clear();
    late.destroy = [](void *) {
        EXPECT_EQ(0, coil_sleep(COIL_MSEC));
        seen.push_back(coil_task_name());
        EXPECT_EQ(nullptr, coil_local_get(&late)) << "it is gone already";
    };
    run([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] {
            coil_task_rename("owner");
            coil_local_set(&late, &late);
            return 0;
        });
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(std::vector<std::string>{"owner"}, seen) << "the scope waited for it";
        return 0;
    });
}

TEST_F(Local, IsGoneWhenTheResultOfItsChildOrCallIsThere)
{
    run(
        [] {
            Body body = [] {
                coil_local_set(&counted, strdup("x"));
                return 1;
            };
            COIL_SCOPE(scope, COIL_FOREVER);
            COIL_FUTURE(child);
            coil_spawn_start(&child, &scope, call_body, &body);
            EXPECT_EQ(1, coil_await(&child));
            EXPECT_EQ(1, destroyed);
            EXPECT_EQ(1, call(1, body));
            EXPECT_EQ(2, destroyed);
            return coil_scope_close(&scope, 0);
        },
        cores(2));
}

TEST_F(Local, IsInheritedFromWhoSpawnsIfTheKeySaysSo)
{
    run([] {
        Children children;
        coil_local_set(&plain, &plain);
        coil_local_set(&inherited, strdup("request 7"));
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [&] {
            EXPECT_EQ("request 7", text(inherited));
            EXPECT_EQ(nullptr, coil_local_get(&plain));
            free(coil_local_get(&inherited));
            coil_local_set(&inherited, strdup("mine"));
            children.start(scope, [] {
                EXPECT_EQ("mine", text(inherited)) << "from the spawner, not the scope's owner";
                return 0;
            });
            return 0;
        });
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ("request 7", text(inherited));
        EXPECT_EQ(2, destroyed);
        return 0;
    });
    EXPECT_EQ(3, destroyed);
}

TEST_F(Local, IsNotInheritedWhenTheKeyGivesNothingOrTheCoroutineIsOnAnotherCore)
{
    early.inherit = refuse_to_inherit;
    run(
        [] {
            Children children;
            coil_local_set(&early, &early);
            coil_local_set(&inherited, strdup("x"));
            COIL_SCOPE(scope, COIL_FOREVER);
            children.start(scope, [] {
                EXPECT_EQ(nullptr, coil_local_get(&early));
                return 0;
            });
            EXPECT_EQ(0, call(1, [] {
                          EXPECT_EQ(nullptr, coil_local_get(&inherited));
                          return 0;
                      }));
            return coil_scope_close(&scope, 0);
        },
        cores(2));
}

/* The cores meet at a key that nobody has used. */
TEST_F(Local, AKeyMayBeFirstUsedByAllCoresAtOnce)
{
    static coil_local fresh;
    EXPECT_EQ(0, run(
                     [] {
                         Children children;
                         COIL_SCOPE(scope, COIL_FOREVER);
                         for (unsigned core = 0; core < 4; core++) {
                             EXPECT_EQ(0, children.spawn_on(scope, core, [] {
                                 int value;
                                 coil_local_set(&fresh, &value);
                                 give_way();
                                 EXPECT_EQ(&value, coil_local_get(&fresh));
                                 return 0;
                             }));
                         }
                         return coil_scope_close(&scope, 0);
                     },
                     cores(4)));
}

struct LocalDeathTest : testing::Test {
    LocalDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

TEST_F(LocalDeathTest, StopsANinthKey)
{
    EXPECT_DEATH(run([] {
                     static coil_local keys[9];
                     for (coil_local &key : keys)
                         coil_local_set(&key, &key);
                     return 0;
                 }),
                 "coil_local_set: more than 8 keys in this process; in coroutine fn of coil_run");
}

TEST_F(LocalDeathTest, StopsADestroyThatLeavesAValue)
{
    EXPECT_DEATH(run([] {
                     static coil_local again;
                     again.destroy = [](void *value) { coil_local_set(&again, value); };
                     coil_local_set(&again, &again);
                     return 0;
                 }),
                 "coil_local: a destroy function left a value behind; in coroutine fn of coil_run");
}

TEST_F(LocalDeathTest, StopsUseOutsideACoroutine)
{
    EXPECT_DEATH(coil_local_get(&plain), "called outside a coroutine");
    EXPECT_DEATH(coil_local_set(&plain, &plain), "called outside a coroutine");
}

} // namespace
