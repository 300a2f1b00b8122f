/* SPDX-License-Identifier: MIT */
/* Coroutines in their loop: order, fairness, exceptions, stacks, names. */
#include "support/running.h"
#include "support/sanitizer.h"

extern "C" {
#include "coro/quarantine.h"
}

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

using namespace coil_test;

namespace {

TEST(Task, ReadyCoroutinesRunInTheOrderTheyBecameReady)
{
    run([] {
        Children children;
        std::vector<int> order, expected;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 1000; i++) {
            children.start(scope, [&, i] {
                order.push_back(i);
                give_way();
                order.push_back(1000 + i);
                return 0;
            });
        }
        for (int i = 0; i < 2000; i++)
            expected.push_back(i);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(expected, order);
        return 0;
    });
}

TEST(Task, AYieldLetsEveryOtherReadyCoroutineRunOnce)
{
    for (int count : {1, 2, 3, 255, 256, 257, 1000}) {
        SCOPED_TRACE(count);
        run([=] {
            Children children;
            std::vector<int> rounds(static_cast<size_t>(count));
            COIL_SCOPE(scope, COIL_FOREVER);
            for (int i = 0; i < count; i++) {
                children.start(scope, [&, i] {
                    for (int round = 0; round < 5; round++) {
                        for (int other = 0; other < count; other++) {
                            int ahead = rounds[size_t(other)] - round;
                            EXPECT_EQ(other < i ? 1 : 0, ahead);
                            if (ahead != (other < i))
                                return -EPROTO;
                        }
                        rounds[size_t(i)]++;
                        give_way();
                    }
                    return 0;
                });
            }
            return coil_scope_close(&scope, 0);
        });
    }
}

TEST(Task, AYieldOfTheOnlyCoroutineComesBack)
{
    run([] {
        give_way(10000);
        return 0;
    });
}

/* However many coroutines keep each other busy. */
TEST(Task, CompletionsTimersAndMailAreSeenWhileCoroutinesAreBusy)
{
    for (int busy_count : {1, 2, 1000}) {
        SCOPED_TRACE(busy_count);
        run(
            [=] {
                Children children;
                bool done = false;
                COIL_SCOPE(scope, COIL_FOREVER);
                for (int i = 0; i < busy_count; i++) {
                    children.start(scope, [&] {
                        while (!done)
                            give_way();
                        return 0;
                    });
                }
                for (int i = 0; i < 5; i++) {
                    EXPECT_EQ(0, coil_nop());
                    EXPECT_EQ(0, coil_sleep(100 * COIL_USEC));
                    EXPECT_EQ(1, call(1, [] { return call(0, [] { return 1; }); }));
                }
                done = true;
                return coil_scope_close(&scope, 0);
            },
            cores(2));
    }
}

