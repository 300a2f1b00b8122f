/* SPDX-License-Identifier: MIT */
/* ring/kernel.h: set-up and the ways down from the best ring. */
#include "ring/kernel_ring.h"
#include "support/sandbox.h"

extern "C" {
#include "base/log.h"
}

#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using coil_test::ChildOutcome;
using coil_test::KernelRing;
using coil_test::run_in_child;

std::string said;

void keep(const char *line)
{
    said += std::string(line) + "\n";
}

/* What an older kernel lacks, for the time of a test. */
struct KernelSetUp : testing::Test {
    KernelSetUp()
    {
        said.clear();
        coil__log_to(keep);
    }

    ~KernelSetUp() override
    {
        coil__kernel_lacks = {};
        coil__log_to(nullptr);
    }
};

/* Two batches, so that the ring has been used beyond its first entries. */
void expect_passes_nops(KernelRing &ring)
{
    ASSERT_EQ(ring.error, 0);
    for (uint64_t i = 0; i < 100; i++)
        ring.nop(i);
    ring.take_until(100);
    for (uint64_t i = 0; i < 100; i++) {
        EXPECT_EQ(ring.taken[i].user_data, i);
        EXPECT_EQ(ring.taken[i].res, 0);
    }
}

TEST_F(KernelSetUp, GivesARingOfTheSizeAskedFor)
{
    KernelRing ring(128);
    EXPECT_EQ(ring.ring.uring.sq.ring_entries, 128u);
    EXPECT_EQ(ring.ring.uring.cq.ring_entries, 8 * 128u);
    expect_passes_nops(ring);
    EXPECT_EQ(said, "");
}

TEST_F(KernelSetUp, ClampsASizeThatIsTooLarge)
{
    KernelRing ring(1u << 31);
    if (ring.error == -ENOMEM)
        GTEST_SKIP() << "no memory for the largest ring";
    EXPECT_EQ(ring.ring.uring.sq.ring_entries, 32768u);
    expect_passes_nops(ring);
}

struct Rung {
    const char *name;
    unsigned refused; /* set-up flags */
    bool flags_tell;
};

struct KernelLadder : KernelSetUp, testing::WithParamInterface<Rung> {};

TEST_P(KernelLadder, GivesARingThatWorksOnEveryRung)
{
    coil__kernel_lacks.setup_flags = GetParam().refused;
    KernelRing ring;
    ASSERT_EQ(ring.error, 0);
    EXPECT_EQ(ring.ring.uring.flags & GetParam().refused, 0u);
    EXPECT_EQ(ring.ring.flags_tell, GetParam().flags_tell);
    expect_passes_nops(ring);
}

/* Without SUBMIT_ALL the kernel stops at a bad entry, and does not wait. */
TEST_P(KernelLadder, GetsPastABadEntry)
{
    coil__kernel_lacks.setup_flags = GetParam().refused;
    KernelRing ring;
    ASSERT_EQ(ring.error, 0);
    ring.nop(1);
    ring.nop(2);
    ring.ring.uring.sq.sqes[ring.ring.uring.sq.sqe_tail - 1].opcode = 255;
    ring.nop(3);
    EXPECT_EQ(ring.enter(3), 0);
    ring.take();
    ASSERT_EQ(ring.taken.size(), 3u);
    EXPECT_EQ(ring.taken[1].user_data, 2u);
    EXPECT_EQ(ring.taken[1].res, -EINVAL);
    EXPECT_EQ(ring.taken[2].user_data, 3u);
    EXPECT_EQ(coil__ring_unsubmitted(&ring.ring), 0u);
}

constexpr unsigned kSince61 = IORING_SETUP_DEFER_TASKRUN;
constexpr unsigned kSince60 = kSince61 | IORING_SETUP_SINGLE_ISSUER;
constexpr unsigned kSince519 = kSince60 | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
constexpr unsigned kSince518 = kSince519 | IORING_SETUP_SUBMIT_ALL;

INSTANTIATE_TEST_SUITE_P(Rungs, KernelLadder,
                         testing::Values(Rung{"Linux6_1", 0, true},
                                         Rung{"Linux6_0", kSince61, true},
                                         Rung{"Linux5_19", kSince60, true},
                                         Rung{"Linux5_18", kSince519, false},
                                         Rung{"Plain", kSince518, false}),
                         [](const auto &rung) { return std::string(rung.param.name); });

TEST_F(KernelSetUp, RefusesAKernelBelowTheLadderAsOneWithoutIoUring)
{
    coil__kernel_lacks.setup_flags = IORING_SETUP_CQSIZE;
    KernelRing ring;
    EXPECT_EQ(ring.error, -ENOSYS);
    EXPECT_NE(said.find("too old"), std::string::npos) << said;
}

TEST_F(KernelSetUp, DoesWithoutWhatAnOlderKernelLacks)
{
    coil__kernel_lacks = {0, true, true, true, true, true};
    KernelRing ring;
    expect_passes_nops(ring);
    EXPECT_EQ(ring.ring.enter_flags & IORING_ENTER_REGISTERED_RING, 0u);
    EXPECT_FALSE(ring.ring.has_abs_timer);
    EXPECT_FALSE(ring.ring.has_bind);
    EXPECT_FALSE(ring.ring.has_multishot_recv);
    EXPECT_FALSE(ring.ring.has_send_zc);
}

