/* SPDX-License-Identifier: MIT */
/* The pool of stacks: where slots lie, what reuse costs, and what happens when there are no more.
 */
#include "coro/coroutines.h"
#include "support/sanitizer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <vector>

#include <linux/seccomp.h>

using namespace coil_test;

namespace {

constexpr size_t kPage = 4096;

/* A figure of /proc/self/status, in KiB. */
long status_kib(const std::string &key)
{
    std::ifstream file("/proc/self/status");
    std::string line;
    while (std::getline(file, line)) {
        if (line.rfind(key + ":", 0) == 0)
            return std::stol(line.substr(key.size() + 1));
    }
    return 0;
}

long count_mappings()
{
    std::ifstream file("/proc/self/maps");
    return std::count(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>(), '\n');
}

/* Pages of [from, to) that have memory; -1 when part of it is not mapped. */
int count_resident(const void *from, const void *to)
{
    uintptr_t start = uintptr_t(from) & ~(kPage - 1);
    std::vector<unsigned char> resident((uintptr_t(to) - start + kPage - 1) / kPage);
    if (mincore(reinterpret_cast<void *>(start), uintptr_t(to) - start, resident.data()) != 0)
        return -1;
    return int(std::count(resident.begin(), resident.end(), 1));
}

class Stack : public testing::Test {
protected:
    void SetUp() override { ASSERT_EQ(0, coil__stacks_open(&stacks_, kStackSize)); }

    void TearDown() override
    {
        for (coil_task *task : used_)
            coil__stacks_put(&stacks_, task);
        coil__stacks_close(&stacks_);
    }

    coil_task *get()
    {
        coil_task *task = coil__stacks_get(&stacks_);
        if (task != nullptr)
            used_.push_back(task);
        return task;
    }

    void put(coil_task *task)
    {
        used_.erase(std::find(used_.begin(), used_.end(), task));
        coil__stacks_put(&stacks_, task);
    }

    /* `count` slots that were used once. */
    void heat(size_t count)
    {
        std::vector<coil_task *> tasks;
        for (size_t i = 0; i < count; i++)
            tasks.push_back(coil__stacks_get(&stacks_));
        for (coil_task *task : tasks)
            coil__stacks_put(&stacks_, task);
    }

    char *bottom(const coil_task *task)
    {
        return static_cast<char *>(coil__stack_bottom(&stacks_, task));
    }

    char *base(const coil_task *task) { return bottom(task) - stacks_.guard_size; }

    /* Takes as much memory as `count` parked coroutines that did little. */
    void get_and_touch(size_t count)
    {
        for (size_t i = 0; i < count; i++) {
            coil_task *task = get();
            ASSERT_NE(nullptr, task) << i;
            memset(reinterpret_cast<char *>(task) - 1024, 1, 1024);
        }
    }

    /* After the guard came into being, whichever way. */
    void expect_guard_kills(const coil_task *task)
    {
        EXPECT_EXIT(poke(bottom(task) - 1), testing::KilledBySignal(SIGSEGV), "");
        EXPECT_EXIT(poke(base(task)), testing::KilledBySignal(SIGSEGV), "");
    }

    static void poke(char *address)
    {
        take_default_action();
        *static_cast<volatile char *>(address) = 1;
    }

