/* SPDX-License-Identifier: MIT */
/* coil_options: what wins, what is refused, and what the refusal says. */
extern "C" {
#include "core/options.h"
#include "core/stall.h"
}

#include "support/running.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

using namespace coil_test;

namespace {

std::string last_line;
int line_count;

/* Refusals go to a string, and the environment says nothing before a test does. */
struct Options : testing::Test {
    coil_options given = {};
    coil_options resolved = {};
    coil__placement placement;
    const cpu_set_t &allowed = placement.topology.allowed;
    int *const cpus = placement.cpus;

    static void forget_environment()
    {
        for (const char *name :
             {"COIL_CORES", "COIL_CPUS", "COIL_HYPERTHREADS", "COIL_RING_ENTRIES",
              "COIL_STACK_SIZE", "COIL_SPIN_NS", "COIL_STALL_NS", "COIL_RECV_BUFFER_SIZE",
              "COIL_RECV_BUFFER_COUNT", "COIL_RING", "COIL_BLOCKING_THREADS", "COIL_IO_WORKERS",
              "COIL_IO_WORKER_CPUS"})
            unsetenv(name);
    }

    /* Nor do they say anything to the tests behind one that ends early. */
    void TearDown() override { forget_environment(); }

    Options()
    {
        forget_environment();
        last_line.clear();
        line_count = 0;
        given.log = [](const char *line) {
            last_line = line;
            line_count++;
        };
    }

    int resolve() { return coil__options_resolve(&given, &resolved, &placement); }