/* The census finds a descriptor or a mapping that stays. */
TEST_F(KernelSetUp, UndoesWhatWasDoneBeforeAFailingStep)
{
    bool denied = false;
    for (long call : {SYS_io_uring_register, SYS_io_uring_enter}) {
        std::thread([&] {
            denied = coil_test::deny_system_call(call, EPERM);
            if (!denied)
                return;
            for (int i = 0; i < 100; i++)
                EXPECT_EQ(KernelRing().error, -EPERM);
        }).join();
        if (!denied)
            GTEST_SKIP() << "seccomp filters are forbidden here";
    }
}

/* A thread has 16 places for registered descriptors. */
TEST_F(KernelSetUp, WorksWhenTheThreadHasNoPlaceForARegisteredDescriptor)
{
    std::vector<std::unique_ptr<KernelRing>> rings;
    for (int i = 0; i < 17; i++)
        rings.push_back(std::make_unique<KernelRing>(16u));
    EXPECT_EQ(rings[16]->ring.enter_flags & IORING_ENTER_REGISTERED_RING, 0u);
    for (auto &ring : rings)
        expect_passes_nops(*ring);
}

TEST_F(KernelSetUp, GivesThePlaceOfARegisteredDescriptorBack)
{
    for (int i = 0; i < 40; i++) {
        KernelRing ring(16);
        ASSERT_NE(ring.ring.enter_flags & IORING_ENTER_REGISTERED_RING, 0u);
    }
}

/* The kernel gives one thread's new ring the address of another's that has just gone. */
TEST_F(KernelSetUp, MayUseMemoryThatWasAnotherThreadsRing)
{
    auto open_and_close = [] {
        for (int i = 0; i < 50; i++)
            expect_passes_nops(*std::make_unique<KernelRing>(16u));
    };
    std::thread other(open_and_close);
    open_and_close();
    other.join();
}

TEST_F(KernelSetUp, RegistersReceiveBuffersOfAnyPowerOfTwo)
{
    KernelRing ring;
    if (!ring.ring.has_multishot_recv)
        GTEST_SKIP() << "this kernel has no multishot recv";
    constexpr size_t kSize = 1024 * sizeof(io_uring_buf);
    void *memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    auto buffers = static_cast<io_uring_buf_ring *>(memory);
    EXPECT_EQ(coil__ring_kernel.register_buffers(&ring.ring, buffers, 1000), -EINVAL);
    EXPECT_EQ(coil__ring_kernel.register_buffers(&ring.ring, buffers, 1024), 0);
    EXPECT_EQ(coil__ring_kernel.unregister_buffers(&ring.ring), 0);
    EXPECT_EQ(coil__ring_kernel.register_buffers(&ring.ring, buffers, 1), 0);
    EXPECT_EQ(coil__ring_kernel.unregister_buffers(&ring.ring), 0);
    munmap(memory, kSize);
}

