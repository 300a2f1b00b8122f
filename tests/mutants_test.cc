/* SPDX-License-Identifier: MIT */
/* The seeded bugs of tests/mutants/: that they are still bugs of this tree. Whether the tests
 * notice them is seen by tests/mutants/run, which takes too long for here. */
#include "support/pattern.h"
#include "support/process.h"

#include <filesystem>
#include <gtest/gtest.h>

using coil_test::find_all;
using coil_test::Outcome;
using coil_test::quote;
using coil_test::read_file;
using coil_test::run_shell;
using coil_test::TempDir;

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> patches()
{
    std::vector<fs::path> found;
    for (const auto &entry : fs::directory_iterator(COIL_TEST_SOURCE_DIR "/tests/mutants")) {
        if (entry.path().extension() == ".patch")
            found.push_back(entry.path());
    }
    return found;
}

Outcome check(const fs::path &patch)
{
    return run_shell("cd " + quote(COIL_TEST_SOURCE_DIR) + " && git apply --check " +
                     quote(patch.string()));
}

Outcome run_mutants(const std::string &arguments)
{
    return run_shell(quote(COIL_TEST_SOURCE_DIR "/tests/mutants/run") + " " + arguments);
}

} // namespace

TEST(Mutants, ApplyToThisTree)
{
    EXPECT_GE(patches().size(), 20u);
    for (const fs::path &patch : patches()) {
        Outcome outcome = check(patch);
        EXPECT_EQ(0, outcome.status)
            << outcome.output << "What it changed was changed: make it anew, or drop it.";
    }
}

TEST(Mutants, ThatNoLongerApplyAreNoticed)
{
    TempDir dir;
    std::string text = read_file(patches().front().string());
    for (size_t at = text.find("@@ "); (at = text.find('\n', at)) + 1 < text.size(); at++) {
        if (text[at + 1] == '-' || text[at + 1] == ' ')
            text.insert(at + 2, "gone ");
    }
    coil_test::write_file(dir.path("rotten.patch"), text);
    EXPECT_NE(0, check(dir.path("rotten.patch")).status);
}

TEST(Mutants, SayWhatTheyWouldDoAndChangeOneFolderOfTheRuntime)
{
    for (const fs::path &patch : patches()) {
        std::string text = read_file(patch.string());
        EXPECT_FALSE(find_all(text, "^[A-Z][^\n]{20,}").empty()) << patch;
        auto changed = find_all(text, "\n\\+\\+\\+ b/runtime/(\\w+)/");
        ASSERT_FALSE(changed.empty()) << patch;
        EXPECT_EQ(0u, patch.filename().string().find(changed[0][1] + "-")) << patch;
    }
}

TEST(MutantsScript, ListsThemByPattern)
{
    EXPECT_EQ(0, run_mutants("--help").status);
    Outcome one = run_mutants("--list 'ring-*'");
    EXPECT_EQ(0, one.status);
    EXPECT_NE(std::string::npos, one.output.find("ring-more-is-ignored\n    F_MORE"));
    EXPECT_EQ(std::string::npos, one.output.find("future-"));
}

TEST(MutantsScript, RefusesAWrongOptionInOneLine)
{
    for (const char *arguments : {"--bogus", "--limit", "--limit=0", "no-such-mutant"}) {
        Outcome outcome = run_mutants(arguments);
        EXPECT_EQ(2, outcome.status);
        EXPECT_EQ(outcome.output.size() - 1, outcome.output.find('\n')) << outcome.output;
    }
}