/* The loop looks at the ring long before a thousand others have had their turn. */
TEST(Task, ATurnIsBounded)
{
    run([] {
        Children children;
        COIL_FUTURE(nop);
        coil_nop_start(&nop);
        int before_done = 0;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 1000; i++) {
            children.start(scope, [&] {
                before_done += !coil_future_done(&nop);
                return 0;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_LT(before_done, 600);
        return 0;
    });
}

TEST(Task, EachHasItsOwnCaughtExceptions)
{
    run([] {
        Children children;
        int caught = 0;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (int i = 0; i < 50; i++) {
            children.start(scope, [&, i] {
                for (int round = 0; round < 10; round++) {
                    std::string mine = std::to_string(i) + "/" + std::to_string(round);
                    try {
                        try {
                            give_way(i % 3);
                            throw std::runtime_error(mine);
                        } catch (const std::runtime_error &) {
                            give_way(1 + i % 5); /* others throw and catch meanwhile */
                            EXPECT_EQ(0, coil_nop());
                            throw; /* must be this one's */
                        }
                    } catch (const std::runtime_error &error) {
                        give_way();
                        EXPECT_EQ(mine, error.what());
                        caught++;
                    }
                    EXPECT_EQ(0, std::uncaught_exceptions());
                }
                return 0;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ(500, caught);
        return 0;
    });
}

/* A destructor that parks while the stack unwinds. */
TEST(Task, EachHasItsOwnUncaughtExceptions)
{
    struct Parker {
        ~Parker()
        {
            EXPECT_EQ(1, std::uncaught_exceptions());
            give_way(3);
            EXPECT_EQ(1, std::uncaught_exceptions());
        }
    };
    run([] {
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] {
            try {
                Parker parker;
                throw 1;
            } catch (int) {
            }
            return 0;
        });
        children.start(scope, [] {
            for (int i = 0; i < 5; i++) {
                EXPECT_EQ(0, std::uncaught_exceptions());
                give_way();
            }
            return 0;
        });
        return coil_scope_close(&scope, 0);
    });
}

struct Copied {
    unsigned char bytes[1024];
};

TEST(Task, SpawnCopyGivesEachItsOwnArgument)
{
    static size_t checked;
    checked = 0;
    run([] {
        std::vector<Copied> originals(1025);
        COIL_SCOPE(scope, COIL_FOREVER);
        for (size_t size = 0; size <= 1024; size++) {
            Copied &original = originals[size];
            memset(original.bytes, int(size % 251), sizeof(original.bytes));
            original.bytes[0] = static_cast<unsigned char>(size % 256);
            auto check = [](void *arg) {
                auto *bytes = static_cast<unsigned char *>(arg);
                size_t size_here = checked++;
                if (size_here == 0)
                    return 0; /* what it points to is nobody's */
                EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(bytes) % 64);
                EXPECT_EQ(size_here % 256, bytes[0]);
                for (size_t i = 1; i < size_here; i++) {
                    EXPECT_EQ(size_here % 251, bytes[i]);
                    bytes[i] = 0xff; /* it may be written */
                }
                give_way();
                for (size_t i = 1; i < size_here; i++)
                    EXPECT_EQ(0xff, bytes[i]);
                return 0;
            };
            EXPECT_EQ(0, coil_spawn_copy(&scope, check, original.bytes, size));
            memset(original.bytes, 0, sizeof(original.bytes)); /* the copy is made at once */
        }
        return coil_scope_close(&scope, 0);
    });
    EXPECT_EQ(1025u, checked);
}

TEST(Task, AStackIsUsedAgain)
{
    run([] {
        std::set<const void *> stacks;
        for (int i = 0; i < 1000; i++) {
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            children.start(scope, [&] {
                stacks.insert(__builtin_frame_address(0));
                return 0;
            });
            EXPECT_EQ(0, coil_scope_close(&scope, 0));
        }
        EXPECT_LE(stacks.size(), size_t(COIL__QUARANTINE_IS_ON ? 2 + COIL__QUARANTINE_SIZE : 2));
        return 0;
    });
}

TEST(Task, HasTheNameOfItsFunctionAndLineUnlessRenamed)
{
    run([] {
        Children children;
        EXPECT_STREQ("fn of coil_run()", coil_task_name());
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] {
            std::string name = coil_task_name();
            EXPECT_EQ(0u, name.find("call_body (")) << name;
            EXPECT_NE(std::string::npos, name.find("running.h:")) << name;
            coil_task_rename("Waldo");
            give_way();
            EXPECT_STREQ("Waldo", coil_task_name());
            return 0;
        });
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_STREQ("fn of coil_run()", coil_task_name());
        return 0;
    });
}

long field_kib(const char *path, const std::string &name)
{
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        if (line.rfind(name, 0) == 0)
            return std::stol(line.substr(name.size()));
    }
    return -1;
}

/* What the kernel spends on this process: its pages, and the tables that map them. */
long memory_kib()
{
    const char *status = "/proc/self/status";
    return field_kib(status, "RssAnon:") + field_kib(status, "VmPTE:");
}

int mapping_count()
{
    std::ifstream file("/proc/self/maps");
    std::string line;
    int count = 0;
    while (std::getline(file, line))
        count++;
    return count;
}

