/* SPDX-License-Identifier: MIT */
/* Whatever way a simulated program fails, it says how to see that again. */
#include "sim/simulate.h"
#include "support/process.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <unistd.h>

using namespace coil_test;

namespace {

int nap()
{
    return coil_sleep(int64_t(coil_sim_random() % 1000) * COIL_USEC);
}

int overflow(volatile char *above)
{
    volatile char here[4096];
    here[0] = *above;
    return (here[0] == 0 ? overflow(here) : 0) + here[0];
}

/* In a world whose seed COIL_RING says. */
void in_a_world(const Body &body)
{
    EXPECT_EQ(0, run([&] {
                  int err = nap();
                  return err < 0 ? err : body();
              }));
}

struct Way {
    const char *name;
    void (*fail)();
    bool ends_world; /* so that its trace is told as well */
};

volatile uintptr_t nowhere = 8; /* which a compiler does not see through */

const Way kWays[] = {
    {"abort", [] { in_a_world([]() -> int { abort(); }); }, false},
    {"assertion", [] { in_a_world([] { return coil_sim_set_faults(coil_sim_faults(3)), 0; }); },
     false},
    {"exception", [] { in_a_world([]() -> int { throw std::runtime_error("bad"); }); }, false},
    {"fault", [] { in_a_world([] { return raise(SIGSEGV); }); }, false},
    {"null", [] { in_a_world([] { return *reinterpret_cast<volatile int *>(nowhere); }); }, false},
    {"trap", [] { in_a_world([] { return __builtin_trap(), 0; }); }, false},
    {"overflow",
     [] {
         in_a_world([] {
             char top = 0;
             return overflow(&top);
         });
     },
     false},
    {"status", [] { in_a_world([] { return exit(3), 0; }); }, false},
    {"deadlock", [] { EXPECT_EQ(-EDEADLK, run([] { return nap() < 0 ? 1 : wait_for_ever(); })); },
     true},
    {"expectation", [] { in_a_world([] { return ADD_FAILURE() << "bad", 0; }); }, true},
    {"late-abort", [] { in_a_world([] { return 0; }), abort(); }, true},
    {"late-status", [] { in_a_world([] { return 0; }), exit(4); }, true},
};

/* Those of our own. */
std::string lines_with(const std::string &output, const std::string &text)
{
    std::stringstream lines(output);
    std::string found;
    for (std::string line; std::getline(lines, line);)
        found += line.find(text) != std::string::npos ? line + "\n" : "";
    return found;
}

std::string this_program()
{
    return std::filesystem::read_symlink("/proc/self/exe").string();
}

/* Runs a shell's line whose program fails; returns the line that it then says. */
std::string see(const std::string &command, const Way &way, Outcome &outcome)
{
    outcome = run_shell(command);
    EXPECT_EQ(std::string(way.name) == "deadlock", outcome.status == 0);
    std::string told = lines_with(outcome.output, ": to see it again: ");
    EXPECT_EQ(1, std::count(told.begin(), told.end(), '\n')) << outcome.output;
    EXPECT_EQ(way.ends_world, !lines_with(outcome.output, " trace ").empty()) << outcome.output;
    return told;
}

void expect_replay(const Way &way)
{
    const std::string name = "COIL_TEST_WAY=" + std::string(way.name);
    const std::string prefix = "coil: sim seed 77: to see it again: ";
    const std::string filter = "--gtest_filter=SimReplay.IsToldOnceHoweverAProgramFails";
    Outcome first, second;
    std::string told = see("COIL_RING=sim:77,faults=harsh " + name + " " + this_program() + " " +
                               filter + " \"it's\"",
                           way, first);
    ASSERT_EQ(0u, told.find(prefix)) << first.output;
    for (const std::string &word : {std::string("COIL_RING=sim:77,faults=harsh "), name + " ",
                                    this_program() + " " + filter + " 'it'\\''s'\n"})
        EXPECT_NE(std::string::npos, told.find(word)) << word << "\n" << told;
    EXPECT_EQ(told, see(told.substr(prefix.size()), way, second));
    EXPECT_EQ(first.status, second.status);
    EXPECT_EQ(lines_with(first.output, " trace "), lines_with(second.output, " trace "));
}

} // namespace

TEST(SimReplay, IsToldOnceHoweverAProgramFails)
{
    const char *wanted = getenv("COIL_TEST_WAY");
    for (const Way &way : kWays) {
        SCOPED_TRACE(way.name);
        if (wanted == nullptr)
            expect_replay(way);
        else if (way.name == std::string(wanted))
            way.fail();
    }
}
