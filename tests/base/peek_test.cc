/* SPDX-License-Identifier: MIT */
/* Looking at memory that a thread must not read by itself. */
extern "C" {
#include "base/peek.h"
}

#include <cerrno>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace {

TEST(Peek, IsNoRaceWithWhoWritesMeanwhile)
{
    int number = 0; /* no atomic: ThreadSanitizer would tell of a read */
    std::thread writer([&] {
        for (int i = 0; i < 10000; i++)
            *const_cast<volatile int *>(&number) = i + 1;
    });
    int seen = 0;
    for (int last = 0; seen < 10000; last = seen) {
        ASSERT_EQ(0, coil__peek(&seen, &number, sizeof(seen)));
        ASSERT_GE(seen, last);
    }
    writer.join();
}

TEST(Peek, MayLookBetweenVariables)
{
    char before[32] = "x", after[32] = "y"; /* AddressSanitizer guards what lies around each */
    asm volatile("" : : "r"(before), "r"(after) : "memory");
    char bytes[32];
    EXPECT_EQ(0, coil__peek(bytes, before + 16, sizeof(bytes)));
}

TEST(Peek, RefusesWhatIsNotMappedAndLeavesErrno)
{
    size_t page = size_t(sysconf(_SC_PAGESIZE));
    void *pages =
        mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(MAP_FAILED, pages);
    char *hole = static_cast<char *>(pages) + page;
    ASSERT_EQ(0, munmap(hole, page));
    char bytes[16];
    errno = ERANGE;
    EXPECT_EQ(-EFAULT, coil__peek(bytes, hole, sizeof(bytes)));
    EXPECT_EQ(-EFAULT, coil__peek(bytes, hole - 8, sizeof(bytes))) << "half of it is there";
    EXPECT_EQ(0, coil__peek(bytes, hole - 16, sizeof(bytes)));
    EXPECT_EQ(ERANGE, errno);
    munmap(pages, page);
}

} // namespace