/* What a multishot recv does that gets two messages. */
std::vector<coil_test::Completion> receive_twice(KernelRing &ring, io_uring_buf_ring *buffers)
{
    static char bytes[2][16];
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    io_uring_buf_ring_init(buffers);
    for (unsigned short i = 0; i < 2; i++)
        io_uring_buf_ring_add(buffers, bytes[i], sizeof(bytes[i]), i, 1, i);
    io_uring_buf_ring_advance(buffers, 2);
    io_uring_sqe *sqe = ring.sqe();
    io_uring_prep_recv_multishot(sqe, ends[0], nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    ring.push(sqe, 1);
    EXPECT_EQ(write(ends[1], "ab", 2), 2);
    EXPECT_EQ(write(ends[1], "cde", 3), 3);
    EXPECT_EQ(ring.enter(1), 0);
    ring.take();
    close(ends[1]); /* ends it, or finds it ended */
    EXPECT_EQ(ring.enter(1, coil__ring_kernel.now() + 100 * COIL_MSEC), 0);
    close(ends[0]);
    return ring.taken;
}

TEST_F(KernelSetUp, FindsMultishotRecvIfAndOnlyIfItWorks)
{
    KernelRing ring;
    void *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    auto buffers = static_cast<io_uring_buf_ring *>(page);
    if (coil__ring_kernel.register_buffers(&ring.ring, buffers, 2) < 0) {
        EXPECT_FALSE(ring.ring.has_multishot_recv);
    } else {
        auto taken = receive_twice(ring, buffers);
        bool works = taken.size() >= 2 && taken[0].res == 2 && taken[1].res == 3;
        EXPECT_EQ(ring.ring.has_multishot_recv, works);
        EXPECT_EQ(coil__ring_kernel.unregister_buffers(&ring.ring), 0);
    }
    munmap(page, 4096);
}

TEST_F(KernelSetUp, FindsTheOpcodesThatTheKernelNames)
{
    KernelRing ring;
    io_uring_probe *probe = io_uring_get_probe_ring(&ring.ring.uring);
    ASSERT_NE(probe, nullptr);
    EXPECT_EQ(ring.ring.has_bind, io_uring_opcode_supported(probe, COIL__OP_BIND) != 0);
    EXPECT_EQ(ring.ring.has_send_zc, io_uring_opcode_supported(probe, IORING_OP_SEND_ZC) != 0);
    io_uring_free_probe(probe);
}

TEST(KernelCalls, ReturnWhatTheSystemCallsDoWithTheErrorNegative)
{
    sockaddr_in addr = {};
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto any = reinterpret_cast<sockaddr *>(&addr);
    socklen_t len = sizeof(addr);
    int on = 1;
    const coil__ring_driver &driver = coil__ring_kernel;

    int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(driver.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    EXPECT_EQ(driver.bind(fd, any, len), 0);
    EXPECT_EQ(driver.listen(fd, 16), 0);
    EXPECT_EQ(driver.getsockname(fd, any, &len), 0);
    EXPECT_NE(addr.sin_port, 0);
    close(fd);

    EXPECT_EQ(driver.setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), -EBADF);
    EXPECT_EQ(driver.bind(-1, any, len), -EBADF);
    EXPECT_EQ(driver.listen(-1, 16), -EBADF);
    EXPECT_EQ(driver.getsockname(-1, any, &len), -EBADF);
}

sigjmp_buf out_of_fault;

[[noreturn]] void leave_fault(int)
{
    siglongjmp(out_of_fault, 1);
}

/* Returns whether reading that address is a fault. Not inline: the compiler must not know. */
__attribute__((noinline)) bool faults(const volatile unsigned *address)
{
    signal(SIGSEGV, leave_fault);
    if (sigsetjmp(out_of_fault, 1) != 0)
        return true;
    (void)*address;
    return false;
}

TEST_F(KernelSetUp, KeepsTheMemoryOfTheRingFromAForkedChild)
{
    KernelRing ring;
    ASSERT_EQ(ring.error, 0);
    const io_uring &uring = ring.ring.uring;
    ChildOutcome outcome = run_in_child([&] {
        auto entries = reinterpret_cast<const unsigned *>(uring.sq.sqes);
        return (faults(uring.sq.ktail) ? 1 : 0) + (faults(uring.cq.ktail) ? 2 : 0) +
               (faults(entries) ? 4 : 0);
    });
    EXPECT_EQ(outcome.result, 7);
    expect_passes_nops(ring);
}

TEST_F(KernelSetUp, HalvesTheRingUntilItFitsMemlock)
{
    if (!coil_test::is_root())
        GTEST_SKIP() << "needs root, to become a user with little locked memory";
    ChildOutcome outcome = run_in_child([] {
        coil_test::become_nobody(coil__kernel_ring_size(256));
        KernelRing ring(2048);
        return ring.error < 0 ? ring.error : int(ring.ring.uring.sq.ring_entries);
    });
    if (outcome.result == 2048)
        GTEST_SKIP() << "this kernel does not count rings as locked memory";
    EXPECT_EQ(outcome.result, 256);
    EXPECT_EQ(outcome.log, "coil: no memory to lock for a ring of 2048 entries (RLIMIT_MEMLOCK): "
                           "this core runs with 256\n");
}

/* The account of a closed ring is settled late: without patience most of these would fail. */
TEST_F(KernelSetUp, WaitsForTheLockedMemoryOfRingsJustClosed)
{
    if (!coil_test::is_root())
        GTEST_SKIP() << "needs root, to become a user with little locked memory";
    ChildOutcome outcome = run_in_child([] {
        coil_test::become_nobody(coil__kernel_ring_size(256));
        unsigned full_size = 0;
        for (int i = 0; i < 10; i++) {
            KernelRing ring(256);
            full_size += ring.error == 0 && ring.ring.uring.sq.ring_entries == 256;
        }
        return int(full_size);
    });
    EXPECT_EQ(outcome.result, 10);
    EXPECT_EQ(outcome.log, "");
}

/* In a time namespace with a shifted clock the kernel would misread instants. */
TEST_F(KernelSetUp, WaitsRightlyInsideATimeNamespace)
{
    for (const char *offset : {"monotonic 100000 0\n", "monotonic -1 0\n"}) {
        ChildOutcome outcome = run_in_child([=] {
            if (unshare(CLONE_NEWTIME) < 0 ||
                !(std::ofstream("/proc/self/timens_offsets") << offset << std::flush))
                return 77;
            /* A namespace of time begins with the next child. */
            return run_in_child([] {
                       KernelRing ring;
                       if (ring.error < 0 || ring.ring.has_abs_timer)
                           return ring.error < 0 ? ring.error : 1;
                       coil_time deadline = coil__ring_kernel.now() + 20 * COIL_MSEC;
                       int err = ring.enter(1, deadline);
                       return err < 0 ? err : coil__ring_kernel.now() >= deadline ? 0 : 2;
                   })
                .result;
        });
        if (outcome.result == 77)
            GTEST_SKIP() << "no time namespaces here, or not for us";
        EXPECT_EQ(outcome.result, 0) << offset;
    }
}

} // namespace
