/* SPDX-License-Identifier: MIT */
/* Where cores are put: by what the system says in a tree of files, which here is made up. */
extern "C" {
#include "core/placement.h"
}

#include "support/running.h"
#include "support/sandbox.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <pthread.h>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace coil_test;

namespace {

namespace fs = std::filesystem;
using Cpus = std::vector<int>;

std::string lines;

void take_line(const char *line)
{
    lines += std::string(line) + "\n";
}

/* A machine that does not exist. */
class Machine {
public:
    Machine()
    {
        char name[] = "/tmp/coil-topology-XXXXXX";
        root_ = mkdtemp(name);
    }
    ~Machine() { fs::remove_all(root_); }

    void write(const std::string &path, const std::string &text)
    {
        fs::create_directories(fs::path(root_ + path).parent_path());
        std::ofstream(root_ + path) << text;
    }

    /* CPUs in pairs that share a physical core: 0 and 4, 1 and 5, and so on. */
    void pair_up()
    {
        for (int cpu = 0; cpu < 8; cpu++) {
            std::string low = std::to_string(cpu % 4), high = std::to_string(cpu % 4 + 4);
            write("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                      "/topology/thread_siblings_list",
                  low + "," + high + "\n");
        }
    }

    coil__topology read()
    {
        coil__topology topology;
        EXPECT_EQ(0, coil__topology_read(&topology, root_.c_str()));
        return topology;
    }