    /* coil_run() refuses, runs nothing, and says one line with `text` in it. */
    void expect_refused(const std::string &text)
    {
        bool ran = false;
        line_count = 0;
        EXPECT_EQ(-EINVAL, run(
                               [&] {
                                   ran = true;
                                   return 0;
                               },
                               given));
        EXPECT_FALSE(ran);
        EXPECT_EQ(1, line_count) << text;
        EXPECT_NE(std::string::npos, last_line.find(text)) << last_line;
    }
};

TEST_F(Options, HaveTheDocumentedDefaults)
{
    EXPECT_EQ(0, coil__options_resolve(nullptr, &resolved, &placement));
    EXPECT_EQ(unsigned(CPU_COUNT(&allowed)), resolved.core_count);
    EXPECT_EQ(256u, resolved.ring_entries);
    EXPECT_EQ(128u << 10, resolved.stack_size);
    EXPECT_EQ(COIL_SPIN_ADAPTIVE, resolved.spin_ns);
    EXPECT_EQ(64u << 10, resolved.recv_buffer_size);
    EXPECT_EQ(1024u, resolved.recv_buffer_count);
    EXPECT_EQ(8u, resolved.io_workers);
    EXPECT_TRUE(CPU_EQUAL(&allowed, &placement.worker_cpus));
}

TEST_F(Options, TakeFromTheEnvironmentWhatTheCallerLeavesOpen)
{
    setenv("COIL_CORES", "3", 1);
    setenv("COIL_RING_ENTRIES", "1K", 1);
    setenv("COIL_STACK_SIZE", "1M", 1);
    setenv("COIL_SPIN_NS", "5000", 1);
    setenv("COIL_RECV_BUFFER_SIZE", "4K", 1);
    setenv("COIL_RECV_BUFFER_COUNT", "100", 1);
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(3u, resolved.core_count);
    EXPECT_EQ(1024u, resolved.ring_entries);
    EXPECT_EQ(1u << 20, resolved.stack_size);
    EXPECT_EQ(5000, resolved.spin_ns);
    EXPECT_EQ(4096u, resolved.recv_buffer_size);
    EXPECT_EQ(128u, resolved.recv_buffer_count) << "the kernel wants a power of two";

    given.core_count = 2;
    given.ring_entries = 64;
    given.stack_size = 200000;
    given.spin_ns = COIL_SPIN_OFF;
    given.recv_buffer_size = 1000;
    given.recv_buffer_count = 7;
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(2u, resolved.core_count);
    EXPECT_EQ(64u, resolved.ring_entries);
    EXPECT_EQ(256u << 10, resolved.stack_size) << "rounded up to a power of two";
    EXPECT_EQ(COIL_SPIN_OFF, resolved.spin_ns);
    EXPECT_EQ(1000u, resolved.recv_buffer_size);
    EXPECT_EQ(8u, resolved.recv_buffer_count);
}

TEST_F(Options, AnEmptyVariableIsAsGoodAsNone)
{
    for (const char *name : {"COIL_CORES", "COIL_CPUS", "COIL_HYPERTHREADS", "COIL_SPIN_NS"})
        setenv(name, "", 1);
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(unsigned(CPU_COUNT(&allowed)), resolved.core_count);
    EXPECT_EQ(COIL_SPIN_ADAPTIVE, resolved.spin_ns);
}

TEST_F(Options, AVariableIsNotReadWhereTheCallerSaysAValue)
{
    setenv("COIL_CORES", "nonsense", 1);
    given.core_count = 1;
    EXPECT_EQ(0, resolve());
}

TEST_F(Options, ZeroSpinMeansOffInTheEnvironmentAndAdaptiveInTheField)
{
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(COIL_SPIN_ADAPTIVE, resolved.spin_ns);
    setenv("COIL_SPIN_NS", "0", 1);
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(COIL_SPIN_OFF, resolved.spin_ns);
}

TEST_F(Options, StallsAreWatchedForInDebugBuildsUnlessTurnedOff)
{
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(COIL__STALL_DEFAULT, resolved.stall_ns);
    setenv("COIL_STALL_NS", "7000000", 1);
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(7 * COIL_MSEC, resolved.stall_ns);
    setenv("COIL_STALL_NS", "0", 1);
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(COIL_STALL_OFF, resolved.stall_ns);
    given.stall_ns = COIL_MSEC;
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(COIL_MSEC, resolved.stall_ns);
}

TEST_F(Options, NumbersMayEndInKMOrG)
{
    struct Case {
        const char *text;
        int64_t value;
    };
    int64_t number;
    for (Case c :
         {Case{"0", 0}, Case{"17", 17}, Case{"-1", -1}, Case{"2K", 2048}, Case{"3M", 3 << 20},
          Case{"4G", INT64_C(4) << 30}, Case{"9223372036854775807", INT64_MAX}}) {
        EXPECT_EQ(0, coil__options_number(c.text, &number)) << c.text;
        EXPECT_EQ(c.value, number);
    }
    for (const char *text : {"", "K", "1k", "1KK", "1 K", "1.5", "0x10", "ten", "1T", "1K ", "-",
                             "9223372036854775808", "9007199254740992K", "9999999999999999999G"})
        EXPECT_EQ(-EINVAL, coil__options_number(text, &number)) << '"' << text << '"';
}

TEST_F(Options, CpusAreAListOfNumbersAndRanges)
{
    auto parse = [this](const char *text) {
        int count = coil__topology_list(text, cpus);
        return count < 0 ? std::vector<int>{count} : std::vector<int>(cpus, cpus + count);
    };
    EXPECT_EQ((std::vector<int>{0}), parse("0"));
    EXPECT_EQ((std::vector<int>{0, 2, 3, 4, 5}), parse("0,2-5"));
    EXPECT_EQ((std::vector<int>{3, 1, 1}), parse("3,1,1-1"));
    EXPECT_EQ(size_t(COIL__CPUS_MAX), parse("0-1023").size());
    for (const char *text : {"", ",", "0,", ",0", "-", "-1", "1-", "5-2", "0-1-2", "a", "0;1",
                             "1024", "0-1024", "0-1023,0", "99999999999999999999"})
        EXPECT_EQ((std::vector<int>{-EINVAL}), parse(text)) << '"' << text << '"';
}

TEST_F(Options, CpusDecideHowManyCoresThereAre)
{
    given.cpus = "0,0,0";
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(3u, resolved.core_count);
    EXPECT_EQ(3, run([] { return int(coil_core_count()); }, given));
    setenv("COIL_CPUS", "0", 1);
    given.cpus = nullptr;
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(1u, resolved.core_count);
    given.core_count = 5; /* more than CPUs: they are shared */
    EXPECT_EQ(0, resolve());
    EXPECT_EQ((std::vector<int>{0, 0, 0, 0, 0}), std::vector<int>(cpus, cpus + 5));
}

TEST_F(Options, SayWhereAndHowManyIoWorkersThereAre)
{
    setenv("COIL_IO_WORKERS", "3", 1);
    setenv("COIL_IO_WORKER_CPUS", "0", 1);
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(3u, resolved.io_workers);
    EXPECT_EQ(1, CPU_COUNT(&placement.worker_cpus));
    EXPECT_TRUE(CPU_ISSET(0, &placement.worker_cpus));
    given.io_workers = 5;
    EXPECT_EQ(0, resolve());
    EXPECT_EQ(5u, resolved.io_workers);
    setenv("COIL_IO_WORKER_CPUS", "none", 1);
    expect_refused("COIL_IO_WORKER_CPUS");
}

TEST_F(Options, FieldsOutOfRangeAreRefusedByName)
{
    auto refuse = [this](auto field, auto value, const char *name) {
        given.*field = value;
        expect_refused(name);
        given.*field = {};
    };
    refuse(&coil_options::core_count, 1025u, "COIL_CORES");
    refuse(&coil_options::ring_entries, 4097u, "COIL_RING_ENTRIES");
    refuse(&coil_options::stack_size, size_t(16383), "COIL_STACK_SIZE");
    refuse(&coil_options::stack_size, (size_t(1) << 30) + 1, "COIL_STACK_SIZE");
    refuse(&coil_options::stack_size, SIZE_MAX, "COIL_STACK_SIZE");
    refuse(&coil_options::spin_ns, int64_t(-2), "COIL_SPIN_NS");
    refuse(&coil_options::spin_ns, COIL_SEC + 1, "COIL_SPIN_NS");
    refuse(&coil_options::stall_ns, int64_t(-2), "COIL_STALL_NS");
    refuse(&coil_options::stall_ns, 3600 * COIL_SEC + 1, "COIL_STALL_NS");
    refuse(&coil_options::recv_buffer_size, size_t(63), "COIL_RECV_BUFFER_SIZE");
    refuse(&coil_options::recv_buffer_count, 32769u, "COIL_RECV_BUFFER_COUNT");
    refuse(&coil_options::blocking_threads, 4097u, "COIL_BLOCKING_THREADS");
    refuse(&coil_options::cpus, "1,x", "\"1,x\"");
    refuse(&coil_options::io_workers, 4097u, "COIL_IO_WORKERS");
    refuse(&coil_options::io_worker_cpus, "0-", "COIL_IO_WORKER_CPUS");
    refuse(&coil_options::io_worker_cpus, "1023", "this machine has no CPU 1023");
}

TEST_F(Options, VariablesOutOfRangeAreRefusedByName)
{
    for (const char *name : {"COIL_CORES", "COIL_RING_ENTRIES", "COIL_STACK_SIZE",
                             "COIL_RECV_BUFFER_SIZE", "COIL_RECV_BUFFER_COUNT", "COIL_SPIN_NS"}) {
        for (const char *value : {"-5", "1000000G", "x"}) {
            setenv(name, value, 1);
            expect_refused(name);
        }
        unsetenv(name);
    }
    for (const char *name : {"COIL_CORES", "COIL_RING_ENTRIES", "COIL_STACK_SIZE"}) {
        setenv(name, "0", 1);
        expect_refused(name);
        unsetenv(name);
    }
    setenv("COIL_CPUS", "0-", 1);
    expect_refused("COIL_CPUS");
}

TEST_F(Options, TheSmallestAndTheLargestValuesWork)
{
    given.core_count = 1;
    given.ring_entries = 1;
    given.stack_size = 16 << 10;
    given.recv_buffer_size = 64;
    given.recv_buffer_count = 1;
    EXPECT_EQ(0, run([] { return coil_nop(); }, given)) << last_line;
    given.ring_entries = 4096;
    given.stack_size = size_t(1) << 30;
    given.spin_ns = COIL_SEC;
    EXPECT_EQ(0, run([] { return coil_nop(); }, given)) << last_line;
    EXPECT_EQ(0, line_count) << last_line;
}

TEST_F(Options, ChooseTheRingByItsName)
{
    auto name_of_ring = [] {
        EXPECT_STREQ("kernel", coil_ring_name());
        return 0;
    };
    given.ring = "kernel";
    EXPECT_EQ(0, run(name_of_ring, given)) << last_line;
    given.ring = nullptr;
    setenv("COIL_RING", "kernel", 1);
    EXPECT_EQ(0, run(name_of_ring, given)) << last_line;
    EXPECT_EQ(0, line_count) << last_line;

    for (const char *wrong : {"Kernel", "kern", "kernels", "kernel:", "kernel:7", ":", " kernel"}) {
        given.ring = wrong;
        expect_refused("COIL_RING or coil_options.ring: \"" + std::string(wrong) +
                       "\" is no driver; there are: kernel");
    }
    given.ring = "kernel";
    setenv("COIL_RING", "nonsense", 1);
    EXPECT_EQ(0, run(name_of_ring, given)) << "the caller's word goes first";
    given.ring = nullptr;
    expect_refused("nonsense");
}

} // namespace
