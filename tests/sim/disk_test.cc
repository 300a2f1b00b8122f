/* SPDX-License-Identifier: MIT */
/* The simulated disk, and what a power cut leaves of it. */
#include "sim/simulate.h"
#include "support/process.h"

#include <fcntl.h>
#include <map>
#include <set>
#include <unistd.h>

using coil_test::simulate;

namespace {

int make(const char *path)
{
    return coil_open(path, O_RDWR | O_CREAT, 0644);
}

int sync_name_of(const char *directory)
{
    int fd = coil_open(directory, O_RDONLY | O_DIRECTORY, 0);
    int err = coil_fsync(fd);
    EXPECT_EQ(0, coil_close(fd));
    return err;
}

/* What the file holds; "-" when there is none. */
std::string content(const char *path)
{
    int fd = coil_open(path, O_RDONLY, 0);
    if (fd < 0)
        return "-";
    std::string text(4096, 0);
    ssize_t n = coil_read_all(fd, &text[0], text.size());
    EXPECT_EQ(0, coil_close(fd));
    text.resize(n > 0 ? size_t(n) : 0);
    return text;
}

} // namespace

TEST(SimDisk, HoldsWhatWasWritten)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        simulate(seed, [] {
            int fd = make("notes");
            EXPECT_GE(fd, 1000);
            EXPECT_EQ(5, coil_write_all(fd, "hello", 5));
            EXPECT_EQ(5, coil_pwrite_all(fd, "WORLD", 5, 10));
            EXPECT_EQ(0, coil_close(fd));
            EXPECT_EQ(std::string("hello\0\0\0\0\0WORLD", 15), content("./notes"));
            struct statx facts;
            EXPECT_EQ(0, coil_statx(AT_FDCWD, "notes", 0, STATX_SIZE, &facts));
            EXPECT_EQ(15u, facts.stx_size);
            EXPECT_EQ(-ENOENT, coil_open("other", O_RDONLY, 0));
            EXPECT_EQ(-EEXIST, coil_open("notes", O_CREAT | O_EXCL | O_RDWR, 0));
            fd = coil_open("notes", O_RDONLY, 0);
            EXPECT_EQ(-EBADF, coil_write(fd, "x", 1));
            EXPECT_EQ(0, coil_close(fd));
            fd = coil_open("notes", O_WRONLY | O_TRUNC | O_APPEND, 0);
            EXPECT_EQ(1, coil_write(fd, "x", 1));
            EXPECT_EQ(1, coil_write(fd, "y", 1));
            char byte;
            EXPECT_EQ(-EBADF, coil_read(fd, &byte, 1));
            EXPECT_EQ(0, coil_close(fd));
            EXPECT_EQ("xy", content("notes"));
            return 0;
        });
    }
    simulate(0, [] {
        EXPECT_EQ("-", content("notes")) << "a world begins with an empty disk";
        return 0;
    });
}

TEST(SimDisk, TakesOverTheMachinesFilesAndChangesNone)
{
    coil_test::TempDir folder;
    std::string path = folder.path("real");
    coil_test::write_file(path, "as it was");
    simulate(1, [&] {
        EXPECT_EQ("as it was", content(path.c_str()));
        int fd = make(path.c_str());
        EXPECT_EQ(6, coil_pwrite_all(fd, "is not", 6, 0));
        EXPECT_EQ(0, coil_fsync(fd));
        EXPECT_EQ(0, coil_close(fd));
        EXPECT_EQ("is notwas", content(path.c_str()));
        return 0;
    });
    EXPECT_EQ("as it was", coil_test::read_file(path));
}

/* Also on a core that was busy when it happened, and whose next timer is far away. */
TEST(SimCrash, IsHeardOfBeforeACoreSleeps)
{
    simulate(1, [] {
        coil_test::Children children;
        COIL_SCOPE(scope, COIL_FOREVER);
        children.start(scope, [] {
            COIL_SCOPE(cleanup, coil_after(COIL_SEC));
            coil_scope_shield(&cleanup);
            EXPECT_EQ(-ECANCELED, coil_test::wait_for_ever());
            return coil_scope_close(&cleanup, 0) == -ETIMEDOUT ? 0 : -EPROTO;
        });
        coil_test::turn();
        coil_time before = coil_now();
        coil_sim_crash();
        coil_test::turn();
        EXPECT_EQ(-ECANCELED, coil_test::wait_for_ever());
        EXPECT_LT(coil_now() - before, COIL_SEC / 2);
        return coil_scope_close(&scope, 0);
    });
}