    unsigned quota(const std::string &cgroup)
    {
        write("/proc/self/cgroup", cgroup);
        return read().quota;
    }

private:
    std::string root_;
};

/* As read, but for CPUs that this machine may not have. */
coil__topology with_cpus(const Cpus &cpus)
{
    coil__topology topology = {};
    for (int cpu = 0; cpu < COIL__CPUS_MAX; cpu++)
        topology.physical_core[cpu] = int16_t(cpu < 8 ? cpu % 4 : cpu);
    for (int cpu : cpus)
        CPU_SET(size_t(cpu), &topology.allowed);
    return topology;
}

Cpus order(const coil__topology &topology, unsigned hyperthreads)
{
    int cpus[COIL__CPUS_MAX];
    int count = coil__topology_order(&topology, hyperthreads, cpus);
    return Cpus(cpus, cpus + count);
}

TEST(Topology, KnowsOfASystemThatSaysNothingItsAffinityOnly)
{
    coil__topology topology = Machine().read();
    cpu_set_t allowed;
    EXPECT_EQ(0, sched_getaffinity(0, sizeof(allowed), &allowed));
    EXPECT_TRUE(CPU_EQUAL(&allowed, &topology.allowed));
    EXPECT_EQ(0, CPU_COUNT(&topology.online));
    EXPECT_EQ(0u, topology.quota);
    for (int cpu : order(topology, 0))
        EXPECT_EQ(cpu, topology.physical_core[cpu]);
}

TEST(Topology, ReadsWhichCpusAreOnlineAndShareACore)
{
    Machine machine;
    machine.write("/sys/devices/system/cpu/online", "0-3,6\n");
    machine.pair_up();
    coil__topology topology = machine.read();
    EXPECT_EQ(5, CPU_COUNT(&topology.online));
    EXPECT_TRUE(CPU_ISSET(6, &topology.online));
    for (int cpu : order(topology, 0)) {
        EXPECT_EQ(cpu < 8 ? cpu % 4 : cpu, topology.physical_core[cpu]);
    }
}

TEST(Topology, TakesNonsenseForNothing)
{
    Machine machine;
    machine.write("/sys/devices/system/cpu/online", "all of them\n");
    machine.write("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "\n");
    machine.write("/sys/fs/cgroup/a/cpu.max", "100000\n");
    machine.write("/sys/fs/cgroup/cpu.max", "lots 0\n");
    EXPECT_EQ(0u, machine.quota("0::/a\n::\nx\n\n1:cpu\n"));
    coil__topology topology = machine.read();
    EXPECT_EQ(0, CPU_COUNT(&topology.online));
}

TEST(Topology, ReadsTheStrictestQuotaOfVersionTwo)
{
    Machine machine;
    machine.write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    EXPECT_EQ(0u, machine.quota("0::/a/b\n"));
    machine.write("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    EXPECT_EQ(1500u, machine.quota("0::/a/b\n"));
    machine.write("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
    EXPECT_EQ(1500u, machine.quota("0::/a/b\n")) << "of the group around it";
    EXPECT_EQ(0u, machine.quota("0::/\n"));
    machine.write("/sys/fs/cgroup/cpu.max", "25000 100000\n");
    EXPECT_EQ(250u, machine.quota("0::/of/the/host\n")) << "a container sees its own as the root";
}

TEST(Topology, ReadsTheQuotaOfVersionOne)
{
    Machine machine;
    machine.write("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "250000\n");
    machine.write("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    machine.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    machine.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(2500u, machine.quota("5:memory:/y\n4:cpuacct,cpu:/x\n0::/\n"));
    EXPECT_EQ(0u, machine.quota("5:memory:/x\n3:cpuset:/x\n")) << "that one is no matter of time";
    EXPECT_EQ(0u, machine.quota("4:cpu:/y\n"));
}

TEST(Topology, OrdersCpusByPhysicalCoresFirst)
{
    coil__topology topology = with_cpus({0, 1, 2, 4, 5, 6, 7});
    EXPECT_EQ((Cpus{0, 1, 2, 7, 4, 5, 6}), order(topology, 0));
    EXPECT_EQ((Cpus{0, 1, 2, 7}), order(topology, 1));
    EXPECT_EQ((Cpus{0, 1, 2, 7, 4, 5, 6}), order(topology, 2));
    EXPECT_EQ((Cpus{6}), order(with_cpus({6}), 1));
}

/* What is decided for eight CPUs in four pairs. */
struct Placement : testing::Test {
    coil__placement placement = {};

    Placement()
    {
        placement.topology = with_cpus({0, 1, 2, 3, 4, 5, 6, 7});
        for (size_t cpu = 0; cpu < 8; cpu++)
            CPU_SET(cpu, &placement.topology.online);
        lines.clear();
    }

    unsigned decide(const char *list, unsigned hyperthreads)
    {
        EXPECT_EQ(0, coil__placement_decide_on(&placement, list, hyperthreads));
        return placement.usual_cores;
    }
};

TEST_F(Placement, TakesAllThatIsAllowed)
{
    EXPECT_EQ(8u, decide(nullptr, 0));
    EXPECT_STREQ("8 CPUs are allowed", placement.why);
    EXPECT_EQ(8u, decide("", 0)) << "an empty list is none";
}

TEST_F(Placement, TakesOneHyperthreadWhenAsked)
{
    EXPECT_EQ(4u, decide(nullptr, 1));
    EXPECT_STREQ("8 CPUs are allowed, of which 4 with 1 of each physical core", placement.why);
}

TEST_F(Placement, RespectsAQuotaByWholeCpus)
{
    for (auto [quota, cores] : {std::pair(3999u, 3u), {4000u, 4u}, {200u, 1u}, {9000u, 8u}}) {
        placement.topology.quota = quota;
        EXPECT_EQ(cores, decide(nullptr, 0)) << quota;
    }
    placement.topology.quota = 1500;
    EXPECT_EQ(1u, decide(nullptr, 1));
    EXPECT_STREQ("8 CPUs are allowed, of which 4 with 1 of each physical core; the cgroup grants "
                 "the time of 1.500",
                 placement.why);
}

TEST_F(Placement, AGivenListGoesBeforeAll)
{
    placement.topology.quota = 1000;
    EXPECT_EQ(3u, decide("5,0-1", 1));
    EXPECT_STREQ("CPUs were given: 5,0-1", placement.why);
    EXPECT_EQ((Cpus{5, 0, 1}), Cpus(placement.cpus, placement.cpus + 3));
    coil__placement_share(&placement, 5);
    EXPECT_EQ((Cpus{5, 0, 1, 5, 0}), Cpus(placement.cpus, placement.cpus + 5));
}

/* What coil_run() says to these options. */
int run_silently(const coil_options &options, const Body &body)
{
    coil_options silent = options;
    silent.log = take_line;
    lines.clear();
    return run(body, silent);
}

TEST(PlacementOfARun, RefusesACpuThatTheMachineHasNot)
{
    coil_options options = cores(2);
    options.cpus = "0,1023";
    EXPECT_EQ(-EINVAL, run_silently(options, [] { return 0; }));
    EXPECT_EQ("coil: COIL_CPUS or coil_options.cpus: \"0,1023\": this machine has no CPU 1023\n",
              lines);
}

TEST(PlacementOfARun, IsPrintedWithItsReasons)
{
    COIL_SKIP_IF_SIMULATED("all cores are on one thread");
    coil_options options = cores(3);
    options.cpus = "0";
    EXPECT_EQ(0, run_silently(options, [] {
                  coil_topology_print();
                  return 0;
              }));
    EXPECT_NE(std::string::npos,
              lines.find("coil: 3 cores, which were asked for: CPUs were given: 0\n"))
        << lines;
    for (const char *core :
         {"core 0: CPU 0, physical core 0, memory of node ", "core 1: CPU 0,", "core 2: CPU 0,"})
        EXPECT_NE(std::string::npos, lines.find(core)) << lines;
}

TEST(PlacementOfARun, SaysWhichCoresTheSystemWouldNotPin)
{
    COIL_SKIP_IF_SIMULATED("all cores are on one thread");
    ChildOutcome outcome = run_in_child([] {
        if (!deny_system_call(SYS_sched_setaffinity, EPERM))
            return 1;
        coil_options options = cores(2);
        options.log = take_line;
        lines.clear();
        int result = run(
            [] {
                coil_topology_print();
                return call(1, [] { return 0; });
            },
            options);
        bool said = lines.find("core 1: can't be pinned to CPU ") != std::string::npos;
        bool printed = lines.find("but not pinned: Operation not permitted") != std::string::npos;
        return result == 0 && said && printed ? 0 : 2;
    });
    EXPECT_EQ(0, outcome.result) << outcome.log;
}

TEST(PlacementOfARun, SaysThatItMayNotAskWhereItMayRun)
{
    ChildOutcome outcome = run_in_child([] {
        if (!deny_system_call(SYS_sched_getaffinity, EPERM))
            return 1;
        int result = run_silently(cores(2), [] { return 0; });
        bool said = lines == "coil: can't tell which CPUs this process may use: "
                             "sched_getaffinity: Operation not permitted\n";
        return result == -EPERM && said ? 0 : 2;
    });
    EXPECT_EQ(0, outcome.result) << outcome.log;
}

std::string thread_name()
{
    char name[16];
    EXPECT_EQ(0, pthread_getname_np(pthread_self(), name, sizeof(name)));
    return name;
}

TEST(RunAttached, RunsCoreZeroOnTheCallersThreadAsItIs)
{
    std::thread([] {
        EXPECT_EQ(0, pthread_setname_np(pthread_self(), "mine"));
        cpu_set_t before, inside, after;
        EXPECT_EQ(0, sched_getaffinity(0, sizeof(before), &before));
        auto self = std::this_thread::get_id();
        Body body = [&] {
            EXPECT_EQ(1u, coil_core_count());
            EXPECT_EQ(self, std::this_thread::get_id());
            EXPECT_EQ("mine", thread_name());
            EXPECT_EQ(0, sched_getaffinity(0, sizeof(inside), &inside));
            return coil_sleep(COIL_USEC);
        };
        for (int i = 0; i < 3; i++) {
            errno = 77;
            EXPECT_EQ(0, coil_run_attached(nullptr, call_body, &body));
            EXPECT_EQ(77, errno);
        }
        EXPECT_TRUE(CPU_EQUAL(&before, &inside));
        EXPECT_EQ(0, sched_getaffinity(0, sizeof(after), &after));
        EXPECT_TRUE(CPU_EQUAL(&before, &after));
        EXPECT_EQ("mine", thread_name());
    }).join();
}

/* As everywhere, such a variable is as good as none. */
TEST(RunAttached, HasOneCoreWhereTheVariableForTheirNumberIsEmpty)
{
    setenv("COIL_CORES", "", 1);
    Body body = [] { return int(coil_core_count()); };
    EXPECT_EQ(1, coil_run_attached(nullptr, call_body, &body));
    setenv("COIL_CORES", "2", 1);
    EXPECT_EQ(2, coil_run_attached(nullptr, call_body, &body));
    unsetenv("COIL_CORES");
}

TEST(RunAttached, HasThreadsForItsOtherCores)
{
    COIL_SKIP_IF_SIMULATED("all cores are on one thread");
    coil_options options = cores(3);
    options.log = take_line;
    lines.clear();
    Body body = [] {
        for (int core : {0, 1, 2}) {
            std::string expected = core == 0 ? thread_name() : "coil-" + std::to_string(core);
            EXPECT_EQ(core, call(unsigned(core), [&] {
                          EXPECT_EQ(expected, thread_name());
                          return int(coil_core_self());
                      }));
        }
        coil_topology_print();
        return 7;
    };
    EXPECT_EQ(7, coil_run_attached(&options, call_body, &body));
    EXPECT_NE(std::string::npos, lines.find("core 0: the thread that called coil")) << lines;
}

struct Order {
    coil_message message;
    coil_promise *done;
    int what;
};

/* The thread of the program becomes a core, and the others send it work. */
TEST(RunAttached, IsReachedByTheProgramsOtherThreads)
{
    Order order = {{nullptr,
                    [](coil_message *message) {
                        auto *arrived = reinterpret_cast<Order *>(message);
                        EXPECT_EQ(0, coil_promise_set(arrived->done, arrived->what));
                    }},
                   nullptr,
                   42};
    Body body = [&] {
        COIL_PROMISE(done);
        COIL_PORT(port);
        order.done = &done;
        EXPECT_EQ(0, coil_port_open(&port));
        std::thread other([&] { EXPECT_EQ(0, coil_post(&port, &order.message)); });
        EXPECT_EQ(42, coil_promise_wait(&done));
        other.join();
        return 0;
    };
    EXPECT_EQ(0, coil_run_attached(nullptr, call_body, &body));
}

TEST(RunAttached, IsRefusedWhileCoilRuns)
{
    EXPECT_EQ(0, run([] {
                  std::thread([] {
                      Body body = [] { return 0; };
                      EXPECT_EQ(-EBUSY, coil_run_attached(nullptr, call_body, &body));
                  }).join();
                  return 0;
              }));
}

} // namespace