TEST(Task, AMillionParkedOnOneCoreTakeLittleMemoryAndFewMappingsSlow)
{
    constexpr int kCount = kThreadSanitizer ? 400 : kAddressSanitizer ? 20000 : 1000000;
    static int awake;
    awake = 0;
    run([] {
        long before = memory_kib();
        COIL_SCOPE(scope, COIL_FOREVER);
        auto park = [](void *) {
            awake++;
            return wait_for_ever();
        };
        for (int i = 0; i < kCount; i++) {
            int err = coil_spawn(&scope, park, nullptr);
            EXPECT_EQ(0, err);
            if (err < 0)
                return err;
        }
        wait_until([] { return awake == kCount; });
        if (!kSanitized) {
            EXPECT_LT(double(memory_kib() - before) / kCount, 4.6);
            EXPECT_LT(mapping_count(), 100);
        }
        coil_scope_cancel(&scope);
        return coil_scope_close(&scope, 0);
    });
    EXPECT_EQ(kCount, awake);
}

TEST(Task, ASpawnWithoutAddressSpaceFailsAndALaterOneWorks)
{
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer needs its address space";
    run([] {
        rlimit before;
        EXPECT_EQ(0, getrlimit(RLIMIT_AS, &before));
        auto park = [](void *) { return wait_for_ever(); };
        COIL_SCOPE(scope, COIL_FOREVER);
        rlimit tight = {rlim_t(field_kib("/proc/self/status", "VmSize:")) * 1024 + (80 << 20),
                        before.rlim_max};
        EXPECT_EQ(0, setrlimit(RLIMIT_AS, &tight));
        int err = 0, count = 0;
        while (err == 0 && count < 10000) {
            err = coil_spawn(&scope, park, nullptr);
            count += err == 0;
        }
        EXPECT_EQ(-ENOMEM, err);
        EXPECT_GT(count, 0);
        EXPECT_FALSE(coil_scope_cancelled(&scope)) << "a spawn that fails changes nothing";
        EXPECT_EQ(0, setrlimit(RLIMIT_AS, &before));
        EXPECT_EQ(0, coil_spawn(&scope, park, nullptr));
        coil_scope_cancel(&scope);
        return coil_scope_close(&scope, 0);
    });
}

struct TaskDeathTest : testing::Test {
    TaskDeathTest() { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

TEST_F(TaskDeathTest, StopsACopyThatIsTooLarge)
{
    auto misuse = [] {
        static char much[1025];
        COIL_SCOPE(scope, COIL_FOREVER);
        return coil_spawn_copy(&scope, call_body, much, sizeof(much));
    };
    EXPECT_DEATH(_exit(run(misuse)),
                 "coil_spawn_copy: more than 1 KiB to copy; in coroutine fn of");
}

TEST_F(TaskDeathTest, NamesTheChildThatReturnsTooEarly)
{
    EXPECT_DEATH(_exit(run([] {
                     COIL_SCOPE(scope, COIL_FOREVER);
                     auto leave = [](void *) {
                         static coil_scope left;
                         coil_task_rename("the guilty one");
                         coil_scope_open(&left, COIL_FOREVER);
                         return 0;
                     };
                     EXPECT_EQ(0, coil_spawn(&scope, leave, nullptr));
                     return coil_scope_close(&scope, 0);
                 })),
                 "a coroutine returned with a scope open; in coroutine the guilty one");
    EXPECT_DEATH(_exit(run([] {
                     COIL_SCOPE(scope, COIL_FOREVER);
                     auto leave = [](void *) {
                         static coil_future left;
                         coil_nop_start(&left);
                         return 0;
                     };
                     EXPECT_EQ(0, coil_spawn(&scope, leave, nullptr));
                     return coil_scope_close(&scope, 0);
                 })),
                 "a coroutine returned with an operation in flight.*; in coroutine leave "
                 "\\(.*task_test.cc:[0-9]+\\)");
}

} // namespace