    coil__stacks stacks_;
    std::vector<coil_task *> used_;
};

TEST(StackSize, MustBeAPowerOfTwoThatHasRoomForAGuard)
{
    coil__stacks stacks;
    for (size_t size : {size_t(0), size_t(1), size_t(8) << 10, size_t(100000), size_t(2) << 30})
        EXPECT_EQ(-EINVAL, coil__stacks_open(&stacks, size)) << size;
}

TEST(StackSize, DecidesTheGuardAndTheRestIsUsable)
{
    for (size_t size = 16 << 10; size <= 256 << 20; size *= 16) {
        coil__stacks stacks;
        ASSERT_EQ(0, coil__stacks_open(&stacks, size)) << size;
        EXPECT_EQ(std::min(size / 2, size_t(64) << 10) + kPage, stacks.guard_size);
        coil_task *task = coil__stacks_get(&stacks);
        ASSERT_NE(nullptr, task) << size;
        size_t usable = coil__stack_size(&stacks, task);
        EXPECT_GT(usable + kPage, stacks.slot_size - stacks.guard_size) << size;
        memset(coil__stack_bottom(&stacks, task), 1, usable);
        coil__stacks_put(&stacks, task);
        coil__stacks_close(&stacks);
    }
}

TEST_F(Stack, StartsWithATaskThatIsZeroedAndHasNoContext)
{
    const coil_task *task = get();
    EXPECT_EQ(nullptr, task->context);
    EXPECT_EQ(nullptr, task->name);
    EXPECT_EQ(0u, task->in_flight);
    EXPECT_EQ(0u, uintptr_t(task) % 64);
}

TEST_F(Stack, HasTaskAndFirstFramesInItsTopPage)
{
    for (int i = 0; i < 100; i++) {
        const coil_task *task = get();
        size_t slot_end = uintptr_t(base(task)) + stacks_.slot_size;
        EXPECT_LE(uintptr_t(task) + sizeof(coil_task), slot_end);
        EXPECT_GE(uintptr_t(task), slot_end - kPage + 1536);
    }
}

TEST_F(Stack, HasItsTaskOnOtherCacheLinesThanItsNeighbours)
{
    std::set<uintptr_t> places;
    for (int i = 0; i < 16; i++)
        places.insert(uintptr_t(get()) % kPage);
    EXPECT_EQ(16u, places.size());
}

TEST_F(Stack, HasItsTopPageInAnotherSetOfTheTlbThanItsNeighbours)
{
    constexpr uintptr_t kSets = 128;
    std::set<uintptr_t> sets;
    for (uintptr_t i = 0; i < kSets; i++)
        sets.insert(uintptr_t(get()) / kPage % kSets);
    EXPECT_EQ(kSets, sets.size());
}

TEST_F(Stack, ThatWasPutLastIsGivenFirst)
{
    coil_task *first = get();
    coil_task *second = get();
    put(first);
    put(second);
    EXPECT_EQ(second, get());
    EXPECT_EQ(first, get());
}

/* Strict seccomp kills whoever calls anything but read, write, exit and sigreturn. */
void without_system_calls(const Callable<void> &body)
{
    leave_no_core();
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        _exit(2);
    body();
    syscall(SYS_exit, 0);
}

TEST_F(Stack, IsReusedWithoutASystemCall)
{
    if (prctl(PR_GET_SECCOMP) < 0)
        GTEST_SKIP() << "the kernel has no seccomp to count system calls with";
    heat(2);
    auto reuse = [this] {
        for (int i = 0; i < 1000; i++) {
            coil_task *first = coil__stacks_get(&stacks_);
            coil__stacks_put(&stacks_, coil__stacks_get(&stacks_));
            coil__stacks_put(&stacks_, first);
        }
    };
    EXPECT_EXIT(without_system_calls(reuse), testing::ExitedWithCode(0), "");
    auto grow = [this] { coil__stacks_grow(&stacks_); };
    EXPECT_EXIT(without_system_calls(grow), testing::KilledBySignal(SIGKILL), "");
}

TEST_F(Stack, HasAGuardThatFaults)
{
    heat(1);
    if (stacks_.guards_by_mprotect)
        GTEST_SKIP() << "the kernel lacks MADV_GUARD_INSTALL (since 6.13)";
    expect_guard_kills(get());
    expect_guard_kills(get());
}

TEST_F(Stack, HasAGuardThatFaultsOnKernelsWithoutGuardAdvice)
{
    stacks_.guards_by_mprotect = true;
    expect_guard_kills(get());
    expect_guard_kills(get());
}

TEST_F(Stack, IsTrimmedOnlyIfItStayedHotSinceTheLastTrim)
{
    heat(10);
    EXPECT_EQ(0u, coil__stacks_trim(&stacks_, 100)) << "they were in use a moment ago";
    heat(7);
    EXPECT_EQ(3u, coil__stacks_trim(&stacks_, 100));
    EXPECT_EQ(7u, stacks_.hot_count);
    EXPECT_EQ(7u, coil__stacks_trim(&stacks_, 100));
    EXPECT_EQ(0u, coil__stacks_trim(&stacks_, 100));
}

TEST_F(Stack, TrimmingStopsAtTheGivenNumber)
{
    heat(10);
    coil__stacks_trim(&stacks_, 0);
    EXPECT_EQ(4u, coil__stacks_trim(&stacks_, 4));
    EXPECT_EQ(6u, stacks_.hot_count);
}

TEST_F(Stack, TrimmingStartsWithTheLeastRecentlyUsed)
{
    coil_task *old = get();
    coil_task *recent = get();
    put(old);
    put(recent);
    coil__stacks_trim(&stacks_, 0);
    coil__stacks_trim(&stacks_, 1);
    EXPECT_EQ(recent, get());
}

TEST_F(Stack, GivesItsMemoryBackWhenTrimmed)
{
    coil_task *task = get();
    char *from = bottom(task);
    char *to = base(task) + stacks_.slot_size;
    memset(from, 1, coil__stack_size(&stacks_, task));
    EXPECT_EQ(16, count_resident(from, to));
    put(task);
    coil__stacks_trim(&stacks_, 0);
    ASSERT_EQ(1u, coil__stacks_trim(&stacks_, 1));
    EXPECT_EQ(0, count_resident(from, to));
}

TEST_F(Stack, WorksAgainAfterItWasTrimmed)
{
    coil_task *task = get();
    memset(bottom(task), 1, coil__stack_size(&stacks_, task));
    task->context = task;
    task->name = "before";
    put(task);
    coil__stacks_trim(&stacks_, 0);
    ASSERT_EQ(1u, coil__stacks_trim(&stacks_, 1));

    ASSERT_EQ(task, get());
    EXPECT_EQ(nullptr, task->context);
    EXPECT_EQ(nullptr, task->name);
    EXPECT_EQ(0, *bottom(task));
    expect_guard_kills(task);
}

TEST_F(Stack, StartsZeroedAlsoWhereMemoryIsLocked)
{
    coil_task *task = get();
    if (mlock(bottom(task), stacks_.slot_size - stacks_.guard_size) != 0)
        GTEST_SKIP() << "this process may not lock memory";
    task->name = "before";
    put(task);
    coil__stacks_trim(&stacks_, 0);
    coil__stacks_trim(&stacks_, 1);
    ASSERT_EQ(task, get());
    EXPECT_EQ(nullptr, task->name);
}

TEST_F(Stack, OfAChunkThatWasFullIsFoundAgainAfterTrimming)
{
    size_t in_several_chunks = 2 * (64 << 20) / kStackSize;
    heat(in_several_chunks);
    coil__stacks_trim(&stacks_, 0);
    ASSERT_EQ(in_several_chunks, coil__stacks_trim(&stacks_, in_several_chunks));
    const coil__chunk *newest = stacks_.chunks;
    std::set<coil_task *> tasks;
    for (size_t i = 0; i < in_several_chunks; i++)
        tasks.insert(get());
    EXPECT_EQ(in_several_chunks, tasks.size());
    EXPECT_EQ(newest, stacks_.chunks) << "another chunk was mapped while slots were cold";
}

TEST_F(Stack, NeedsNoMappingOfItsOwn)
{
    if (kThreadSanitizer)
        GTEST_SKIP() << "ThreadSanitizer maps memory for every stack";
    heat(1);
    if (stacks_.guards_by_mprotect)
        GTEST_SKIP() << "the kernel lacks MADV_GUARD_INSTALL (since 6.13)";
    long before = count_mappings();
    get_and_touch(kSanitized ? 5000 : 100000);
    EXPECT_LT(count_mappings() - before, 20);
}

TEST_F(Stack, NeedsOnePageAndItsShareOfPageTables)
{
    if (kSanitized)
        GTEST_SKIP() << "sanitizers have memory of their own for every stack";
    constexpr size_t kCount = 50000;
    used_.reserve(kCount);
    long before = status_kib("VmRSS") + status_kib("VmPTE");
    get_and_touch(kCount);
    double each = double(status_kib("VmRSS") + status_kib("VmPTE") - before) * 1024 / kCount;
    EXPECT_LT(each, 4.6 * 1024);
}

/* In a child that has little address space left: takes stacks until there are no more. */
void exhaust_address_space(coil__stacks *stacks)
{
    rlim_t limit = rlim_t(status_kib("VmSize")) * 1024 + (size_t(200) << 20);
    rlimit limits = {limit, limit};
    if (setrlimit(RLIMIT_AS, &limits) != 0)
        _exit(2);
    size_t count = 0;
    coil_task *last = nullptr;
    while (coil_task *task = coil__stacks_get(stacks)) {
        last = task;
        count++;
    }
    fprintf(stderr, "%zu stacks\n", count);
    bool stays_null = coil__stacks_get(stacks) == nullptr;
    coil__stacks_put(stacks, last);
    bool reuses = coil__stacks_get(stacks) == last;
    bool counts = stacks->used_count == count;
    _exit(stays_null && reuses && counts ? 0 : 1);
}

TEST_F(Stack, IsNullWhenThereIsNoAddressSpaceLeft)
{
    if (kSanitized)
        GTEST_SKIP() << "a sanitizer does not survive without address space";
    EXPECT_EXIT(exhaust_address_space(&stacks_), testing::ExitedWithCode(0), "^(1240|1488) stacks");
}

void exhaust_mappings(coil__stacks *stacks, size_t max_map_count)
{
    stacks->guards_by_mprotect = true;
    size_t count = 0;
    coil_task *last = nullptr;
    while (coil_task *task = count < max_map_count ? coil__stacks_get(stacks) : nullptr) {
        last = task;
        count++;
    }
    bool is_null = coil__stacks_get(stacks) == nullptr;
    coil__stacks_put(stacks, last);
    bool reuses = coil__stacks_get(stacks) == last;
    _exit(is_null && reuses && count > max_map_count / 3 ? 0 : 1);
}

TEST_F(Stack, IsNullWhenTheProcessHasAllTheMappingsItMayHave)
{
    size_t max_map_count = 0;
    std::ifstream("/proc/sys/vm/max_map_count") >> max_map_count;
    if (kSanitized || max_map_count > 100000)
        GTEST_SKIP() << "it would take too many stacks to reach vm.max_map_count";
    EXPECT_EXIT(exhaust_mappings(&stacks_, max_map_count), testing::ExitedWithCode(0), "");
}

TEST_F(Stack, IsFoundByAnyOfItsAddresses)
{
    coil_task *task = get();
    get();
    auto find = [this](const void *address, const coil_task **found) {
        *found = nullptr;
        return coil__stacks_find(&stacks_, address, found);
    };
    const coil_task *found;
    for (const char *address :
         {bottom(task), reinterpret_cast<char *>(task), base(task) + stacks_.slot_size - 1}) {
        EXPECT_EQ(COIL__STACK_INSIDE, find(address, &found));
        EXPECT_EQ(task, found);
    }
    for (const char *address : {base(task), bottom(task) - 1}) {
        EXPECT_EQ(COIL__STACK_GUARD, find(address, &found));
        EXPECT_EQ(task, found);
    }
}

TEST_F(Stack, IsNotFoundWhereNoneWasEverUsed)
{
    const char *fresh = base(get()) + stacks_.slot_size;
    const char *before = base(used_[0]) - 1;
    const coil_task *found = nullptr;
    int local;
    for (const void *address :
         {static_cast<const void *>(fresh), static_cast<const void *>(before),
          static_cast<const void *>(&local), static_cast<const void *>(nullptr)})
        EXPECT_EQ(COIL__STACK_ELSEWHERE, coil__stacks_find(&stacks_, address, &found));
    EXPECT_EQ(nullptr, found);
}

TEST_F(Stack, IsFoundWhileItIsCold)
{
    coil_task *task = get();
    put(task);
    coil__stacks_trim(&stacks_, 0);
    ASSERT_EQ(1u, coil__stacks_trim(&stacks_, 1));
    const coil_task *found = nullptr;
    EXPECT_EQ(COIL__STACK_GUARD, coil__stacks_find(&stacks_, base(task), &found));
    EXPECT_EQ(task, found);
}

TEST(StackPool, UnmapsItsMemoryWhenClosed)
{
    coil__stacks stacks;
    ASSERT_EQ(0, coil__stacks_open(&stacks, kStackSize));
    coil_task *task = coil__stacks_get(&stacks);
    auto *page = reinterpret_cast<char *>(uintptr_t(task) & ~(kPage - 1));
    EXPECT_EQ(1, count_resident(page, page + kPage));
    coil__stacks_put(&stacks, task);
    coil__stacks_close(&stacks);
    EXPECT_EQ(-1, count_resident(page, page + kPage));
}

TEST_F(Stack, MayNotBePutWhileAnOperationCouldWriteIntoIt)
{
    coil_task *task = get();
    task->in_flight = 1;
    EXPECT_DEATH(
        {
            leave_no_core();
            coil__stacks_put(&stacks_, task);
        },
        "in_flight");
    task->in_flight = 0;
}

TEST_F(Stack, MayNotBeInUseWhenThePoolCloses)
{
    get();
    EXPECT_DEATH(
        {
            leave_no_core();
            coil__stacks_close(&stacks_);
        },
        "used_count");
}

} // namespace
