/* SPDX-License-Identifier: MIT */
/* libcoil.a takes no names that could be its user's, and of Boost it wants three functions. */
#include "support/process.h"

#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <string>

namespace {

bool starts_with(const std::string &text, const char *start)
{
    return text.rfind(start, 0) == 0;
}

/* Names of symbols in the output of `nm -P`, which starts each line with one. */
std::set<std::string> parse_names(const std::string &output)
{
    std::set<std::string> names;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
        bool is_member = line.empty() || line.find("]:") != std::string::npos;
        if (!is_member)
            names.insert(line.substr(0, line.find(' ')));
    }
    return names;
}

std::set<std::string> list_symbols(const char *option)
{
    coil_test::Outcome outcome = coil_test::run_shell(std::string("nm -P -g ") + option + " " +
                                                      coil_test::quote(COIL_TEST_LIBRARY));
    EXPECT_EQ(0, outcome.status) << outcome.output;
    return parse_names(outcome.output);
}

/* Those of `defined` that are not coil's. Compilers, sanitizers and gcov mark what they add. */
std::set<std::string> find_foreign(const std::set<std::string> &defined)
{
    std::set<std::string> foreign;
    for (const std::string &name : defined) {
        bool is_ours = starts_with(name, "coil_");
        bool is_tools = starts_with(name, "DW.ref.") || starts_with(name, "__odr_asan") ||
                        starts_with(name, "__asan") || starts_with(name, "__gcov");
        if (!is_ours && !is_tools)
            foreign.insert(name);
    }
    return foreign;
}

} // namespace

TEST(Symbols, DefinedOnesAreCoils)
{
    std::set<std::string> defined = list_symbols("--defined-only");
    EXPECT_TRUE(defined.count("coil_run"));
    EXPECT_EQ(std::set<std::string>{}, find_foreign(defined));
}

TEST(Symbols, OfBoostOnlyTheThreeSwitchesAreWanted)
{
    const std::set<std::string> switches = {"make_fcontext", "jump_fcontext", "ontop_fcontext"};
    for (const std::string &name : list_symbols("--undefined-only")) {
        bool is_boost =
            name.find("fcontext") != std::string::npos || name.find("boost") != std::string::npos;
        EXPECT_FALSE(is_boost && !switches.count(name)) << name;
        EXPECT_FALSE(starts_with(name, "_Z")) << name << " is C++";
    }
}

TEST(Symbols, CheckFindsAForeignName)
{
    std::set<std::string> names =
        parse_names("libcoil.a[ring.c.o]:\ncoil__ring_open T 0 5\nring_open T 5 5\n\n");
    EXPECT_EQ((std::set<std::string>{"coil__ring_open", "ring_open"}), names);
    EXPECT_EQ(std::set<std::string>{"ring_open"}, find_foreign(names));
}