TEST(SimCrash, KeepsWhatWasSyncedAndTearsWhatWasNot)
{
    std::map<std::string, int> firsts, seconds;
    int names = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        int result = simulate(seed, [] {
                         int fd = make("log");
                         std::string old(1024, 'o'), young(1024, 'y');
                         EXPECT_EQ(1024, coil_pwrite_all(fd, old.data(), old.size(), 0));
                         EXPECT_EQ(0, coil_fsync(fd));
                         EXPECT_EQ(0, sync_name_of("."));
                         EXPECT_EQ(1024, coil_pwrite_all(fd, young.data(), young.size(), 0));
                         int other = make("nameless");
                         EXPECT_EQ(0, coil_fsync(other));
                         coil_sim_crash();
                         EXPECT_EQ(-ECANCELED, coil_fsync(fd));
                         return -ECANCELED;
                     }).result;
        EXPECT_EQ(-ECANCELED, result);
        simulate(seed, [&] {
            std::string left = content("log");
            EXPECT_EQ(1024u, left.size());
            firsts[left.substr(0, 512)]++;
            seconds[left.substr(512)]++;
            names += content("nameless") != "-" ? 1 : 0;
            return 0;
        });
    }
    for (const auto &sectors : {firsts, seconds}) {
        EXPECT_EQ(2u, sectors.size()) << "a sector is written or is not";
        for (const auto &sector : sectors)
            EXPECT_GT(sector.second, 20);
    }
    EXPECT_GT(names, 20);
    EXPECT_LT(names, 80);
}

TEST(SimCrash, EndsEverythingOnAllCores)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        coil_test::Simulated outcome = simulate(
            seed,
            [] {
                coil_test::Children children;
                COIL_SCOPE(scope, COIL_FOREVER);
                for (unsigned i = 0; i < 6; i++) {
                    children.spawn_on(scope, i % 3, [] {
                        int fd = make("file");
                        while (coil_write(fd, "x", 1) == 1 && coil_fsync(fd) == 0) {
                            if (coil_sleep(COIL_MSEC) < 0)
                                break;
                        }
                        return 0;
                    });
                }
                children.start(scope, [] {
                    if (coil_sleep(int64_t(coil_sim_random() % 50) * COIL_MSEC) == 0)
                        coil_sim_crash();
                    return 0;
                });
                return coil_scope_close(&scope, 0);
            },
            3);
        EXPECT_TRUE(outcome.result == -ECANCELED || outcome.result == 0) << outcome.result;
        EXPECT_EQ(1u, outcome.log.size()) << outcome.log[0];
    }
    simulate(0, [] { return 0; });
}

TEST(SimDisk, LosesWhatAFailedSyncLeftBehindHoweverOftenItIsRepeated)
{
    int failures = 0, lost = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        bool failed = false;
        simulate(
            seed,
            [&] {
                int fd = -1;
                while ((fd = make("log")) < 0) {
                }
                coil_sim_set_faults(COIL_SIM_FAULTS_OFF);
                EXPECT_EQ(0, sync_name_of("."));
                EXPECT_EQ(3, coil_write_all(fd, "old", 3));
                EXPECT_EQ(0, coil_fsync(fd));
                EXPECT_EQ(3, coil_pwrite_all(fd, "new", 3, 0));
                coil_sim_set_faults(COIL_SIM_FAULTS_HARSH);
                failed = coil_fsync(fd) < 0;
                coil_sim_set_faults(COIL_SIM_FAULTS_OFF);
                EXPECT_EQ(0, coil_fsync(fd));
                coil_sim_crash();
                return 0;
            },
            1, ",faults=harsh");
        simulate(seed, [&] {
            std::string left = content("log");
            EXPECT_EQ(failed ? "old" : "new", left);
            failures += failed ? 1 : 0;
            lost += left == "old" ? 1 : 0;
            return 0;
        });
    }
    EXPECT_GT(failures, 0);
    EXPECT_EQ(failures, lost);
}
