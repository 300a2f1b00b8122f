/* SPDX-License-Identifier: MIT */
/* The lock of readers and writers: who is in together, and who goes before whom. */
#include "support/running.h"

#include <cerrno>
#include <string>

using namespace coil_test;

namespace {

/* Coroutines that read or write, and the order in which they came in and went. */
struct Library {
    coil_rwlock rwlock = COIL_ZERO;
    std::string log; /* a letter for each who enters, in lower case when it leaves */
    int readers = 0, writers = 0, readers_at_once = 0;

    void enter(char name, bool writes)
    {
        log += name;
        (writes ? writers : readers)++;
        readers_at_once = std::max(readers_at_once, readers);
        EXPECT_TRUE(writers == 0 || (writers == 1 && readers == 0)) << log;
    }

    void leave(char name, bool writes)
    {
        log += char(tolower(name));
        (writes ? writers : readers)--;
        coil_rwlock_unlock(&rwlock);
    }

    int visit(char name, bool writes, int turns)
    {
        int err = writes ? coil_rwlock_write(&rwlock) : coil_rwlock_read(&rwlock);
        if (err < 0)
            return err;
        enter(name, writes);
        give_way(turns);
        leave(name, writes);
        return 0;
    }
};

TEST(Rwlock, LetsReadersInTogetherAndAWriterAlone)
{
    run([] {
        Library library;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        for (char name : std::string("ABCDEFGH")) {
            children.start(scope, [&, name] {
                for (int i = 0; i < 20; i++) {
                    EXPECT_EQ(0, library.visit(name, (name + i) % 3 == 0, i % 3));
                    give_way(name % 2);
                }
                return 0;
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_GT(library.readers_at_once, 1);
        coil_rwlock_destroy(&library.rwlock);
        return 0;
    });
}

TEST(Rwlock, AWriterThatWaitsHoldsUpLaterReadersWhoThenEnterTogether)
{
    run([] {
        Library library;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        const std::pair<char, bool> visitors[] = {{'A', false}, {'B', true}, {'C', false},
                                                  {'D', false}, {'E', true}, {'F', true},
                                                  {'G', false}};
        for (auto visitor : visitors) {
            children.start(scope, [&, visitor] {
                auto [name, writes] = visitor;
                return library.visit(name, writes, 4);
            });
        }
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ("AaBbCDcdEeFfGg", library.log);
        return 0;
    });
}

TEST(Rwlock, ACancelledWriterLetsTheReadersBehindItIn)
{
    run([] {
        Library library;
        Children children;
        coil_scope writers;
        COIL_SCOPE(scope, COIL_FOREVER);
        EXPECT_EQ(0, coil_rwlock_read(&library.rwlock));
        children.start(scope, [&] {
            coil_scope_open(&writers, COIL_FOREVER);
            EXPECT_EQ(-ECANCELED, library.visit('W', true, 0));
            return coil_scope_close(&writers, -ECANCELED);
        });
        give_way();
        for (char name : {'A', 'B'})
            children.start(scope, [&, name] { return library.visit(name, false, 1); });
        children.start(scope, [&] { return library.visit('X', true, 1); });
        children.start(scope, [&] { return library.visit('C', false, 1); });
        give_way(2);
        EXPECT_EQ("", library.log);
        coil_scope_cancel(&writers);
        give_way(4);
        EXPECT_EQ("ABab", library.log) << "the other writer still has to wait, and who came later";
        coil_rwlock_unlock(&library.rwlock);
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_EQ("ABabXxCc", library.log);
        return 0;
    });
}

TEST(Rwlock, TryLocksOnlyWhatNeedsNoWait)
{
    run([] {
        coil_rwlock rwlock = COIL_ZERO;
        Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        EXPECT_TRUE(coil_rwlock_try_read(&rwlock));
        EXPECT_TRUE(coil_rwlock_try_read(&rwlock));
        EXPECT_FALSE(coil_rwlock_try_write(&rwlock));
        children.start(scope, [&] {
            EXPECT_EQ(0, coil_rwlock_write(&rwlock));
            give_way(2);
            coil_rwlock_unlock(&rwlock);
            return 0;
        });
        give_way();
        EXPECT_FALSE(coil_rwlock_try_read(&rwlock)) << "a writer waits";
        coil_rwlock_unlock(&rwlock);
        coil_rwlock_unlock(&rwlock);
        EXPECT_FALSE(coil_rwlock_try_read(&rwlock)) << "it is the writer's, who has not run yet";
        EXPECT_FALSE(coil_rwlock_try_write(&rwlock));
        EXPECT_EQ(0, coil_scope_close(&scope, 0));
        EXPECT_TRUE(coil_rwlock_try_write(&rwlock));
        EXPECT_FALSE(coil_rwlock_try_read(&rwlock));
        coil_rwlock_unlock(&rwlock);
        coil_rwlock_destroy(&rwlock);
        return 0;
    });
}

TEST(Rwlock, AReadThatIsDroppedLetsTheWriterIn)
{
    run([] {
        coil_rwlock rwlock = COIL_ZERO;
        COIL_FUTURE(write);
        coil_future read = COIL_ZERO;
        coil_rwlock_read_start(&read, &rwlock);
        coil_rwlock_write_start(&write, &rwlock);
        EXPECT_TRUE(coil_future_done(&read));
        EXPECT_FALSE(coil_future_done(&write));
        coil_future_drop(&read);
        EXPECT_EQ(0, coil_await(&write));
        coil_rwlock_unlock(&rwlock);
        return 0;
    });
}

} // namespace
